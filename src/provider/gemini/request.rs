//! A whole request.
//!
//! What Google has and OpenAI has not comes in the fields of Google's own OpenAI interface
//! (<https://ai.google.dev/gemini-api/docs/openai>, seen 2026-11): `google` (or `extra_body.google`)
//! with `thinking_config` and `cached_content`; and, beside them, `top_k`, `safety_settings` and
//! `media_resolution`.

use serde_json::{Map, Value};

use super::{
    contents::Conversation,
    model::Model,
    names, schema,
    wire::{
        Content, FunctionCallingConfig, FunctionDeclaration, GenerationConfig, Mode, Request,
        SafetySetting, ThinkingConfig, ToolConfig, Tools,
    },
};
use crate::{
    provider::echoes,
    wire::ask::{Ask, Cannot, Effort, Format, ToolChoice, Unable},
};

/// More texts than this can't end an answer.
const MOST_STOPS: usize = 5;

/// Puts `ask` to `model`.
pub(super) fn put(ask: &Ask, model: Model, cannot: &mut Cannot) -> Result<Request, Unable> {
    let conversation = Conversation::put(&ask.turns, model, cannot)?;
    let mut budget = schema::Budget::new();
    let mut request = Request {
        system_instruction: (!conversation.system.is_empty()).then_some(Content {
            role: None,
            parts: conversation.system,
        }),
        contents: conversation.contents,
        ..Request::default()
    };
    put_sampling(ask, &mut request.generation_config, cannot)?;
    put_tools(ask, model, &mut request, &mut budget, cannot)?;
    let thinking = put_rest(&ask.rest, &mut request, cannot)?;
    request.generation_config.thinking_config =
        merge_thinking(thinking, ask.effort, model, cannot)?;
    Ok(request)
}

fn put_sampling(
    ask: &Ask,
    config: &mut GenerationConfig,
    cannot: &mut Cannot,
) -> Result<(), Unable> {
    let sampling = &ask.sampling;
    config.temperature = sampling.temperature;
    config.top_p = sampling.top_p;
    config.presence_penalty = sampling.presence_penalty;
    config.frequency_penalty = sampling.frequency_penalty;
    config.seed = sampling.seed.map(seed);
    config.max_output_tokens = sampling
        .max_tokens
        .map(|most| i32::try_from(most).unwrap_or(i32::MAX));
    config.stop_sequences.clone_from(&sampling.stop);
    if sampling.stop.len() > MOST_STOPS {
        cannot.carry("stop", "takes 5 texts at most")?;
        config.stop_sequences.truncate(MOST_STOPS);
    }
    config.candidate_count = (ask.choices > 1).then_some(ask.choices);
    config.response_logprobs = ask.logprobs.map(|_| true);
    config.logprobs = ask.logprobs.filter(|others| *others > 0);
    Ok(())
}

