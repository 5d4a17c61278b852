//! `refrain key`: keys for clients, and what the configuration knows of them.
//!
//! A key goes to standard output and nowhere else, so that it can be piped to where it is kept.

use std::io::{Read, Write};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use refrain::{config::KeyDigest, ident::ClientName};

/// By what the keys of clients are told from those of providers, in logs and by scanners for secrets.
const PREFIX: &str = "rk-";

/// The longest key, in bytes; far longer than a header may be.
const LONGEST: usize = 64 << 10;

/// Writes a new key for this client to `out`, and to `notes` what makes it valid.
pub(crate) fn new(
    name: &ClientName,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), String> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|error| format!("no random bytes: {error}"))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    writeln!(out, "{key}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("the key can't be written: {error}"))?;
    // Whoever closes the notes can ask for the hash of the key again.
    let _closed = writeln!(
        notes,
        "\nThis key is kept nowhere; to let it in, put these lines into providers.toml:\n\n\
         [[clients]]\nname = \"{name}\"\nkey_sha256 = \"{}\"",
        hex(&KeyDigest::of(&key))
    );
    Ok(())
}

/// The hash of the key that is the one line of `input`. Messages repeat nothing of it.
pub(crate) fn read(input: &mut impl Read) -> Result<KeyDigest, String> {
    let mut bytes = Vec::new();
    let read = input.take(2 * LONGEST as u64).read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input can't be read: {error}"))?;
    let key = bytes.trim_ascii();
    if key.is_empty() {
        return Err("there is no key on standard input".to_owned());
    }
    let key = str::from_utf8(key).ok();
    // A key that was cut would be another one.
    let key =
        key.filter(|key| key.len() <= LONGEST && key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.map(KeyDigest::of).ok_or_else(|| {
        "not a key: one line of visible ASCII characters without spaces is expected".to_owned()
    })
}

/// A hash as the configuration has it.
pub(crate) fn hex(digest: &KeyDigest) -> String {
    let pairs = digest.as_bytes().iter().map(|byte| format!("{byte:02x}"));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        new(&ClientName::new("web").unwrap(), &mut out, &mut notes).unwrap();
        (
            String::from_utf8(out).unwrap(),
            String::from_utf8(notes).unwrap(),
        )
    }

    #[test]
    fn a_new_key_is_alone_on_standard_output() {
        let (out, notes) = made();
        let key = out.strip_suffix('\n').unwrap();
        let random = key.strip_prefix("rk-").unwrap();
        let is_url_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(
            random.len() == 43 && random.chars().all(is_url_safe),
            "{key}"
        );
        assert!(!notes.contains(random), "{notes}");
        let hash = hex(&KeyDigest::of(key));
        assert!(notes.ends_with(&format!(
            "[[clients]]\nname = \"web\"\nkey_sha256 = \"{hash}\"\n"
        )));
        assert_ne!(made().0, out);
    }

    #[test]
    fn a_closed_output_is_told() {
        let name = ClientName::new("web").unwrap();
        assert!(new(&name, &mut &mut [0_u8; 4][..], &mut Vec::new()).is_err());
        assert!(new(&name, &mut Vec::new(), &mut &mut [0_u8; 4][..]).is_ok());
    }

    #[test]
    fn a_hash_is_that_of_the_line() {
        let check = |input: &[u8]| read(&mut &input[..]).map(|digest| hex(&digest));
        let expected = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
        for input in [&b"key"[..], b"key\n", b" key\r\n\n"] {
            assert_eq!(check(input).as_deref(), Ok(expected));
        }
        for input in [&b""[..], b"\n", b" \t\r\n"] {
            assert_eq!(
                check(input).unwrap_err(),
                "there is no key on standard input"
            );
        }
        for input in [
            &b"planted key"[..],
            b"planted\nkey\n",
            b"planted\0",
            b"planted\xff",
            "plant\u{e9}d".as_bytes(),
        ] {
            let message = check(input).unwrap_err();
            assert!(
                message.starts_with("not a key") && !message.contains("plant"),
                "{message}"
            );
        }
        assert!(check(&[b'a'; 70_000]).is_err());
        assert!(check(&[b'a'; 200_000]).is_err());
    }
}
