//! Keys to callers.
//!
//! A key is looked up by its SHA-256, so that comparing takes the same time whatever is presented.
//! Invariant: no two keys share a scope unless the configuration names a namespace for both.

use std::{collections::HashMap, sync::Arc};

use axum::http::{HeaderMap, HeaderValue, header};

use crate::{
    clock::UnixMillis,
    config::{AllowedModels, CacheOverrides, Client, KeyDigest},
    error::Error,
    gateway::{
        Caller,
        account::{Account, Accounts},
    },
    ident::{ClientName, Namespace},
    policy::identity::{Scope, ScopeKind},
};

/// Who may use the gateway.
#[derive(Debug)]
pub struct Auth {
    secret: [u8; 32],
    generation: u64,
    callers: HashMap<KeyDigest, Known>,
    keys: HashMap<ClientName, KeyDigest>,
    /// As they are configured.
    accounts: Vec<Listed>,
}

#[derive(Debug)]
struct Known {
    caller: Caller,
    expires: Option<UnixMillis>,
}

/// A configured client, for operators.
#[derive(Debug)]
pub(super) struct Listed {
    /// What it asks and spends.
    pub(super) account: Arc<Account>,
    /// When its key ends.
    pub(super) expires: Option<UnixMillis>,
}

impl Auth {
    /// The configured `clients`; if there are none, everybody may. `secret` is of this process alone;
    /// `generation` is that of the configuration. Their `accounts` go by these terms from now on.
    #[must_use]
    pub fn new(secret: [u8; 32], clients: &[Client], generation: u64, accounts: &Accounts) -> Self {
        let accounts: Vec<Listed> = (clients.iter())
            .map(|client| Listed {
                account: accounts.of(client),
                expires: client.expires,
            })
            .collect();
        let callers = clients.iter().zip(&accounts).map(|(client, listed)| {
            let own = Scope::new(&secret, ScopeKind::Key, client.key.as_bytes());
            let scope = client.namespace.as_ref().map_or(own, |shared| {
                Scope::new(&secret, ScopeKind::Shared, shared.as_str().as_bytes())
            });
            let caller = Caller {
                generation,
                scope,
                own,
                namespace: client.namespace.clone(),
                cache: client.cache,
                allowed: client.allowed_models.clone(),
                max_input: client.max_input_tokens,
                on_overflow: client.on_overflow,
                account: Some(Arc::clone(&listed.account)),
            };
            let expires = client.expires;
            (client.key, Known { caller, expires })
        });
        Self {
            secret,
            generation,
            callers: callers.collect(),
            keys: (clients.iter())
                .map(|client| (client.name.clone(), client.key))
                .collect(),
            accounts,
        }
    }

    /// The configured clients, in their order.
    pub(super) fn clients(&self) -> &[Listed] {
        &self.accounts
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if keys are configured and this is none of them; [`Error::Expired`].
    pub fn caller(&self, headers: &HeaderMap, now: UnixMillis) -> Result<Caller, Error> {
        let key = presented(headers);
        if self.callers.is_empty() {
            return Ok(self.anybody(key));
        }
        let key = key.ok_or(Error::Unauthorized(
            "no API key was sent; send one as `Authorization: Bearer KEY`",
        ))?;
        let known = std::str::from_utf8(key)
            .ok()
            .and_then(|key| self.callers.get(&KeyDigest::of(key)));
        let known = known.ok_or(Error::Unauthorized(
            "the API key that was sent is not known here",
        ))?;
        if known.expires.is_some_and(|end| now >= end) {
            return Err(Error::Expired);
        }
        Ok(known.caller.clone())
    }

    /// The client of this name. Without one: who sends no key, where none is needed.
    ///
    /// # Errors
    /// What to write instead.
    pub fn named(&self, client: Option<&str>) -> Result<Caller, &'static str> {
        let Some(client) = client else {
            let is_open = self.callers.is_empty();
            return is_open.then(|| self.anybody(None)).ok_or(
                "`client` has to say whose answer this is: the name of a configured client",
            );
        };
        let name = ClientName::new(client).ok();
        let key = name.and_then(|name| self.keys.get(&name));
        key.and_then(|key| self.callers.get(key))
            .map(|known| known.caller.clone())
            .ok_or("`client` is not the name of a configured client")
    }

    /// The client whose scope this is, or is a part of under this name; `None` if it is nobody's, or shared by several.
    pub(super) fn whose(&self, scope: Scope, part: Option<&Namespace>) -> Option<&ClientName> {
        let is_of = |caller: &Caller| {
            let is_part = |name| caller.scope.within(name) == scope;
            caller.scope == scope || part.is_some_and(is_part)
        };
        let mut names = self.keys.iter().filter_map(|(name, key)| {
            let known = self.callers.get(key)?;
            is_of(&known.caller).then_some(name)
        });
        let name = names.next()?;
        names.next().is_none().then_some(name)
    }

    /// Names the secret of the scopes without telling it: 16 hexadecimal digits.
    #[must_use]
    pub fn mark(&self) -> String {
        const PURPOSE: &[u8] = b"refrain 2026-11 export";
        let hash = blake3::keyed_hash(&self.secret, PURPOSE).to_hex();
        hash.chars().take(16).collect()
    }

    /// Where everybody may use the gateway, whoever sends this key.
    fn anybody(&self, key: Option<&[u8]>) -> Caller {
        let scope = match key {
            Some(key) => Scope::new(&self.secret, ScopeKind::Key, key),
            None => Scope::new(&self.secret, ScopeKind::Anonymous, b""),
        };
        Caller {
            generation: self.generation,
            scope,
            own: scope,
            namespace: None,
            cache: CacheOverrides::default(),
            allowed: AllowedModels::All,
            max_input: None,
            on_overflow: None,
            account: None,
        }
    }
}

/// The key in the headers, byte for byte: a bearer token, or what Anthropic's, Azure's and Google's clients
/// send instead. Any other `Authorization` counts as a key as a whole: who sends different ones is not the
/// same caller.
pub(super) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    const BEARER: &[u8] = b"bearer";
    let authorization = headers.get(header::AUTHORIZATION).map(|value| {
        let value = value.as_bytes();
        match value.split_at_checked(BEARER.len()) {
            Some((scheme, key))
                if scheme.eq_ignore_ascii_case(BEARER)
                    && key.first().is_none_or(u8::is_ascii_whitespace) =>
            {
                key.trim_ascii()
            }
            _ => value,
        }
    });
    let authorization = authorization.filter(|key| !key.is_empty());
    authorization.or_else(|| beside_authorization(headers))
}

/// The key in one of the headers that are sent instead of `Authorization`.
pub(super) fn beside_authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let others = ["x-api-key", "api-key", "x-goog-api-key"];
    let others = others.into_iter().filter_map(|name| headers.get(name));
    let mut keys = others.map(HeaderValue::as_bytes);
    keys.find(|key| !key.is_empty())
}
