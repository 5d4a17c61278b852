//! Keeping the gateway's keys out of what a provider says.
//!
//! Some providers quote a key that they refuse, whole or in a page of debugging output. What they say
//! reaches clients and logs; no key must, whichever was used.

use std::{cmp::Reverse, sync::Arc};

use bytes::Bytes;
use memchr::memmem::Finder;

/// A key shorter than this, in bytes, is a placeholder for a server that wants none ("none", "EMPTY"):
/// a word that answers may well hold.
const SHORTEST_KEY: usize = 12;
/// The same of a header that the configuration adds: of these it is not known whether they are keys.
const SHORTEST_HEADER: usize = 8;
const REPLACEMENT: &[u8] = b"[the gateway's key]";

/// Takes keys out of bytes. The default knows no key and changes nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor(Arc<[Finder<'static>]>);

/// What takes out what.
#[derive(Debug)]
pub(super) struct Redactors {
    /// Keys, out of all that is said.
    pub(super) keys: Redactor,
    /// Keys and configured headers, out of errors.
    pub(super) in_errors: Redactor,
}

impl Redactor {
    /// A redactor of all these keys.
    pub(super) fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self::with_headers(keys, [])
    }

    /// The same, and of the values of these headers.
    pub(super) fn with_headers<'k>(
        keys: impl IntoIterator<Item = &'k str>,
        headers: impl IntoIterator<Item = &'k str>,
    ) -> Self {
        let headers = headers.into_iter().map(str::trim);
        let headers = headers.filter(|value| value.len() >= SHORTEST_HEADER);
        let keys = keys.into_iter().filter(|key| key.len() >= SHORTEST_KEY);
        let mut keys: Vec<&str> = keys.chain(headers).collect();
        // One may be the beginning of another: no end of that must be left.
        keys.sort_by_key(|key| Reverse(key.len()));
        let finder = |key: &str| Finder::new(key).into_owned();
        Self(keys.into_iter().map(finder).collect())
    }

    /// Whether a key is in these bytes.
    pub(super) fn finds(&self, bytes: &[u8]) -> bool {
        let Self(finders) = self;
        finders.iter().any(|finder| finder.find(bytes).is_some())
    }

    /// The bytes without the keys; the same bytes if none is in them.
    pub(super) fn redact(&self, bytes: Bytes) -> Bytes {
        let Self(finders) = self;
        finders.iter().fold(bytes, without)
    }
}

fn without(bytes: Bytes, finder: &Finder<'_>) -> Bytes {
    let Some(first) = finder.find(&bytes) else {
        return bytes;
    };
    let mut out = Vec::with_capacity(bytes.len());
    let (mut rest, mut next) = (&bytes[..], Some(first));
    while let Some((before, after)) = next.and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(before);
        out.extend_from_slice(REPLACEMENT);
        rest = after.get(finder.needle().len()..).unwrap_or_default();
        next = finder.find(rest);
    }
    out.extend_from_slice(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_out_with_keys_the_longest_first() {
        let redactor = Redactor::with_headers(["sk-123456789", "sk-short"], ["sk-12345", "team-a"]);
        let redacted = |text: &'static str| {
            let bytes = redactor.redact(Bytes::from_static(text.as_bytes()));
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let key = "[the gateway's key]";
        assert_eq!(redacted("sk-123456789"), key);
        assert_eq!(redacted("sk-12345, sk-short"), format!("{key}, sk-short"));
        assert_eq!(redacted("team-a"), "team-a");
    }

    #[test]
    fn every_occurrence_goes_and_nothing_else() {
        let redact = |text: &'static str| {
            let bytes = Redactor::new(["sk-123456789"]).redact(Bytes::from_static(text.as_bytes()));
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert_eq!(redact("no key here"), "no key here");
        assert_eq!(redact("sk-123456789"), "[the gateway's key]");
        assert_eq!(
            redact("a sk-123456789sk-123456789 b"),
            "a [the gateway's key][the gateway's key] b"
        );
        let same = Bytes::from_static(b"sk-123456789");
        assert_eq!(
            Redactor::new(["EMPTY"]).redact(Bytes::from_static(b"EMPTY")),
            "EMPTY"
        );
        assert_eq!(Redactor::default().redact(same.clone()), same);
    }

    #[test]
    fn all_keys_go_the_longest_first() {
        let redact = |text: &'static str| {
            let keys = ["sk-123456789", "sk-123456789-more", "EMPTY", "sk-abcdefghi"];
            let bytes = Redactor::new(keys).redact(Bytes::from_static(text.as_bytes()));
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let key = "[the gateway's key]";
        assert_eq!(redact("sk-123456789-more"), key);
        assert_eq!(redact("sk-123456789-mor"), format!("{key}-mor"));
        assert_eq!(
            redact("b sk-abcdefghi, EMPTY, sk-123456789 and sk-abcdefghi"),
            format!("b {key}, EMPTY, {key} and {key}")
        );
    }
}
