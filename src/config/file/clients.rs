//! `[[clients]]` as written.
//!
//! Keys are named here, not looked up. Invariant: an entry without a key source was noted.

use std::ops::RangeInclusive;

use super::{
    cache::{OverridesEntry, overrides},
    limits::{LimitsEntry, client_limits},
    values::{key_variable, tokens},
};
use crate::{
    clock::UnixMillis,
    config::{
        client::AllowedModels,
        pattern::ModelPattern,
        problem::{At, Origin, quoted},
        reader::Section,
        secret::KeyDigest,
    },
    ident::{ClientName, Namespace},
    policy::{spend::Budget, truncate::Overflow},
    units::{Tokens, Usd},
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
    pub(crate) limits: LimitsEntry<'t>,
    pub(crate) budget: Option<BudgetEntry<'t>>,
    pub(crate) expires: Option<At<'t, UnixMillis>>,
}

/// `budget`, with the places of what is judged later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BudgetEntry<'t> {
    pub(crate) budget: Budget,
    pub(crate) until: Option<At<'t, UnixMillis>>,
    pub(crate) origin: Origin<'t>,
}

/// Where a client's key comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeySource<'t> {
    /// The variable with the key.
    Variable(&'t str),
    /// The digest of the key.
    Digest(KeyDigest),
}

impl<'t> KeySource<'t> {
    /// The variable, if it is one.
    pub(crate) fn variable(self) -> Option<&'t str> {
        match self {
            Self::Variable(variable) => Some(variable),
            Self::Digest(_) => None,
        }
    }

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
    let limits = client_limits(section);
    let budget = budget(section);
    let expires = section.moment("expires");
    ClientEntry {
        name,
        key,
        namespace: namespace.map(|at| at.value),
        allowed_models,
        cache,
        max_input_tokens: max_input_tokens.map(|at| at.value),
        on_overflow: on_overflow.map(|at| at.value),
        limits,
        budget,
        expires,
    }
}

fn key<'t>(section: &mut Section<'_, 't>) -> Option<At<'t, KeySource<'t>>> {
    let variable = key_variable(section, "key_env");
    let digest = section.hidden_because("key_sha256", NO_DIGEST, key_digest);
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

/// What a digest is; the text that is none is never repeated.
const NO_DIGEST: &str = "not a SHA-256 in 64 hexadecimal digits (`refrain key new` makes a key and \
    prints it, `refrain key hash` prints that of a key you have)";

/// Reads the digest of a key; an error says what the text seems to be instead.
fn key_digest(text: &str) -> Result<KeyDigest, &'static str> {
    if let Some(digest) = KeyDigest::from_hex(text) {
        // What `printf %s "$UNSET" | sha256sum` prints, and `echo` in its place.
        return if ["", "\n", "\r\n"]
            .iter()
            .any(|key| KeyDigest::of(key) == digest)
        {
            Err(
                "the SHA-256 of no key at all: the variable that was hashed was probably empty \
                (`refrain key new` makes a key and prints its hash)",
            )
        } else {
            Ok(digest)
        };
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lower = text.to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    Err(match text.len() {
        _ if starts(&["$2a$", "$2b$", "$2x$", "$2y$"]) => {
            "a hash of bcrypt; expected is a plain SHA-256 in 64 hexadecimal digits, as `refrain key new` \
             and `refrain key hash` print it"
        }
        _ if starts(&["$argon2"]) => {
            "a hash of Argon2; expected is a plain SHA-256 in 64 hexadecimal digits, as `refrain key new` \
             and `refrain key hash` print it"
        }
        _ if starts(&["$", "{", "md5:", "sha1:", "sha512:", "pbkdf2", "scrypt"]) => {
            "a hash of another kind; expected is a plain SHA-256 in 64 hexadecimal digits, as \
             `refrain key new` and `refrain key hash` print it"
        }
        _ if starts(&["sha256:", "sha-256:", "sha256=", "0x"]) => {
            "a SHA-256 is written without anything before its 64 hexadecimal digits"
        }
        32 if is_hex => {
            "as long as an MD5; expected is a SHA-256 in 64 hexadecimal digits, as `refrain key new` and \
             `refrain key hash` print it"
        }
        40 if is_hex => {
            "as long as a SHA-1; expected is a SHA-256 in 64 hexadecimal digits, as `refrain key new` and \
             `refrain key hash` print it"
        }
        96 | 128 if is_hex => {
            "as long as a SHA-384 or SHA-512; expected is a SHA-256 in 64 hexadecimal digits, as \
             `refrain key new` and `refrain key hash` print it"
        }
        _ => NO_DIGEST,
    })
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

/// Reads `budget`; a budget of the wrong amounts was noted.
fn budget<'t>(section: &mut Section<'_, 't>) -> Option<BudgetEntry<'t>> {
    const EXAMPLE: &str = "{ daily_usd = 10.0 }";
    let budget = section.filled_table("budget", EXAMPLE, |table| {
        let daily = table.number("daily_usd", &AMOUNTS);
        let monthly = table.number("monthly_usd", &AMOUNTS);
        let until = table.moment("until");
        let names_amount = ["daily_usd", "monthly_usd"]
            .iter()
            .any(|key| table.written(key).is_some());
        if !names_amount {
            let message = format!(
                "missing: `until` alone sets no amount; write for example `budget = {EXAMPLE}`"
            );
            table.problem(table.origin, "daily_usd", message);
        }
        if let (Some(daily), Some(monthly)) = (daily, monthly)
            && daily.value > monthly.value
        {
            let message = format!(
                "must be at most `monthly_usd`, which is {}, found {}",
                monthly.value, daily.value
            );
            table.problem(daily.origin, "daily_usd", message);
        }
        let usd = |amount: Option<At<'t, f64>>| Usd::new(amount?.value);
        (usd(daily), usd(monthly), until)
    })?;
    let (daily, monthly, until) = budget.value;
    Some(BudgetEntry {
        budget: Budget {
            daily,
            monthly,
            until: until.map(|at| at.value),
        },
        until,
        origin: budget.origin,
    })
}

/// What a budget may be, in US dollars: sums of such amounts are exact in billionths.
const AMOUNTS: RangeInclusive<f64> = 0.000_001..=1_000_000_000.0;
