//! The tools that a model may call, and the form that its answer is to have.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    cannot::{Cannot, Unable},
    content::string,
};

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its place among the tools of the request.
    pub at: usize,
    /// 1 to 64 of letters, digits, `_` and `-`; no other tool has it.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// A JSON Schema whose `type` is `object`.
    pub parameters: Map<String, Value>,
    /// Whether the arguments must fit the schema.
    pub strict: bool,
    /// The client's mark for Anthropic's prompt cache.
    pub cache_control: Option<Value>,
}

/// Which tool the model has to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// What it likes, or none.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// The client's name for it.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// A JSON Schema.
        schema: Map<String, Value>,
        /// Whether the answer must fit.
        strict: bool,
    },
}

/// The tools of `fields`, and which of them must be called; only the allowed ones where the choice
/// names those.
pub(super) fn tools(
    fields: &Map<String, Value>,
    cannot: &mut Cannot,
) -> Result<(Vec<Tool>, ToolChoice), Unable> {
    let list = match fields.get("tools") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => {
            return Err(Unable::invalid(
                "tools",
                "`tools` must be an array of objects",
            ));
        }
    };
    let mut tools: Vec<Tool> = Vec::with_capacity(list.len());
    let mut names = HashSet::with_capacity(list.len());
    for (at, tool) in list.iter().enumerate() {
        if let Some(tool) = read_tool(at, tool, cannot)? {
            if !names.insert(tool.name.clone()) {
                let param = format!("tools[{at}].function.name");
                let message = format!("`{param}`: there are two tools of the name `{}`", tool.name);
                return Err(Unable::invalid(param, message));
            }
            tools.push(tool);
        }
    }
    let choice = choice(fields.get("tool_choice"), &mut tools)?;
    Ok((tools, choice))
}

fn read_tool(at: usize, tool: &Value, cannot: &mut Cannot) -> Result<Option<Tool>, Unable> {
    let place = format!("tools[{at}]");
    let kind = tool.get("type").and_then(Value::as_str);
    if kind.is_some_and(|kind| kind != "function") {
        cannot.carry(format!("{place}.type"), "has tools of type `function` only")?;
        return Ok(None);
    }
    let place = format!("{place}.function");
    let Some(function) = tool.get("function").and_then(Value::as_object) else {
        return Err(Unable::invalid(
            place.clone(),
            format!("`{place}` must be an object"),
        ));
    };
    let name = string(&place, "name", function.get("name"))?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        let param = format!("{place}.name");
        let message = format!("`{param}` must be 1 to 64 of letters, digits, `_` and `-`");
        return Err(Unable::invalid(param, message));
    }
    let parameters = match function.get("parameters") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(schema)) => schema.clone(),
        Some(_) => {
            let param = format!("{place}.parameters");
            let message = format!("`{param}` must be a JSON Schema, which is an object");
            return Err(Unable::invalid(param, message));
        }
    };
    let description = function.get("description").and_then(Value::as_str);
    let cache_control = tool
        .get("cache_control")
        .or_else(|| function.get("cache_control"));
    Ok(Some(Tool {
        at,
        parameters: object_schema(&format!("{place}.parameters"), parameters)?,
        name,
        description: description
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        strict: function.get("strict") == Some(&Value::Bool(true)),
        cache_control: cache_control.filter(|mark| mark.is_object()).cloned(),
    }))
}

/// `schema` if it describes an object; one without a word describes one without properties.
fn object_schema(at: &str, mut schema: Map<String, Value>) -> Result<Map<String, Value>, Unable> {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        None => !schema.contains_key("enum"),
        Some(_) => false,
    };
    if schema.get("properties").is_some_and(Value::is_null) {
        schema.remove("properties");
    }
    let has_properties = schema.get("properties").is_none_or(Value::is_object);
    if !is_object || !has_properties {
        return Err(Unable::invalid(
            at,
            format!(
                "`{at}` must be a JSON Schema with `type` \"object\" and an object `properties`"
            ),
        ));
    }
    schema.insert("type".to_owned(), json!("object"));
    Ok(schema)
}

fn choice(choice: Option<&Value>, tools: &mut Vec<Tool>) -> Result<ToolChoice, Unable> {
    const AT: &str = "tool_choice";
    let unknown = || {
        Unable::invalid(
            AT,
            "`tool_choice` must be none, auto, required, or name a function that is in `tools`",
        )
    };
    let needs_tools = |choice, tools: &[Tool]| {
        if tools.is_empty() {
            Err(Unable::invalid(
                AT,
                "`tool_choice` is given, but there are no `tools`",
            ))
        } else {
            Ok(choice)
        }
    };
    match choice {
        None | Some(Value::Null) => Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" | "any" => needs_tools(ToolChoice::Required, tools),
            _ => Err(unknown()),
        },
        Some(object) => {
            if let Some(allowed) = object.get("allowed_tools") {
                let list = allowed
                    .get("tools")
                    .and_then(Value::as_array)
                    .ok_or_else(unknown)?;
                let names: HashSet<&str> = list
                    .iter()
                    .filter_map(|tool| tool.get("function")?.get("name")?.as_str())
                    .collect();
                tools.retain(|tool| names.contains(tool.name.as_str()));
                let required = allowed.get("mode").is_some_and(|mode| mode == "required");
                let choice = if required {
                    ToolChoice::Required
                } else {
                    ToolChoice::Auto
                };
                return needs_tools(choice, tools);
            }
            let name = object
                .get("function")
                .and_then(|function| function.get("name"));
            let name = name.and_then(Value::as_str).ok_or_else(unknown)?;
            if !tools.iter().any(|tool| tool.name == name) {
                return Err(unknown());
            }
            Ok(ToolChoice::Named(name.to_owned()))
        }
    }
}

/// The form that `response_format` asks for.
pub(super) fn format(value: Option<&Value>) -> Result<Format, Unable> {
    const AT: &str = "response_format";
    let unknown = || {
        let message = "`response_format.type` must be text, json_object or json_schema";
        Unable::invalid("response_format.type", message)
    };
    let value = match value {
        None | Some(Value::Null) => return Ok(Format::Text),
        Some(Value::Object(value)) => value,
        Some(_) => return Err(Unable::invalid(AT, "`response_format` must be an object")),
    };
    match value.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => {
            let at = format!("{AT}.json_schema");
            let Some(body) = value.get("json_schema").and_then(Value::as_object) else {
                return Err(Unable::invalid(
                    at.clone(),
                    format!("`{at}` must be an object"),
                ));
            };
            let Some(schema) = body.get("schema").and_then(Value::as_object) else {
                let at = format!("{at}.schema");
                return Err(Unable::invalid(
                    at.clone(),
                    format!("`{at}` must be a JSON Schema"),
                ));
            };
            let description = body.get("description").and_then(Value::as_str);
            Ok(Format::JsonSchema {
                name: string(&at, "name", body.get("name"))?,
                description: description.map(str::to_owned),
                schema: schema.clone(),
                strict: body.get("strict") == Some(&Value::Bool(true)),
            })
        }
        Some(_) | None => Err(unknown()),
    }
}
