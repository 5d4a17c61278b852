//! The two forms of Google's streams.
//!
//! With `alt=sse` every response is an event; else all together are one JSON array, of which each element is
//! written when it is there. Source: <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>
//! (seen 2026-11).

use crate::wire::sse;

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Server-sent events.
    Sse,
    /// A JSON array.
    Array,
}

/// Writes responses as a stream.
#[derive(Debug)]
pub struct Elements {
    form: Form,
    begun: bool,
    over: bool,
}

impl Elements {
    /// An empty stream.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self {
            form,
            begun: false,
            over: false,
        }
    }

    /// Writes one response: JSON without a line break.
    pub fn push(&mut self, out: &mut Vec<u8>, response: &[u8]) {
        match self.form {
            _ if self.over => {}
            Form::Sse => sse::write_event(out, response),
            Form::Array => {
                out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
                out.extend_from_slice(response);
                self.begun = true;
            }
        }
    }

    /// Writes the end; the first time counts.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.form == Form::Array && !self.over {
            out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
        self.over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, responses: &[&str]) -> String {
        let (mut elements, mut out) = (Elements::new(form), Vec::new());
        for response in responses {
            elements.push(&mut out, response.as_bytes());
        }
        elements.end(&mut out);
        elements.push(&mut out, b"{}");
        elements.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_forms() {
        assert_eq!(written(Form::Array, &[]), "[]");
        assert_eq!(written(Form::Array, &["{\"a\":1}"]), "[{\"a\":1}]");
        assert_eq!(written(Form::Array, &["1", "2"]), "[1,\r\n2]");
        assert_eq!(written(Form::Sse, &[]), "");
        assert_eq!(written(Form::Sse, &["1", "2"]), "data: 1\n\ndata: 2\n\n");
    }
}
