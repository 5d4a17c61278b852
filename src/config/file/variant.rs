//! Keys of `[[providers]]` that only some kinds have.
//!
//! They say how a server differs from what its kind does by itself. Invariant: a key that the kind does
//! not have was noted, with the kinds that do.

use std::collections::BTreeSet;

use reqwest::header::{HeaderMap, HeaderName};

use super::{providers::OWN_HEADERS, settings::count};
use crate::{
    config::{
        compat::{Compat, ModelEdits, PathTemplate},
        defaults,
        pattern::ModelPattern,
        problem::{quoted, shown},
        provider::ProviderKind,
        reader::Section,
    },
    wire::{chat::Edit, embeddings::MOST_INPUTS, native::Interface},
};

use ProviderKind::{Anthropic, Gemini, Ollama, OpenAi};

/// The keys, and the kinds that have them.
const KINDS: [(&str, &[ProviderKind]); 11] = [
    ("api_key_header", &[OpenAi]),
    ("chat_path", &[OpenAi]),
    ("models_path", &[OpenAi]),
    ("developer_role", &[OpenAi]),
    ("params", &[OpenAi]),
    ("interfaces", &[OpenAi]),
    ("embedding_batch", &[OpenAi]),
    ("drop_unsupported", &[Gemini, Anthropic, Ollama]),
    ("prompt_caching", &[Anthropic]),
    ("keep_alive", &[Ollama]),
    ("num_ctx", &[Ollama]),
];

/// What these keys say.
#[derive(Debug)]
pub(crate) struct VariantEntry {
    pub(crate) compat: Compat,
    pub(crate) interfaces: Option<Vec<Interface>>,
    pub(crate) drop_unsupported: Option<bool>,
    pub(crate) prompt_caching: Option<bool>,
    pub(crate) keep_alive: Option<String>,
    pub(crate) num_ctx: Option<u32>,
}

/// Reads the keys of a provider that sends `headers` and whose key is, or is not, known to be there.
pub(super) fn variant(
    section: &mut Section<'_, '_>,
    kind: Option<ProviderKind>,
    headers: &HeaderMap,
    lacks_key: bool,
) -> VariantEntry {
    let variant = VariantEntry {
        compat: Compat {
            key_header: key_header(section, headers, lacks_key),
            chat_path: path(section, "chat_path", defaults::CHAT_PATH, ModelIn::Allowed),
            models_path: path(
                section,
                "models_path",
                defaults::MODELS_PATH,
                ModelIn::Refused,
            ),
            edits: edits(section),
            interfaces: Vec::new(),
            embedding_batch: count(section, "embedding_batch", 1..=MOST_INPUTS as u64),
        },
        interfaces: interfaces(section),
        drop_unsupported: section.switch("drop_unsupported").map(|at| at.value),
        prompt_caching: section.switch("prompt_caching").map(|at| at.value),
        keep_alive: section
            .parsed(
                "keep_alive",
                "a duration in quotes, for example \"10m\"",
                keep_alive,
            )
            .map(|at| at.value),
        num_ctx: section
            .integer("num_ctx", 256..=1 << 24)
            .and_then(|at| u32::try_from(at.value).ok()),
    };
    if let Some(kind) = kind {
        other_kinds(section, kind);
    }
    variant
}

/// Notes the keys that belong to other kinds.
fn other_kinds(section: &mut Section<'_, '_>, kind: ProviderKind) {
    for (key, kinds) in KINDS {
        let Some(origin) = section.written(key).filter(|_| !kinds.contains(&kind)) else {
            continue;
        };
        let names: Vec<String> = kinds
            .iter()
            .map(|kind| format!("`{}`", kind.as_str()))
            .collect();
        let names = match names.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            one => one.concat(),
        };
        let hint = match (key, kind) {
            ("drop_unsupported", OpenAi) => "; write what to drop into `params`",
            _ => "",
        };
        let message = format!(
            "only for kind {names}, and this provider is of kind `{}`{hint}",
            kind.as_str()
        );
        let path = section.path_of(key);
        section.reader.findings.problem(origin, path, message);
    }
}

