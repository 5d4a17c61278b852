//! Who may look at the operator's side, and who may act: one layer over all of its routes. Handlers ask for no key.
//!
//! | what is asked | without an admin key in the configuration | with one |
//! |---|---|---|
//! | the page, its assets, health, the OpenAPI document | anybody | anybody: they hold no secret |
//! | `/metrics` | anybody | the key |
//! | `/admin/api/*`, to look (`GET`, `HEAD`) | whoever asks by `localhost` or an address | the key, or a session |
//! | the same, to act (any other method) | the same, browsers with a token | the key, or a session with its token |
//!
//! The key comes in a header of its own (`Authorization: Bearer`, or those of [`auth::presented`]); as the password of
//! basic authentication it lets one look only, since a browser sends that by itself. There is no challenge for it, so no
//! browser asks for it and keeps it. A session is what the page signs in to ([`sign_in`]).
//!
//! A browser also sends what a foreign page wants. That such a request is refused rests on three things, each enough by
//! itself: the cookie is `SameSite=Strict`; what browsers say of a request's origin is looked at ([`origin`]); acting
//! takes a token that only pages of this origin can read. Invariant: a route that is not named as open is guarded.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use self::{
    attempts::{Attempts, Refused},
    credentials::Presented,
    origin::Origin,
    sessions::{Session, Sessions},
};
use crate::{
    clock::Moment,
    config::KeyDigest,
    error::Error,
    http::{Api, body, observe::Logged, server::Peer},
};

mod attempts;
mod credentials;
mod origin;
mod sessions;
pub(in crate::http) mod sign_in;

/// What a page sends along to show that it is ours.
const CSRF: HeaderName = HeaderName::from_static("x-refrain-csrf");

/// Who signed in, and who tried.
#[derive(Debug)]
pub struct Access {
    sessions: Sessions,
    attempts: Attempts,
    /// What pages send along where no key is configured.
    open_token: String,
}

impl Access {
    /// Nobody has signed in yet. `secret` is random, of this process alone, and used for nothing else.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        const PURPOSE: &[u8] = b"refrain 2026-11 admin without a key";
        Self {
            sessions: Sessions::new(secret),
            attempts: Attempts::default(),
            open_token: blake3::keyed_hash(&secret, PURPOSE).to_hex().to_string(),
        }
    }

    /// The admin's key is `key` from now on: who signed in with another has to do it again.
    pub fn keep_only(&self, key: Option<&KeyDigest>) {
        self.sessions.keep_only(key);
    }

    /// Compares a key that was presented from `peer`, and counts it if it is wrong.
    fn try_key(&self, key: &[u8], wanted: &KeyDigest, peer: IpAddr, now: Moment) -> Verdict {
        let given = std::str::from_utf8(key).map(KeyDigest::of);
        let is_right = given.is_ok_and(|given| same(&given, wanted));
        self.attempts.key(peer, is_right, now)
    }
}

/// Whether somebody is let in.
type Verdict = Result<(), Refusal>;

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No key, and no session.
    Missing,
    /// A key as a password, to act.
    BasicForActing,
    /// Not the key.
    Wrong,
    /// Too many wrong keys, or too many requests without any, from this address.
    TooMany(Refused),
    /// By a name that others could have made lead here.
    Host,
    /// What a page of another origin wants.
    Foreign,
    /// A browser, without the token of its page.
    Token,
}

