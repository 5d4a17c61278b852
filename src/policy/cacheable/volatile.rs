//! Questions whose answer ages fast.

/// Whether the answer depends on the moment of asking.
pub(super) fn is_volatile(text: &str, patterns: &[String]) -> bool {
    const WORDS: [&str; 24] = [
        "today",
        "today's",
        "tonight",
        "tomorrow",
        "yesterday",
        "now",
        "currently",
        "current",
        "latest",
        "newest",
        "recent",
        "recently",
        "nowadays",
        "weather",
        "forecast",
        "temperature",
        "price",
        "prices",
        "stock",
        "stocks",
        "news",
        "headlines",
        "random",
        "uuid",
    ];
    const PAIRS: [(&str, &str); 12] = [
        ("this", "week"),
        ("this", "month"),
        ("this", "year"),
        ("this", "morning"),
        ("last", "week"),
        ("last", "month"),
        ("last", "year"),
        ("next", "week"),
        ("what", "time"),
        ("what", "day"),
        ("what", "date"),
        ("exchange", "rate"),
    ];
    let lower = text.to_lowercase();
    let mut before = "";
    for word in lower.split(|c: char| !c.is_alphanumeric() && c != '\'') {
        if word.is_empty() {
            continue;
        }
        if WORDS.contains(&word) || PAIRS.contains(&(before, word)) {
            return true;
        }
        before = word;
    }
    patterns.iter().any(|pattern| names(&lower, pattern))
}

/// Whether `pattern` stands in `text` as whole words.
fn names(text: &str, pattern: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(pattern).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text
            .get(at + found.len()..)
            .and_then(|after| after.chars().next());
        !is_word(before) && !is_word(after)
    })
}
