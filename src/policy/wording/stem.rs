//! The common part of a word's forms, so that a word stands for its plural and its verb forms.
//!
//! A light stemmer in the manner of Harman's (1991): plural, `-ing`, `-ed`, `-ly`, doubled
//! consonants, final `e` and `y`. Harder stemmers (Porter) join words that differ in meaning, such as
//! "universal" and "university", and here a join too many is a wrong answer.

/// Puts the stem of `word` (lower case) into `stem`, by rule; exceptions are the table's matter.
pub(super) fn stem_into(word: &str, stem: &mut String) {
    stem.clear();
    stem.push_str(word);
    if word.len() <= 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    singular(stem);
    let ended = ["ing", "ed"].iter().any(|ending| without(stem, ending));
    if ended {
        let mut last = stem.bytes().rev();
        if let (Some(a), Some(b)) = (last.next(), last.next())
            && a == b
            && !matches!(a, b'a' | b'e' | b'i' | b'o' | b'l' | b's' | b'z')
        {
            stem.pop();
        }
    } else if stem.len() > 5 && stem.ends_with("ly") {
        stem.truncate(stem.len() - 2);
    }
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    if stem.len() > 3 && stem.ends_with('y') {
        stem.pop();
        stem.push('i');
    }
}

fn singular(word: &mut String) {
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if ["sses", "shes", "ches", "xes", "zes"]
        .iter()
        .any(|ending| word.ends_with(ending))
    {
        word.truncate(word.len() - 2);
    } else if word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        word.pop();
    }
}

/// Cuts `ending` off if a stem with a vowel stays.
fn without(word: &mut String, ending: &str) -> bool {
    let Some(stem) = word.strip_suffix(ending) else {
        return false;
    };
    let has_vowel = stem.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let cut = stem.len() > 2 && has_vowel && !(ending == "ed" && stem.ends_with('e'));
    if cut {
        let len = stem.len();
        word.truncate(len);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(word: &str) -> String {
        let mut stem = String::new();
        stem_into(word, &mut stem);
        stem
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["enable", "enables", "enabled", "enabling"][..],
            &["stop", "stops", "stopped", "stopping"],
            &["city", "cities"],
            &["box", "boxes"],
            &["apply", "applies", "applied", "applying"],
            &["quick", "quickly"],
            &["sell", "sells", "selling"],
            &["class", "classes"],
        ] {
            for form in forms {
                assert_eq!(stem(form), stem(forms[0]), "{form}");
            }
        }
    }

    #[test]
    fn short_words_and_endings_of_the_word_itself_stay() {
        for word in [
            "string", "need", "thing", "red", "bus", "class", "c++", "mp3s",
        ] {
            assert_eq!(stem(word), word);
        }
    }
}
