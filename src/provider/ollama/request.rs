//! From a request to the body of `POST /api/chat`.

use serde_json::{Value, json};

use super::{
    estimate,
    known::Facts,
    messages::messages,
    options::{self, Running, duration},
    references::Budget,
    schema,
    window::{self, Need, TooLong},
    wire::{ChatRequest, Message, Tool, ToolFunction},
};
use crate::wire::{
    ask::{Ask, Cannot, Format, ToolChoice, Unable},
    chat::Delivery,
};

/// Room for an answer of which the request does not say how long it may be, in tokens.
const ANSWER: u64 = 2048;
/// The same where the model thinks before it answers.
const THOUGHT_AND_ANSWER: u64 = 8192;
/// What a template says before the first message (the model's own system prompt, for example), and around
/// each message and tool, in tokens.
const PREAMBLE: u64 = 128;
const AROUND: u64 = 8;
/// What an image takes, in tokens: 256 (Gemma 3) to a few thousand (large ones, Qwen 2.5 VL).
const IMAGE: u64 = 2048;

/// What the operator has set.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    /// How long models stay loaded.
    pub(super) keep_alive: Option<String>,
    /// The window of every request, in tokens.
    pub(super) num_ctx: Option<u32>,
}

/// What is sent, and with which window of the gateway's choosing.
#[derive(Debug)]
pub(super) struct Put<'a> {
    pub(super) body: ChatRequest<'a>,
    /// `None` if somebody else chose.
    pub(super) window: Option<u64>,
}

/// Puts `ask` as a request to `model`.
pub(super) fn put<'a>(
    ask: &Ask,
    model: &'a str,
    facts: &Facts,
    defaults: &Defaults,
    cannot: &mut Cannot,
) -> Result<Put<'a>, Unable> {
    let messages = messages(&ask.turns, facts, cannot)?;
    let mut budget = Budget::default();
    let tools = tools(ask, facts, &mut budget, cannot)?;
    let Running {
        mut options,
        keep_alive,
        think,
        truncate,
        shift,
    } = options::running(ask, model, facts, cannot)?;
    let asked = options.get("num_ctx").and_then(Value::as_u64);
    let fixed = asked.or_else(|| defaults.num_ctx.map(u64::from));
    let need = need(&messages, &tools, &options, think.as_ref(), facts);
    let window = match fixed {
        Some(_) if truncate || shift => None,
        Some(fixed) => {
            window::fits(need, fixed).map_err(|it| too_long(it, need))?;
            None
        }
        None => Some(window::window(need, facts.windows).map_err(|it| too_long(it, need))?),
    };
    if let Some(size) = window.or(fixed) {
        options.entry("num_ctx").or_insert(json!(size));
    }
    let default = || Some(duration(&json!(defaults.keep_alive.as_deref()?)));
    let body = ChatRequest {
        model,
        messages,
        tools,
        format: match &ask.format {
            Format::Text => None,
            Format::JsonObject => Some(json!("json")),
            Format::JsonSchema { schema, .. } => Some(schema::format(schema, &mut budget)),
        },
        options,
        think,
        keep_alive: keep_alive.or_else(default),
        logprobs: ask.logprobs.map(|_| true),
        top_logprobs: ask.logprobs.filter(|top| *top > 0),
        truncate,
        shift,
        stream: ask.delivery != Delivery::Json,
    };
    Ok(Put { body, window })
}

fn too_long(TooLong { limit }: TooLong, need: Need) -> Unable {
    Unable::TooLong {
        message: format!(
            "this model's context holds {limit} tokens; the messages have {} or more, by a rough estimate",
            need.least
        ),
    }
}

fn tools(
    ask: &Ask,
    facts: &Facts,
    budget: &mut Budget,
    cannot: &mut Cannot,
) -> Result<Vec<Tool>, Unable> {
    if ask.tools.is_empty() || ask.tool_choice == ToolChoice::None {
        return Ok(Vec::new());
    }
    if facts.lacks("tools") {
        cannot.carry("tools", "calls no tools with this model")?;
        return Ok(Vec::new());
    }
    if matches!(ask.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) {
        cannot.carry("tool_choice", "leaves it to the model which tools it calls")?;
    }
    let tools = ask.tools.iter().map(|tool| Tool {
        kind: "function",
        function: ToolFunction {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: schema::parameters(&tool.parameters, budget),
        },
    });
    Ok(tools.collect())
}

fn need(
    messages: &[Message],
    tools: &[Tool],
    options: &serde_json::Map<String, Value>,
    think: Option<&Value>,
    facts: &Facts,
) -> Need {
    let (mut least, mut most) = (0_u64, PREAMBLE);
    let mut add = |text: &str| {
        least = least.saturating_add(estimate::least(text));
        most = most.saturating_add(estimate::most(text));
    };
    let (mut around, mut images, mut schemas) = (0, 0, 0_u64);
    for message in messages {
        around += 1;
        images += message.images.len() as u64;
        add(&message.content);
        add(&message.thinking);
        for call in &message.tool_calls {
            around += 1;
            add(&call.function.name);
            add(&Value::Object(call.function.arguments.clone()).to_string());
        }
    }
    for tool in tools {
        around += 2;
        add(&tool.function.name);
        add(tool.function.description.as_deref().unwrap_or_default());
        let schema = Value::Object(tool.function.parameters.clone()).to_string();
        // Some templates write it in fewer words than JSON does.
        schemas = schemas.saturating_add(estimate::most(&schema));
    }
    most = most
        .saturating_add(schemas)
        .saturating_add(around * AROUND)
        .saturating_add(images * IMAGE);
    let thinks = match think {
        Some(Value::Bool(think)) => *think,
        Some(_) => true,
        None => facts.thinks(),
    };
    let usual = if thinks { THOUGHT_AND_ANSWER } else { ANSWER };
    let answer = options.get("num_predict").and_then(Value::as_u64);
    Need {
        least,
        most,
        answer: answer.unwrap_or(usual),
    }
}
