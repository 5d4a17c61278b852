//! Functions that the model may call, and which of them it must.
//!
//! Source: `Tool` and `ToolConfig` at <https://ai.google.dev/api/caching> (seen 2026-11).

use serde_json::{Map, Value, json};

use super::{
    fields::{Fields, Place, invalid},
    schema::json_schema,
};
use crate::wire::{chat::Invalid, native::Only};

/// Reads the tools into the fields of a chat request; those that are no functions become `only`.
pub(super) fn tools(
    places: Vec<Place<'_>>,
    chat: &mut Map<String, Value>,
    only: &mut Vec<Only>,
) -> Result<(), Invalid> {
    let mut tools = Vec::new();
    for place in places {
        let mut fields = Fields::of(&place.at, place.value)?;
        for place in fields.list("functionDeclarations") {
            tools.push(declaration(&place, only)?);
        }
        only.extend(fields.rest().map(|built_in| {
            let name = built_in.at.rsplit('.').next().unwrap_or_default();
            Only {
                lacks: format!("has no built-in tool `{name}`"),
                param: built_in.at,
            }
        }));
    }
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), Value::Array(tools));
    }
    Ok(())
}

fn declaration(place: &Place<'_>, only: &mut Vec<Only>) -> Result<Value, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let at = fields.place_of("name");
    let name = fields.text("name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(invalid(at, "is missing; it is the name of a function"));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.len() > 64 || !name.bytes().all(fits) {
        only.push(Only {
            param: at,
            lacks: "takes names of 1 to 64 of letters, digits, `_` and `-`".to_owned(),
        });
    }
    let mut function = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Some(text) = fields.text("description")?.filter(|text| !text.is_empty()) {
        function.insert("description".to_owned(), json!(text));
    }
    let openapi = fields.take("parameters");
    let json = fields.take("parametersJsonSchema");
    let parameters = match (openapi, json) {
        (Some(_), Some(both)) => {
            return Err(invalid(both.at, "can't be used together with `parameters`"));
        }
        (Some(schema), None) => Some(json_schema(&schema)?),
        (None, Some(Place { at, value })) => {
            let schema = value.as_object().cloned();
            Some(schema.ok_or_else(|| invalid(at, "must be a JSON Schema, which is an object"))?)
        }
        (None, None) => None,
    };
    if let Some(schema) = parameters {
        function.insert("parameters".to_owned(), Value::Object(schema));
    }
    // What a function gives back is for people to read; a call is waited for where nothing is said.
    for name in ["response", "responseJsonSchema"] {
        fields.take(name);
    }
    if let Some(behaviour) = fields.take("behavior")
        && !matches!(behaviour.text()?, "BLOCKING" | "UNSPECIFIED")
    {
        only.push(Only {
            param: behaviour.at,
            lacks: "waits for every call".to_owned(),
        });
    }
    only.extend(fields.rest().map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
    Ok(json!({"type": "function", "function": function}))
}

/// Reads `toolConfig` into the fields of a chat request.
pub(super) fn choice(
    place: &Place<'_>,
    chat: &mut Map<String, Value>,
    only: &mut Vec<Only>,
) -> Result<(), Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    if let Some(place) = fields.take("functionCallingConfig") {
        let mut fields = Fields::of(&place.at, place.value)?;
        let at = fields.place_of("mode");
        let mode = fields.text("mode")?.unwrap_or("AUTO").to_ascii_uppercase();
        let names = fields.list("allowedFunctionNames");
        let names: Result<Vec<&str>, _> = names.iter().map(Place::text).collect();
        if let Some(choice) = named(&mode, &names?, &at)? {
            chat.insert("tool_choice".to_owned(), choice);
        }
        carry(fields, only);
    }
    carry(fields, only);
    Ok(())
}

fn named(mode: &str, names: &[&str], at: &str) -> Result<Option<Value>, Invalid> {
    let allowed = |mode: &str| {
        let tool = |name: &&str| json!({"type": "function", "function": {"name": name}});
        let tools: Vec<Value> = names.iter().map(tool).collect();
        json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
    };
    Ok(match (mode, names) {
        ("NONE", _) => Some(json!("none")),
        ("ANY", []) => Some(json!("required")),
        ("ANY", [name]) => Some(json!({"type": "function", "function": {"name": name}})),
        ("ANY", _) => Some(allowed("required")),
        // The calls are checked against the schemas, which only Google promises; else as usual.
        ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED", []) => None,
        ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED", _) => Some(allowed("auto")),
        _ => return Err(invalid(at, "must be AUTO, ANY, NONE or VALIDATED")),
    })
}

fn carry(fields: Fields<'_>, only: &mut Vec<Only>) {
    // A switch that is off asks for nothing.
    let asking = fields
        .rest()
        .filter(|place| *place.value != Value::Bool(false));
    only.extend(asking.map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
}
