//! `[[clients]]` as written.
//!
//! Keys are named here, not looked up. Invariant: an entry without a key source was noted.

use super::{
    cache::{OverridesEntry, overrides},
    providers::{checked_only, limits},
    values::{key_variable, tokens},
};
use crate::{
    config::{
        client::AllowedModels,
        pattern::ModelPattern,
        problem::{At, quoted},
        reader::Section,
        secret::KeyDigest,
    },
    ident::{ClientName, Namespace},
    policy::truncate::Overflow,
    units::Tokens,
};

/// One `[[clients]]` entry.
#[derive(Debug)]
pub(crate) struct ClientEntry<'t> {
    pub(crate) name: Option<At<'t, ClientName>>,
    pub(crate) key: Option<At<'t, KeySource<'t>>>,
    pub(crate) namespace: Option<Namespace>,
    pub(crate) allowed_models: AllowedModels,
    pub(crate) cache: OverridesEntry<'t>,
    pub(crate) max_input_tokens: Option<Tokens>,
    pub(crate) on_overflow: Option<Overflow>,
}

/// Where a client's key comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeySource<'t> {
    /// The variable with the key.
    Variable(&'t str),
    /// The digest of the key.
    Digest(KeyDigest),
}

impl KeySource<'_> {
    /// The setting it is written in.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Variable(_) => "clients.key_env",
            Self::Digest(_) => "clients.key_sha256",
        }
    }
}

pub(super) fn client<'t>(section: &mut Section<'_, 't>) -> ClientEntry<'t> {
    let name = section.parsed("name", "a name in quotes", |text| {
        ClientName::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    section.require("name", "\"web\"");
    let key = key(section);
    let namespace = section.parsed("namespace", "a namespace in quotes", |text| {
        Namespace::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    let allowed_models = allowed_models(section);
    let cache = overrides(section);
    let max_input_tokens = tokens(section, "max_input_tokens");
    let on_overflow = section.choice("on_overflow", &Overflow::NAMES);
    limits(section);
    budget(section);
    ClientEntry {
        name,
        key,
        namespace: namespace.map(|at| at.value),
        allowed_models,
        cache,
        max_input_tokens: max_input_tokens.map(|at| at.value),
        on_overflow: on_overflow.map(|at| at.value),
    }
}

fn key<'t>(section: &mut Section<'_, 't>) -> Option<At<'t, KeySource<'t>>> {
    const RULE: &str = "not a SHA-256 in 64 hexadecimal digits (`printf %s KEY | sha256sum` \
        prints it)";
    let variable = key_variable(section, "key_env");
    let digest = section.hidden("key_sha256", RULE, KeyDigest::from_hex);
    match (section.written("key_env"), section.written("key_sha256")) {
        (Some(_), Some(origin)) => {
            let message = "a client has one key: write `key_env` or `key_sha256`, not both";
            let path = section.path_of("key_sha256");
            section.reader.findings.problem(origin, path, message);
        }
        // Its own message says what to write instead.
        (None, None) if section.written("key").is_some() => {}
        (None, None) => {
            let message = "missing; write `key_env = \"WEB_KEY\"` to name the variable with the \
                           client's key, or `key_sha256 = \"…\"`";
            let path = section.path_of("key_env");
            section
                .reader
                .findings
                .problem(section.origin, path, message);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let from_variable = variable.map(|at| At {
        value: KeySource::Variable(at.value),
        origin: at.origin,
    });
    from_variable.or(digest.map(|at| At {
        value: KeySource::Digest(at.value),
        origin: at.origin,
    }))
}

fn allowed_models(section: &mut Section<'_, '_>) -> AllowedModels {
    let list = section.list("allowed_models", "model names in quotes", |text| {
        ModelPattern::parse(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    let Some(list) = list else {
        return AllowedModels::All;
    };
    if section.length("allowed_models") == Some(0) {
        let message = "nothing would be allowed; leave the key out to allow every model";
        let path = section.path_of("allowed_models");
        section.reader.findings.problem(list.origin, path, message);
    }
    AllowedModels::Only(list.value.into_iter().map(|at| at.value).collect())
}

fn budget(section: &mut Section<'_, '_>) {
    let budget = section.table("budget", "{ daily_usd = 10.0 }", |budget| {
        let above_zero = (std::ops::Bound::Excluded(0.0), std::ops::Bound::Unbounded);
        budget.number("daily_usd", &above_zero);
        budget.number("monthly_usd", &above_zero);
    });
    checked_only(section, "budget", budget.map(|at| at.origin));
}