impl Refusal {
    /// For the log.
    fn what(self) -> &'static str {
        match self {
            Self::Missing => "no admin key",
            Self::BasicForActing => "the admin key as a password, to change something",
            Self::Wrong => "a wrong admin key",
            Self::TooMany(Refused { what, .. }) => what,
            Self::Host => "without an admin key, by a name",
            Self::Foreign => "asked for by a page of another origin",
            Self::Token => "a browser without the token of its page",
        }
    }

    fn error(self) -> Error {
        match self {
            Self::Missing => Error::Unauthorized(
                "the admin key is needed: send it as `Authorization: Bearer KEY`, or sign in at /admin",
            ),
            Self::BasicForActing => Error::Unauthorized(
                "the admin key as a password is for reading only; to change something, send it as \
                 `Authorization: Bearer KEY`",
            ),
            Self::Wrong => Error::Unauthorized("this is not the admin key"),
            Self::TooMany(Refused { what, wait }) => Error::RateLimited {
                message: format!(
                    "{what} from this address; come back in {} s. Who has signed in is not affected",
                    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
                ),
                retry_after: wait,
            },
            Self::Host => Error::Forbidden {
                code: "host_not_allowed",
                message: "without an admin key this answers only at `localhost` or at an IP address, since any page \
                          could have its own name lead here; set the admin key (`admin.key_env` names its variable)",
            },
            Self::Foreign => Error::Forbidden {
                code: "cross_site",
                message: "pages of other origins may neither read nor change anything here",
            },
            Self::Token => Error::Forbidden {
                code: "csrf_token",
                message: "a browser has to send the token of its page as `x-refrain-csrf`; \
                          `GET /admin/api/session` tells it",
            },
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// What anybody may have.
    Open,
    /// Where one signs in and out.
    SignIn,
    /// The numbers for Prometheus.
    Metrics,
    /// Everything else.
    Guarded,
}

impl Door {
    /// Of the path as it was sent, which is how routes are found, too.
    fn of(path: &str) -> Self {
        match path {
            "/admin" | "/admin/" | "/openapi.json" | "/v1/openapi.json" | "/health" => Self::Open,
            "/admin/api/session" => Self::SignIn,
            "/metrics" => Self::Metrics,
            path if path.starts_with("/admin/assets/") || path.starts_with("/health/") => {
                Self::Open
            }
            _ => Self::Guarded,
        }
    }
}

/// Lets requests in to the routes of operators, or refuses them.
pub(in crate::http) async fn guard(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    let door = Door::of(request.uri().path());
    let path = request.uri().path();
    let (is_admins, is_api) = (path.starts_with("/admin"), path.starts_with("/admin/api/"));
    let (head, request_body) = request.into_parts();
    let mut response = match admit(&api, door, &head) {
        Ok(()) => next.run(Request::from_parts(head, request_body)).await,
        Err(refusal) => {
            body::skip(&head.headers, request_body).await;
            refused(&api, &head, refusal)
        }
    };
    if is_admins {
        keep_apart(response.headers_mut());
    }
    if is_api {
        let kept = response.headers_mut().entry(header::CACHE_CONTROL);
        kept.or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// The answer to whoever is not let in, who is told in the log.
fn refused(api: &Api, head: &Parts, refusal: Refusal) -> Response {
    let peer = peer(head);
    // A page that waits for somebody to sign in is nothing to look into.
    if refusal != Refusal::Missing && api.access.attempts.is_news(peer, api.clock.now()) {
        tracing::warn!(address = %peer, what = refusal.what(), "refused at the admin's side");
    }
    let mut response = refusal.error().into_response();
    // For this address, and not for each request.
    response.extensions_mut().insert(Logged);
    response
}

/// What keeps other pages from showing, reading or reusing an answer. What a handler has set stays.
fn keep_apart(out: &mut HeaderMap) {
    const NOTHING: &str =
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        ("content-security-policy", NOTHING),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in headers {
        out.entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Whether the request with this `head` is let in.
fn admit(api: &Api, door: Door, head: &Parts) -> Verdict {
    if door == Door::Open {
        return Ok(());
    }
    let key = api.front.load().admin_key;
    let origin = Origin::of(head);
    if key.is_none() && door != Door::Metrics && !origin.is_by_address() {
        return Err(Refusal::Host);
    }
    let looks = is_looking(&head.method);
    // Before any key is compared: a foreign page is not to use up somebody's attempts.
    if origin.is_foreign(looks) {
        return Err(Refusal::Foreign);
    }
    let access = &api.access;
    match key {
        _ if door == Door::SignIn => Ok(()),
        Some(key) => with_key(access, &key, head, api.clock.now()),
        None if looks || !origin.is_browser() => Ok(()),
        None => has_token(&head.headers, &access.open_token),
    }
}

fn is_looking(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Where there is a key: whether this is the request of somebody who has it, or has signed in with it.
fn with_key(access: &Access, wanted: &KeyDigest, head: &Parts, now: Moment) -> Verdict {
    let (headers, peer) = (&head.headers, peer(head));
    let looks = is_looking(&head.method);
    let session = access.sessions.of(headers, wanted, now);
    // The session first: with a proxy that has a login of its own, browsers send that too.
    let by_session = session.map(|Session { token }| {
        if looks {
            Ok(())
        } else {
            has_token(headers, &token)
        }
    });
    if by_session == Some(Ok(())) {
        return Ok(());
    }
    match (Presented::in_headers(headers), by_session) {
        (Presented::Key(key), _) => access.try_key(key, wanted, peer, now),
        (_, Some(refusal)) => refusal,
        (Presented::Password(key), None) if looks => {
            access.try_key(key.as_bytes(), wanted, peer, now)
        }
        (presented, None) => {
            access.attempts.nothing(peer, now)?;
            Err(match presented {
                Presented::Password(_) => Refusal::BasicForActing,
                Presented::Key(_) | Presented::Nothing => Refusal::Missing,
            })
        }
    }
}

fn has_token(headers: &HeaderMap, token: &str) -> Verdict {
    let sent = headers.get(CSRF).map(HeaderValue::as_bytes);
    let is_it = sent.is_some_and(|sent| bool::from(sent.ct_eq(token.as_bytes())));
    if is_it { Ok(()) } else { Err(Refusal::Token) }
}

fn same(one: &KeyDigest, other: &KeyDigest) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Where a request comes from. Not what a proxy says of it: anybody can say that.
fn peer(head: &Parts) -> IpAddr {
    let peer = head.extensions.get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_guarded() {
        for path in [
            "/admin/api",
            "/admin/api/",
            "/admin/api/stats",
            "/admin/api/session/",
            "/admin/api/sessions",
            "/admin/assets",
            "/admin/api/assets/x",
            "/admin/anything",
            "/Admin",
            "/healthy",
            "/",
            "",
        ] {
            assert_eq!(Door::of(path), Door::Guarded, "{path}");
        }
        assert_eq!(Door::of("/admin/api/session"), Door::SignIn);
        assert_eq!(Door::of("/admin/assets/page.js"), Door::Open);
        assert_eq!(Door::of("/metrics"), Door::Metrics);
    }

    #[test]
    fn looking_is_by_two_methods_only() {
        for (method, looks) in [
            ("GET", true),
            ("HEAD", true),
            ("POST", false),
            ("DELETE", false),
            ("OPTIONS", false),
            ("get", false),
            ("PROPFIND", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(is_looking(&method), looks, "{method}");
        }
    }
}
