//! The name that was probably meant.
//!
//! It compares names; it does not know where they come from. Invariant: the answer is one of the
//! candidates.

/// The candidate nearest to `word`: few typing errors away, or the one contained in the other
/// (`url` for `base_url`). `None` if nothing is near.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST: usize = 80;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let length = word.chars().count();
    let allowed = length.div_ceil(3).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let comparable = candidate.to_lowercase().replace('-', "_");
            let errors = strsim::damerau_levenshtein(&word, &comparable);
            if errors <= allowed {
                return Some((errors, candidate));
            }
            let (short, long) = if word.len() < comparable.len() {
                (&word, &comparable)
            } else {
                (&comparable, &word)
            };
            (short.len() >= 3 && long.contains(short.as_str())).then_some((errors, candidate))
        })
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

/// What follows "unknown …": the probable name, or else the names there are.
pub(crate) fn hint(word: &str, candidates: &[&str]) -> String {
    const FEW: usize = 32;
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return format!(", did you mean `{near}`?");
    }
    match candidates {
        [] => String::new(),
        some if some.len() <= FEW => format!(" (there are: {})", some.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let check = |word, expect| {
            let names = ["ttl", "base_url", "threshold", "max_bytes", "gemini"];
            assert_eq!(nearest(word, names), expect, "{word}");
        };
        check("tll", Some("ttl"));
        check("TTL", Some("ttl"));
        check("url", Some("base_url"));
        check("base-url", Some("base_url"));
        check("similarity_threshold", Some("threshold"));
        check("gemni", Some("gemini"));
        check("gmeni", Some("gemini"));
        check("t", None);
        check("colour", None);
        check("", None);
        check(&"t".repeat(1000), None);
    }
}
