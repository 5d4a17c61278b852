//! Server-sent events, as far as chat streams use them: cutting a byte stream at event borders, and
//! reading the data of events.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html> §9.2.6. Events of a chat
//! stream have `data` lines only; comments and other fields pass through untouched and unread.
//! Invariant: what [`Splitter`] hands out, joined, is what it was given, and every piece but the
//! remainder ends at an event border, so an error event can follow any of them.

use bytes::{Bytes, BytesMut};

/// The last event of a complete chat stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Cuts a byte stream into runs of whole events.
#[derive(Debug)]
pub struct Splitter {
    rest: BytesMut,
    last_border: fn(&[u8]) -> Option<usize>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            rest: BytesMut::new(),
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
            last_border: |bytes| memchr::memrchr(b'\n', bytes).map(|end| end + 1),
        }
    }

    /// Takes more bytes and gives all whole events so far, or nothing. No copy is made when the
    /// bytes end at a border.
    ///
    /// # Errors
    /// When an event has no end within [`Splitter::LONGEST_EVENT`].
    pub fn push(&mut self, bytes: &Bytes) -> Result<Option<Bytes>, EventTooLarge> {
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
        self.rest.extend_from_slice(bytes);
        let border = (self.last_border)(&self.rest);
        let whole = border.map(|border| self.rest.split_to(border).freeze());
        self.checked(whole)
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
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
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
