//! Labelled packs: what users really ask, and which of it asks the same.
//!
//! A pack is a file of JSON lines, of one of two kinds that its fields tell apart. It reads and checks
//! a file as a whole; nothing is replayed of a pack with a bad line.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

/// A labelled pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// The name of the file, without its ending.
    pub name: String,
    /// What it holds.
    pub records: Records,
}

/// The records of a pack, in the order of the file; not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Prompts that are asked one after the other.
    Stream(Vec<Labelled>),
    /// Prompts that are asked two and two.
    Pairs(Vec<Pair>),
}

/// One prompt of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// What is asked.
    pub prompt: Prompt,
    /// Which answer is right; prompts of one group share it. Groups are numbered as they come.
    pub group: u32,
}

/// Two prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Asked first.
    pub a: Prompt,
    /// Asked second.
    pub b: Prompt,
    /// Whether the answer to `a` answers `b`.
    pub duplicate: bool,
    /// What kind of pair it is.
    pub category: Option<String>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The system prompt.
    pub system: Option<String>,
    /// The user's text.
    pub text: String,
}

impl Prompt {
    /// System prompt and text as one.
    #[must_use]
    pub fn whole(&self) -> String {
        match &self.system {
            Some(system) => format!("{system}\n{}", self.text),
            None => self.text.clone(),
        }
    }
}

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What should be there.
        expected: String,
    },
}

const KINDS: &str = "expected a record of a stream, {\"prompt\": text, \"group\": text}, \
                     or a pair, {\"a\": text, \"b\": text, \"duplicate\": true or false}";

