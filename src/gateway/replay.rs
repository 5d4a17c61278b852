//! A kept answer, delivered again: with an id and a time of its own, as JSON or as a stream.

use std::sync::Arc;

use bytes::Bytes;
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
fn fresh_id() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = String::with_capacity(38);
    id.push_str("chatcmpl-");
    id.extend((0..29).filter_map(|_| ALPHABET.get(fastrand::usize(..62)).map(|c| char::from(*c))));
    id
}

/// The delivery of an entry. `counted` is the usage, where the provider left it out.
pub(super) fn render(
    entry: &Entry,
    delivery: Delivery,
    counted: Option<Value>,
    created: u64,
) -> ReplyBody {
    let id = fresh_id();
    match delivery {
        Delivery::Json if counted.is_none() => {
            ReplyBody::Json(deliver_written(&entry.written, &id, created).into())
        }
        Delivery::Json => {
            let answer = counted_answer(entry, counted);
            ReplyBody::Json(
                answer
                    .map_or_else(
                        || deliver_written(&entry.written, &id, created),
                        |answer| answer.to_json(&id, created),
                    )
                    .into(),
            )
        }
        Delivery::Stream { usage } => {
            let answer = counted_answer(entry, counted);
            let events = answer.map(|answer| chunk::split(&answer, &id, created, usage));
            ReplyBody::EventsWhole(events.unwrap_or_default().into())
        }
    }
}

fn counted_answer(entry: &Entry, counted: Option<Value>) -> Option<Answer> {
    let mut answer = entry.answer()?;
    answer.usage = answer.usage.or(counted);
    Some(answer)
}

/// The stream of an answer that is no entry.
pub(super) fn split(answer: &Answer, created: u64, usage: bool) -> Bytes {
    chunk::split(answer, &fresh_id(), created, usage).into()
}

/// The usage of an entry whose provider did not count, counted off the async workers.
pub(super) async fn count_tokens(entry: &Arc<Entry>, request: &Arc<ChatRequest>) -> Option<Value> {
    let (entry, request) = (Arc::clone(entry), Arc::clone(request));
    let count = move || Some(tokenizer::usage(request.messages(), &entry.answer()?));
    tokio::task::spawn_blocking(count).await.ok().flatten()
}
