//! A question, read for the guards: words, numbers, negations, names, quotes, code.

use unicode_normalization::UnicodeNormalization;

/// What the guards need to know of a question, read once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// All words in lower case, contractions spelled out, in order.
    pub(super) words: Vec<Box<str>>,
    /// Numbers with the unit or am/pm that follows, in order.
    pub(super) numbers: Vec<Box<str>>,
    pub(super) negations: usize,
    /// Capitalised words that do not begin a sentence, in lower case.
    pub(super) names: Vec<Box<str>>,
    pub(super) quotes: Vec<Box<str>>,
    /// Back-ticked spans, operators and identifiers, in order.
    pub(super) code: Vec<Box<str>>,
}

impl Wording {
    /// Reads a question.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text: String = text.nfkc().map(plain_quote).collect();
        let mut wording = Self {
            quotes: quotes(&text),
            code: code(&text),
            ..Self::default()
        };
        let mut sentence_start = true;
        for token in text.split_whitespace() {
            let bare = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '#');
            let bare = bare.trim_start_matches(['+', '#']);
            if !bare.is_empty() {
                wording.add(bare, sentence_start);
            }
            sentence_start =
                token.ends_with(['.', '?', '!', ':']) || (bare.is_empty() && sentence_start);
        }
        wording.bind_units();
        wording
    }

    /// The memory it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.words.len() * 32
    }

    fn add(&mut self, bare: &str, sentence_start: bool) {
        let lower = bare.to_lowercase();
        let mut letters = bare.chars();
        let capital = letters.next().is_some_and(char::is_uppercase);
        let inner_capital = letters.any(char::is_uppercase);
        let is_i = lower == "i" || lower.starts_with("i'");
        if capital && (!sentence_start || inner_capital) && !is_i {
            self.names.push(lower.as_str().into());
        }
        for word in spelled_out(&lower) {
            // "3-day" has a number in it, "e-mail" none.
            for word in word
                .split(['-', '/', ',', '(', ')'])
                .filter(|word| !word.is_empty())
            {
                if NEGATIONS.contains(&word) {
                    self.negations += 1;
                }
                self.words.push(word.into());
            }
        }
        if bare.contains(|c: char| c.is_ascii_digit()) {
            self.numbers.push(canonical_number(&lower));
        } else if let Some(number) = number_word(&lower) {
            self.numbers.push(number.into());
        }
    }

    /// "5 pm" and "5 am", "5 miles" and "5 km" are different numbers.
    fn bind_units(&mut self) {
        const UNITS: [&str; 14] = [
            "am", "pm", "a.m", "p.m", "percent", "%", "k", "bn", "million", "billion", "trillion",
            "thousand", "hundred", "dozen",
        ];
        for pair in self.words.windows(2) {
            if let [number, unit] = pair
                && UNITS.contains(&&**unit)
                && (number.contains(|c: char| c.is_ascii_digit()) || number_word(number).is_some())
            {
                self.numbers.push(format!("{number} {unit}").into());
            }
        }
    }
}

const NEGATIONS: [&str; 18] = [
    "not",
    "no",
    "never",
    "none",
    "nothing",
    "nobody",
    "neither",
    "nor",
    "without",
    "except",
    "unless",
    "excluding",
    "non",
    "avoid",
    "hardly",
    "lack",
    "lacks",
    "lacking",
];

fn plain_quote(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        _ => c,
    }
}

/// A word with its contraction opened: "doesn't" is "does not".
fn spelled_out(word: &str) -> Vec<&str> {
    match word {
        "can't" | "cannot" | "cant" => vec!["can", "not"],
        "won't" | "wont" => vec!["will", "not"],
        "dont" => vec!["do", "not"],
        "doesnt" => vec!["does", "not"],
        "isnt" => vec!["is", "not"],
        _ => {
            if let Some(stem) = word.strip_suffix("n't") {
                vec![stem, "not"]
            } else if let Some(stem) = word.strip_suffix("'s") {
                vec![stem]
            } else {
                vec![word]
            }
        }
    }
}

fn canonical_number(text: &str) -> Box<str> {
    let digits: String = text.chars().filter(|c| *c != ',').collect();
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string().into(),
        _ => digits.into(),
    }
}

/// Number words; "one" is mostly a pronoun.
fn number_word(word: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 41] = [
        ("zero", "0"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("ten", "10"),
        ("eleven", "11"),
        ("twelve", "12"),
        ("thirteen", "13"),
        ("fourteen", "14"),
        ("fifteen", "15"),
        ("sixteen", "16"),
        ("seventeen", "17"),
        ("eighteen", "18"),
        ("nineteen", "19"),
        ("twenty", "20"),
        ("thirty", "30"),
        ("forty", "40"),
        ("fifty", "50"),
        ("sixty", "60"),
        ("seventy", "70"),
        ("eighty", "80"),
        ("ninety", "90"),
        ("hundred", "100"),
        ("thousand", "1000"),
        ("million", "1000000"),
        ("billion", "1000000000"),
        ("dozen", "12"),
        ("half", "0.5"),
        ("twice", "2x"),
        ("double", "2x"),
        ("triple", "3x"),
        ("first", "1st"),
        ("second", "2nd"),
        ("third", "3rd"),
        ("fourth", "4th"),
        ("fifth", "5th"),
    ];
    WORDS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, number)| *number)
}

/// The texts between double quotes, sorted.
fn quotes(text: &str) -> Vec<Box<str>> {
    let mut quotes: Vec<Box<str>> = (text.split('"').skip(1).step_by(2))
        .map(|quote| quote.trim().to_lowercase().into())
        .collect();
    quotes.sort_unstable();
    quotes
}

/// Operators, back-ticked spans and identifiers, in order.
fn code(text: &str) -> Vec<Box<str>> {
    let mut code: Vec<Box<str>> = text.split('`').skip(1).step_by(2).map(Into::into).collect();
    for token in text.split_whitespace() {
        let is_operator = token.chars().all(|c| "=<>!+-*/%&|^~\\".contains(c));
        let token = token.trim_matches(['.', ',', '?', '!', ':', ';', '"', '\'', '`']);
        let inner = token.trim_matches(['(', ')', '[', ']', '{', '}']);
        let looks_like_code = inner.contains(['_', '=', '<', '>', '*', '^', '\\', '{', '|'])
            || token.contains("()")
            || inner.contains("::")
            || token.starts_with('-') && token.len() > 1
            || inner
                .chars()
                .zip(inner.chars().skip(1))
                .any(|(a, b)| a.is_ascii_digit() && "+*/^=".contains(b))
            || inner
                .chars()
                .zip(inner.chars().skip(1))
                .any(|(a, b)| a.is_lowercase() && b.is_uppercase());
        if (is_operator || looks_like_code) && !token.is_empty() {
            code.push(token.into());
        }
    }
    code
}
