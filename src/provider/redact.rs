//! Keeping the gateway's key out of what a provider says.
//!
//! Some providers quote a key that they refuse, whole or in a page of debugging output. What they say
//! reaches clients and logs; the key must not.

use bytes::Bytes;
use memchr::memmem::Finder;

/// A key shorter than this, in bytes, is a placeholder for a server that wants none ("none", "EMPTY"):
/// a word that answers may well hold.
const SHORTEST_KEY: usize = 12;
const REPLACEMENT: &[u8] = b"[the gateway's key]";

/// Takes one key out of bytes. The default knows no key and changes nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor(Option<Finder<'static>>);

impl Redactor {
    /// A redactor of `key`.
    pub(super) fn new(key: &str) -> Self {
        Self((key.len() >= SHORTEST_KEY).then(|| Finder::new(key).into_owned()))
    }

    /// Whether the key is in these bytes.
    pub(super) fn finds(&self, bytes: &[u8]) -> bool {
        let Self(finder) = self;
        finder
            .as_ref()
            .is_some_and(|finder| finder.find(bytes).is_some())
    }

    /// The bytes without the key; the same bytes if it is not in them.
    pub(super) fn redact(&self, bytes: Bytes) -> Bytes {
        let Some(finder) = &self.0 else { return bytes };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_goes_and_nothing_else() {
        let redact = |text: &'static str| {
            let bytes = Redactor::new("sk-123456789").redact(Bytes::from_static(text.as_bytes()));
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
            Redactor::new("EMPTY").redact(Bytes::from_static(b"EMPTY")),
            "EMPTY"
        );
        assert_eq!(Redactor::default().redact(same.clone()), same);
    }
}
