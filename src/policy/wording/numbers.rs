//! Numbers, however they are written: "25", "twenty-five", "1,000", "5k", "5 km", "5:00 pm".
//!
//! A number and its unit are one thing: 5 miles are not 5 kilometres. Equal spellings of one unit are
//! one (`units.txt`).

use std::{ops::Range, sync::LazyLock};

use super::lexicon::{Table, hash, lines};

/// The numbers of a text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Numbers {
    /// Hashes of number and unit, in order.
    pub(super) marks: Vec<u64>,
    /// How often the number 1 stands there in digits, and how often "one" as a word, which may be
    /// a pronoun.
    pub(super) ones: (u8, u8),
}

static UNITS: LazyLock<Table<&'static str, &'static str>> = LazyLock::new(|| {
    let mut units = Table::default();
    for line in lines(include_str!("units.txt")) {
        let mut spellings = line.split_whitespace();
        if let Some(unit) = spellings.next() {
            units.insert(unit, unit);
            units.extend(spellings.map(|spelling| (spelling, unit)));
        }
    }
    units
});

/// Reads the numbers among `words` (lower case, signs such as `$` and `%` included) and says of each
/// number which words are it, and its mark; the number 1 has none.
pub(super) fn read(words: &[&str], mut number: impl FnMut(Range<usize>, Option<u64>)) -> Numbers {
    let mut numbers = Numbers::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some((mut amount, used)) = amount(words, at) else {
            if *word == "one" {
                numbers.ones.1 = numbers.ones.1.saturating_add(1);
            }
            at += 1;
            continue;
        };
        let mut end = at + used;
        let behind = words.get(end).copied().unwrap_or("");
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let mut start = at;
        if amount.unit.is_empty() {
            let unit = match before {
                Some(&("$" | "€" | "£" | "¥" | "₹")) => before.copied().unwrap_or(""),
                _ => behind,
            };
            if let Some(unit) = UNITS.get(unit) {
                amount.unit = unit;
                if matches!(before, Some(&("$" | "€" | "£" | "¥" | "₹"))) {
                    start -= 1;
                } else {
                    end += 1;
                }
            }
        }
        let mut mark = None;
        if amount.is_one() {
            numbers.ones.0 = numbers.ones.0.saturating_add(1);
        } else if amount.is_word_one() {
            numbers.ones.1 = numbers.ones.1.saturating_add(1);
        } else {
            let hash = hash(&amount.canonical());
            numbers.marks.push(hash);
            mark = Some(hash);
        }
        number(start..end, mark);
        at = end;
    }
    numbers
}

/// A number with its unit.
#[derive(Debug, Default)]
struct Amount<'a> {
    /// As written, without thousands separators; empty if `value` says it all.
    digits: String,
    value: f64,
    /// Whether it is a position: "third".
    ordinal: bool,
    unit: &'a str,
}

impl Amount<'_> {
    fn is_one(&self) -> bool {
        self.digits == "1" && self.unit.is_empty() && !self.ordinal
    }

    fn is_word_one(&self) -> bool {
        self.digits.is_empty()
            && self.unit.is_empty()
            && !self.ordinal
            && (self.value - 1.0).abs() < f64::EPSILON
    }

    fn canonical(&self) -> String {
        if let Some(minute) = self.minute_of_day() {
            return format!("t{minute}");
        }
        let ordinal = if self.ordinal { "th" } else { "" };
        // "3.10" is not version 3.1, but 5.00 dollars are 5 dollars.
        match self.digits.parse::<f64>() {
            Ok(value) if value.is_finite() && !self.unit.is_empty() => {
                format!("{value}{ordinal} {}", self.unit)
            }
            _ if self.digits.is_empty() => format!("{}{ordinal} {}", self.value, self.unit),
            _ => format!("{}{ordinal} {}", self.digits, self.unit),
        }
    }

    /// Of a time of day: "5 pm", "5:00 pm" and "17:00" are 1020.
    fn minute_of_day(&self) -> Option<u32> {
        let (hour, minute) = match self.digits.split_once(':') {
            Some((hour, minute)) => (hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?),
            None if self.digits.is_empty() => {
                let hour = (1..=12_u8).find(|hour| (f64::from(*hour) - self.value).abs() < 0.1)?;
                (u32::from(hour), 0)
            }
            None => (self.digits.parse().ok()?, 0),
        };
        if minute > 59 || hour > 24 {
            return None;
        }
        match self.unit {
            "am" => Some(hour % 12 * 60 + minute),
            "pm" => Some((hour % 12 + 12) * 60 + minute),
            _ if hour > 12 && self.digits.contains(':') => Some(hour * 60 + minute),
            _ => None,
        }
    }
}

