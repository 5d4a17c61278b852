//! What an operator has set on the admin page: `overrides.toml` in the data directory.
//!
//! It goes before the file and behind the environment. It reads and writes text and opens no file. Invariant: what is
//! written is read back as the same.

use std::path::Path;

use toml::de::DeTable;

use super::{
    Config, Problems,
    overrides::Overrides,
    problem::{Findings, Origin},
    reader::{Reader, read_root},
};
use crate::units::{Admission, Similarity};

/// The settings that a page can set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Applied {
    /// `cache.threshold`, instead of `cache.policy` too.
    pub threshold: Option<Similarity>,
}

impl Applied {
    /// What `text`, the file at `path`, says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            findings: Findings::new(path, text),
            overrides: Overrides::new(&[]),
        };
        if !errors.is_empty() {
            for error in errors {
                let offset = error.span().map_or(0, |span| span.start);
                let findings = &mut reader.findings;
                findings.problem(Origin::Offset(offset), "syntax", error.message());
            }
            return Err(reader.findings.into_syntax_problems());
        }
        let threshold = read_root(&mut reader, root.get_ref(), |root| {
            root.section("cache", |cache| cache.number("threshold", &(0.5..=1.0)))
        });
        #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
        let threshold = threshold.and_then(|at| Similarity::new(at.value as f32));
        let (applied, _) = reader.findings.into_result(Some(Self { threshold }))?;
        Ok(applied)
    }

    /// The text of the file that says this.
    #[must_use]
    pub fn text(&self) -> String {
        let head = "# Written by the admin page. It goes before the configuration's file; delete it to undo that.\n";
        match self.threshold {
            Some(threshold) => format!("{head}\n[cache]\nthreshold = {}\n", threshold.get()),
            None => head.to_owned(),
        }
    }
}

impl Config {
    /// The variable that what a page sets about admission would have no effect beside.
    #[must_use]
    pub fn admission_variable(&self) -> Option<&str> {
        let names = ["REFRAIN_CACHE__THRESHOLD", "REFRAIN_CACHE__POLICY"];
        let mut set = self.environment.iter().map(String::as_str);
        set.find(|set| names.iter().any(|name| name.eq_ignore_ascii_case(set)))
    }

    /// The same with what a page has set.
    #[must_use]
    pub fn with(mut self, applied: &Applied) -> Self {
        if let Some(threshold) = applied.threshold
            && self.admission_variable().is_none()
        {
            self.cache.admission = Admission::Threshold(threshold);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::Policy;

    fn parse(text: &str) -> Result<Applied, String> {
        Applied::parse(Path::new("overrides.toml"), text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_set_by_nothing() {
        for text in ["", "# a comment\n", "[cache]\n"] {
            assert_eq!(parse(text), Ok(Applied::default()));
        }
        assert_eq!(parse(&Applied::default().text()), Ok(Applied::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(parse("[cache]\nthreshold = 0.2\npolicy = \"loose\"\n[server]\n").unwrap_err(), @r#"
        overrides.toml:2:13: `cache.threshold`: must be at least 0.5 and at most 1, found 0.2
        overrides.toml:3:1: `cache.policy`: unknown key (there are: threshold)
        overrides.toml:4:2: `server`: unknown section (there are: cache)
        3 problems
        "#);
        insta::assert_snapshot!(parse("[cache\n").unwrap_err(), @r"
        overrides.toml:1:7: `syntax`: unclosed table, expected `]`
        1 problem of syntax; the settings are checked once it is right
        ");
    }

    #[test]
    fn a_page_goes_before_the_file_and_behind_the_environment() {
        let applied = Applied {
            threshold: Similarity::new(0.93),
        };
        let config = crate::config::tests::config("[cache]\npolicy = \"strict\"\n", &[]);
        let by_page = config.clone().with(&applied).cache.admission;
        assert_eq!(
            by_page,
            Admission::Threshold(Similarity::new(0.93).unwrap())
        );
        let mut by_variable = config.clone();
        by_variable.environment = vec!["REFRAIN_CACHE__POLICY".to_owned()];
        let admission = by_variable.with(&applied).cache.admission;
        assert_eq!(admission, Admission::Policy(Policy::Strict));
        let admission = config.with(&Applied::default()).cache.admission;
        assert_eq!(admission, Admission::Policy(Policy::Strict));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(threshold in 0.5..=1.0_f32) {
            let applied = Applied { threshold: Similarity::new(threshold) };
            prop_assert_eq!(parse(&applied.text()), Ok(applied));
        }

        #[test]
        fn anything_else_is_refused_or_read(text in any::<String>()) {
            let _either = parse(&text);
        }
    }
}
