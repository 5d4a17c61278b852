//! `POST /v1/cache/feedback`: a client says whether an answer that it got was right.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, body, entrance::told};
use crate::{
    error::Error,
    gateway::{Caller, feedback::Verdict},
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feedback {
    id: String,
    verdict: String,
}

/// Takes a verdict in.
pub(super) async fn give(State(api): State<Arc<Api>>, request: Request) -> Response {
    match take(&api, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn take(api: &Api, request: Request) -> Result<Response, Error> {
    let (head, request_body) = request.into_parts();
    let now = api.clock.unix();
    let caller = match api.front.load().auth.caller(&head.headers, now) {
        Ok(caller) => caller,
        Err(error) => {
            body::skip(&head.headers, request_body).await;
            return Err(error);
        }
    };
    let body = body::read(api, &head, request_body, LONGEST).await;
    let taken = body.and_then(|body| judge(api, &caller, &body));
    Ok(told(taken.into_response(), caller.account.as_deref()))
}

fn judge(api: &Api, caller: &Caller, body: &[u8]) -> Result<Json<Value>, Error> {
    let feedback: Feedback = serde_json::from_slice(body).map_err(|_| {
        let message = "the body must be {\"id\": ..., \"verdict\": \"wrong\" or \"right\"}, the id that of an answer";
        Error::bad_request(None, message)
    })?;
    let verdict = match feedback.verdict.as_str() {
        "wrong" => Verdict::Wrong,
        "right" => Verdict::Right,
        _ => {
            let message = "`verdict` must be \"wrong\" or \"right\"";
            return Err(Error::bad_request("verdict".to_owned(), message));
        }
    };
    let evicted = api.gateway.feedback(caller, &feedback.id, verdict)?;
    let body = json!({
        "object": "cache.feedback",
        "id": feedback.id,
        "verdict": feedback.verdict,
        "evicted": evicted,
    });
    Ok(Json(body))
}
