//! Which entries are meant, as it is written in a query or a body.

use std::time::Duration;

use axum::extract::{Query, rejection::QueryRejection};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::listing::{Needle, Sort};
use crate::{
    cache::entry::PROMPT,
    error::Error,
    http::auth::Auth,
    ident::{Namespace, Tag},
    policy::{identity::Fingerprint, selector::Selector},
};

/// The longest text that is looked for, in bytes.
const LONGEST_TEXT: usize = 1 << 10;
/// As far as a list may be leafed through: what comes before a page has to be held to find it.
const DEEPEST: usize = 1_000_000;

/// A selector as it is written in a body or a query, and how much of what it means is wanted.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Written {
    everything: bool,
    #[serde(deserialize_with = "identity")]
    id: Option<Fingerprint>,
    client: Option<String>,
    #[serde(deserialize_with = "tag")]
    tag: Option<Tag>,
    #[serde(deserialize_with = "namespace")]
    namespace: Option<Namespace>,
    model: Option<String>,
    #[serde(deserialize_with = "older")]
    older_than: Option<Duration>,
    #[serde(deserialize_with = "younger")]
    younger_than: Option<Duration>,
    pinned: Option<bool>,
    prompt_prefix: Option<String>,
    generation_below: Option<u64>,
    /// Of a purge.
    dry_run: Option<bool>,
    /// Of a list or a search.
    text: Option<String>,
    limit: Option<usize>,
    /// Of a list.
    sort: Option<Sort>,
    offset: Option<usize>,
}

/// What is looked for by meaning.
pub(super) struct Search {
    pub(super) text: String,
    pub(super) selector: Selector,
    pub(super) limit: Option<usize>,
}

/// A part of a list.
pub(super) struct Page {
    pub(super) needle: Option<Needle>,
    pub(super) sort: Sort,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

impl Written {
    /// What a query says.
    pub(super) fn of(query: Result<Query<Self>, QueryRejection>) -> Result<Self, Error> {
        let Query(written) = query.map_err(|rejection| unreadable(&rejection.body_text()))?;
        Ok(written)
    }

    /// Which entries it means.
    pub(super) fn selector(self, auth: &Auth) -> Result<Selector, Error> {
        if (self.prompt_prefix.as_ref()).is_some_and(|prefix| prefix.len() > PROMPT / 2) {
            let message = format!("`prompt_prefix` must be at most {} bytes", PROMPT / 2);
            return Err(Error::bad_request("prompt_prefix".to_owned(), message));
        }
        let of_client = |name: &str| {
            let caller = auth.named(Some(name));
            caller.map_err(|message| Error::bad_request("client".to_owned(), message))
        };
        let caller = self.client.as_deref().map(of_client).transpose()?;
        Ok(Selector {
            everything: self.everything,
            id: self.id,
            scope: caller.map(|caller| caller.scope),
            tag: self.tag,
            namespace: self.namespace,
            model: self.model,
            older_than: self.older_than,
            younger_than: self.younger_than,
            pinned: self.pinned,
            prompt_prefix: self.prompt_prefix,
            generation_below: self.generation_below,
        })
    }

    /// The same where nothing said means everything.
    pub(super) fn selector_or_all(self, auth: &Auth) -> Result<Selector, Error> {
        let mut selector = self.selector(auth)?;
        selector.everything |= !selector.says_something();
        Ok(selector)
    }

    /// Whether a purge only counts. Refuses what it does not heed: who asks for that would think that it does.
    pub(super) fn of_purge(self) -> Result<(Self, bool), Error> {
        self.refuse(&["text", "limit", "sort", "offset"])?;
        let dry_run = self.dry_run.unwrap_or(false);
        Ok((self, dry_run))
    }

    /// What a search says.
    pub(super) fn of_search(mut self, auth: &Auth) -> Result<Search, Error> {
        self.refuse(&["dry_run", "sort", "offset"])?;
        let text = self.text.take().filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| {
            let message = "`text` has to say what to look for";
            Error::bad_request("text".to_owned(), message)
        })?;
        Ok(Search {
            text,
            limit: self.limit,
            selector: self.selector_or_all(auth)?,
        })
    }

    /// Refuses these of the settings that not all who read a selector have.
    fn refuse(&self, settings: &[&'static str]) -> Result<(), Error> {
        let said = [
            ("dry_run", self.dry_run.is_some()),
            ("text", self.text.is_some()),
            ("limit", self.limit.is_some()),
            ("sort", self.sort.is_some()),
            ("offset", self.offset.is_some()),
        ];
        let mut said = said.into_iter();
        match said.find(|(name, is_said)| *is_said && settings.contains(name)) {
            Some((name, _)) => {
                let message = format!("`{name}` has no meaning here; leave it out");
                Err(Error::bad_request(name.to_owned(), message))
            }
            None => Ok(()),
        }
    }

    /// Which part of a list is wanted.
    pub(super) fn page(&mut self) -> Result<Page, Error> {
        self.refuse(&["dry_run"])?;
        let text = self.text.take().filter(|text| !text.is_empty());
        if (text.as_ref()).is_some_and(|text| text.len() > LONGEST_TEXT) {
            let message = format!("`text` must be at most {LONGEST_TEXT} bytes");
            return Err(Error::bad_request("text".to_owned(), message));
        }
        let offset = self.offset.unwrap_or(0);
        if offset > DEEPEST {
            let message = format!("`offset` must be at most {DEEPEST}; narrow the selection");
            return Err(Error::bad_request("offset".to_owned(), message));
        }
        Ok(Page {
            needle: text.as_deref().map(Needle::new),
            sort: self.sort.unwrap_or_default(),
            limit: self.limit,
            offset,
        })
    }
}

/// What a query of an export says: a selector, and how many.
pub(in crate::http::admin) fn asked_for(
    query: Result<Query<Written>, QueryRejection>,
    auth: &Auth,
) -> Result<(Selector, Option<usize>), Error> {
    let written = Written::of(query)?;
    written.refuse(&["dry_run", "text", "sort", "offset"])?;
    let limit = written.limit;
    Ok((written.selector_or_all(auth)?, limit))
}

/// The refusal of a selector that can't be read.
pub(super) fn unreadable(why: &str) -> Error {
    Error::bad_request(None, format!("the selector can't be read: {why}"))
}

fn identity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Fingerprint>, D::Error> {
    parsed(from, |text| {
        text.parse()
            .map_err(|_| "`id` must be 64 hexadecimal digits")
    })
}

fn tag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tag>, D::Error> {
    parsed(from, |text| Tag::new(text).map_err(|error| error.0))
}

fn namespace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Namespace>, D::Error> {
    parsed(from, |text| Namespace::new(text).map_err(|error| error.0))
}

fn older<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    span(
        from,
        "`older_than` must be a time such as \"36h\" or \"7d\"",
    )
}

fn younger<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    span(
        from,
        "`younger_than` must be a time such as \"15m\" or \"2h\"",
    )
}

fn span<'de, D: Deserializer<'de>>(
    from: D,
    expected: &'static str,
) -> Result<Option<Duration>, D::Error> {
    parsed(from, |text| {
        humantime::parse_duration(text).map_err(|_| expected)
    })
}

fn parsed<'de, D, T, E>(
    from: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: std::fmt::Display,
{
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parse(&text).map_err(D::Error::custom))
        .transpose()
}
