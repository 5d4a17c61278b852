//! What is said, piece by piece.

use serde_json::{Value, json};

use super::Teller;
use crate::wire::{
    heard::What,
    responses::{
        event::{flat, probability},
        id,
        items::{Body, Item, Part},
    },
};

impl Teller {
    pub(super) fn say(&mut self, what: What) {
        match what {
            What::Text { text, logprobs } => self.text(&text, logprobs),
            What::Refusal(text) => self.refusal(&text),
            What::Reasoning(text) => self.thought(&text),
            What::Call { call, id, name, .. } => self.call(call, id, name),
            What::Arguments { call, text } => self.arguments(call, &text),
            What::Extra(field, Value::Array(list)) if field == "annotations" => {
                for annotation in list {
                    self.annotate(flat(annotation));
                }
            }
            What::Finish(reason) => self.finish(reason),
            // What the signed blocks say was told as thoughts before; others have no place in a response.
            What::Thinking(_) | What::Extra(..) => {}
        }
    }

    /// Begins an item.
    fn add(&mut self, kind: &str, body: Body) {
        self.close(false);
        let place = self.output.len();
        let response = self.head.as_ref().map_or("", |head| &head.id);
        let item = Item {
            place,
            id: id::of_item(kind, place, response),
            body,
        };
        self.output.push(Value::Null);
        let begun = json!({"output_index": place, "item": item.begun()});
        self.event("response.output_item.added", begun);
        self.open.push(item);
    }

    fn thought(&mut self, text: &str) {
        if !matches!(self.open.last(), Some(item) if matches!(item.body, Body::Reasoning(_))) {
            self.add("rs", Body::Reasoning(String::new()));
            let part = json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}});
            self.of_last("response.reasoning_summary_part.added", part);
        }
        if let Some(Body::Reasoning(thought)) = self.open.last_mut().map(|item| &mut item.body) {
            thought.push_str(text);
        }
        let delta = json!({"summary_index": 0, "delta": text});
        self.of_last("response.reasoning_summary_text.delta", delta);
    }

    /// Begins a part of a message, in the one that is open or a new one; gives its place.
    pub(super) fn part(&mut self, part: Part) {
        if !matches!(self.open.last(), Some(item) if matches!(item.body, Body::Message(_))) {
            self.add("msg", Body::Message(Vec::new()));
        }
        self.end_part();
        let begun = part.to_json();
        if let Some(parts) = self.parts() {
            parts.push(part);
            let index = parts.len() - 1;
            let begun = json!({"content_index": index, "part": begun});
            self.of_last("response.content_part.added", begun);
        }
    }

    /// The parts of the message that is open.
    fn parts(&mut self) -> Option<&mut Vec<Part>> {
        match &mut self.open.last_mut()?.body {
            Body::Message(parts) => Some(parts),
            Body::Reasoning(_) | Body::Call { .. } => None,
        }
    }

    fn text(&mut self, piece: &str, logprobs: Vec<Value>) {
        let is_open = |parts: &mut Vec<Part>| matches!(parts.last(), Some(Part::Text { .. }));
        if !self.parts().is_some_and(is_open) {
            self.part(Part::Text {
                text: String::new(),
                logprobs: Vec::new(),
                annotations: Vec::new(),
            });
        }
        let logprobs: Vec<Value> = logprobs.into_iter().map(probability).collect();
        let Some(parts) = self.parts() else { return };
        let index = parts.len().saturating_sub(1);
        if let Some(Part::Text {
            text,
            logprobs: known,
            ..
        }) = parts.last_mut()
        {
            text.push_str(piece);
            known.extend_from_slice(&logprobs);
        }
        let delta = json!({"content_index": index, "delta": piece, "logprobs": logprobs});
        self.of_last("response.output_text.delta", delta);
        for annotation in std::mem::take(&mut self.annotations) {
            self.annotate(annotation);
        }
    }

    fn annotate(&mut self, annotation: Value) {
        let Some((content, Some(Part::Text { annotations, .. }))) = self
            .parts()
            .map(|parts| (parts.len().saturating_sub(1), parts.last_mut()))
        else {
            self.annotations.push(annotation);
            return;
        };
        let number = annotations.len();
        annotations.push(annotation.clone());
        let added = json!({
            "content_index": content, "annotation_index": number, "annotation": annotation,
        });
        self.of_last("response.output_text.annotation.added", added);
    }

    fn refusal(&mut self, piece: &str) {
        let is_open = |parts: &mut Vec<Part>| matches!(parts.last(), Some(Part::Refusal(_)));
        if !self.parts().is_some_and(is_open) {
            self.part(Part::Refusal(String::new()));
        }
        let Some(parts) = self.parts() else { return };
        let index = parts.len().saturating_sub(1);
        if let Some(Part::Refusal(text)) = parts.last_mut() {
            text.push_str(piece);
        }
        let delta = json!({"content_index": index, "delta": piece});
        self.of_last("response.refusal.delta", delta);
    }

    fn call(&mut self, number: u64, id: String, name: String) {
        let call_id = if id.is_empty() {
            format!("call_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..))
        } else {
            id
        };
        self.add(
            "fc",
            Body::Call {
                number,
                call_id,
                name,
                arguments: String::new(),
            },
        );
    }

    fn arguments(&mut self, call: u64, piece: &str) {
        let is_it =
            |item: &&mut Item| matches!(item.body, Body::Call { number, .. } if number == call);
        let Some(item) = self.open.iter_mut().find(is_it) else {
            return;
        };
        if let Body::Call { arguments, .. } = &mut item.body {
            arguments.push_str(piece);
        }
        let delta = json!({"item_id": item.id, "output_index": item.place, "delta": piece});
        self.event("response.function_call_arguments.delta", delta);
    }
}
