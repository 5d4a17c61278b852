//! What is wrong with a configuration, and where; and what is accepted but has no effect yet.
//!
//! It collects, orders and prints; it judges nothing. Invariant: text of the user reaches a message
//! only through [`quoted`] or [`shown`], so a message is one line, short, and free of control
//! characters. Whoever reads a setting that may be a secret passes none of its text on at all.

use std::{fmt, path::Path, sync::Arc};

/// Where a problem or a notice was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file. Line and column count from 1, the column in characters.
    File {
        /// The file as it was named by the caller.
        path: Arc<str>,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an environment variable.
    Environment {
        /// The name of the variable.
        variable: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Environment { variable } => write!(f, "environment {variable}"),
        }
    }
}

/// One thing that is wrong, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was found.
    pub place: Place,
    /// The setting, for example `cache.ttl`.
    pub key: String,
    /// What is wrong and what to write instead. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.place, self.key, self.message)
    }
}

/// Something the user should know about a configuration that is otherwise in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it was found.
    pub place: Place,
    /// The setting, for example `providers.retry`.
    pub key: String,
    /// What the user should know. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.place, self.key, self.message)
    }
}

/// How far the reading came before it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The text is not TOML, so no setting could be judged.
    Syntax,
    /// Every setting was judged.
    Settings,
}

/// All problems of a configuration, by line. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    stage: Stage,
}

impl Problems {
    /// The problems, by line; those of the environment last.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }
}

impl fmt::Display for Problems {
    /// One problem a line, then their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{problem}")?;
        }
        match self.list.len() {
            1 => f.write_str("1 problem")?,
            many => write!(f, "{many} problems")?,
        }
        match self.stage {
            Stage::Syntax => f.write_str(" of syntax; the settings are checked once it is right"),
            Stage::Settings => Ok(()),
        }
    }
}

impl std::error::Error for Problems {}

/// Where a value comes from, as cheap as a number until somebody wants to read it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'t> {
    /// A byte offset in the file.
    Offset(usize),
    /// The name of an environment variable.
    Variable(&'t str),
}

/// A value with its origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'t, T> {
    pub(crate) value: T,
    pub(crate) origin: Origin<'t>,
}

/// Collects problems and notices while a configuration is read.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    path: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
    notices: Vec<Notice>,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(path: &Path, text: &'t str) -> Self {
        let after_newline = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self {
            path: path.display().to_string().into(),
            text,
            line_starts: std::iter::once(0).chain(after_newline).collect(),
            problems: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(crate) fn problem(
        &mut self,
        origin: Origin<'_>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        let place = self.place(origin);
        self.problems.push(Problem {
            place,
            key: key.into(),
            message: message.into(),
        });
    }

    pub(crate) fn notice(
        &mut self,
        origin: Origin<'_>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        let place = self.place(origin);
        self.notices.push(Notice {
            place,
            key: key.into(),
            message: message.into(),
        });
    }

    /// The problems of syntax.
    pub(crate) fn into_syntax_problems(self) -> Problems {
        sorted(self.problems, Stage::Syntax)
    }

    /// What was read, with the notices; or all problems.
    ///
    /// A value that is missing without a problem would be a defect of the reading; it ends as a
    /// problem too, so that nothing half read is ever used.
    pub(crate) fn into_result<T>(mut self, read: Option<T>) -> Result<(T, Vec<Notice>), Problems> {
        match read {
            Some(read) if self.problems.is_empty() => {
                self.notices.sort_by(|a, b| a.place.cmp(&b.place));
                return Ok((read, self.notices));
            }
            None if self.problems.is_empty() => {
                self.problem(
                    Origin::Offset(0),
                    "file",
                    "could not be read; please report this",
                );
            }
            Some(_) | None => {}
        }
        Err(sorted(self.problems, Stage::Settings))
    }

    /// "line 12", for messages that point at a second place.
    pub(crate) fn line_of(&self, origin: Origin<'_>) -> String {
        match self.place(origin) {
            Place::File { line, .. } => format!("line {line}"),
            Place::Environment { variable } => variable,
        }
    }

    fn place(&self, origin: Origin<'_>) -> Place {
        match origin {
            Origin::Variable(name) => Place::Environment {
                variable: shown(name),
            },
            Origin::Offset(offset) => {
                let line = self.line_starts.partition_point(|start| *start <= offset);
                let start = line.checked_sub(1).and_then(|i| self.line_starts.get(i));
                let before = start.and_then(|start| self.text.get(*start..offset));
                Place::File {
                    path: Arc::clone(&self.path),
                    line,
                    column: before.map_or(0, |text| text.chars().count()) + 1,
                }
            }
        }
    }
}

fn sorted(mut list: Vec<Problem>, stage: Stage) -> Problems {
    list.sort_by(|a, b| a.place.cmp(&b.place));
    Problems { list, stage }
}

/// Text of the user for a message: cut, and with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// As [`shown`], in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_short_and_has_no_control_characters() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert_eq!(shown(&"x".repeat(60)), "x".repeat(60));
    }

    #[test]
    fn columns_count_characters() {
        let findings = Findings::new(Path::new("f"), "a\näö = 1");
        let offset = "a\näö ".len();
        assert_eq!(findings.place(Origin::Offset(offset)).to_string(), "f:2:4");
        assert_eq!(findings.place(Origin::Offset(0)).to_string(), "f:1:1");
        assert_eq!(findings.place(Origin::Offset(999)).to_string(), "f:2:1");
    }
}