impl Pack {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PackError`]: the first line that is no record, or no record of the kind of the first line.
    pub fn read(path: &Path) -> Result<Self, PackError> {
        let unreadable = |source| PackError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let malformed = |(line, expected)| PackError::Malformed {
            path: path.to_owned(),
            line,
            expected,
        };
        let name = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            records: Records::parse(&bytes).map_err(malformed)?,
        })
    }
}

impl Records {
    /// Reads JSON lines; the line and what is expected there if they are none.
    fn parse(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let mut records: Option<Self> = None;
        let mut groups = HashMap::new();
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        for (line, bytes) in lines.filter(|(_, bytes)| !bytes.trim_ascii().is_empty()) {
            let at_line = |expected| (line, expected);
            let fields = object(bytes).map_err(at_line)?;
            let record = Record::of(&fields, &mut groups).map_err(at_line)?;
            records = Some(match (records, record) {
                (None, Record::Labelled(labelled)) => Self::Stream(vec![labelled]),
                (None, Record::Pair(pair)) => Self::Pairs(vec![pair]),
                (Some(Self::Stream(mut all)), Record::Labelled(labelled)) => {
                    all.push(labelled);
                    Self::Stream(all)
                }
                (Some(Self::Pairs(mut all)), Record::Pair(pair)) => {
                    all.push(pair);
                    Self::Pairs(all)
                }
                (Some(before), _) => {
                    let expected = format!("expected a record of {before}, as before it");
                    return Err((line, expected));
                }
            });
        }
        records.ok_or_else(|| (1, format!("the file has no records; {KINDS}")))
    }

    /// Every prompt.
    pub fn prompts(&self) -> Box<dyn Iterator<Item = &Prompt> + '_> {
        match self {
            Self::Stream(stream) => Box::new(stream.iter().map(|labelled| &labelled.prompt)),
            Self::Pairs(pairs) => Box::new(pairs.iter().flat_map(|pair| [&pair.a, &pair.b])),
        }
    }
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "a stream",
            Self::Pairs(_) => "pairs",
        })
    }
}

fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(KINDS.to_owned()),
        Err(error) => Err(format!("not JSON ({error}); {KINDS}")),
    }
}

enum Record {
    Labelled(Labelled),
    Pair(Pair),
}

impl Record {
    /// Reads one record. `groups` are the numbers of the groups so far.
    fn of(fields: &Map<String, Value>, groups: &mut HashMap<String, u32>) -> Result<Self, String> {
        let has = |name| fields.contains_key(name);
        match (has("prompt"), has("a") || has("b")) {
            (true, false) => {
                let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
                let group = text(fields, "group")?;
                Ok(Self::Labelled(Labelled {
                    prompt: prompt(fields, "prompt", None)?,
                    group: *groups.entry(group).or_insert(count),
                }))
            }
            (false, true) => Ok(Self::Pair(Pair {
                a: prompt(fields, "a", fields.get("a_extra"))?,
                b: prompt(fields, "b", fields.get("b_extra"))?,
                duplicate: (fields.get("duplicate").and_then(Value::as_bool))
                    .ok_or("expected `duplicate` to be true or false")?,
                category: match fields.get("category") {
                    None | Some(Value::Null) => None,
                    Some(_) => Some(text(fields, "category")?),
                },
            })),
            _ => Err(KINDS.to_owned()),
        }
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text = fields.get(name).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| format!("expected `{name}` to be a text"))
}

/// A prompt. What else is asked about comes before it as a system prompt: `{"system": text}`, or
/// anything, as it is written.
fn prompt(
    fields: &Map<String, Value>,
    name: &str,
    before: Option<&Value>,
) -> Result<Prompt, String> {
    let asked = text(fields, name)?;
    if asked.trim().is_empty() {
        return Err(format!("expected `{name}` to say something"));
    }
    let before = before.filter(|before| !before.is_null());
    let system = before.map(|before| {
        let system = before.get("system").unwrap_or(before);
        let text = system.as_str().map(str::to_owned);
        text.unwrap_or_else(|| system.to_string())
    });
    Ok(Prompt {
        system,
        text: asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Records, (usize, String)> {
        Records::parse(text.as_bytes())
    }

    #[test]
    fn the_kind_is_told_by_the_fields() {
        let stream = parse(
            "{\"id\":\"1\",\"prompt\":\"red?\",\"group\":\"x\",\"intent\":7}\n\n\
             {\"id\":\"2\",\"prompt\":\"blue?\",\"group\":\"y\"}\n\
             {\"id\":\"3\",\"prompt\":\"rouge?\",\"group\":\"x\"}",
        );
        let Ok(Records::Stream(stream)) = stream else {
            panic!("{stream:?}");
        };
        let groups: Vec<u32> = stream.iter().map(|labelled| labelled.group).collect();
        assert_eq!(groups, [0, 1, 0]);

        let pairs = parse(
            "{\"a\":\"q\",\"b\":\"r\",\"duplicate\":false,\"a_extra\":{\"system\":\"s\"},\
             \"b_extra\":\"{'system': 's'}\",\"category\":\"c\"}\n",
        );
        let Ok(Records::Pairs(pairs)) = pairs else {
            panic!("{pairs:?}");
        };
        assert_eq!(pairs[0].a.whole(), "s\nq");
        assert_eq!(pairs[0].b.system.as_deref(), Some("{'system': 's'}"));
        assert_eq!(pairs[0].category.as_deref(), Some("c"));
    }

    #[test]
    fn a_bad_line_is_named_with_what_belongs_there() {
        let good = "{\"prompt\":\"p\",\"group\":\"g\"}\n";
        for (bad, expected) in [
            ("{\"prompt\":\"p\"}", "`group` to be a text"),
            ("{\"prompt\":7,\"group\":\"g\"}", "`prompt` to be a text"),
            (
                "{\"prompt\":\" \",\"group\":\"g\"}",
                "`prompt` to say something",
            ),
            ("{\"a\":\"x\",\"duplicate\":true}", "`b` to be a text"),
            ("{\"a\":\"x\",\"b\":\"y\",\"duplicate\":1}", "true or false"),
            (
                "{\"a\":\"x\",\"b\":\"y\",\"duplicate\":true}",
                "a record of a stream",
            ),
            ("{\"text\":\"x\"}", "expected a record of a stream"),
            ("[1]", "expected a record of a stream"),
            ("{\"prompt\":", "not JSON (EOF"),
        ] {
            let (line, said) = parse(&format!("{good}\n{bad}\n{good}")).unwrap_err();
            assert!(line == 3 && said.contains(expected), "{bad}: {line} {said}");
        }
        assert!(parse(" \n").unwrap_err().1.contains("no records"));
        let (line, said) = Records::parse(b"{\"prompt\":\"\xff\"}").unwrap_err();
        assert!(line == 1 && said.contains("not JSON"), "{said}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err((line, expected)) = Records::parse(&bytes) {
                prop_assert!(line >= 1 && !expected.is_empty());
            }
        }
    }
}
