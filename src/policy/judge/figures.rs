//! The numbers of an answer, in one spelling, whatever their order.

/// Numbers, sorted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures(Vec<Box<str>>);

/// How the numbers of two answers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    /// The same ones, or none at all.
    Equal,
    /// Some are shared, or only one answer has any.
    Partial,
    /// Both have some, and share none.
    Disjoint,
    /// Both have many, and share none.
    Apart,
}

impl Figures {
    pub(super) fn agreement(&self, other: &Self) -> Agreement {
        const MANY: usize = 3;
        let (a, b) = (&self.0, &other.0);
        if a == b {
            Agreement::Equal
        } else if a.is_empty() || b.is_empty() || a.iter().any(|number| b.contains(number)) {
            Agreement::Partial
        } else if a.len().min(b.len()) >= MANY {
            Agreement::Apart
        } else {
            Agreement::Disjoint
        }
    }
}

/// Reads the numbers of a text; those that only count the items of a list are left out.
pub(super) fn figures(text: &str) -> Figures {
    let mut figures = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let item = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_item = item.len() < line.len() && item.starts_with([')', '.']);
        let is_item = is_item && item.chars().nth(1).is_none_or(char::is_whitespace);
        read(if is_item { item } else { line }, &mut figures);
    }
    figures.sort_unstable();
    Figures(figures)
}

fn read(line: &str, figures: &mut Vec<Box<str>>) {
    for token in line.split(|c: char| c.is_whitespace() || "/()[]–—:;=*_~\"".contains(c)) {
        let negative = token
            .strip_prefix(['-', '\u{2212}'])
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if negative.is_none()
            && let Some(number) = in_words(token)
        {
            figures.push(number.into());
        }
        for (place, part) in negative
            .unwrap_or(token)
            .split(['-', '\u{2212}'])
            .enumerate()
        {
            let start = part.find(|c: char| c.is_ascii_digit());
            let number = start.and_then(|start| part.get(start..)).unwrap_or("");
            let end = number.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
            let number = number.get(..end.unwrap_or(number.len())).unwrap_or("");
            let number = number.trim_end_matches(['.', ',']);
            if !number.is_empty() {
                let sign = if place == 0 && negative.is_some() {
                    "-"
                } else {
                    ""
                };
                figures.push(format!("{sign}{}", canonical(number)).into());
            }
        }
    }
}

/// "1,000" is "1000", "2.50" is "2.5", "007" is "7"; a decimal comma is a decimal point.
fn canonical(number: &str) -> String {
    let thousands = |(place, part): (usize, &str)| place == 0 || part.len() == 3;
    let number = if number.contains('.') || number.split(',').enumerate().all(thousands) {
        number.replace(',', "")
    } else {
        number.replace(',', ".")
    };
    let number = match number.split_once('.') {
        // More than one point: a version or a date, as it stands.
        Some((_, fraction)) if fraction.contains('.') => return number,
        Some(_) => number.trim_end_matches('0').trim_end_matches('.'),
        None => &number,
    };
    match number.trim_start_matches('0') {
        rest if rest.is_empty() || rest.starts_with('.') => format!("0{rest}"),
        rest => rest.to_owned(),
    }
}

/// Small numbers in words; "one" is mostly a pronoun.
fn in_words(token: &str) -> Option<&'static str> {
    let word = token.trim_matches(|c: char| !c.is_alphanumeric());
    Some(match &*word.to_lowercase() {
        "zero" => "0",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        "eleven" => "11",
        "twelve" => "12",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        let numbers = |text: &str| figures(text).0.join(" ");
        assert_eq!(
            numbers("It costs $1,000.50, or 1000.5 in all."),
            "1000.5 1000.5"
        );
        assert_eq!(numbers("eight of 08 and 3,5"), "3.5 8 8");
        assert_eq!(numbers("-5 °C, 5-6 days, 2.0.1"), "-5 2.0.1 5 6");
        assert_eq!(
            numbers("1. Boil 2 eggs\n2) Wait 7min.\n3.5 is a number"),
            "2 3.5 7"
        );
        assert_eq!(numbers("none at all, not one"), "");
    }

    #[test]
    fn agreement_is_told_in_four_steps() {
        let agreement = |a: &str, b: &str| figures(a).agreement(&figures(b));
        assert_eq!(
            agreement("8 planets in 2 groups", "2 groups, eight planets"),
            Agreement::Equal
        );
        assert_eq!(agreement("in 1969", "long ago"), Agreement::Partial);
        assert_eq!(
            agreement("in 1969 by 2 men", "in 1969 by 3 men"),
            Agreement::Partial
        );
        assert_eq!(agreement("in 1969", "in 1972"), Agreement::Disjoint);
        assert_eq!(agreement("1, 2, 3", "4, 5, 6"), Agreement::Apart);
    }
}
