//! What is code in a text: back-ticked spans, identifiers, flags, paths, operators. Case and order
//! count there.

use super::lexicon::hash;

/// Hashes of the code in `text`: its names, sorted, and its operators in order. Empty if there is
/// none.
pub(super) fn marks(text: &str) -> Vec<u64> {
    let (mut marks, mut signs) = (Vec::new(), Vec::new());
    read(text, |piece, mark| match piece {
        Piece::Name(_) => marks.push(mark),
        Piece::Sign(_) => signs.push(mark),
    });
    marks.sort_unstable();
    marks.extend(signs);
    marks
}

/// A piece of code, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    /// A name or a span.
    Name(&'a str),
    /// An operator or another sign, whose place counts.
    Sign(&'a str),
}

/// Calls `found` with each piece of code in `text` and its hash.
pub(super) fn read(text: &str, mut found: impl FnMut(Piece<'_>, u64)) {
    // Most questions have no sign of code at all.
    let is_sign = |c: u8| c.is_ascii_punctuation() && !matches!(c, b'.' | b',' | b'?' | b'\'');
    if text.is_ascii() && !text.bytes().any(is_sign) {
        return;
    }
    // A fence of several ticks is one: "``a``".
    let fences = text.replace("```", "`").replace("``", "`");
    for span in super::quoted::between(&fences, '`').map(str::trim) {
        found(Piece::Name(span), hash(span));
    }
    let looks_like_code = text.contains(['`', ';', '{', '}'])
        || ["()", "==", "=>", "->", "::", "<=", ">=", "&&", "||", "!="]
            .iter()
            .any(|sign| text.contains(sign));
    let mut before: Option<&str> = None;
    for chunk in text.split_whitespace() {
        let word = chunk
            .trim_end_matches(['.', ',', '?', '!', ':', ';', '"', '\'', '`'])
            .trim_start_matches(['"', '\'', '`', ',']);
        let bare = word.trim_matches(['(', ')', '[', ']', '{', '}']);
        if is_name_of_code(word, bare) {
            found(Piece::Name(bare), name_hash(bare));
        } else if is_symbol(chunk) {
            found(Piece::Sign(chunk), hash(chunk));
        } else {
            operators(word, before, looks_like_code, |sign| {
                found(Piece::Sign(sign), hash(sign));
            });
        }
        for picture in chunk.chars().filter(|c| is_picture(*c)) {
            let mut bytes = [0; 4];
            let sign = &*picture.encode_utf8(&mut bytes);
            found(Piece::Sign(sign), hash(sign));
        }
        before = Some(word);
    }
}

/// The case of a flag counts (`-r`, `-R`), elsewhere a name is the same in any case: people begin a
/// sentence with one.
fn name_hash(name: &str) -> u64 {
    if name.starts_with('-') {
        hash(name)
    } else {
        hash(&name.trim_end_matches("()").to_lowercase())
    }
}

/// Identifiers, flags, paths, addresses. Not what only has an inner capital: "iPhone" and "GitHub"
/// are names, and people write them in lower case too.
fn is_name_of_code(word: &str, bare: &str) -> bool {
    let is_flag = word.strip_prefix('-').is_some_and(|flag| {
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        flag.starts_with(|c: char| c.is_ascii_alphabetic())
            && !flag.contains('-') | word.starts_with("--")
    });
    let is_snake = bare.contains('_') && bare.contains(|c: char| c.is_alphanumeric());
    let is_path = bare.matches('/').count() > 1 && !bare.starts_with(|c: char| c.is_ascii_digit())
        || bare.contains("://")
        || bare.contains('\\');
    let is_address = bare
        .split_once('@')
        .is_some_and(|(a, b)| !a.is_empty() && b.contains('.'));
    let is_call = word.split_once('(').is_some_and(|(name, rest)| {
        !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || c == '.')
            && rest.ends_with(')')
            && !matches!(rest, "s)" | "es)")
    });
    // "++i" is not "i++".
    let is_step = word
        .strip_prefix("++")
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
    is_step || is_flag || is_snake || is_path || is_address || is_call || bare.contains("::")
}

/// A sign that stands alone and is talked about: "what does * match". Not a dash or other punctuation.
fn is_symbol(chunk: &str) -> bool {
    const PUNCTUATION: &str = "-–—−.,?!:;'\"()[]&/…•·+=<>%×÷";
    chunk.chars().count() <= 2
        && chunk
            .chars()
            .all(|c| !c.is_alphanumeric() && !is_picture(c) && c != '_')
        && !chunk.chars().all(|c| PUNCTUATION.contains(c))
}

/// Emoji, arrows, mathematical signs: encoders know few of them, and they are what differs.
fn is_picture(c: char) -> bool {
    matches!(c, '§' | '¶' | '±' | '¬' | '\u{2190}'..='\u{23ff}' | '\u{2460}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
        && !matches!(c, '\u{2212}' | '\u{25a0}'..='\u{25ff}')
}

/// Calls `found` with the operators in or at `word` and what stands beside them.
fn operators(word: &str, before: Option<&str>, looks_like_code: bool, mut found: impl FnMut(&str)) {
    const ALWAYS: &str = "=<>^";
    const BESIDE_NUMBERS: &str = "+-*/×÷−%";
    const IN_CODE: &str = "&|!~";
    let is_operand = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '(' | ')'))
            || text.chars().count() == 1
    };
    let alone = !word.is_empty()
        && word.chars().all(|c| {
            [ALWAYS, BESIDE_NUMBERS, IN_CODE]
                .iter()
                .any(|set| set.contains(c))
        });
    if alone {
        let certain = word.contains(|c| ALWAYS.contains(c)) || looks_like_code;
        let between = before.is_some_and(|before| !before.is_empty() && is_operand(before));
        if certain || (between && word != "&" && word != "%") {
            found(word);
        }
        return;
    }
    let mut previous = ' ';
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let is_operator = ALWAYS.contains(c)
            || (looks_like_code && IN_CODE.contains(c))
            || (BESIDE_NUMBERS.contains(c)
                && (previous.is_ascii_digit() || previous == ')')
                && (next.is_ascii_digit() || next == '(')
                && !is_date(word))
            || (matches!(c, '+' | '*') && previous.is_alphanumeric() && next.is_alphanumeric());
        if is_operator {
            // With what stands on its right: in "a=b" it is the operand that matters too.
            let mut sign = String::from(c);
            if next.is_alphanumeric() && !next.is_ascii_digit() {
                sign.push(next);
            }
            found(&sign);
        }
        previous = c;
    }
}

/// "2024-01-05", "5/12", "5-10": what stands between the digits is no operator.
fn is_date(word: &str) -> bool {
    word.chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '/' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_has_no_code() {
        for text in [
            "What is the capital of France?",
            "and/or, well-known - a dash, AT&T, 50% off, 24/7, 2024-01-05, e-mail, McDonald",
            "my iPhone's GitHub",
            "",
        ] {
            assert_eq!(marks(text), [0; 0], "{text}");
        }
    }

    #[test]
    fn code_is_seen() {
        for text in [
            "what does `ls` do",
            "is 5 > 3",
            "what is 5 - 3",
            "what is 5*3",
            "use max_len here",
            "git push --force",
            "ls -l",
            "run main()",
            "std::mem",
            "x = y",
            "see /etc/hosts now",
            "https://example.com",
            "a@b.org",
            "x == y",
            "2^3",
            "a+b",
        ] {
            assert!(!marks(text).is_empty(), "{text}");
        }
    }
}
