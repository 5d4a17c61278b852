//! Tools, the choice among them, and the form of the answer.

use serde_json::{Map, Value, json};

use super::{
    request::Meaning,
    typed::{flag, given, list, needed, object, quoted, text, wrong},
};
use crate::wire::chat::Invalid;

/// Reads `tools`.
pub(super) fn tools(value: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
    let mut tools = Vec::new();
    for (place, tool) in list("tools", value)?.iter().enumerate() {
        let at = format!("tools[{place}]");
        let fields = object(&at, tool)?;
        match needed(fields, &at, "type")? {
            "function" => tools.push(function(&at, fields, meaning)?),
            kind => {
                let lacks = format!("has no built-in tool `{}`", quoted(kind));
                meaning.only(format!("{at}.type"), lacks);
            }
        }
    }
    if !tools.is_empty() {
        meaning.chat("tools", Value::Array(tools));
    }
    Ok(())
}

fn function(
    at: &str,
    fields: &Map<String, Value>,
    meaning: &mut Meaning,
) -> Result<Value, Invalid> {
    let mut function = Map::new();
    function.insert("name".into(), needed(fields, at, "name")?.into());
    if given(fields, "strict").is_none() {
        // In this interface that means: as strict as the schema can be made; in chat, it means not at all.
        meaning.apart(format!("{at}.strict"), Value::Null);
    }
    for (name, value) in fields {
        let place = format!("{at}.{name}");
        match (name.as_str(), value) {
            ("type" | "name", _) | (_, Value::Null) => {}
            ("description", _) => {
                text(&place, value)?;
                function.insert(name.clone(), value.clone());
            }
            ("parameters", _) => {
                object(&place, value)?;
                function.insert(name.clone(), value.clone());
            }
            ("strict", _) => {
                flag(&place, value)?;
                function.insert(name.clone(), value.clone());
            }
            ("async" | "defer_loading", Value::Bool(false)) => {}
            ("allowed_callers", Value::Array(callers)) if callers.iter().all(|c| c == "direct") => {
            }
            _ => meaning.only(place, format!("has no tools with `{}`", quoted(name))),
        }
    }
    Ok(json!({"type": "function", "function": function}))
}

/// Reads `tool_choice`.
pub(super) fn choice(value: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
    const AT: &str = "tool_choice";
    if let Value::String(word) = value {
        return match word.as_str() {
            "auto" => Ok(()),
            "none" | "required" => {
                // Without tools there is none to choose, and chat servers refuse the field.
                if meaning.has("tools") || word == "required" {
                    meaning.chat(AT, value.clone());
                }
                Ok(())
            }
            _ => Err(Invalid::at(
                AT,
                format!(
                    "`tool_choice` is `{}`; it must be none, auto or required, or name a tool",
                    quoted(word)
                ),
            )),
        };
    }
    let fields = object(AT, value)?;
    match needed(fields, AT, "type")? {
        "function" => {
            let name = needed(fields, AT, "name")?;
            let choice = json!({"type": "function", "function": {"name": name}});
            meaning.chat(AT, choice);
        }
        "allowed_tools" => {
            let mode = needed(fields, AT, "mode")?;
            if !matches!(mode, "auto" | "required") {
                let message = "`tool_choice.mode` must be auto or required";
                return Err(Invalid::at("tool_choice.mode", message));
            }
            let Some(allowed) = given(fields, "tools") else {
                let message = "`tool_choice` has no `tools`; list the tools that are allowed";
                return Err(Invalid::at("tool_choice.tools", message));
            };
            let mut tools = Vec::new();
            for (place, tool) in list("tool_choice.tools", allowed)?.iter().enumerate() {
                let at = format!("tool_choice.tools[{place}]");
                let fields = object(&at, tool)?;
                match needed(fields, &at, "type")? {
                    "function" => {
                        let name = needed(fields, &at, "name")?;
                        tools.push(json!({"type": "function", "function": {"name": name}}));
                    }
                    kind => {
                        let lacks = format!("has no built-in tool `{}`", quoted(kind));
                        meaning.only(format!("{at}.type"), lacks);
                    }
                }
            }
            let allowed = json!({"mode": mode, "tools": tools});
            meaning.chat(
                AT,
                json!({"type": "allowed_tools", "allowed_tools": allowed}),
            );
        }
        kind => {
            let lacks = format!("has no built-in tool `{}`", quoted(kind));
            meaning.only("tool_choice.type".to_owned(), lacks);
        }
    }
    Ok(())
}

/// Reads `text`.
pub(super) fn form(value: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
    for (name, value) in object("text", value)? {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("format", value) => format(value, meaning)?,
            ("verbosity", value) => {
                let word = text("text.verbosity", value)?;
                // What is meant where nothing is said.
                if word != "medium" {
                    meaning.chat("verbosity", value.clone());
                }
            }
            _ => meaning.unknown(&format!("text.{name}")),
        }
    }
    Ok(())
}

fn format(value: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
    const AT: &str = "text.format";
    let fields = object(AT, value)?;
    match needed(fields, AT, "type")? {
        "text" => Ok(()),
        "json_object" => {
            meaning.chat("response_format", json!({"type": "json_object"}));
            Ok(())
        }
        "json_schema" => {
            let mut schema = Map::new();
            schema.insert("name".into(), needed(fields, AT, "name")?.into());
            let Some(wanted) = given(fields, "schema") else {
                let message = "`text.format` has no `schema`; it needs one, a JSON Schema";
                return Err(Invalid::at("text.format.schema", message));
            };
            for (name, value) in fields {
                let place = format!("{AT}.{name}");
                match (name.as_str(), value) {
                    ("type" | "name" | "schema", _) | (_, Value::Null) => {}
                    ("description", value) => {
                        text(&place, value)?;
                        schema.insert(name.clone(), value.clone());
                    }
                    ("strict", value) => {
                        flag(&place, value)?;
                        schema.insert(name.clone(), value.clone());
                    }
                    _ => meaning.unknown(&place),
                }
            }
            if !wanted.is_object() {
                return Err(wrong(
                    "text.format.schema",
                    "a JSON Schema, an object",
                    wanted,
                ));
            }
            schema.insert("schema".into(), wanted.clone());
            let format = json!({"type": "json_schema", "json_schema": schema});
            meaning.chat("response_format", format);
            Ok(())
        }
        kind => Err(Invalid::at(
            "text.format.type",
            format!(
                "`text.format.type` is `{}`; it must be text, json_schema or json_object",
                quoted(kind)
            ),
        )),
    }
}