/// The number that begins at word `at`, and how many words it takes.
fn amount<'a>(words: &[&'a str], at: usize) -> Option<(Amount<'a>, usize)> {
    let word = *words.get(at)?;
    if !word.contains(|c: char| c.is_ascii_digit()) {
        let is_second = word == "second"
            && at
                .checked_sub(1)
                .and_then(|before| words.get(before))
                .is_some_and(|before| matches!(*before, "a" | "per" | "each" | "every"));
        return if is_second { None } else { spelled(words, at) };
    }
    let mut amount = literal(word);
    let mut used = 1;
    // "5 million", "2 hundred"
    while let Some(scale) = words.get(at + used).and_then(|word| scale(word))
        && let Ok(value) = amount.digits.parse::<f64>()
        && value < 1e15
    {
        amount.digits = (value * scale).to_string();
        used += 1;
    }
    Some((amount, used))
}

/// A number in digits: "1,000", "5km", "2nd", "10k".
fn literal(word: &str) -> Amount<'_> {
    let text: String = (word.chars())
        .filter(|c| *c != ',')
        .map(|c| if c == '\u{2212}' { '-' } else { c })
        .collect();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':' | '/' | '-');
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(end).unwrap_or((&text, ""));
    let mut amount = Amount {
        digits: digits.to_owned(),
        ..Amount::default()
    };
    match suffix {
        "" => {}
        "st" | "nd" | "rd" | "th" => amount.ordinal = true,
        "k" | "bn" | "mn" | "mio" => {
            let scale = match suffix {
                "k" => 1e3,
                "bn" => 1e9,
                _ => 1e6,
            };
            match digits.parse::<f64>() {
                Ok(value) => amount.digits = (value * scale).to_string(),
                Err(_) => amount.digits = text.clone(),
            }
        }
        _ => match UNITS.get(suffix).filter(|_| !digits.is_empty()) {
            Some(unit) => amount.unit = unit,
            None => amount.digits = text.clone(),
        },
    }
    amount
}

/// A number in words: "twenty-five", "two thousand five hundred", "third".
fn spelled<'a>(words: &[&str], at: usize) -> Option<(Amount<'a>, usize)> {
    let first = *words.get(at)?;
    match NUMBER_WORDS.get(first) {
        Some(NumberWord::Alone(digits)) => {
            let digits = (*digits).to_owned();
            return Some((
                Amount {
                    digits,
                    ..Amount::default()
                },
                1,
            ));
        }
        Some(NumberWord::Ordinal(value)) => {
            let value = *value;
            return Some((
                Amount {
                    value,
                    ordinal: true,
                    ..Amount::default()
                },
                1,
            ));
        }
        Some(NumberWord::Small(_) | NumberWord::Scale(_)) => {}
        None if first == "one" => {}
        None => return None,
    }
    // Plain "one" is mostly a pronoun; with a unit or a scale behind it, it is a number.
    let next = words.get(at + 1).copied().unwrap_or("");
    if first == "one" && scale(next).is_none() && !UNITS.contains_key(next) {
        return None;
    }
    let (mut total, mut group, mut used) = (0.0_f64, 0.0_f64, 0);
    let mut ordinal_end = false;
    let mut last_small = f64::MAX;
    while let Some(word) = words.get(at + used).copied() {
        let value = small(word).or((word == "one").then_some(1.0));
        if let Some(value) = value {
            // "twenty five" is one number, "five six" and "five twenty" are two.
            let fits =
                last_small >= 20.0 && value < last_small && (value < 10.0 || last_small >= 100.0);
            if !fits {
                break;
            }
            group += value;
            last_small = value;
        } else if let Some(scale) = scale(word) {
            let count = if group > 0.0 { group } else { 1.0 };
            if scale > 100.0 {
                total += count * scale;
                group = 0.0;
            } else {
                group = count * scale;
            }
            last_small = scale;
        } else if let Some(value) = ordinal(word)
            && last_small >= 20.0
            && value < 20.0
        {
            group += value;
            ordinal_end = true;
            used += 1;
            break;
        } else if !(word == "and"
            && last_small >= 100.0
            && words
                .get(at + used + 1)
                .is_some_and(|word| small(word).is_some()))
        {
            break;
        }
        used += 1;
        if total > 1e15 {
            break;
        }
    }
    let amount = Amount {
        value: total + group,
        ordinal: ordinal_end,
        ..Amount::default()
    };
    (used > 0).then_some((amount, used))
}

