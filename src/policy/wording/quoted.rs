//! The texts that stand in quotes.

/// The texts between pairs of `quote`.
pub(super) fn between(text: &str, quote: char) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, opened) = rest.split_once(quote)?;
        let (inside, behind) = opened.split_once(quote)?;
        rest = behind;
        Some(inside)
    })
}

/// The texts between quotes.
pub(super) fn quoted(text: &str) -> Vec<&str> {
    fn bare(quote: &str) -> &str {
        let end = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | '?' | '!');
        quote.trim_start().trim_end_matches(end)
    }
    let mut quotes: Vec<&str> = between(text, '"').map(bare).collect();
    // A single quote opens behind a space and closes before one, or it is an apostrophe.
    let mut open = None;
    let mut previous = ' ';
    let single = if text.contains('\'') { text } else { "" };
    for (at, c) in single.char_indices() {
        if c == '\'' {
            let next = text
                .get(at + 1..)
                .and_then(|rest| rest.chars().next())
                .unwrap_or(' ');
            if let Some(start) = open.filter(|_| !next.is_alphanumeric()) {
                quotes.extend(
                    text.get(start..at)
                        .filter(|quote| quote.len() > 1)
                        .map(bare),
                );
                open = None;
            } else if !previous.is_alphanumeric() && !next.is_whitespace() {
                open = Some(at + 1);
            }
        }
        previous = c;
    }
    quotes
}
