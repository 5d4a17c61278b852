//! `POST /v1/responses`, and what was kept of it.
//!
//! A response that continues another one is asked with all that the other stands for. Invariant: what is kept came
//! to its end, and belongs to who asked for it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Api, chat, error, shape};
use crate::{
    cache::responses::{KeptResponse, Responses},
    error::{Error, UpstreamError},
    gateway::{
        Asked,
        reply::{Refusal, Reply, ReplyBody},
    },
    ident::ProviderName,
    policy::identity::Scope,
    wire::{
        chat::Invalid,
        responses::{self, History, Passing, Teller},
    },
};

/// The headers that mean something to a provider of this interface.
const FOR_PROVIDERS: [&str; 1] = ["openai-beta"];

pub(super) mod kept;
mod told_ids;

pub use told_ids::ToldIds;

/// Answers a request.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    let mut headers = HeaderMap::new();
    for name in FOR_PROVIDERS {
        if let Some(value) = request.headers().get(name) {
            headers.insert(name, value.clone());
        }
    }
    chat::serve(&api, request, |asked| answer(&api, asked, headers)).await
}

async fn answer(api: &Api, asked: Asked, headers: HeaderMap) -> Result<Reply, Refusal> {
    let own = asked.caller.own;
    let request = responses::Request::read(asked.body.clone()).map_err(refused)?;
    let previous = request.previous().map_err(refused)?.map(str::to_owned);
    let history = previous.as_deref().map(|id| history(api, own, id));
    let history = history.transpose()?;
    let inbound = request
        .understand(history.as_ref(), headers, &|id| api.told_ids.has(own, id))
        .map_err(refused)?;
    let reply = Box::pin(api.gateway.chat(asked.with(inbound.translated))).await?;
    let keep = Keep {
        responses: api.responses.clone().filter(|_| inbound.store),
        own,
        input: inbound.input,
        provider: reply.native.and(reply.facts.provider.clone()),
        told: api.told_ids.clone(),
    };
    Ok(match reply.native {
        Some(_) => passed(reply, Passing::new(previous), keep),
        None => {
            let ended = |id: &str, response: Vec<u8>| keep.put(id, response.into());
            let teller = Teller::new(inbound.echo, inbound.is_stream, ended);
            shape::tell(reply, Box::new(teller))
        }
    })
}

fn refused(invalid: Invalid) -> Error {
    Error::bad_request(invalid.param, invalid.message)
}

/// What the response stands for that a request continues.
fn history(api: &Api, own: Scope, id: &str) -> Result<History, Error> {
    let Some(responses) = &api.responses else {
        return Err(Error::NoPreviousResponse(
            "this gateway keeps no responses, so none can be continued (`[responses] store = true` has \
             them kept); send all of the conversation as `input`",
        ));
    };
    let kept = responses.get(own, id);
    let history = kept.and_then(|kept| History::read(&kept.input, &kept.response));
    history.ok_or(Error::NoPreviousResponse(
        "no response with the id of `previous_response_id` is kept for this key: it was asked with \
         `store: false`, has expired, or was deleted; send all of the conversation as `input`",
    ))
}

/// Keeps a response when it came to its end.
struct Keep {
    /// Where; `None` to keep nothing.
    responses: Option<Arc<Responses>>,
    own: Scope,
    input: Vec<serde_json::Value>,
    provider: Option<ProviderName>,
    told: ToldIds,
}

impl Keep {
    fn put(self, id: &str, response: Bytes) {
        if self.provider.is_some() {
            for id in responses::ids(&response) {
                self.told.put(self.own, &id);
            }
        }
        if let Some(responses) = self.responses {
            let kept = KeptResponse {
                response,
                input: serde_json::to_vec(&self.input).unwrap_or_default().into(),
                provider: self.provider,
            };
            responses.put(self.own, id, kept);
        }
    }
}

/// `reply`, whose words are the provider's own in this interface, under the eyes of `passing`.
fn passed(reply: Reply, mut passing: Passing, keep: Keep) -> Reply {
    let mut keep = Some(keep);
    let mut kept = move |passing: &mut Passing| {
        if let Some((id, response)) = passing.ended()
            && let Some(keep) = keep.take()
        {
            keep.put(&id, response);
        }
    };
    let body = match reply.body {
        ReplyBody::Json(body) => {
            let body = passing.whole(body);
            kept(&mut passing);
            ReplyBody::Json(body)
        }
        ReplyBody::EventsWhole(events) => {
            let events = passing.events(events);
            kept(&mut passing);
            ReplyBody::EventsWhole(events)
        }
        ReplyBody::Events(events) => {
            let look = move |item: Result<Bytes, UpstreamError>| {
                Ok(match item {
                    Ok(run) => {
                        let run = passing.events(run);
                        kept(&mut passing);
                        run
                    }
                    Err(error) => {
                        tracing::warn!(error = error.summary(), "a stream broke");
                        let (_, error) = error::told(&Error::Exhausted(error));
                        passing.broken(&error).into()
                    }
                })
            };
            ReplyBody::Events(events.map(look).boxed())
        }
    };
    Reply { body, ..reply }
}
