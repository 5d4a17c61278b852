//! What an answer holds, by looking into it.

use futures_util::StreamExt;

use crate::{
    provider::{ChatReply, Events},
    wire::{answer::Answer, assemble::assemble, sse},
};

/// Why an answer ended that a filter refused.
const FILTERED: &str = "content_filter";

/// Whether a filter has left nothing of the answer.
pub(super) fn is_filtered(reply: &ChatReply) -> bool {
    let empty = |answer: &Answer| {
        !answer.choices.is_empty()
            && answer.choices.iter().all(|choice| {
                let said = choice
                    .message
                    .get("content")
                    .and_then(|content| content.as_str());
                choice.finish_reason.as_deref() == Some(FILTERED)
                    && said.is_none_or(str::is_empty)
                    && !choice.message.contains_key("tool_calls")
            })
    };
    match reply {
        ChatReply::Whole(whole) => empty(&whole.answer),
        ChatReply::Stream(events) => {
            let first = &events.first;
            if memchr::memmem::find(&first.bytes, FILTERED.as_bytes()).is_none() {
                return false;
            }
            // Whether the end has come too is a matter of chance.
            let end: &[u8] = if first.last { b"" } else { sse::DONE };
            let so_far = [&first.bytes, end].concat();
            assemble(&so_far).is_ok_and(|answer| empty(&answer))
        }
    }
}

/// The whole answer of a reply that no client reads; `None` if it breaks or is longer than `most` bytes.
pub(in crate::gateway) async fn collect(reply: ChatReply, most: usize) -> Option<Answer> {
    match reply {
        ChatReply::Whole(whole) => Some(whole.answer),
        ChatReply::Stream(Events {
            first, mut rest, ..
        }) => {
            let mut bytes = first.bytes.to_vec();
            let mut ended = first.last;
            while !ended {
                let piece = rest.next().await?.ok()?;
                if bytes.len() + piece.bytes.len() > most {
                    return None;
                }
                bytes.extend_from_slice(&piece.bytes);
                ended = piece.last;
            }
            assemble(&bytes).ok()
        }
    }
}
