//! How the model runs: `options`, `keep_alive`, `think`.
//!
//! | OpenAI | `options` |
//! |---|---|
//! | `temperature`, `top_p`, `seed`, `stop`, `presence_penalty`, `frequency_penalty` | the same |
//! | `max_completion_tokens`, `max_tokens` | `num_predict` |
//! | any option of Ollama's as a field of the request, `repetition_penalty` | that option |
//! | `options: {…}` | each of them; goes before all others |
//!
//! Source of the names: <https://docs.ollama.com/modelfile>, `_types.py`, `api/types.go` (seen 2026-11).

use serde_json::{Map, Value, json};

use super::known::Facts;
use crate::{
    provider::echoes,
    wire::ask::{Ask, Cannot, Effort, Sampling, Unable},
};

/// The options that there are.
const OPTIONS: [&str; 32] = [
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "numa",
    "low_vram",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mmap",
    "use_mlock",
    "embedding_only",
    "num_keep",
    "num_predict",
    "draft_num_predict",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "tfs_z",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "penalize_newline",
];

/// What a request says about how the model runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) options: Map<String, Value>,
    pub(super) keep_alive: Option<Value>,
    pub(super) think: Option<Value>,
    pub(super) truncate: bool,
    pub(super) shift: bool,
}

/// Reads it from `ask`, including the fields that OpenAI does not have.
pub(super) fn running(
    ask: &Ask,
    model: &str,
    facts: &Facts,
    cannot: &mut Cannot,
) -> Result<Running, Unable> {
    let mut running = Running {
        options: sampled(&ask.sampling),
        think: think(ask.effort, model, facts, cannot)?,
        ..Running::default()
    };
    let mut unknown = Vec::new();
    for (name, value) in echoes::asking(&ask.rest) {
        let name = name.as_str();
        match name {
            // Those that OpenAI has are read already.
            _ if OPTIONS.contains(&name) => {
                running.options.entry(name).or_insert_with(|| value.clone());
            }
            "repetition_penalty" => {
                running
                    .options
                    .entry("repeat_penalty")
                    .or_insert_with(|| value.clone());
            }
            "keep_alive" if value.is_string() || value.is_number() => {
                running.keep_alive = Some(duration(value));
            }
            "think" if value.is_boolean() || value.is_string() => {
                running.think = Some(value.clone());
            }
            "keep_alive" | "think" => {
                let message = format!("`{name}` is of a type that Ollama does not take");
                return Err(Unable::invalid(name, message));
            }
            "truncate" => running.truncate = *value == true,
            "shift" => running.shift = *value == true,
            "options" => {}
            _ => unknown.push((name, value)),
        }
    }
    for (name, _) in unknown {
        cannot.carry(name, "has nothing like it")?;
    }
    if let Some(options) = ask.rest.get("options") {
        let Some(options) = options.as_object() else {
            return Err(Unable::invalid("options", "`options` must be an object"));
        };
        for (name, value) in options.iter().filter(|(_, value)| !value.is_null()) {
            if OPTIONS.contains(&name.as_str()) {
                running.options.insert(name.clone(), value.clone());
            } else {
                cannot.carry(format!("options.{name}"), "has no such option")?;
            }
        }
    }
    Ok(running)
}

fn sampled(sampling: &Sampling) -> Map<String, Value> {
    let mut options = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    set("temperature", sampling.temperature.map(Value::from));
    set("top_p", sampling.top_p.map(Value::from));
    set(
        "presence_penalty",
        sampling.presence_penalty.map(Value::from),
    );
    set(
        "frequency_penalty",
        sampling.frequency_penalty.map(Value::from),
    );
    set("seed", sampling.seed.map(Value::from));
    // Zero would mean: without end.
    let most = sampling
        .max_tokens
        .map(|most| most.clamp(1, i32::MAX as u64));
    set("num_predict", most.map(Value::from));
    let stop = (!sampling.stop.is_empty()).then(|| json!(sampling.stop));
    set("stop", stop);
    options
}

/// How long a model stays loaded. A number in quotes, as people write it, is one of seconds.
pub(super) fn duration(value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
    number.map_or_else(|| value.clone(), Value::from)
}

/// `think` for an effort. Most models think or do not; gpt-oss always does, more or less hard.
fn think(
    effort: Option<Effort>,
    model: &str,
    facts: &Facts,
    cannot: &mut Cannot,
) -> Result<Option<Value>, Unable> {
    let Some(effort) = effort else {
        return Ok(None);
    };
    if facts.thinks_by_levels(model) {
        return Ok(Some(json!(match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High | Effort::XHigh | Effort::Max => "high",
        })));
    }
    if effort == Effort::None {
        return Ok(Some(json!(false)));
    }
    if facts.lacks("thinking") {
        cannot.carry("reasoning_effort", "does not think with this model")?;
        return Ok(None);
    }
    Ok(Some(json!(true)))
}
