//! What the shape of a request says about its work.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;

use super::words;
use crate::{
    policy::question::{self, Asked},
    wire::chat::ChatRequest,
};

/// A request with this many bytes of text is work on a long input, whatever is asked: about 30,000 tokens.
const LONG: usize = 100_000;
/// One with less is not, whatever it says: a question about long inputs is none itself.
const NOT_LONG: usize = 16_000;
/// A question of so few characters, alone, is likely a simple one.
const SHORT: usize = 60;
/// Of the question, so many bytes at either end are searched for words.
const END: usize = 300;
/// A system prompt up to this many bytes says what the one purpose of its requests is; longer ones
/// mention everything.
const PURPOSE: usize = 600;
/// So much of a text is searched for code.
const SEARCHED: usize = 64 * 1024;

/// Something about a request that speaks for one kind of work, by a name that tasks customarily have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
    /// The request is very long.
    LongInput,
    /// Blocks of code, stack traces, or words about programs.
    Code,
    /// Statements or definitions of tables, or words about databases.
    Sql,
    /// Words that ask for a translation.
    Translation,
    /// Words that ask for a summary.
    Summary,
    /// Words that ask for the data in a text.
    Extraction,
    /// Words that ask for a derivation or a decision.
    Reasoning,
    /// Words that ask for a fact, a label or a correction.
    ShortAnswer,
    /// Few words, and nothing else.
    Short,
}

impl Sign {
    /// The name in headers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LongInput => "long_input",
            Self::Code => "code",
            Self::Sql => "sql",
            Self::Translation => "translation",
            Self::Summary => "summary",
            Self::Extraction => "extraction",
            Self::Reasoning => "reasoning",
            Self::ShortAnswer => "short_answer",
            Self::Short => "short",
        }
    }

    /// The task that it speaks for, if there is one with this name.
    #[must_use]
    pub fn task(self) -> &'static str {
        match self {
            Self::LongInput => super::LONG_CONTEXT,
            Self::Code => "code_generation",
            Self::Sql => "sql",
            Self::Translation => "translate",
            Self::Summary => "summarise",
            Self::Extraction => "extract",
            Self::Reasoning => "reasoning",
            Self::ShortAnswer | Self::Short => "simple",
        }
    }

    /// What it adds to the similarity of its task; of two signs for one task, the first counts.
    /// Measured (`docs/routing.md`): from 0.12 to 0.2 makes no difference.
    pub(super) fn weight(self) -> f32 {
        match self {
            Self::LongInput => 1.0,
            Self::Code
            | Self::Sql
            | Self::Translation
            | Self::Summary
            | Self::Extraction
            | Self::Reasoning
            | Self::ShortAnswer => 0.12,
            Self::Short => 0.05,
        }
    }
}

/// What the shape of a request says about its work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signals {
    signs: Vec<Sign>,
    may_be_long: bool,
}

impl Signals {
    /// The signals of `request`. Its last user's text counts, and its system prompt if that is short.
    #[must_use]
    pub fn of(request: &ChatRequest) -> Self {
        let messages = request.messages();
        let bytes: usize = messages.iter().map(text_bytes).sum();
        let parts = || messages.iter().flat_map(parts);
        let has_files = parts().any(|part| kind(part) == Some("file"));
        let mut signals = Self {
            signs: Vec::new(),
            may_be_long: has_files || bytes >= NOT_LONG,
        };
        if bytes >= LONG {
            signals.signs.push(Sign::LongInput);
            return signals;
        }
        let Some(text) = last_user_text(messages) else {
            return signals;
        };
        let asked = asked(&text);
        let purpose = messages
            .iter()
            .filter(|message| is_role(message, &["system", "developer"]));
        let purpose = purpose
            .filter_map(text_of_message)
            .find(|text| text.len() <= PURPOSE);
        let mut said = purpose.unwrap_or_default().into_owned();
        for end in ends(asked.gist()) {
            said.push('\n');
            said.push_str(end);
        }
        signals.signs = words::signs_in(&said);
        let searched = text
            .get(..text.floor_char_boundary(SEARCHED))
            .unwrap_or(&text);
        for (sign, is_there) in [
            (Sign::Code, shows_code(searched)),
            (Sign::Sql, shows_sql(searched)),
        ] {
            if is_there && !signals.signs.contains(&sign) {
                signals.signs.push(sign);
            }
        }
        // In a conversation, and before tools or pictures, few words can mean much.
        let fields = request.fields();
        let has_tools = ["tools", "functions"].iter().any(|name| {
            fields
                .get(*name)
                .and_then(Value::as_array)
                .is_some_and(|tools| !tools.is_empty())
        });
        let is_alone = !has_tools
            && messages
                .iter()
                .all(|message| is_role(message, &["system", "developer", "user"]))
            && messages
                .iter()
                .filter(|message| is_role(message, &["user"]))
                .count()
                == 1
            && parts().all(|part| kind(part) == Some("text"));
        if is_alone && text.trim().chars().nth(SHORT).is_none() {
            signals.signs.push(Sign::Short);
        }
        signals
    }

