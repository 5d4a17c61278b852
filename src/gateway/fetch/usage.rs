//! The usage chunk of a stream: found, left out for those who did not ask for it, added for those
//! who did. Everything else keeps its bytes.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options>
//! (seen 2026-11): the chunk before `[DONE]`, whose `choices` are empty.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::{Finder, FinderRev};
use serde_json::Value;

use crate::wire::{
    answer::{Usage, read_usage},
    sse,
};

const FIELD: &[u8] = b"\"usage\"";
// Made once: making ready for a search takes longer than searching one piece of a stream.
static FORWARDS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FIELD));
static BACKWARDS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(FIELD));

/// Whether a count of tokens may begin at the field `usage` at `at`. Chunks before the last name it
/// as null.
fn is_count(bytes: &[u8], at: usize) -> bool {
    let value = bytes.get(at + FIELD.len()..).map(<[u8]>::trim_ascii_start);
    let value = value.and_then(|rest| rest.strip_prefix(b":"));
    value.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
}

/// The tokens that the last count in `events` names.
pub(in crate::gateway) fn last_count(events: &[u8]) -> Option<Usage> {
    BACKWARDS
        .rfind_iter(events)
        .filter(|at| is_count(events, *at))
        .find_map(|at| {
            let (before, after) = events.split_at_checked(at)?;
            let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            let end = memchr::memchr(b'\n', after).map_or(events.len(), |end| at + end);
            let data = sse::data(events.get(start..end)?).next()?;
            let chunk: Value = serde_json::from_slice(data).ok()?;
            read_usage(chunk.get("usage")?)
        })
}

/// Whole events without those that count tokens and say nothing else.
pub(super) fn without_count(events: Bytes) -> Bytes {
    if !FORWARDS.find_iter(&events).any(|at| is_count(&events, at)) {
        return events;
    }
    let mut kept = Vec::with_capacity(events.len());
    for event in single(&events).filter(|event| !is_count_only(event)) {
        kept.extend_from_slice(event);
    }
    kept.into()
}

/// Whole events with `end` in place of `[DONE]` and what may follow it.
pub(super) fn with_end(events: Bytes, end: &[u8]) -> Bytes {
    let before = single(&events).take_while(|event| !sse::data(event).any(sse::is_done));
    let before = before.map(<[u8]>::len).sum();
    if before == events.len() {
        return events;
    }
    [events.get(..before).unwrap_or_default(), end]
        .concat()
        .into()
}

fn is_count_only(event: &[u8]) -> bool {
    sse::data(event).any(|data| {
        serde_json::from_slice::<Value>(data).is_ok_and(|chunk| {
            let choices = chunk.get("choices").and_then(Value::as_array);
            choices.is_some_and(Vec::is_empty) && chunk.get("usage").is_some_and(Value::is_object)
        })
    })
}

/// Each event with the empty line that ends it.
fn single(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let border = memchr::memchr_iter(b'\n', rest).find_map(|end| {
            let line = rest.get(..end)?;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (line.is_empty() || line.ends_with(b"\n")).then_some(end + 1)
        });
        let (event, after) = rest.split_at_checked(border.unwrap_or(rest.len()))?;
        rest = after;
        (!event.is_empty()).then_some(event)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Tokens;
    use proptest::prelude::*;

    const COUNT: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;

    fn event(data: &str) -> String {
        format!("data: {data}\n\n")
    }

    fn bytes(text: impl Into<String>) -> Bytes {
        Bytes::from(text.into())
    }

    #[test]
    fn a_count_is_found_whatever_else_is_said() {
        let used = |text: &str| last_count(text.as_bytes()).map(|used| (used.input, used.output));
        let said = event(r#"{"choices":[{"delta":{"content":"\"usage\":{"}}],"usage":null}"#);
        let three = Some((Tokens(3), Tokens(2)));
        assert_eq!(used(&(said.clone() + &event(COUNT) + &said)), three);
        assert_eq!(used(&event(COUNT).replace(":{", " : {")), three);
        assert_eq!(used(&said), None);
        for broken in [
            "",
            "\"usage\"",
            "\"usage\":{",
            "data: \"usage\":{\n\n",
            "\n\"usage\":{\n",
        ] {
            assert_eq!(used(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn only_a_chunk_that_counts_and_says_nothing_else_is_left_out() {
        let said = event(r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":3}}"#);
        let filter = event(r#"{"choices":[],"prompt_filter_results":[],"usage":null}"#);
        let done = event("[DONE]");
        let all = format!("{filter}: hm\r\n\r\n{said}{}{done}", event(COUNT));
        let kept = format!("{filter}: hm\r\n\r\n{said}{done}");
        assert_eq!(without_count(bytes(all)), kept);
        assert_eq!(without_count(bytes(event(COUNT))), "");
        let same = bytes(kept);
        assert_eq!(without_count(same.clone()), same);
    }

    #[test]
    fn the_end_is_put_in_place_of_the_end() {
        for (stream, ended) in [
            ("data: {}\n\ndata: [DONE]\n\n", "data: {}\n\nEND"),
            ("data:[DONE]\r\n\r\n: bye\n\n", "END"),
            ("data: \"[DONE]\"\n\n", "data: \"[DONE]\"\n\n"),
            ("", ""),
        ] {
            assert_eq!(with_end(bytes(stream), b"END"), ended);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_events(text in "(data: |\r|\n|\n\n|[a-z]|\"usage\":\\{){0,40}") {
            prop_assert_eq!(single(text.as_bytes()).collect::<Vec<_>>().concat(), text.as_bytes());
            prop_assert!(last_count(text.as_bytes()).is_none());
            prop_assert_eq!(without_count(bytes(text.clone())), text);
        }
    }
}