fn key_header(
    section: &mut Section<'_, '_>,
    headers: &HeaderMap,
    lacks_key: bool,
) -> Option<HeaderName> {
    // Not repeated: the key itself may be written here by mistake.
    let rule = "not the name of a header; write for example `api_key_header = \"api-key\"` (the \
                key itself is not written into this file)";
    let name = section.hidden("api_key_header", rule, |text| {
        let name = HeaderName::from_bytes(text.as_bytes()).ok();
        name.filter(|name| name.as_str().len() <= 40 && !text.starts_with("sk-"))
    })?;
    let problem = if OWN_HEADERS.contains(&name.value.as_str()) {
        "this header is written by the gateway itself"
    } else if headers.contains_key(&name.value) {
        "`headers` has this header too"
    } else if lacks_key {
        "there is no key to send; name its variable with `api_key_env`"
    } else {
        return Some(name.value);
    };
    let path = section.path_of("api_key_header");
    section.reader.findings.problem(name.origin, path, problem);
    None
}

/// The interfaces that a server may have beside chat completions, by their names in the file.
pub(crate) const INTERFACES: [(&str, Interface); 2] = [
    ("responses", Interface::Responses),
    ("completions", Interface::Completions),
];

fn interfaces(section: &mut Section<'_, '_>) -> Option<Vec<Interface>> {
    let list = section.list("interfaces", "\"responses\" and \"completions\"", |text| {
        let known = INTERFACES.iter().find(|(name, _)| *name == text);
        let known = known.map(|(_, interface)| *interface);
        known.ok_or_else(|| {
            format!(
                "there are \"responses\" and \"completions\", not {}",
                quoted(text)
            )
        })
    })?;
    Some(list.value.into_iter().map(|at| at.value).collect())
}

/// Whether a path may have the model in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ModelIn {
    Allowed,
    Refused,
}

fn path(
    section: &mut Section<'_, '_>,
    key: &'static str,
    default: &'static str,
    model: ModelIn,
) -> PathTemplate {
    let expected = format!("a path in quotes, for example \"{default}\"");
    let written = section.parsed(key, &expected, |text| {
        let path = PathTemplate::parse(text)?;
        if model == ModelIn::Refused && path.names_model() {
            return Err("models are listed without naming one".to_owned());
        }
        Ok(path)
    });
    written.map_or_else(|| PathTemplate::plain(default), |at| at.value)
}

fn edits(section: &mut Section<'_, '_>) -> Vec<ModelEdits> {
    let mut all = Vec::new();
    let roles = [
        ("developer", None),
        ("system", Some(Edit::developer_as_system as fn() -> Edit)),
    ];
    if let Some(make) = section
        .choice("developer_role", &roles)
        .and_then(|at| at.value)
    {
        all.push(ModelEdits {
            models: Vec::new(),
            edits: vec![make()],
        });
    }
    let example = "{ models = \"o3*\", drop = [\"temperature\"] }";
    all.extend(section.tables("params", example, params));
    all
}

/// One entry of `params`.
fn params(entry: &mut Section<'_, '_>) -> ModelEdits {
    let models = entry.one_or_more("models", "names of models in quotes", ModelPattern::parse);
    if let Some(empty) = models.as_ref().filter(|models| models.value.is_empty()) {
        let path = entry.path_of("models");
        let message = "an empty list; leave it out for all models";
        entry.reader.findings.problem(empty.origin, path, message);
    }
    let mut edits = drops(entry);
    let dropped: BTreeSet<String> = edits.iter().map(|(name, _)| name.clone()).collect();
    edits.extend(renames(entry, &dropped));
    let drops_nothing = entry.written("drop").is_none() || entry.length("drop") == Some(0);
    if drops_nothing && entry.written("rename").is_none() {
        let message = "missing, as is `rename`; write for example `drop = [\"logprobs\"]` or \
                       `rename = { max_tokens = \"max_completion_tokens\" }`";
        let path = entry.path_of("drop");
        entry.reader.findings.problem(entry.origin, path, message);
    }
    let models = models.map(|models| models.value).unwrap_or_default();
    ModelEdits {
        models: models.into_iter().map(|at| at.value).collect(),
        edits: edits.into_iter().map(|(_, edit)| edit).collect(),
    }
}

