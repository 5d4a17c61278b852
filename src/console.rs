//! `refrain stats` and `refrain cache list | search | purge`: a running gateway on the terminal of its operator.
//!
//! It shows what the admin endpoints answer, as tables for people or as their JSON. Invariant: what clients and
//! models wrote is one line of inert text; nothing of it can move a cursor or turn a line around.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::{
    inert,
    transfer::{Gateway, TransferError},
};

mod overview;
mod table;
mod text;

use self::{
    table::{Column, Table},
    text::{amount, bytes, span, usd},
};

/// Where it is shown, and how.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Characters in a line; `None` if lines are not cut.
    pub width: Option<usize>,
    /// As what.
    pub form: Form,
}

/// As what something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tables, for people.
    Table,
    /// JSON over several lines.
    Json,
    /// JSON in one line.
    JsonLine,
}

impl Form {
    /// What a value is as JSON, if it is wanted so. Controls and what can't be seen are escaped in it.
    #[must_use]
    pub fn json(self, value: &Value) -> Option<String> {
        match self {
            Self::Table => None,
            Self::Json => Some(inert::json(&format!("{value:#}")).into_owned()),
            Self::JsonLine => Some(inert::json(&value.to_string()).into_owned()),
        }
    }
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// All of them.
    pub everything: bool,
    /// Conditions, in the words of the endpoints.
    pub conditions: Vec<(&'static str, String)>,
}

/// How they are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// As a list.
    List {
        /// Of those that have this text in their prompt, question or answer.
        text: Option<String>,
        /// In this order: `newest`, `uses`, `saved` or `size`; as the gateway likes, if it is not said.
        sort: Option<&'static str>,
    },
    /// By what this question means, the nearest first.
    Meaning(String),
}

/// How much of them is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Few {
    /// At most so many; [`MOST_BY_MEANING`] if they are looked for by meaning.
    pub limit: u32,
    /// Whether their ids are shown, too.
    pub ids: bool,
}

/// A gateway finds no more entries than this by their meaning.
pub const MOST_BY_MEANING: u32 = 100;

/// Whether a purge has to be agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// It is only said what would go.
    DryRun,
    /// It is agreed to.
    Agreed,
    /// Somebody is asked.
    Ask,
}

/// Why something could not be shown or done.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The gateway could not be asked, or refused.
    #[error("{0}{hint}", hint = hint(.0))]
    Gateway(#[from] TransferError),
    /// The output is gone.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// What was asked for can't be meant.
    #[error("{0}")]
    Usage(&'static str),
    /// The entries can't be looked for by their meaning.
    #[error("no search by meaning: {0}; --text looks for the very words")]
    Unavailable(String),
    /// Somebody did not agree.
    #[error("nothing was purged")]
    Declined,
}

impl ConsoleError {
    /// Whether whoever reads has enough, which is no failure.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Write(error) | Self::Gateway(TransferError::Write(error))
            if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the arguments are wrong.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}

/// What to do about it.
fn hint(error: &TransferError) -> &'static str {
    match error {
        TransferError::Unreachable { .. } => {
            "; is the gateway running there? --url or REFRAIN_URL says where it is"
        }
        TransferError::Refused { status, .. } if status.as_u16() == 401 => {
            "; REFRAIN_ADMIN_KEY has to be the admin's key"
        }
        TransferError::Refused { .. }
        | TransferError::File { .. }
        | TransferError::Write(_)
        | TransferError::Foreign { .. }
        | TransferError::Interrupted => "",
    }
}

/// What the gateway does: totals, the two ledgers, the cache, the providers. As JSON, what `/admin/api/stats` says.
///
/// # Errors
/// [`ConsoleError`].
pub async fn stats(
    gateway: &Gateway,
    screen: Screen,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let stats = gateway.fetch("/admin/api/stats", &[]).await?;
    if let Some(json) = screen.form.json(&stats) {
        return put(out, &json);
    }
    let providers = gateway.fetch("/admin/api/providers", &[]).await?;
    overview::write(out, screen, &stats, &providers)?;
    Ok(())
}

