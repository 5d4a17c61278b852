//! A look at the words of a provider that speaks the interface, on their way to the client.
//!
//! They pass as they are, but for one field: a provider that was sent all of a conversation does not know which
//! response it continues, and the client expects to read that.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{event::write_error, native::object};
use crate::wire::{chat::write_json, error_body::ErrorObject, sse, strict::TopLevel};

const PREVIOUS: &str = "previous_response_id";

/// Looks at one answer.
#[derive(Debug, Default)]
pub struct Passing {
    previous: Option<String>,
    /// What passed last.
    last: Bytes,
    ended: Option<(String, Bytes)>,
}

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    kind: &'e str,
    #[serde(borrow)]
    response: &'e RawValue,
}

impl Passing {
    /// For the answer to a request that continues the response of this id, if it does.
    #[must_use]
    pub fn new(previous: Option<String>) -> Self {
        Self {
            previous,
            ..Self::default()
        }
    }

    /// Lets a whole answer pass.
    pub fn whole(&mut self, body: Bytes) -> Bytes {
        let body = match self.named(&body) {
            Some(named) => named.into(),
            None => body,
        };
        self.end(&body);
        body
    }

    /// Lets a run of whole events pass.
    pub fn events(&mut self, run: Bytes) -> Bytes {
        let run = match self.previous {
            Some(_) => self.renamed(&run).into(),
            None => run,
        };
        for data in sse::data(&run) {
            if let Some(event) = snapshot(data)
                && matches!(event.kind, "response.completed" | "response.incomplete")
            {
                self.end(event.response.get().as_bytes());
            }
        }
        if !run.is_empty() {
            self.last = run.clone();
        }
        run
    }

    /// The id and the object of the response, once it came to its end.
    pub fn ended(&mut self) -> Option<(String, Bytes)> {
        self.ended.take()
    }

    /// The event that tells of a break, behind those that passed.
    #[must_use]
    pub fn broken(&self, error: &ErrorObject) -> Vec<u8> {
        #[derive(Deserialize)]
        struct Numbered {
            sequence_number: u64,
        }
        let numbers = sse::data(&self.last)
            .filter_map(|data| serde_json::from_slice::<Numbered>(data).ok())
            .map(|event| event.sequence_number);
        let number = numbers.max().map_or(0, |last| last.saturating_add(1));
        let mut out = Vec::new();
        write_error(&mut out, number, error);
        out
    }

    fn end(&mut self, response: &[u8]) {
        #[derive(Deserialize)]
        struct Head {
            id: String,
            status: Option<String>,
        }
        let head = serde_json::from_slice::<Head>(response).ok();
        let is_over = |head: &Head| {
            head.status
                .as_deref()
                .is_none_or(|status| status != "failed")
        };
        if let Some(head) = head.filter(is_over) {
            self.ended = Some((head.id, Bytes::copy_from_slice(response)));
        }
    }

    /// The object of a response with the one that it continues; `None` if there is nothing to say.
    fn named(&self, response: &[u8]) -> Option<Vec<u8>> {
        let previous = self.previous.as_ref()?;
        let TopLevel::<&RawValue>(fields) = serde_json::from_slice(response).ok()?;
        let mut id = Vec::new();
        write_json(&mut id, previous);
        Some(with(&fields, PREVIOUS, &id))
    }

    /// A run of events whose responses are named.
    fn renamed(&self, run: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(run.len() + 64);
        for line in run.split_inclusive(|byte| *byte == b'\n') {
            match self.renamed_line(line) {
                Some(renamed) => out.extend_from_slice(&renamed),
                None => out.extend_from_slice(line),
            }
        }
        out
    }

    fn renamed_line(&self, line: &[u8]) -> Option<Vec<u8>> {
        let data = line.strip_prefix(b"data:")?;
        let json = data.trim_ascii();
        let event = snapshot(json)?;
        let response = self.named(event.response.get().as_bytes())?;
        let TopLevel::<&RawValue>(fields) = serde_json::from_slice(json).ok()?;
        let end = data.len() - data.trim_ascii_end().len();
        let mut out = b"data: ".to_vec();
        out.extend_from_slice(&with(&fields, "response", &response));
        out.extend_from_slice(line.get(line.len() - end..).unwrap_or_default());
        Some(out)
    }
}

// Made once: making ready for a search takes longer than searching one event.
static RESPONSE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"response\":"));

/// An event that holds the response as it is.
fn snapshot(data: &[u8]) -> Option<Event<'_>> {
    // Pieces of text, which most events are, are not read.
    RESPONSE.find(data)?;
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    event.kind.starts_with("response.").then_some(event)
}

/// An object with another value for the field `name`, or with one more field.
fn with(fields: &[(String, &RawValue)], name: &str, value: &[u8]) -> Vec<u8> {
    let is_new = !fields.iter().any(|(other, _)| other == name);
    let fields = fields.iter().map(|(other, old)| {
        let is_it = other == name;
        let value = if is_it { value } else { old.get().as_bytes() };
        (other.as_str(), value)
    });
    object(fields.chain(is_new.then_some((name, value))))
}
