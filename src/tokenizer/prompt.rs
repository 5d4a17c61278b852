//! Counts requests.
//!
//! Messages as <https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken> (seen
//! 2026-11) counts them: 3 tokens each, the texts, a name and 1, and 3 for the beginning of the answer.
//! What it does not tell of lies between two numbers: calls of tools and their results, and how other
//! families frame messages.

use serde_json::{Map, Value};

use super::{Count, Family, media, tools};
use crate::{units::Tokens, wire::chat::ChatRequest};

/// What a request asks a model to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Of each message, in their order, with what frames it.
    pub messages: Vec<Count>,
    /// Of the rest: tools, the schema of the answer, the beginning of the answer.
    pub fixed: Count,
}

impl Prompt {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Count {
        self.messages.iter().copied().sum::<Count>() + self.fixed
    }
}

/// Counts `request` as models of `family` do. Takes some ten microseconds a kilobyte, but texts that
/// were counted before are remembered.
#[must_use]
pub fn prompt(request: &ChatRequest, family: Family) -> Prompt {
    measured(request, Meter::Of(family))
}

/// No model counts more tokens of `request`: the bytes of its texts, and the most that anything else can
/// cost. Looks at no text.
#[must_use]
pub fn bound(request: &ChatRequest) -> Tokens {
    measured(request, Meter::Bytes).total().most
}

fn measured(request: &ChatRequest, meter: Meter) -> Prompt {
    let fields = request.fields();
    let messages = request.messages().iter();
    Prompt {
        messages: messages.map(|message| meter.message(message)).collect(),
        fixed: meter.priming() + tools::tools(fields, meter) + tools::format(fields, meter),
    }
}

/// How it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meter {
    /// As this family does.
    Of(Family),
    /// In bytes, and by the dearest rule: as no family exceeds.
    Bytes,
}

/// What frames a message in families that document nothing: from the end of a line to Claude's and
/// Llama's headers, of five to eight tokens.
const FRAME: Count = Count::between(1, 8);

/// What frames the call of a tool, or its result.
const CALL: Count = Count::between(3, 12);

/// The sound of an earlier answer, which is the provider's: two minutes and a half.
const SPOKEN: Count = Count::between(0, 5_000);

impl Meter {
    /// One number for families that document it, else the other.
    pub(super) fn documented(self, exact: u64, otherwise: Count) -> Count {
        match self {
            Self::Of(family) if family.is_exact() => Count::exactly(exact),
            Self::Of(_) => otherwise,
            Self::Bytes => Count::between(0, exact.max(otherwise.most.0)),
        }
    }

    /// The beginning of the answer.
    pub(super) fn priming(self) -> Count {
        self.documented(3, Count::between(0, 16))
    }

    pub(super) fn text(self, text: &str) -> Count {
        match self {
            Self::Of(family) => family.text(text),
            Self::Bytes => Count::between(0, text.len() as u64),
        }
    }

    /// A value written as JSON.
    pub(super) fn json(self, value: &Value) -> Count {
        self.text(&value.to_string())
    }

    /// One message with its frame.
    pub(super) fn message(self, message: &Value) -> Count {
        let fields = message.as_object().into_iter().flatten();
        let fields: Count = fields.map(|(key, value)| self.field(key, value)).sum();
        self.documented(3, FRAME) + fields
    }

    fn field(self, key: &str, value: &Value) -> Count {
        match (key, value) {
            (_, Value::Null) => Count::default(),
            ("content", Value::Array(parts)) => parts.iter().map(|part| self.part(part)).sum(),
            ("role" | "content" | "refusal", Value::String(text)) => self.text(text),
            ("name", Value::String(name)) => {
                self.documented(1, Count::between(0, 4)) + self.text(name)
            }
            ("tool_calls", Value::Array(calls)) => calls.iter().map(|call| self.call(call)).sum(),
            ("function_call", call) => CALL + self.called(call),
            ("audio", _) => SPOKEN,
            // Templates tell results apart by the name of the tool, or by the id of the call.
            ("tool_call_id", Value::String(id)) => (CALL + self.text(id)).or_none(),
            // Thoughts and other fields that some providers take and others leave out.
            (_, Value::String(text)) => self.text(text).or_none(),
            (_, value) => self.json(value).or_none(),
        }
    }

    /// A call of a tool: its name and arguments, and no id, which no template of OpenAI's is known to show.
    fn call(self, call: &Value) -> Count {
        let id = call
            .get("id")
            .and_then(Value::as_str)
            .map(|id| self.text(id).or_none());
        let body = call.get("function").or_else(|| call.get("custom"));
        CALL + id.unwrap_or_default() + self.called(body.unwrap_or(call))
    }

    fn called(self, body: &Value) -> Count {
        let fields = body.as_object().into_iter().flatten();
        let text = |(key, value): (&String, &Value)| match (key.as_str(), value) {
            ("name" | "arguments" | "input", Value::String(text)) => self.text(text),
            (_, value) => self.json(value).or_none(),
        };
        fields.map(text).sum()
    }

    fn part(self, part: &Value) -> Count {
        let Value::Object(fields) = part else {
            return self.json(part).or_none();
        };
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        match text("type") {
            Some("text" | "input_text" | "output_text") => {
                self.text(text("text").unwrap_or_default())
            }
            Some("refusal") => self.text(text("refusal").unwrap_or_default()),
            Some("image_url" | "input_image") => self.image(fields),
            Some("input_audio") => {
                let data = body(fields, "input_audio", "data");
                media::sound(data.map_or(0, str::len))
            }
            Some("file" | "input_file") => file(fields),
            Some(_) | None => self.json(part).or_none(),
        }
    }

    fn image(self, fields: &Map<String, Value>) -> Count {
        // Some clients send the address itself in place of the object.
        let url = fields.get("image_url").and_then(Value::as_str);
        let url = url
            .or_else(|| body(fields, "image_url", "url"))
            .unwrap_or_default();
        match self {
            Self::Of(family) => family
                .vision()
                .image(url, body(fields, "image_url", "detail")),
            Self::Bytes => Count::between(0, media::DEAREST_IMAGE),
        }
    }
}

fn body<'f>(fields: &'f Map<String, Value>, object: &str, field: &str) -> Option<&'f str> {
    fields.get(object)?.get(field)?.as_str()
}

fn file(fields: &Map<String, Value>) -> Count {
    let Some(data) = body(fields, "file", "file_data") else {
        return media::distant_file();
    };
    let named = body(fields, "file", "filename").unwrap_or_default();
    let named = named.rsplit_once('.').map_or("", |(_, ending)| ending);
    match data.split_once(',') {
        Some((head, data)) => {
            let is_pdf = head
                .to_ascii_lowercase()
                .starts_with("data:application/pdf");
            media::file(data.len(), is_pdf)
        }
        None => media::file(
            data.len(),
            named.is_empty() || named.eq_ignore_ascii_case("pdf"),
        ),
    }
}