    /// Everything that speaks for some kind of work, each at most once.
    #[must_use]
    pub fn signs(&self) -> &[Sign] {
        &self.signs
    }

    /// Whether the request may be work on a long input at all.
    #[must_use]
    pub fn may_be_long(&self) -> bool {
        self.may_be_long
    }
}

/// The text by which `request` is classified: what the last user's message asks, as the cache embeds it,
/// so that one vector serves both. Without a short question in it, its beginning. `None` without a
/// user's words.
#[must_use]
pub fn text_of(request: &ChatRequest) -> Option<String> {
    let text = last_user_text(request.messages())?;
    let gist = asked(&text).gist().to_owned();
    (!gist.trim().is_empty()).then_some(gist)
}

fn asked(text: &str) -> Asked<'_> {
    Asked {
        text,
        parts: question::split(text),
    }
}

/// The words of the last message of a user that has any.
fn last_user_text(messages: &[Value]) -> Option<Cow<'_, str>> {
    let users = messages
        .iter()
        .rev()
        .filter(|message| is_role(message, &["user"]));
    users
        .filter_map(text_of_message)
        .find(|text| !text.trim().is_empty())
}

fn is_role(message: &Value, roles: &[&str]) -> bool {
    let role = message.get("role").and_then(Value::as_str);
    role.is_some_and(|role| roles.contains(&role))
}

/// The words of a message, its text parts as paragraphs.
fn text_of_message(message: &Value) -> Option<Cow<'_, str>> {
    match message.get("content")? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(parts) => {
            let mut texts = parts.iter().filter_map(text_of_part);
            let first = texts.next()?;
            let mut rest = texts.peekable();
            if rest.peek().is_none() {
                return Some(Cow::Borrowed(first));
            }
            let joined = rest.fold(first.to_owned(), |joined, text| joined + "\n\n" + text);
            Some(Cow::Owned(joined))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn text_of_part(part: &Value) -> Option<&str> {
    part.get("text").and_then(Value::as_str)
}

fn parts(message: &Value) -> &[Value] {
    let parts = message.get("content").and_then(Value::as_array);
    parts.map_or(&[], Vec::as_slice)
}

fn kind(part: &Value) -> Option<&str> {
    part.get("type").and_then(Value::as_str)
}

/// The bytes of text in a message; pictures and the like have none.
fn text_bytes(message: &Value) -> usize {
    let text = message
        .get("content")
        .and_then(Value::as_str)
        .map_or(0, str::len);
    let parts: usize = parts(message)
        .iter()
        .filter_map(text_of_part)
        .map(str::len)
        .sum();
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let arguments = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("function")?.get("arguments")?.as_str());
    text + parts + arguments.map(str::len).sum::<usize>()
}

/// The beginning and the end of `text`, or all of it.
fn ends(text: &str) -> [&str; 2] {
    if text.len() <= 2 * END {
        return [text, ""];
    }
    let beginning = text.get(..text.floor_char_boundary(END));
    let end = text.get(text.ceil_char_boundary(text.len() - END)..);
    [beginning.unwrap_or_default(), end.unwrap_or_default()]
}

/// Whether there is a block of code or a stack trace in `text`.
fn shows_code(text: &str) -> bool {
    const TRACES: [&str; 6] = [
        "Traceback (most recent call last)",
        "Exception in thread",
        "\n\tat ",
        "\n    at ",
        "panicked at ",
        "error[E",
    ];
    TRACES.iter().any(|trace| contains(text, trace))
        || fences(text).any(|(tag, block)| match tag {
            "" => [";\n", "{\n", "):\n", "=>", "->", " == "]
                .iter()
                .any(|sign| contains(block, sign)),
            tag => !NO_CODE.contains(&tag) && !SQL.contains(&tag),
        })
}

/// Whether there is a statement or the definition of a table in `text`.
fn shows_sql(text: &str) -> bool {
    let after_select = text.split_once("SELECT ");
    after_select.is_some_and(|(_, rest)| contains(rest, "FROM "))
        || ["(id, ", "_id, "]
            .iter()
            .any(|column| contains(text, column))
        || fences(text).any(|(tag, _)| SQL.contains(&tag))
}

/// What stands behind the fence of a block that is no program.
const NO_CODE: [&str; 9] = [
    "json", "csv", "text", "txt", "md", "markdown", "log", "xml", "email",
];
const SQL: [&str; 5] = ["sql", "psql", "postgres", "mysql", "sqlite"];

/// The fenced blocks of `text`, with the words behind their fences.
fn fences(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("```").skip(1).step_by(2).map(|block| {
        let (tag, block) = block.split_once('\n').unwrap_or(("", block));
        (tag.trim(), block)
    })
}

fn contains(text: &str, sign: &str) -> bool {
    memmem::find(text.as_bytes(), sign.as_bytes()).is_some()
}
