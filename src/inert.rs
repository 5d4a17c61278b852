//! Texts of strangers that do nothing but be read: on a terminal, in a log, in a file.

use std::borrow::Cow;

/// One line: with controls, and what turns a line around or can't be seen, as escapes.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if acts(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same JSON, with `\u` escapes for what [`line()`] escapes in its strings. That between them is ASCII, and so are
/// its line breaks.
pub(crate) fn json(json: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| c > '~' && acts(c);
    if !json.contains(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character does more than be read.
pub(crate) fn acts(c: char) -> bool {
    c.is_control() || is_unseen(c)
}

/// Characters of format: they show nothing, and change what is shown around them. The joiner of emoji is one, but does
/// no harm.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_is_shown_does_nothing() {
        for (text, expected) in [
            ("plain ünïcode 答え", "plain ünïcode 答え"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("👩‍🚀", "👩‍🚀"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn json_does_nothing_either() {
        for (text, expected) in [
            ("plain 答え 👩‍🚀 \" \\", r#""plain 答え 👩‍🚀 \" \\""#),
            ("\n\u{1b}", r#""\n\u001b""#),
            ("\u{7f}\u{9b}2J", r#""\u007f\u009b2J""#),
            ("abc\u{202e}cba", r#""abc\u202ecba""#),
            ("\u{e0041}", r#""\udb40\udc41""#),
        ] {
            assert_eq!(json(&serde_json::json!(text).to_string()), expected);
        }
    }

    /// Texts that have more of what is escaped than is to be expected of them.
    fn text() -> impl Strategy<Value = String> {
        let hostile = prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{ff}'),
            proptest::char::range('\u{2000}', '\u{206f}'),
            proptest::char::range('\u{e0000}', '\u{e0fff}'),
        ];
        proptest::collection::vec(hostile, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn it_is_one_line(text in text()) {
            prop_assert!(!line(&text).contains(acts));
        }

        #[test]
        fn json_means_the_same(key in text(), text in text(), is_pretty: bool) {
            let value = serde_json::json!({key: [text, 1.5, null]});
            let written = if is_pretty { format!("{value:#}") } else { value.to_string() };
            let shown = json(&written);
            prop_assert!(!shown.replace('\n', "").contains(acts));
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }
}
