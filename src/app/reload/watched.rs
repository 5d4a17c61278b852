//! Whether what a file holds is to be tried.
//!
//! A file is tried when it holds something else than what was tried last, and has held it at two looks
//! in a row: one that is being written is left alone.

/// What was found at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// No file, or one that can't be read.
    Unreadable,
    /// White space at most.
    Nothing,
    /// A text, by its hash.
    Text(blake3::Hash),
}

impl Content {
    pub(super) fn of(text: &Result<String, String>) -> Self {
        match text {
            Ok(text) => Self::of_text(text),
            Err(_) => Self::Unreadable,
        }
    }

    fn of_text(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        Self::Text(blake3::hash(text.as_bytes()))
    }
}

/// What is known of a file.
#[derive(Debug)]
pub(in crate::app) struct Watched {
    tried: Content,
    seen: Content,
}

impl Watched {
    /// A file that held `loaded` when it was read.
    pub(in crate::app) fn new(loaded: &str) -> Self {
        let loaded = Content::of_text(loaded);
        Self {
            tried: loaded,
            seen: loaded,
        }
    }

    /// Remembers that this is tried.
    pub(super) fn tried(&mut self, content: Content) {
        self.tried = content;
        self.seen = content;
    }

    /// Takes a look; says whether what is there is to be tried now, and takes it for tried then.
    pub(super) fn is_to_be_tried(&mut self, content: Content) -> bool {
        let is_settled = self.seen == content;
        self.seen = content;
        let is_new = self.tried != content;
        if is_settled && is_new {
            self.tried = content;
        }
        is_settled && is_new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The looks at which something is tried; `-` is a file that is not there.
    fn tried(loaded: &str, looks: &[&str]) -> Vec<usize> {
        let mut watched = Watched::new(loaded);
        let mut found = Vec::new();
        for (at, look) in looks.iter().enumerate() {
            let text = match *look {
                "-" => Err(String::new()),
                text => Ok(text.to_owned()),
            };
            if watched.is_to_be_tried(Content::of(&text)) {
                found.push(at);
            }
        }
        found
    }

    #[test]
    fn a_file_is_tried_once_when_it_has_settled() {
        let check = |looks: &[&str], expected: &[usize]| {
            assert_eq!(tried("a", looks), expected, "{looks:?}");
        };
        check(&["a", "a", "a"], &[]);
        check(&["a", "b", "b", "b"], &[2]);
        // Half written, and then whole.
        check(&["b", "bc", "bcd", "bcd", "bcd"], &[3]);
        // A change that is taken back in time is none.
        check(&["b", "a", "a"], &[]);
        // A broken one that is taken back is tried again.
        check(&["x", "x", "a", "a", "a"], &[1, 3]);
        // A rename in two steps; a file that stays away; one that comes back as it was.
        check(&["-", "b", "b"], &[2]);
        check(&["-", "-", "-"], &[1]);
        check(&["-", "-", "a", "a"], &[1, 3]);
        // Emptied before it is written anew; emptied for good, in whatever way.
        check(&["", "b", "b"], &[2]);
        check(&["", "\n", " ", ""], &[1]);
    }

    #[test]
    fn what_was_asked_for_is_not_tried_again() {
        let mut watched = Watched::new("a");
        let content = Content::of(&Ok("b".to_owned()));
        watched.tried(content);
        assert!(!watched.is_to_be_tried(content));
    }

    proptest! {
        #[test]
        fn what_stays_is_tried_in_the_end_and_only_once(looks in prop::collection::vec("[ab-]", 0..20), last in "[ab-]") {
            let mut looks: Vec<&str> = looks.iter().map(String::as_str).collect();
            let before = tried("a", &looks).last().map_or("a", |at| looks[*at]).to_owned();
            let length = looks.len();
            looks.extend([&*last; 5]);
            let tries = tried("a", &looks);
            let at_the_end = tries.iter().filter(|at| **at >= length).count();
            prop_assert_eq!(at_the_end, usize::from(before != last));
        }
    }
}