/// Google's seeds have 32 bits; the lower half of a larger one stands for it.
fn seed(seed: i64) -> i32 {
    let [a, b, c, d, ..] = seed.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

fn put_tools(
    ask: &Ask,
    model: Model,
    request: &mut Request,
    budget: &mut schema::Budget,
    cannot: &mut Cannot,
) -> Result<(), Unable> {
    let mut tools = ask.tools.as_slice();
    let mut choice = &ask.tool_choice;
    if ask.format != Format::Text {
        if !tools.is_empty() && !model.json_with_tools {
            if *choice == ToolChoice::None {
                // Tools that must not be called need not be known.
                tools = &[];
                choice = &ToolChoice::Auto;
            } else {
                let lacks = "can't bind an answer to JSON while there are `tools` (Gemini 3 can)";
                cannot.carry("response_format", lacks)?;
            }
        }
        if tools.is_empty() || model.json_with_tools {
            put_format(&ask.format, model, &mut request.generation_config, budget);
        }
    }
    if tools.is_empty() {
        return Ok(());
    }
    request.tools = vec![Tools {
        function_declarations: tools
            .iter()
            .map(|tool| FunctionDeclaration {
                name: names::asked(&tool.name),
                description: tool.description.clone(),
                parameters: schema::of_arguments(&tool.parameters, model.takes_json_schema, budget),
            })
            .collect(),
    }];
    let (mode, name) = match choice {
        ToolChoice::Auto => return Ok(()),
        ToolChoice::None => (Mode::None, None),
        ToolChoice::Required => (Mode::Any, None),
        ToolChoice::Named(name) => (Mode::Any, Some(names::asked(name))),
    };
    request.tool_config = Some(ToolConfig {
        function_calling_config: FunctionCallingConfig {
            mode,
            allowed_function_names: name.into_iter().collect(),
        },
    });
    Ok(())
}

fn put_format(
    format: &Format,
    model: Model,
    config: &mut GenerationConfig,
    budget: &mut schema::Budget,
) {
    match format {
        Format::Text => {}
        Format::JsonObject => config.response_mime_type = Some("application/json"),
        Format::JsonSchema {
            description,
            schema,
            ..
        } => {
            let mut schema = schema::of_answer(schema, budget);
            if schema.any_of.is_empty() && schema.description.is_none() {
                schema.description.clone_from(description);
            }
            config.response_mime_type = Some("application/json");
            config.response_json_schema =
                schema::as_json(&schema).filter(|_| model.takes_json_schema);
            config.response_schema = config.response_json_schema.is_none().then_some(schema);
        }
    }
}

/// Fields with the path that the client knows them by.
type Fields<'a> = Vec<(String, &'a str, &'a Value)>;

/// Takes what Google knows of `rest`; the thinking that was asked for in Google's own words.
fn put_rest(
    rest: &Map<String, Value>,
    request: &mut Request,
    cannot: &mut Cannot,
) -> Result<Option<ThinkingConfig>, Unable> {
    let mut thinking = None;
    for (path, name, value) in fields(rest) {
        if value.is_null() {
            continue;
        }
        match name {
            "thinking_config" => thinking = Some(thinking_config(&path, value, cannot)?),
            "cached_content" => request.cached_content = Some(text(&path, value)?),
            "top_k" => {
                let top_k = value.as_u64();
                let message = || format!("`{path}` must be a whole number");
                let top_k = top_k.ok_or_else(|| Unable::invalid(path.as_str(), message()))?;
                request.generation_config.top_k = Some(top_k);
            }
            "safety_settings" => {
                let settings: Result<Vec<SafetySetting>, _> =
                    serde::Deserialize::deserialize(value);
                request.safety_settings = settings.map_err(|_| {
                    let message = format!(
                        "`{path}` must be a list of objects with a `category` and a `threshold`"
                    );
                    Unable::invalid(path.as_str(), message)
                })?;
            }
            "media_resolution" => {
                let word = text(&path, value)?.to_ascii_uppercase();
                request.generation_config.media_resolution = Some(match word.as_str() {
                    "LOW" | "MEDIUM" | "HIGH" => format!("MEDIA_RESOLUTION_{word}"),
                    _ => word,
                });
            }
            _ => cannot.carry(path, "has nothing like it")?,
        }
    }
    Ok(thinking)
}

/// The fields of `rest`, with those of `google` and `extra_body.google` among them.
fn fields(rest: &Map<String, Value>) -> Fields<'_> {
    let mut found = Vec::new();
    for (name, value) in echoes::asking(rest) {
        match (name.as_str(), value) {
            ("google", Value::Object(google)) => {
                found.extend(below("google", google));
            }
            ("extra_body", Value::Object(body)) => {
                for (name, value) in body {
                    match (name.as_str(), value) {
                        ("google", Value::Object(google)) => {
                            found.extend(below("extra_body.google", google));
                        }
                        _ => found.push((format!("extra_body.{name}"), name.as_str(), value)),
                    }
                }
            }
            _ => found.push((name.clone(), name.as_str(), value)),
        }
    }
    found
}

fn below<'a>(path: &str, fields: &'a Map<String, Value>) -> Fields<'a> {
    fields
        .iter()
        .map(|(name, value)| (format!("{path}.{name}"), name.as_str(), value))
        .collect()
}

fn text(path: &str, value: &Value) -> Result<String, Unable> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| Unable::invalid(path, format!("`{path}` must be a string")))
}

fn thinking_config(
    path: &str,
    value: &Value,
    cannot: &mut Cannot,
) -> Result<ThinkingConfig, Unable> {
    let wrong = |path: String, what: &str| {
        let message = format!("`{path}` must be {what}");
        Unable::invalid(path, message)
    };
    let Value::Object(fields) = value else {
        return Err(wrong(path.to_owned(), "an object"));
    };
    let mut config = ThinkingConfig::default();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "include_thoughts" | "includeThoughts" => {
                let shown = value.as_bool();
                config.include_thoughts = Some(shown.ok_or_else(|| wrong(path, "true or false"))?);
            }
            "thinking_budget" | "thinkingBudget" => {
                let budget = value.as_i64();
                config.thinking_budget = Some(budget.ok_or_else(|| wrong(path, "a whole number"))?);
            }
            "thinking_level" | "thinkingLevel" => {
                config.thinking_level = Some(text(&path, value)?.to_ascii_uppercase());
            }
            _ => cannot.carry(path, "has nothing like it")?,
        }
    }
    Ok(config)
}

/// Google's words and OpenAI's together: how hard to think may be said in one of them only.
fn merge_thinking(
    theirs: Option<ThinkingConfig>,
    effort: Option<Effort>,
    model: Model,
    cannot: &mut Cannot,
) -> Result<Option<ThinkingConfig>, Unable> {
    let Some(effort) = effort else {
        return Ok(theirs);
    };
    let Some(config) = model.thinking(effort) else {
        if effort != Effort::None {
            cannot.carry("reasoning_effort", "has no thinking in this model")?;
        }
        return Ok(theirs);
    };
    let Some(theirs) = theirs else {
        return Ok(Some(config));
    };
    if theirs.thinking_budget.is_some() || theirs.thinking_level.is_some() {
        let message = "`reasoning_effort` can't be used together with a `thinking_budget` or a \
                       `thinking_level`";
        return Err(Unable::invalid("reasoning_effort", message));
    }
    Ok(Some(ThinkingConfig {
        include_thoughts: theirs.include_thoughts.or(config.include_thoughts),
        ..config
    }))
}
