//! Keys: kept from every print, and stored as a hash where a comparison is all that is needed.
//!
//! It does not know where a key comes from. Invariant: neither type prints or serialises its
//! content; the only way to the text is [`Secret::expose`], which is easy to search for.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The text of a key: 1 or more visible ASCII characters, so that it fits into a header.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// `None` if the text could not travel in an HTTP header as one word.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Self(text.into()))
    }

    /// The text itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Takes the same time whatever the texts are, if they are of one length.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a client's key.
///
/// Keys are compared by their hash, so the time a comparison takes says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key as a client presents it.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits, as `sha256sum` prints them.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut digest = [0_u8; 32];
        if text.len() != 2 * digest.len() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            let &[high, low] = pair else { return None };
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        Some(Self(digest))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyDigest {
    /// Not even the hash is printed: a weak key could be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_into_a_header_and_is_not_printed() {
        assert!(Secret::new("").is_none());
        assert!(Secret::new("two words").is_none());
        assert!(Secret::new("key\n").is_none());
        assert!(Secret::new("clé").is_none());
        let secret = Secret::new("sk-planted").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "sk-planted");
        assert_eq!(secret, Secret::new("sk-planted").unwrap());
        assert_ne!(secret, Secret::new("sk-plantes").unwrap());
        assert_ne!(secret, Secret::new("sk-plante").unwrap());
    }

    #[test]
    fn digest_from_hex_is_the_digest_of_the_key() {
        let hex = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
        assert_eq!(KeyDigest::from_hex(hex), Some(KeyDigest::of("key")));
        assert_eq!(
            KeyDigest::from_hex(&hex.to_uppercase()),
            Some(KeyDigest::of("key"))
        );
        assert_eq!(KeyDigest::from_hex(&hex[1..]), None);
        assert_eq!(KeyDigest::from_hex(&"ä".repeat(32)), None);
        assert_eq!(KeyDigest::from_hex(&"g".repeat(64)), None);
        assert_eq!(format!("{:?}", KeyDigest::of("key")), "KeyDigest(…)");
    }
}