/// A word that is a number or part of one.
#[derive(Debug, Clone, Copy)]
enum NumberWord {
    /// 0, 2 to 19, 20, 30 and so on.
    Small(f64),
    /// Multiplies what is before it.
    Scale(f64),
    /// 1 to 20.
    Ordinal(f64),
    /// A number by itself, as written in digits.
    Alone(&'static str),
}

static NUMBER_WORDS: LazyLock<Table<&'static str, NumberWord>> = LazyLock::new(|| {
    use NumberWord::{Alone, Ordinal, Scale, Small};
    const UNDER_TWENTY: &str = "zero - two three four five six seven eight nine ten eleven twelve \
        thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
    const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
    const ORDINALS: &str = "first second third fourth fifth sixth seventh eighth ninth tenth \
        eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth \
        nineteenth twentieth";
    const SCALES: [(&str, f64); 7] = [
        ("hundred", 1e2),
        ("thousand", 1e3),
        ("lakh", 1e5),
        ("million", 1e6),
        ("crore", 1e7),
        ("billion", 1e9),
        ("trillion", 1e12),
    ];
    // Roman numerals of one letter are letters more often than numbers.
    const ALONE: [(&str, &str); 20] = [
        ("half", "1/2"),
        ("quarter", "1/4"),
        ("dozen", "12"),
        ("twice", "2x"),
        ("double", "2x"),
        ("doubled", "2x"),
        ("thrice", "3x"),
        ("triple", "3x"),
        ("tripled", "3x"),
        ("ii", "2"),
        ("iii", "3"),
        ("iv", "4"),
        ("vi", "6"),
        ("vii", "7"),
        ("viii", "8"),
        ("ix", "9"),
        ("xi", "11"),
        ("xii", "12"),
        ("xiii", "13"),
        ("xiv", "14"),
    ];
    let mut words = Table::default();
    let small = UNDER_TWENTY.split_whitespace().zip(0_u8..);
    let tens = TENS.split_whitespace().zip((20_u8..).step_by(10));
    words.extend(
        small
            .chain(tens)
            .map(|(word, value)| (word, Small(value.into()))),
    );
    let ordinals = ORDINALS.split_whitespace().zip(1_u8..);
    words.extend(ordinals.map(|(word, value)| (word, Ordinal(value.into()))));
    words.extend(SCALES.map(|(word, value)| (word, Scale(value))));
    words.extend(ALONE.map(|(word, digits)| (word, Alone(digits))));
    words.remove("-");
    words
});

fn small(word: &str) -> Option<f64> {
    match NUMBER_WORDS.get(word) {
        Some(NumberWord::Small(value)) => Some(*value),
        Some(NumberWord::Scale(_) | NumberWord::Ordinal(_) | NumberWord::Alone(_)) | None => None,
    }
}

fn scale(word: &str) -> Option<f64> {
    match NUMBER_WORDS.get(word.strip_suffix('s').unwrap_or(word)) {
        Some(NumberWord::Scale(value)) => Some(*value),
        Some(NumberWord::Small(_) | NumberWord::Ordinal(_) | NumberWord::Alone(_)) | None => None,
    }
}

fn ordinal(word: &str) -> Option<f64> {
    match NUMBER_WORDS.get(word) {
        Some(NumberWord::Ordinal(value)) => Some(*value),
        Some(NumberWord::Small(_) | NumberWord::Scale(_) | NumberWord::Alone(_)) | None => None,
    }
}

/// A whole number in words that begins at word `at`, and how many words it takes.
pub(in crate::policy) fn cardinal(words: &[&str], at: usize) -> Option<(f64, usize)> {
    let word = words.get(at)?;
    let is_word = *word == "one" || small(word).is_some() || scale(word).is_some();
    let (amount, used) = spelled(words, at).filter(|_| is_word)?;
    (!amount.ordinal && amount.value < 1e15).then_some((amount.value, used))
}
