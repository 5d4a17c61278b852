//! `/admin/api/session`: signing in and out, and what a page has to know before.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Refusal, has_token, peer, refused,
    sessions::{COOKIE, LASTS},
};
use crate::{
    error::Error,
    http::{Api, admin::private, body},
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 4 << 10;

/// What is sent to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: String,
}

/// Whether a key is needed, and whether the cookie's session goes on. Looks at no key, so that none can be tried here.
pub(in crate::http) async fn show(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let key = api.front.load().admin_key;
    let session = key.and_then(|key| api.access.sessions.of(&headers, &key, api.clock.now()));
    let signed_in = session.is_some();
    let open = || key.is_none().then(|| api.access.open_token.clone());
    private(json!({
        "needs_key": key.is_some(),
        "signed_in": signed_in,
        "csrf": session.map(|session| session.token).or_else(open),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Begins a session for whoever sends the key. Where none is configured there is nothing to begin.
pub(in crate::http) async fn begin(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, request_body) = request.into_parts();
    let body = match body::read(&api, &head, request_body, LONGEST).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let written: Written = match body::object(&body) {
        Ok(written) => written,
        Err(_) => {
            // Not what is wrong with it: that would quote a key.
            let message = "write {\"key\": \"THE ADMIN KEY\"}";
            return Error::bad_request(None, message).into_response();
        }
    };
    // As it is now: the body may have taken a while.
    let Some(wanted) = api.front.load().admin_key else {
        return private(json!({"csrf": api.access.open_token}));
    };
    let (peer, now) = (peer(&head), api.clock.now());
    if let Err(refusal) = (api.access).try_key(written.key.as_bytes(), &wanted, peer, now) {
        return refused(&api, &head, refusal);
    }
    let mut random = [0; 32];
    if let Err(error) = getrandom::fill(&mut random) {
        return Error::Internal(format!("no random bytes: {error}")).into_response();
    }
    let begun = api.access.sessions.begin(random, wanted, now);
    tracing::info!(address = %peer, "somebody signed in at the admin's side");
    let mut response = private(json!({"csrf": begun.token}));
    set_cookie(&mut response, &head.headers, &begun.cookie, LASTS.as_secs());
    response
}

/// Ends the cookie's session. Done also if there is none.
pub(in crate::http) async fn end(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let headers = &head.headers;
    let key = api.front.load().admin_key;
    let session = key.and_then(|key| api.access.sessions.of(headers, &key, api.clock.now()));
    if session.is_some_and(|session| has_token(headers, &session.token).is_err()) {
        return refused(&api, &head, Refusal::Token);
    }
    api.access.sessions.end(headers);
    let mut response = private(json!({"signed_in": false}));
    set_cookie(&mut response, headers, "", 0);
    response
}

fn set_cookie(response: &mut Response, headers: &HeaderMap, value: &str, seconds: u64) {
    let secure = if is_encrypted(headers) {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/admin; Max-Age={seconds}{secure}"
    );
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Whether the browser's own connection is encrypted, as a proxy says. Who says so without being one only keeps its own
/// cookie from being sent.
fn is_encrypted(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto").map(HeaderValue::as_bytes);
    // The first of several proxies is the one that the browser speaks to.
    let first = proto.and_then(|proto| proto.split(|byte| *byte == b',').next());
    first.is_some_and(|proto| proto.trim_ascii().eq_ignore_ascii_case(b"https"))
}