fn drops(entry: &mut Section<'_, '_>) -> Vec<(String, Edit)> {
    let expected = "names of fields in quotes";
    let list = entry.list("drop", expected, |text| {
        let edit = Edit::drop(text).map_err(|why| format!("{why}: {}", quoted(text)))?;
        Ok((text.to_owned(), edit))
    });
    let list = list.map(|list| list.value).unwrap_or_default();
    list.into_iter().map(|at| at.value).collect()
}

fn renames(entry: &mut Section<'_, '_>, dropped: &BTreeSet<String>) -> Vec<(String, Edit)> {
    let pairs = entry.pairs("rename", "a table of names: `{ old = \"new\" }`");
    let olds: BTreeSet<&str> = pairs.iter().map(|(old, _)| *old).collect();
    let mut news = BTreeSet::new();
    let mut edits = Vec::new();
    for (old, new) in &pairs {
        let edit = Edit::rename(old, new.value);
        let edit = edit.map_err(|why| format!("{why}: {}", quoted(new.value)));
        let result = edit.and_then(|edit| {
            // Tables have no order, so what one change does must not matter to another.
            if dropped.contains(*old) {
                Err("is dropped as well".to_owned())
            } else if olds.contains(new.value) {
                Err(format!(
                    "`{}` has another name itself; write two entries",
                    new.value
                ))
            } else if !news.insert(new.value) {
                Err(format!(
                    "`{}` is the new name of two; write two entries",
                    new.value
                ))
            } else {
                Ok(edit)
            }
        });
        match result {
            Ok(edit) => edits.push(((*old).to_owned(), edit)),
            Err(message) => {
                let path = entry.path_of(&format!("rename.{}", shown(old)));
                entry.reader.findings.problem(new.origin, path, message);
            }
        }
    }
    edits
}

/// Reads what Ollama takes for `keep_alive`: a duration of Go (`10m`, `1h30m`), or a number of seconds.
/// A negative one means "for ever", zero "not at all". The result always has a unit, because Ollama
/// wants one of a text.
///
/// Source: `api/types.go` of Ollama and <https://pkg.go.dev/time#ParseDuration> (seen 2026-11).
fn keep_alive(text: &str) -> Result<String, String> {
    const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let with_unit = if is_number(magnitude) {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    let seconds =
        go_seconds(with_unit.strip_prefix('-').unwrap_or(&with_unit)).ok_or_else(|| {
            format!(
                "not a duration of Ollama's: {} (write for example \"10m\", \"1h30m\", a number of \
             seconds, or \"-1\" for ever)",
                quoted(text)
            )
        })?;
    if text.starts_with('-') {
        return Ok("-1s".to_owned());
    }
    if seconds > LONGEST {
        return Err(format!(
            "longer than a year: {} (\"-1\" is for ever)",
            quoted(text)
        ));
    }
    Ok(with_unit)
}

/// The seconds of one or more numbers with units, as Go writes durations.
fn go_seconds(mut text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut seconds = 0.0;
    loop {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, rest) = text.split_at(text.find(|c| !is_number(c))?);
        let end = rest.find(is_number).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        text = rest;
        if text.is_empty() {
            return Some(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ollama_takes() {
        let check = |text, expect| {
            let read = keep_alive(text);
            assert_eq!(read.as_deref().ok(), expect, "{text}: {read:?}");
        };
        check("10m", Some("10m"));
        check("1h30m", Some("1h30m"));
        check("1.5h", Some("1.5h"));
        check("500ms", Some("500ms"));
        check("600", Some("600s"));
        check("0", Some("0s"));
        check("-1", Some("-1s"));
        check("-5m", Some("-1s"));
        for text in [
            "",
            "-",
            "m",
            "10 m",
            "10min",
            "1d",
            "ten",
            "--1",
            "+-1",
            "1e3s",
            ".s",
            "10m5",
            "9000h",
            "99999999999999999999999999999999",
            "NaNs",
            "infs",
            "1..5s",
        ] {
            check(text, None);
        }
    }
}