/// Entries of the cache.
///
/// # Errors
/// [`ConsoleError`]; [`ConsoleError::Usage`] if more are wanted than can be found.
pub async fn entries(
    gateway: &Gateway,
    selection: &Selection,
    sought: &Sought,
    few: Few,
    screen: Screen,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let Few { limit, ids } = few;
    let is_near = matches!(sought, Sought::Meaning(_));
    if is_near && limit > MOST_BY_MEANING {
        return Err(ConsoleError::Usage(
            "by their meaning at most 100 entries are found (--limit)",
        ));
    }
    let found = match sought {
        Sought::List { text, sort } => {
            let mut query = selection.conditions.clone();
            query.extend(text.clone().map(|text| ("text", text)));
            query.extend(sort.map(|sort| ("sort", sort.to_owned())));
            query.push(("limit", limit.to_string()));
            gateway.fetch("/admin/api/cache/entries", &query).await?
        }
        Sought::Meaning(question) => {
            let mut body = conditions(selection);
            body.insert("text".to_owned(), question.as_str().into());
            body.insert("limit".to_owned(), limit.into());
            let body = Value::Object(body);
            gateway.submit("/admin/api/cache/search", &body).await?
        }
    };
    if let Some(json) = screen.form.json(&found) {
        return put(out, &json);
    }
    if let Some(why) = found.get("unavailable").and_then(Value::as_str) {
        return Err(ConsoleError::Unavailable(inert::line(why)));
    }
    let entries = items(&found, "entries");
    entries_table(entries, ids, is_near).write(out, screen.width)?;
    let shown = entries.len();
    match found.get("total").and_then(Value::as_f64) {
        Some(total) => writeln!(out, "{shown} of {} entries", amount(total))?,
        None => writeln!(out, "{shown} entries")?,
    }
    Ok(())
}

/// Forgets entries, after `agree` has said yes to what would go.
///
/// # Errors
/// [`ConsoleError`]; [`ConsoleError::Usage`] if nothing is selected.
pub async fn purge(
    gateway: &Gateway,
    selection: &Selection,
    purge: Purge,
    screen: Screen,
    out: &mut (dyn Write + Send),
    agree: impl FnOnce(&str) -> Result<bool, ConsoleError>,
) -> Result<(), ConsoleError> {
    const PATH: &str = "/admin/api/cache/purge";
    if !selection.everything && selection.conditions.is_empty() {
        return Err(ConsoleError::Usage(
            "say what to purge: --id, --tag, --namespace, --model, --client, --older-than, --younger-than, --prefix, \
             --generation-below, or --everything",
        ));
    }
    let mut body = conditions(selection);
    if selection.everything {
        body.insert("everything".to_owned(), true.into());
    }
    let mut ask = async |dry_run: bool| {
        body.insert("dry_run".to_owned(), dry_run.into());
        gateway.submit(PATH, &Value::Object(body.clone())).await
    };
    let would = ask(true).await?;
    let entries = number(&would, "/entries");
    let what = format!(
        "{} entries ({})",
        amount(entries),
        bytes(number(&would, "/bytes"))
    );
    let is_done = purge == Purge::DryRun || entries == 0.0;
    if is_done {
        if let Some(json) = screen.form.json(&would) {
            return put(out, &json);
        }
        writeln!(out, "{what} would be purged")?;
        return Ok(());
    }
    if purge == Purge::Ask && !agree(&format!("{what} will be purged"))? {
        return Err(ConsoleError::Declined);
    }
    let done = ask(false).await?;
    if let Some(json) = screen.form.json(&done) {
        return put(out, &json);
    }
    let (entries, size) = (number(&done, "/entries"), number(&done, "/bytes"));
    writeln!(
        out,
        "{} entries ({}) were purged",
        amount(entries),
        bytes(size)
    )?;
    Ok(())
}

fn conditions(selection: &Selection) -> Map<String, Value> {
    let written = selection.conditions.iter();
    written
        .map(|(name, value)| {
            let value = match (*name, value.parse::<u64>()) {
                ("generation_below", Ok(number)) => json!(number),
                _ => json!(value),
            };
            ((*name).to_owned(), value)
        })
        .collect()
}

/// A table of entries, with how near they are if they were looked for by meaning.
fn entries_table(entries: &[Value], ids: bool, near: bool) -> Table {
    let mut columns = vec![
        Column::right("AGE"),
        Column::right("USES"),
        Column::right("SAVED"),
        Column::right("SIZE"),
        Column::left("MODEL"),
        Column::left("CLIENT"),
        Column::flexible("PROMPT"),
    ];
    if near {
        columns.insert(0, Column::right("NEAR"));
    }
    if ids {
        columns.insert(0, Column::left("ID"));
    }
    let mut table = Table::new(columns);
    for entry in entries {
        let mut cells = vec![
            span(number(entry, "/age_seconds")),
            amount(number(entry, "/uses")),
            usd(number(entry, "/saved_usd")),
            bytes(number(entry, "/bytes")),
            word(entry, "/model").to_owned(),
            word(entry, "/client").to_owned(),
            word(entry, "/prompt").to_owned(),
        ];
        if near {
            cells.insert(0, format!("{:.3}", number(entry, "/similarity")));
        }
        if ids {
            cells.insert(0, word(entry, "/id").to_owned());
        }
        table.row(&cells);
    }
    table
}

/// Writes a line, or several.
fn put(out: &mut (dyn Write + Send), text: &str) -> Result<(), ConsoleError> {
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let items = value.get(name).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// A number; zero if there is none.
fn number(value: &Value, pointer: &str) -> f64 {
    let number = value.pointer(pointer).and_then(Value::as_f64);
    number.unwrap_or_default()
}

/// A text; `-` if there is none.
fn word<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let word = value.pointer(pointer).and_then(Value::as_str);
    word.unwrap_or("-")
}
