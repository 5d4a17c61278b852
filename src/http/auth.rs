//! Keys to callers.
//!
//! A key is looked up by its SHA-256, so that comparing takes the same time whatever is presented.
//! Invariant: no two keys share a scope unless the configuration names a namespace for both.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};

use crate::{
    config::{AllowedModels, CacheOverrides, Client, KeyDigest},
    error::Error,
    gateway::Caller,
    policy::identity::{Scope, ScopeKind},
};

/// Who may use the gateway.
#[derive(Debug)]
pub struct Auth {
    secret: [u8; 32],
    callers: HashMap<KeyDigest, Caller>,
}

impl Auth {
    /// The configured `clients`; if there are none, everybody may. `secret` is of this process alone.
    #[must_use]
    pub fn new(secret: [u8; 32], clients: &[Client]) -> Self {
        let callers = clients.iter().map(|client| {
            let own = Scope::new(&secret, ScopeKind::Key, client.key.as_bytes());
            let scope = client.namespace.as_ref().map_or(own, |shared| {
                Scope::new(&secret, ScopeKind::Shared, shared.as_str().as_bytes())
            });
            (
                client.key,
                Caller {
                    scope,
                    own,
                    namespace: client.namespace.clone(),
                    cache: client.cache,
                    allowed: client.allowed_models.clone(),
                },
            )
        });
        Self {
            secret,
            callers: callers.collect(),
        }
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if keys are configured and this is none of them.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let key = presented(headers);
        if self.callers.is_empty() {
            let scope = match key {
                Some(key) => Scope::new(&self.secret, ScopeKind::Key, key),
                None => Scope::new(&self.secret, ScopeKind::Anonymous, b""),
            };
            return Ok(Caller {
                scope,
                own: scope,
                namespace: None,
                cache: CacheOverrides::default(),
                allowed: AllowedModels::All,
            });
        }
        let key = key.ok_or(Error::Unauthorized(
            "no API key was sent; send one as `Authorization: Bearer KEY`",
        ))?;
        let caller = std::str::from_utf8(key)
            .ok()
            .and_then(|key| self.callers.get(&KeyDigest::of(key)).cloned());
        caller.ok_or(Error::Unauthorized(
            "the API key that was sent is not known here",
        ))
    }
}

/// The key in the headers, byte for byte: a bearer token, or what Azure's and Anthropic's clients send
/// instead. Any other `Authorization` counts as a key as a whole: who sends different ones is not the
/// same caller.
pub(super) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    const BEARER: &[u8] = b"bearer";
    let bytes = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let authorization = bytes(header::AUTHORIZATION.as_str()).map(|value| {
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
    [authorization, bytes("x-api-key"), bytes("api-key")]
        .into_iter()
        .flatten()
        .find(|key| !key.is_empty())
}
