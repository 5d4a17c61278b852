//! Server-sent events, as far as chat streams use them: cutting a byte stream at event borders, and
//! reading the data of events.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html> §9.2.6. Events of a chat
//! stream have `data` lines only; comments and other fields pass through untouched and unread.
//! Invariant: what [`Splitter`] hands out, joined, is what it was given (but for a byte order mark at its
//! beginning), and every piece but the remainder ends at an event border, so an error event can follow
//! any of them.

use bytes::{Bytes, BytesMut};

/// The last event of a complete chat stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// What a stream may begin with; it is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The longest border, in bytes: an empty line and the end of the line before it. (The `\r` of that end
/// does not matter.)
const LONGEST_BORDER: usize = 3;

/// Cuts a byte stream into runs of whole events.
#[derive(Debug)]
pub struct Splitter {
    /// Holds no border.
    rest: BytesMut,
    /// Whether the stream is past the place of a byte order mark.
    begun: bool,
    last_border: fn(&[u8]) -> Option<usize>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            rest: BytesMut::new(),
            begun: false,
            last_border,
        }
    }
}

/// A single event grew past the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a single event is larger than {0} bytes")]
pub struct EventTooLarge(pub usize);

impl Splitter {
    /// The longest event accepted, in bytes. A provider's largest are images in base64.
    pub const LONGEST_EVENT: usize = 32 << 20;

    /// For a stream in which every line is an event (<https://github.com/ndjson/ndjson-spec>).
    #[must_use]
    pub fn of_lines() -> Self {
        Self {
            rest: BytesMut::new(),
            begun: false,
            last_border: |bytes| memchr::memrchr(b'\n', bytes).map(|end| end + 1),
        }
    }

    /// Takes more bytes and gives all whole events so far, or nothing. No copy is made when the
    /// bytes end at a border.
    ///
    /// # Errors
    /// When an event has no end within [`Splitter::LONGEST_EVENT`].
    pub fn push(&mut self, bytes: &Bytes) -> Result<Option<Bytes>, EventTooLarge> {
        if !self.begun {
            return self.begin(bytes);
        }
        if self.rest.is_empty() {
            let Some(border) = (self.last_border)(bytes) else {
                self.rest.extend_from_slice(bytes);
                return self.checked(None);
            };
            if border < bytes.len() {
                self.rest
                    .extend_from_slice(bytes.get(border..).unwrap_or_default());
            }
            return self.checked(Some(bytes.slice(..border)));
        }
        // What was searched before is not searched again: an event may come in very many pieces.
        let searched = self.rest.len().saturating_sub(LONGEST_BORDER);
        self.rest.extend_from_slice(bytes);
        let border = self.rest.get(searched..).and_then(self.last_border);
        let whole = border.map(|border| self.rest.split_to(searched + border).freeze());
        self.checked(whole)
    }

    /// Takes the first bytes, up to the first that is no part of a byte order mark.
    fn begin(&mut self, bytes: &Bytes) -> Result<Option<Bytes>, EventTooLarge> {
        let held = self.rest.len();
        let Some(rest_of_mark) = BYTE_ORDER_MARK.get(held..) else {
            self.begun = true;
            return self.push(bytes);
        };
        if rest_of_mark.len() > bytes.len() && rest_of_mark.starts_with(bytes) {
            self.rest.extend_from_slice(bytes);
            return Ok(None);
        }
        self.begun = true;
        if !bytes.starts_with(rest_of_mark) {
            return self.push(bytes);
        }
        self.rest.clear();
        self.push(&bytes.slice(rest_of_mark.len()..))
    }

    /// What is left after the last border; not empty if the stream broke inside an event.
    #[must_use]
    pub fn remainder(&self) -> &[u8] {
        &self.rest
    }

    /// Takes out what is left after the last border.
    #[must_use]
    pub fn take_remainder(&mut self) -> Bytes {
        std::mem::take(&mut self.rest).freeze()
    }

    fn checked(&self, whole: Option<Bytes>) -> Result<Option<Bytes>, EventTooLarge> {
        if self.rest.len() > Self::LONGEST_EVENT {
            return Err(EventTooLarge(Self::LONGEST_EVENT));
        }
        Ok(whole)
    }
}

/// The position behind the last empty line of `bytes`.
fn last_border(bytes: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'\n', bytes).find_map(|end| {
        let before = bytes.get(..end)?;
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        before.ends_with(b"\n").then_some(end + 1)
    })
}

/// The event that a clean end leaves without its empty line, with one: what of it came is all of it,
/// which is known only of `[DONE]` and of JSON objects.
#[must_use]
pub fn unterminated(rest: &[u8]) -> Option<Bytes> {
    let rest = rest.trim_ascii_end();
    let last_line = memchr::memrchr(b'\n', rest).map_or(0, |end| end + 1);
    data(rest.get(last_line..)?).next()?;
    let whole = data(rest).all(|data| is_done(data) || is_object(data));
    whole.then(|| [rest, b"\n\n"].concat().into())
}

fn is_object(data: &[u8]) -> bool {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
    is_json && data.trim_ascii_start().starts_with(b"{")
}

/// The data of each event in `events`, in order; several `data` lines of one event are read as
/// several, which no chat stream has.
pub fn data(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    events.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let data = line.strip_prefix(b"data:")?;
        Some(data.strip_prefix(b" ").unwrap_or(data))
    })
}

