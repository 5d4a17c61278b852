//! What tools and the form of the answer add to a prompt.
//!
//! Tools as `num_tokens_for_tools` of OpenAI's cookbook counts them for GPT-4o, GPT-4 and GPT-3.5:
//! <https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken> (seen 2026-11). It
//! knows properties with a type, a description and values only; what else a schema says may cost as
//! much as its JSON. Other families are given the tools as JSON, with instructions.

use serde_json::{Map, Value};

use super::{Count, prompt::Meter};

/// What Claude adds when there are tools: 313 to 530 tokens, by version; Llama's and Qwen's instructions
/// have about 150. <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview> (seen 2026-11)
const INSTRUCTIONS: Count = Count::between(0, 600);

/// What frames the JSON of a tool.
const FRAME: Count = Count::between(0, 40);

/// What frames the schema of an answer.
const FORMAT: Count = Count::between(0, 48);

/// What the formula takes of a function's parameters without counting it.
const OF_PARAMETERS: [&str; 5] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "$schema",
];

/// What the formula counts of a property.
const OF_PROPERTY: [&str; 3] = ["type", "description", "enum"];

/// `tools`, `functions`, and the choice among them.
pub(super) fn tools(fields: &Map<String, Value>, meter: Meter) -> Count {
    let list = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty())
    };
    let (tools, functions) = (list("tools"), list("functions"));
    if tools.is_none() && functions.is_none() {
        return Count::default();
    }
    let tools = tools
        .into_iter()
        .flatten()
        .map(|tool| match tool.get("function") {
            Some(function) => one(tool, function, meter),
            None => (FRAME + meter.json(tool)).or_none(),
        });
    let functions = functions
        .into_iter()
        .flatten()
        .map(|function| one(function, function, meter));
    let choice = fields
        .get("tool_choice")
        .or_else(|| fields.get("function_call"));
    let choice = choice
        .filter(|choice| choice.is_object())
        .map(|choice| meter.json(choice).or_none());
    let instructions = meter.documented(0, INSTRUCTIONS);
    tools.chain(functions).sum::<Count>() + choice.unwrap_or_default() + instructions
}

/// The schema of the answer as its JSON: an approximation, for nobody documents more.
pub(super) fn format(fields: &Map<String, Value>, meter: Meter) -> Count {
    let format = fields
        .get("response_format")
        .filter(|format| format.is_object());
    format.map_or(Count::default(), |format| match format.get("json_schema") {
        Some(schema) => FORMAT + meter.json(schema),
        None => FORMAT.or_none(),
    })
}

fn one(tool: &Value, function: &Value, meter: Meter) -> Count {
    match meter {
        Meter::Of(family) if family.is_exact() => formula(
            function,
            if family.is_before_gpt_4o() { 10 } else { 7 },
            meter,
        ),
        Meter::Of(_) => {
            let told = meter.json(tool);
            let named = meter.text(text(function, "name"));
            Count {
                least: named.least,
                most: (FRAME + told).most,
            }
        }
        Meter::Bytes => (FRAME + meter.json(tool) + formula(function, 10, meter)).or_none(),
    }
}

fn formula(function: &Value, beginning: u64, meter: Meter) -> Count {
    const PROPERTIES: u64 = 3;
    const END: u64 = 12;
    let line = format!(
        "{}:{}",
        text(function, "name"),
        sentence(text(function, "description"))
    );
    let mut count = Count::exactly(beginning + END) + meter.text(&line);
    let parameters = function.get("parameters").and_then(Value::as_object);
    let properties = parameters.and_then(|parameters| parameters.get("properties")?.as_object());
    if let Some(parameters) = parameters {
        count = count + rest(parameters, &OF_PARAMETERS, meter);
    }
    if let Some(properties) = properties.filter(|properties| !properties.is_empty()) {
        let each = properties
            .iter()
            .map(|(name, schema)| property(name, schema, meter));
        count = count + Count::exactly(PROPERTIES) + each.sum();
    }
    count
}

fn property(name: &str, schema: &Value, meter: Meter) -> Count {
    const KEY: u64 = 3;
    // The first value is 3 less, so that it costs nothing beside its text.
    const VALUE: u64 = 3;
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(kind) => kind.to_string(),
        None => String::new(),
    };
    let line = format!("{name}:{kind}:{}", sentence(text(schema, "description")));
    let mut count = Count::exactly(KEY) + meter.text(&line);
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let texts = values.iter().map(|value| match value {
            Value::String(text) => meter.text(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => meter.json(value),
        });
        let further = values.len().saturating_sub(1) as u64;
        count = count + Count::exactly(VALUE * further) + texts.sum();
    }
    match schema {
        Value::Object(schema) => count + rest(schema, &OF_PROPERTY, meter),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            count + meter.json(schema).or_none()
        }
    }
}

/// What the formula knows nothing of.
fn rest(schema: &Map<String, Value>, known: &[&str], meter: Meter) -> Count {
    let others = schema
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()));
    let others = others.map(|(key, value)| Count::exactly(4) + meter.text(key) + meter.json(value));
    others.sum::<Count>().or_none()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A description without the full stop, as the formula has it.
fn sentence(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}
