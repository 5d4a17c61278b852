//! What goes to the provider configured for it as it is: moderation, sound, images, ranking.
//!
//! JSON is read whole; forms are looked through as they pass, and answers that are neither JSON nor text are handed on as
//! they come. Invariant: of a client's request its provider gets the body, the body's type, and what is accepted;
//! nothing else, and never another address.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header, request},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;

use self::form::{Incoming, Rules};
use super::{
    Api, Front, Side, body,
    chat::{refused, with_errors_as_events},
    entrance::{Guest, within_limits},
    error, headers,
};
use crate::{
    clock::Moment,
    error::Error,
    gateway::{
        Caller,
        passthrough::{Outlet, Passed, Passing, PassingBody},
        reply::Refusal,
    },
    provider::forward::ForwardedBody,
    telemetry::journal::Journal,
    wire::{
        multipart::Boundary,
        operation::{Form, JsonRequest, Operation},
    },
};

mod form;

/// The longest `Accept` that is handed on, in bytes.
const LONGEST_ACCEPT: usize = 256;

/// Says of a response that it is to be delivered as it comes.
#[derive(Debug, Clone, Copy)]
struct AsItComes;

/// Whether nothing says that a response is to be delivered as it comes.
pub(super) fn may_be_compressed(
    _: StatusCode,
    _: Version,
    _: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    extensions.get::<AsItComes>().is_none()
}

/// Passes a request on.
pub(super) async fn forward(State(api): State<Arc<Api>>, request: Request) -> Response {
    let Some(operation) = Operation::of(request.uri().path()) else {
        return error::no_such_path(Side::All, request)
            .await
            .into_response();
    };
    let look = |head: &request::Parts| {
        let outlet = api.gateway.outlet(operation)?;
        Ok((outlet, kind(operation.form(), &head.headers)?))
    };
    let api = &api;
    within_limits(api, request, look, |guest| async move {
        let Guest {
            caller,
            head,
            body,
            found: (outlet, kind),
            received,
            journal,
        } = guest;
        let asked = Asked {
            api,
            front: &api.front.load_full(),
            head: &head,
            outlet: &outlet,
        };
        match asked.answer(kind, caller, body, (received, journal)).await {
            Ok(passed) => respond(api, passed),
            Err(refusal) => refused(api, refusal),
        }
    })
    .await
}

/// How the body of a request is written.
enum Kind {
    Json(&'static [&'static str]),
    Form(Boundary, &'static [&'static str]),
}

/// How the body is written, by what its type says.
fn kind(form: Form, headers: &HeaderMap) -> Result<Kind, Error> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = types.next().map(HeaderValue::as_bytes).unwrap_or_default();
    let is_form = content_type
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    let is_repeated = types.next().is_some();
    let boundary = |files| {
        if is_repeated {
            let message = "there are several `Content-Type` headers; send one";
            return Err(Error::bad_request(None, message));
        }
        let boundary = Boundary::of(content_type);
        let boundary = boundary.map_err(|why| Error::bad_request(None, why.to_string()))?;
        Ok(Kind::Form(boundary, files))
    };
    match form {
        Form::Multipart(files) => boundary(files),
        Form::Both(_, files) if is_form => boundary(files),
        Form::Json(_) if is_form => {
            let message = "the body must be JSON, with `Content-Type: application/json`";
            Err(Error::bad_request(None, message))
        }
        Form::Json(required) | Form::Both(required, _) => Ok(Kind::Json(required)),
    }
}

/// A request that was let in.
struct Asked<'a> {
    api: &'a Api,
    front: &'a Front,
    head: &'a request::Parts,
    outlet: &'a Outlet,
}

impl Asked<'_> {
    async fn answer(
        &self,
        kind: Kind,
        caller: Caller,
        request_body: Body,
        (received, journal): (Moment, Arc<Journal>),
    ) -> Result<Passed, Refusal> {
        let headers = &self.head.headers;
        let (content_type, body) = match kind {
            Kind::Json(required) => {
                let body = body::read(self.api, self.head, request_body, self.front.max_body);
                let request = JsonRequest::parse(body.await?, required)
                    .map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
                const JSON: HeaderValue = HeaderValue::from_static("application/json");
                (JSON, PassingBody::Json(request))
            }
            Kind::Form(boundary, files) => {
                let rules = Rules {
                    files,
                    caller: caller.clone(),
                    outlet: self.outlet.clone(),
                };
                let incoming = Incoming::new(self, request_body, &boundary, rules)?;
                let begun = incoming.begin().await?;
                let content_type = headers.get(header::CONTENT_TYPE).cloned();
                let body = PassingBody::Form {
                    model: begun.model,
                    length: begun.length,
                    pieces: begun.pieces,
                };
                // There is one, or there would be no boundary.
                let content_type = content_type.unwrap_or(HeaderValue::from_static(""));
                (content_type, body)
            }
        };
        let accept = headers.get(header::ACCEPT).cloned();
        let passing = Passing {
            caller,
            content_type,
            accept: accept.filter(|accept| accept.len() <= LONGEST_ACCEPT),
            body,
            received,
            journal,
        };
        self.api.gateway.pass_on(self.outlet, passing).await
    }
}

fn respond(api: &Api, passed: Passed) -> Response {
    let Passed {
        headers,
        body,
        facts,
    } = passed;
    let (body, length, comes) = match body {
        ForwardedBody::Whole(bytes) => (Body::from(bytes), None, false),
        ForwardedBody::Bytes { length, pieces } => {
            // The client sees it by the end of its connection.
            let pieces = pieces.inspect_err(|error| {
                tracing::warn!(error = error.summary(), "an answer broke");
            });
            (Body::from_stream(pieces), length, true)
        }
        ForwardedBody::Events(pieces) => {
            let events = with_errors_as_events(pieces);
            (Body::from_stream(events), None, true)
        }
    };
    let mut response = (StatusCode::OK, body).into_response();
    let out = response.headers_mut();
    *out = headers;
    if let Some(length) = length {
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if comes {
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Keeps proxies from holding it back.
        out.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    headers::write(&mut response, facts, api);
    if comes {
        response.extensions_mut().insert(AsItComes);
    }
    response
}