/// Whether this is the data of the event that ends a complete chat stream.
#[must_use]
pub fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// An event with `data`, which must hold no line break (JSON as serde writes it holds none).
pub fn write_event(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_piece_that_ends_at_a_border_is_not_copied() {
        let bytes = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
        let whole = Splitter::default().push(&bytes).unwrap().unwrap();
        assert_eq!(whole.as_ptr(), bytes.as_ptr());
        assert_eq!(whole, bytes);
    }

    #[test]
    fn both_line_ends_are_borders() {
        for text in ["data: a\r\n\r\ndata: b\r\n\r\n", "data: a\n\ndata: b\n\n"] {
            assert_eq!(data(text.as_bytes()).collect::<Vec<_>>(), [b"a", b"b"]);
            assert_eq!(last_border(text.as_bytes()), Some(text.len()));
        }
        assert!(is_done(b"[DONE]"));
    }

    #[test]
    fn an_event_in_very_many_pieces_is_searched_once() {
        thread_local!(static SEARCHED: Cell<usize> = const { Cell::new(0) });
        let mut splitter = Splitter {
            last_border: |bytes| {
                SEARCHED.set(SEARCHED.get() + bytes.len());
                last_border(bytes)
            },
            ..Splitter::default()
        };
        let piece = Bytes::from_static(b"data: x\n");
        for _ in 0..1_000 {
            assert_eq!(splitter.push(&piece), Ok(None));
        }
        assert!(SEARCHED.get() <= 1_000 * (piece.len() + LONGEST_BORDER));
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_the_beginning_only() {
        let joined = |text: &[u8], cut: usize, mut splitter: Splitter| {
            let mut out = Vec::new();
            for piece in text.chunks(cut) {
                let whole = splitter.push(&Bytes::copy_from_slice(piece)).unwrap();
                out.extend_from_slice(&whole.unwrap_or_default());
            }
            out.extend_from_slice(&splitter.take_remainder());
            out
        };
        for (text, kept) in [
            (&b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBF\n\n"[..], 3_usize),
            (b"\xEF\xBB\xBF\xEF\xBB\xBF\n\n", 3),
            (b"\xEF\xBBdata: a\n\n", 0),
            (b"\xEF\n\n", 0),
            (b"\xEF\xBB", 0),
            (b"\xEF\xBB\xBF", 3),
            (b"\n\n\xEF\xBB\xBF\n\n", 0),
        ] {
            for cut in 1..=text.len() {
                assert_eq!(joined(text, cut, Splitter::default()), &text[kept..]);
                assert_eq!(joined(text, cut, Splitter::of_lines()), &text[kept..]);
            }
        }
    }

    #[test]
    fn an_event_without_its_empty_line_is_one_if_it_is_known_to_be_whole() {
        let ended = |rest: &str| unterminated(rest.as_bytes()).map(|event| event.to_vec());
        for (rest, event) in [
            ("data: [DONE]", "data: [DONE]\n\n"),
            ("data:[DONE]\n", "data:[DONE]\n\n"),
            ("data: {\"a\": 1}\r\n\r", "data: {\"a\": 1}\n\n"),
            ("event: x\r\ndata: {}", "event: x\r\ndata: {}\n\n"),
            ("\n: ping\ndata: {}\n", "\n: ping\ndata: {}\n\n"),
        ] {
            assert_eq!(ended(rest).as_deref(), Some(event.as_bytes()), "{rest:?}");
        }
        for rest in [
            "",
            "\n",
            ": ping",
            "event: message_stop",
            "data",
            "data:",
            "data: ",
            "data: {}\nda",
            "data: {}\nevent: x",
            "data: 12",
            "data: \"a\"",
            "data: [DONE",
            "data: {\"a\": 1",
            "data: {}{",
            "data: x\ndata: {}",
            "{}",
            "[DONE]",
        ] {
            assert_eq!(ended(rest), None, "{rest:?}");
        }
    }

    proptest! {
        /// The border search goes over every byte about once, and finds what one over all of them does.
        #[test]
        fn borders_are_found_wherever_the_stream_is_cut(
            text in "[a\r\n]{0,60}",
            cuts in prop::collection::vec(1_usize..9, 1..20),
        ) {
            let mut splitter = Splitter::default();
            let (mut plain, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                plain.extend_from_slice(piece);
                let whole = last_border(&plain).map(|border| plain.drain(..border).collect());
                let found = splitter.push(&Bytes::copy_from_slice(piece)).unwrap();
                prop_assert_eq!(found, whole.map(|whole: Vec<u8>| whole.into()));
                prop_assert_eq!(splitter.remainder(), &plain);
            }
        }

        #[test]
        fn nothing_is_lost_and_events_stay_whole(
            events in prop::collection::vec("[a-z]{0,9}", 1..20),
            cuts in prop::collection::vec(1_usize..12, 1..60),
            crlf in any::<bool>(),
        ) {
            let end = if crlf { "\r\n\r\n" } else { "\n\n" };
            let text: String = events.iter().map(|event| format!("data: {event}{end}")).collect();
            let mut splitter = Splitter::default();
            let (mut joined, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                if let Some(whole) = splitter.push(&Bytes::copy_from_slice(piece)).unwrap() {
                    prop_assert!(whole.ends_with(end.as_bytes()));
                    joined.extend_from_slice(&whole);
                }
            }
            prop_assert!(splitter.remainder().is_empty());
            prop_assert_eq!(joined, text.into_bytes());
        }
    }
}
