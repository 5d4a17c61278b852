//! Kept responses: given again, forgotten, asked for their input. OpenAI's routes below
//! `/v1/responses/{id}`.
//!
//! Invariant: a response is there for the key that it was made for and for no other; to any other its
//! id is as unknown as one that never was.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, Request, State, rejection::PathRejection},
    http::{HeaderValue, Uri, header, request},
    response::{IntoResponse, Response},
};
use serde_json::json;

use self::items::{Order, Page, Unlisted};
use crate::{
    cache::responses::{KeptResponse, Responses},
    error::Error,
    gateway::Caller,
    http::{Api, body, entrance::within_limits},
};

mod items;

/// The id in a path.
type Id = Result<Path<String>, PathRejection>;

/// The longest id that is repeated in a message, in characters.
const LONGEST: usize = 64;
/// What a client may want included: <https://platform.openai.com/docs/api-reference/responses>, 2026-11. What of it
/// was answered is there anyway.
const INCLUDABLE: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

/// Gives a kept response.
pub(in crate::http) async fn retrieve(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    without_body(&api, request, |caller, head| {
        let query = query(&head.uri)?;
        check_retrieval(&query)?;
        let kept = find(&api, caller, id)?;
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        Ok(([(header::CONTENT_TYPE, JSON)], kept.response.clone()).into_response())
    })
    .await
}

/// Forgets a kept response.
pub(in crate::http) async fn delete(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    without_body(&api, request, |caller, _| {
        let (responses, id) = named(&api, id)?;
        if !responses.delete(caller.own, &id) {
            return Err(unknown(&id));
        }
        Ok(Json(json!({"id": id, "object": "response", "deleted": true})).into_response())
    })
    .await
}

/// Lists what a kept response answers, item by item.
pub(in crate::http) async fn input_items(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    without_body(&api, request, |caller, head| {
        let query = query(&head.uri)?;
        let page = page(&query)?;
        let kept = find(&api, caller, id)?;
        let hash = |item: &[u8]| caller.own.digest(item);
        let list = items::list(&kept.input, &page, hash).map_err(|unlisted| match unlisted {
            Unlisted::UnknownAfter => {
                let message = "`after` is not the id of an item of this response";
                Error::bad_request("after".to_owned(), message)
            }
            Unlisted::NoItems => {
                Error::Internal("the input of a kept response is no list of items".to_owned())
            }
        })?;
        Ok(Json(list).into_response())
    })
    .await
}

/// Refuses to cancel: nothing runs in the background.
pub(in crate::http) async fn cancel(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    without_body(&api, request, |caller, _| {
        find(&api, caller, id)?;
        let message =
            "Cannot cancel a synchronous response: this gateway runs none in the background.";
        Err(Error::bad_request(None, message))
    })
    .await
}

/// Answers a request that has no body, within the limits of who asks.
async fn without_body(
    api: &Api,
    request: Request,
    answer: impl FnOnce(&Caller, &request::Parts) -> Result<Response, Error>,
) -> Response {
    within_limits(
        api,
        request,
        |_| Ok(()),
        |guest| async move {
            // Nothing is expected; should there be something, it is no reason to reset the connection.
            body::skip(&guest.head.headers, guest.body).await;
            answer(&guest.caller, &guest.head).into_response()
        },
    )
    .await
}

/// The store, and the id.
fn named(api: &Api, id: Id) -> Result<(&Responses, String), Error> {
    let responses = api.responses.as_deref().ok_or_else(off)?;
    // Not UTF-8: no id that was ever given.
    let Path(id) = id.map_err(|_not_text| unknown(""))?;
    Ok((responses, id))
}

fn find(api: &Api, caller: &Caller, id: Id) -> Result<Arc<KeptResponse>, Error> {
    let (responses, id) = named(api, id)?;
    responses.get(caller.own, &id).ok_or_else(|| unknown(&id))
}

/// OpenAI's words for an id that leads nowhere.
fn unknown(id: &str) -> Error {
    let shown = id.chars().take(LONGEST);
    let mut shown: String = shown
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if id.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    Error::NoSuchResponse(format!("Response with id '{shown}' not found."))
}

fn off() -> Error {
    let message = "This gateway keeps no responses; `store = true` under `[responses]` in its configuration \
                   turns that on.";
    Error::NoSuchResponse(message.to_owned())
}

/// What a query says, in order.
fn query(uri: &Uri) -> Result<Vec<(String, String)>, Error> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let unreadable = |_| Error::bad_request(None, "the query can't be read");
    query.map(|Query(pairs)| pairs).map_err(unreadable)
}

/// Whether all that is asked of a retrieval can be done.
fn check_retrieval(query: &[(String, String)]) -> Result<(), Error> {
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("stream", "false" | "") | ("starting_after", "") => {}
            ("stream" | "starting_after", _) => {
                let message = format!(
                    "`{name}` is not offered here: a kept response is given whole, as JSON; leave `{name}` out"
                );
                return Err(Error::bad_request(name.clone(), message));
            }
            (name, value) => check_include(name, value)?,
        }
    }
    Ok(())
}

/// Whether this is no `include`, in any of the spellings of a list, or of something known.
fn check_include(name: &str, value: &str) -> Result<(), Error> {
    let is_include = name == "include" || name.starts_with("include[");
    let is_known = |part: &str| part.is_empty() || INCLUDABLE.contains(&part);
    if is_include && !value.split(',').map(str::trim).all(is_known) {
        let message = format!("`include` takes {}", INCLUDABLE.join(", "));
        return Err(Error::bad_request("include".to_owned(), message));
    }
    Ok(())
}

/// The part of a list that a query asks for.
fn page(query: &[(String, String)]) -> Result<Page<'_>, Error> {
    let mut page = Page {
        limit: 20,
        order: Order::NewestFirst,
        after: None,
    };
    let wrong = |name: &str, message| Err(Error::bad_request(name.to_owned(), message));
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            (name @ "limit", value) => match value.parse() {
                Ok(limit @ 1..=100) => page.limit = limit,
                _ => return wrong(name, "`limit` must be a number from 1 to 100"),
            },
            ("order", "asc") => page.order = Order::OldestFirst,
            ("order", "desc") => page.order = Order::NewestFirst,
            (name @ "order", _) => return wrong(name, "`order` must be \"asc\" or \"desc\""),
            ("after", "") => page.after = None,
            ("after", id) => page.after = Some(id),
            (name @ "before", _) => {
                let message =
                    "`before` is not offered; page with `after`, and `order` the other way round";
                return wrong(name, message);
            }
            (name, value) => check_include(name, value)?,
        }
    }
    Ok(page)
}
