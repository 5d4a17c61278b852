//! The blocks of a turn that have a place among the parts of a chat message.

use serde_json::{Map, Value, json};

use super::{
    Reading,
    place::{array, expected, maybe_object, maybe_text, object, text_at, type_of},
    shown,
};
use crate::wire::chat::Invalid;

/// Fields of a block that tune, or come back from an answer and say nothing to a model.
const TUNING: [&str; 4] = ["cache_control", "citations", "transformations", "type"];

impl Reading {
    /// Adds the parts that say what the block at `at` says. `false` if it is none that says something by itself.
    pub(super) fn part(
        &mut self,
        at: &str,
        block: &Value,
        parts: &mut Vec<Value>,
    ) -> Result<bool, Invalid> {
        let fields = object(at, block)?;
        match type_of(at, block)? {
            "text" => {
                let text = text_at(at, fields, "text")?;
                self.rest_of(at, fields, &["text"]);
                say(text, parts);
            }
            "image" => {
                self.rest_of(at, fields, &["source"]);
                self.image(at, fields, parts)?;
            }
            "document" => {
                self.rest_of(at, fields, &["source", "title", "context"]);
                self.document(at, fields, parts)?;
            }
            "search_result" => {
                self.rest_of(at, fields, &["source", "title", "content"]);
                self.search_result(at, fields, parts)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A block that has no place in a chat request.
    pub(super) fn strange(&mut self, at: &str, kind: &str) {
        let lacks = format!("has no content of type `{}`", shown(kind));
        self.only(format!("{at}.type"), lacks);
    }

    /// Sees to the fields of a block that were not read.
    pub(super) fn rest_of(&mut self, at: &str, fields: &Map<String, Value>, read: &[&str]) {
        for (field, value) in fields {
            let field = field.as_str();
            if field == "citations" && value.get("enabled") == Some(&Value::Bool(true)) {
                self.only(format!("{at}.citations"), "cites nothing");
            } else if !read.contains(&field) && !TUNING.contains(&field) {
                self.unknown(&format!("{at}.{field}"), value);
            }
        }
    }

    fn image(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        parts: &mut Vec<Value>,
    ) -> Result<(), Invalid> {
        let at = format!("{at}.source");
        let source = object(&at, fields.get("source").unwrap_or(&Value::Null))?;
        let url = match text_at(&at, source, "type")? {
            "base64" => data_url(&at, source)?,
            "url" => text_at(&at, source, "url")?.to_owned(),
            kind => {
                self.foreign_source(&at, kind);
                return Ok(());
            }
        };
        parts.push(json!({"type": "image_url", "image_url": {"url": url}}));
        Ok(())
    }

    fn document(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        parts: &mut Vec<Value>,
    ) -> Result<(), Invalid> {
        let title = maybe_text(&format!("{at}.title"), fields.get("title"))?;
        let context = maybe_text(&format!("{at}.context"), fields.get("context"))?;
        let mut head = String::new();
        for (name, text) in [("Document", title), ("Context", context)] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                head.push_str(&format!("{name}: {text}\n"));
            }
        }
        let at = format!("{at}.source");
        let source = object(&at, fields.get("source").unwrap_or(&Value::Null))?;
        let file = |file: Value| json!({"type": "file", "file": file});
        match text_at(&at, source, "type")? {
            "base64" => {
                let url = data_url(&at, source)?;
                say(context.unwrap_or_default(), parts);
                parts.push(match title.filter(|title| !title.is_empty()) {
                    Some(title) => file(json!({"file_data": url, "filename": title})),
                    None => file(json!({"file_data": url})),
                });
            }
            "url" => {
                let url = text_at(&at, source, "url")?;
                say(&head, parts);
                parts.push(file(json!({"file_id": url})));
            }
            "text" => say(&headed(&head, text_at(&at, source, "data")?), parts),
            "content" => {
                let at = format!("{at}.content");
                let content = source.get("content").unwrap_or(&Value::Null);
                if let Some(text) = content.as_str() {
                    say(&headed(&head, text), parts);
                    return Ok(());
                }
                let Some(blocks) = content.as_array() else {
                    return Err(expected(&at, "a string or an array of blocks", content));
                };
                say(&head, parts);
                for (place, block) in blocks.iter().enumerate() {
                    let at = format!("{at}[{place}]");
                    if !self.part(&at, block, parts)? {
                        self.strange(&at, type_of(&at, block)?);
                    }
                }
            }
            kind => self.foreign_source(&at, kind),
        }
        Ok(())
    }

    fn search_result(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        parts: &mut Vec<Value>,
    ) -> Result<(), Invalid> {
        let title = text_at(at, fields, "title")?;
        let source = text_at(at, fields, "source")?;
        let mut text = format!("Search result: {title}\nSource: {source}\n");
        let at = format!("{at}.content");
        let blocks = array(&at, fields.get("content").unwrap_or(&Value::Null))?;
        for (place, block) in blocks.iter().enumerate() {
            let at = format!("{at}[{place}]");
            text.push('\n');
            text.push_str(text_at(&at, object(&at, block)?, "text")?);
        }
        say(&text, parts);
        Ok(())
    }

    /// A source that only Anthropic can read, such as a file that it keeps.
    fn foreign_source(&mut self, at: &str, kind: &str) {
        let lacks = format!("has no source of type `{}`", shown(kind));
        self.only(format!("{at}.type"), lacks);
    }
}

/// Adds a text, unless it is empty: clients send such ones, and Anthropic refuses them.
pub(super) fn say(text: &str, parts: &mut Vec<Value>) {
    if !text.is_empty() {
        parts.push(json!({"type": "text", "text": text}));
    }
}

fn headed(head: &str, text: &str) -> String {
    if head.is_empty() {
        text.to_owned()
    } else {
        format!("{head}\n{text}")
    }
}

/// A `data:` URL (RFC 2397) of what is in the request.
fn data_url(at: &str, source: &Map<String, Value>) -> Result<String, Invalid> {
    let media_type = text_at(at, source, "media_type")?;
    let is_kind = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"');
    if !media_type.contains('/') || !media_type.bytes().all(is_kind) {
        let at = format!("{at}.media_type");
        let message = format!("`{at}` must be a media type, such as image/png");
        return Err(Invalid::at(at, message));
    }
    let data = text_at(at, source, "data")?;
    let is_base64 = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\n' | b'\r')
    };
    if data.is_empty() || !data.bytes().all(is_base64) {
        let at = format!("{at}.data");
        let message = format!("`{at}` can't be read as base64, or is empty");
        return Err(Invalid::at(at, message));
    }
    Ok(format!("data:{media_type};base64,{data}"))
}

/// The content of a message that says `parts`: a plain text where that is all.
pub(super) fn content_of(mut parts: Vec<Value>) -> Option<Value> {
    match parts.as_mut_slice() {
        [] => None,
        [Value::Object(only)] if only.get("type") == Some(&json!("text")) => only.remove("text"),
        _ => Some(Value::Array(parts)),
    }
}

/// Whether a tool is called by the model itself, and belongs to no set of Anthropic's.
pub(super) fn is_plain_call(at: &str, fields: &Map<String, Value>) -> Result<bool, Invalid> {
    let caller = maybe_object(&format!("{at}.caller"), fields.get("caller"))?;
    let is_direct = caller.is_none_or(|caller| caller.get("type") == Some(&json!("direct")));
    let toolset = maybe_text(&format!("{at}.toolset_name"), fields.get("toolset_name"))?;
    Ok(is_direct && toolset.is_none())
}
