//! What is checked of a request before anything is done with it: the ranges of numbers, the shape of messages.

use serde_json::{Map, Value};

use super::{Invalid, wrong_type};

pub(super) fn numbers(fields: &Map<String, Value>) -> Result<(), Invalid> {
    const RANGES: [(&str, f64, f64); 4] = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
    ];
    const COUNTS: [(&str, u64, u64); 4] = [
        ("n", 1, 128),
        ("max_tokens", 1, u32::MAX as u64),
        ("max_completion_tokens", 1, u32::MAX as u64),
        ("top_logprobs", 0, 20),
    ];
    for (name, least, most) in RANGES {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Number(number)) => {
                if !number
                    .as_f64()
                    .is_some_and(|number| (least..=most).contains(&number))
                {
                    let message =
                        format!("`{name}` is {number}; it must be from {least} to {most}");
                    return Err(Invalid::at(name, message));
                }
            }
            Some(other) => return Err(wrong_type(name, "a number", other)),
        }
    }
    for (name, least, most) in COUNTS {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Number(number)) => {
                if !number
                    .as_u64()
                    .is_some_and(|number| (least..=most).contains(&number))
                {
                    let rule = format!("a whole number from {least} to {most}");
                    return Err(Invalid::at(
                        name,
                        format!("`{name}` is {number}; it must be {rule}"),
                    ));
                }
            }
            Some(other) => return Err(wrong_type(name, "a whole number", other)),
        }
    }
    Ok(())
}

pub(super) fn messages(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let messages = match fields.get("messages") {
        Some(Value::Array(messages)) => messages,
        None | Some(Value::Null) => {
            return Err(Invalid::at(
                "messages",
                "you must provide `messages`, an array",
            ));
        }
        Some(other) => return Err(wrong_type("messages", "an array of objects", other)),
    };
    if messages.is_empty() {
        return Err(Invalid::at(
            "messages",
            "`messages` is empty; send at least one message",
        ));
    }
    for (position, message) in messages.iter().enumerate() {
        let is_last = position + 1 == messages.len();
        check_message(&format!("messages[{position}]"), message, is_last)?;
    }
    Ok(())
}

fn check_message(at: &str, message: &Value, is_last: bool) -> Result<(), Invalid> {
    let Value::Object(message) = message else {
        return Err(wrong_type(
            at,
            "an object with `role` and `content`",
            message,
        ));
    };
    let role = match message.get("role") {
        Some(Value::String(role)) => role.as_str(),
        None | Some(Value::Null) => {
            return Err(Invalid::at(
                format!("{at}.role"),
                format!("`{at}` has no `role`"),
            ));
        }
        Some(other) => return Err(wrong_type(&format!("{at}.role"), "a string", other)),
    };
    if ![
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
    ]
    .contains(&role)
    {
        let rule = "system, developer, user, assistant, tool or function";
        let message = format!("`{at}.role` is `{}`; it must be {rule}", shortened(role));
        return Err(Invalid::at(format!("{at}.role"), message));
    }
    let place = format!("{at}.content");
    match message.get("content") {
        Some(Value::String(text)) => {
            if is_last && role == "user" && text.trim().is_empty() {
                return Err(Invalid::at(
                    place,
                    "the last message has no text; write a question",
                ));
            }
            Ok(())
        }
        Some(Value::Array(parts)) => check_parts(&place, parts),
        None | Some(Value::Null) => {
            if role == "assistant" {
                return Ok(());
            }
            Err(Invalid::at(
                place.clone(),
                format!("`{place}` is missing; a {role} message needs it"),
            ))
        }
        Some(other) => Err(wrong_type(&place, "a string or an array of parts", other)),
    }
}

fn check_parts(at: &str, parts: &[Value]) -> Result<(), Invalid> {
    if parts.is_empty() {
        return Err(Invalid::at(
            at,
            format!("`{at}` is an empty array; send at least one part"),
        ));
    }
    for (position, part) in parts.iter().enumerate() {
        let at = format!("{at}[{position}]");
        match part.get("type") {
            Some(Value::String(kind)) => {
                if kind == "text" && !part.get("text").is_some_and(Value::is_string) {
                    return Err(Invalid::at(
                        format!("{at}.text"),
                        format!("`{at}` is a text part without a string `text`"),
                    ));
                }
            }
            None | Some(_) => {
                return Err(Invalid::at(
                    at.clone(),
                    format!("`{at}` must be an object with a `type`"),
                ));
            }
        }
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}
