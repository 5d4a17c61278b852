//! The tools, and which of them is to be called.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    Reading,
    place::{array, expected, flag, maybe_text, object, text_at},
    shown,
};
use crate::wire::chat::Invalid;

/// Fields of a tool that tune: how it is cached and streamed.
const TUNING: [&str; 2] = ["cache_control", "eager_input_streaming"];
/// Fields of a tool by which Anthropic's models use it: when it is loaded, and examples of its input.
const APART: [&str; 2] = ["defer_loading", "input_examples"];

impl Reading {
    /// Reads `tools` and `tool_choice`.
    pub(super) fn tools(&mut self, fields: &Map<String, Value>) -> Result<(), Invalid> {
        let mut names = HashSet::new();
        let mut built_in = HashSet::new();
        let mut tools = Vec::new();
        let list = match fields.get("tools") {
            None | Some(Value::Null) => &[][..],
            Some(list) => array("tools", list)?,
        };
        for (place, tool) in list.iter().enumerate() {
            let at = format!("tools[{place}]");
            let fields = object(&at, tool)?;
            let kind = maybe_text(&format!("{at}.type"), fields.get("type"))?;
            if let Some(kind) = kind.filter(|kind| *kind != "custom") {
                built_in.extend(fields.get("name").and_then(Value::as_str));
                let lacks = format!("has no built-in tool `{}`", shown(kind));
                self.only(format!("{at}.type"), lacks);
                continue;
            }
            let name = text_at(&at, fields, "name")?;
            if !names.insert(name) {
                let param = format!("{at}.name");
                let message = format!("`{param}`: there are two tools of the name `{name}`");
                return Err(Invalid::at(param, message));
            }
            tools.push(self.tool(&at, name, fields)?);
        }
        let choice = fields.get("tool_choice").filter(|choice| !choice.is_null());
        if let Some(choice) = choice {
            self.tool_choice(choice, &names, &built_in)?;
        }
        if !tools.is_empty() {
            self.chat.insert("tools".to_owned(), Value::Array(tools));
        }
        Ok(())
    }

    fn tool(
        &mut self,
        at: &str,
        name: &str,
        fields: &Map<String, Value>,
    ) -> Result<Value, Invalid> {
        let name = self.names.put(&format!("{at}.name"), name)?;
        let mut function = Map::from_iter([("name".to_owned(), json!(name))]);
        let at_description = format!("{at}.description");
        if let Some(text) = maybe_text(&at_description, fields.get("description"))? {
            function.insert("description".to_owned(), json!(text));
        }
        let at_schema = format!("{at}.input_schema");
        let schema = fields.get("input_schema").unwrap_or(&Value::Null);
        if !schema.is_object() {
            let wanted = "a JSON Schema, which is an object";
            return Err(expected(&at_schema, wanted, schema));
        }
        function.insert("parameters".to_owned(), schema.clone());
        // Anthropic's strict form has optional properties, OpenAI's has none.
        let at_strict = format!("{at}.strict");
        if flag(&at_strict, fields.get("strict"))? {
            if is_strict(schema) {
                function.insert("strict".to_owned(), json!(true));
            } else {
                self.apart(&at_strict, &Value::Bool(true));
            }
        }
        for (field, value) in fields {
            match field.as_str() {
                "type" | "name" | "description" | "input_schema" | "strict" => {}
                "allowed_callers" => {
                    let callers = value.as_array();
                    let is_direct = callers
                        .is_none_or(|callers| callers.iter().any(|caller| caller == "direct"));
                    let at = format!("{at}.allowed_callers");
                    if !is_direct {
                        self.only(at, "runs no code that could call a tool");
                    } else if callers.is_some_and(|callers| callers.len() > 1) {
                        self.apart(&at, value);
                    }
                }
                _ if TUNING.contains(&field.as_str()) => {}
                _ if APART.contains(&field.as_str()) => self.apart(&format!("{at}.{field}"), value),
                _ => self.unknown(&format!("{at}.{field}"), value),
            }
        }
        Ok(json!({"type": "function", "function": function}))
    }

    fn tool_choice(
        &mut self,
        choice: &Value,
        names: &HashSet<&str>,
        built_in: &HashSet<&str>,
    ) -> Result<(), Invalid> {
        const AT: &str = "tool_choice";
        let fields = object(AT, choice)?;
        let kind = text_at(AT, fields, "type")?;
        let has_tools = !(names.is_empty() && built_in.is_empty());
        if !has_tools
            && !self
                .only
                .iter()
                .any(|only| only.param.starts_with("tools["))
        {
            return match kind {
                "auto" | "none" => Ok(()),
                _ => Err(Invalid::at(
                    AT,
                    "`tool_choice` is given, but there are no `tools`",
                )),
            };
        }
        let choice = match kind {
            "auto" => None,
            "none" => Some(json!("none")),
            "any" => Some(json!("required")),
            "tool" => {
                let name = text_at(AT, fields, "name")?;
                if names.contains(name) {
                    let name = self.names.put("tool_choice.name", name)?;
                    Some(json!({"type": "function", "function": {"name": name}}))
                } else if built_in.contains(name) {
                    None
                } else {
                    let message = "`tool_choice.name` is no name of one of the `tools`";
                    return Err(Invalid::at("tool_choice.name", message));
                }
            }
            _ => {
                let message = "`tool_choice.type` must be auto, any, tool or none";
                return Err(Invalid::at("tool_choice.type", message));
            }
        };
        let at_parallel = "tool_choice.disable_parallel_tool_use";
        let is_single = flag(at_parallel, fields.get("disable_parallel_tool_use"))?;
        for (field, value) in fields {
            let is_known = ["type", "name", "disable_parallel_tool_use"].contains(&field.as_str());
            if !is_known {
                self.unknown(&format!("{AT}.{field}"), value);
            }
        }
        // A choice among none would be refused.
        if !names.is_empty() {
            self.chat
                .extend(choice.map(|choice| (AT.to_owned(), choice)));
            if is_single {
                let name = "parallel_tool_calls".to_owned();
                self.chat.insert(name, json!(false));
            }
        }
        Ok(())
    }
}

/// Whether a schema fits OpenAI's strict form, in which every object needs all of its properties and has no
/// others (<https://platform.openai.com/docs/guides/structured-outputs>, seen 2026-11).
pub(super) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let is_strict_here = match fields.get("properties") {
                Some(Value::Object(properties)) => {
                    let required = fields.get("required").and_then(Value::as_array);
                    let needs = |name: &String| {
                        required.is_some_and(|required| required.iter().any(|other| other == name))
                    };
                    fields.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(needs)
                }
                _ => fields.get("type") != Some(&json!("object")),
            };
            is_strict_here && fields.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
