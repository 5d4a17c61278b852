//! A kept answer, delivered again: with an id and a time of its own, as JSON or as a stream.

use serde_json::Value;

use super::reply::ReplyBody;
use crate::{
    cache::entry::Entry,
    tokenizer,
    wire::{
        answer::{Answer, deliver_written},
        chat::{ChatRequest, Delivery},
        chunk,
    },
};

/// An id in OpenAI's shape.
pub(super) fn fresh_id() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = String::with_capacity(38);
    id.push_str("chatcmpl-");
    id.extend((0..29).filter_map(|_| ALPHABET.get(fastrand::usize(..62)).map(|c| char::from(*c))));
    id
}

/// The delivery of an entry.
pub(super) fn render(entry: &Entry, delivery: Delivery, id: &str, created: u64) -> ReplyBody {
    let written = || ReplyBody::Json(deliver_written(&entry.written, id, created).into());
    match delivery {
        Delivery::Json if entry.counted.get().is_none() => written(),
        Delivery::Json => counted(entry).map_or_else(written, |answer| {
            ReplyBody::Json(answer.to_json(id, created).into())
        }),
        Delivery::Stream { usage } => {
            let events = counted(entry).map(|answer| chunk::split(&answer, id, created, usage));
            ReplyBody::EventsWhole(events.unwrap_or_default().into())
        }
    }
}

/// The answer of an entry, with the count of tokens that was made here if the provider's is missing.
fn counted(entry: &Entry) -> Option<Answer> {
    let mut answer = entry.answer()?;
    answer.usage = answer.usage.or_else(|| entry.counted.get().cloned());
    Some(answer)
}

/// Whether an entry lacks the count of tokens that this delivery has to name.
pub(super) fn lacks_usage(entry: &Entry, delivery: Delivery) -> bool {
    delivery != (Delivery::Stream { usage: false }) && entry.tokens().is_none()
}

/// The id and the time of a provider's own delivery, as the first of `objects` that has an id names
/// them; else an id of ours, and `now`.
pub(super) fn head<'a>(objects: impl IntoIterator<Item = &'a [u8]>, now: u64) -> (String, u64) {
    let head = objects.into_iter().find_map(|object| {
        let object: Value = serde_json::from_slice(object).ok()?;
        let id = object.get("id")?.as_str().filter(|id| !id.is_empty())?;
        let created = object.get("created").and_then(Value::as_u64);
        Some((id.to_owned(), created.unwrap_or(now)))
    });
    head.unwrap_or_else(|| (fresh_id(), now))
}

/// Counts the tokens of an entry whose provider did not. Takes milliseconds, and the first time some
/// hundred of them: not for async workers.
pub(super) fn count_tokens(entry: &Entry, request: &ChatRequest) {
    if let Some(answer) = entry.answer() {
        entry
            .counted
            .get_or_init(|| tokenizer::usage(request.messages(), &answer));
    }
}
