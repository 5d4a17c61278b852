//! `POST /v1/completions`, the interface before chat.
//!
//! A request with several prompts is one request of its client: it takes one place, and counts once against the
//! client's requests of a minute, as at OpenAI. Where its prompts are asked as chats, each is a call by itself: it is
//! looked up and kept by itself, and its tokens and cost are set aside by themselves. Invariant: all prompts are
//! answered, or the request is not; a stream in which one fails ends in the error.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::HeaderMap;

use super::{Api, chat, error, shape};
use crate::{
    error::{Error, UpstreamError},
    gateway::{
        Asked, Gateway,
        reply::{Facts, Refusal, Reply, ReplyBody},
    },
    telemetry::ledger::Way,
    units::Usd,
    wire::{
        answer::{Answer, delivery_head},
        chat::Invalid,
        completions::{self, Form, Telling},
        heard::{Hearing, Writer, of_answer},
        native::Translated,
    },
};

/// Prompts of one request that are asked at the same time.
const AT_A_TIME: usize = 4;

/// Answers a request.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    chat::serve(&api, request, |asked| complete(&api.gateway, asked)).await
}

async fn complete(gateway: &Arc<Gateway>, asked: Asked) -> Result<Reply, Refusal> {
    let inbound = completions::read(&asked.body).map_err(bad_request)?;
    if gateway.completes(inbound.model(), &asked.controls) {
        let telling = Box::new(inbound.telling_continued());
        let reply = gateway.chat(asked.with(inbound.continued())).await?;
        return Ok(shape::tell(reply, telling));
    }
    let telling = inbound.telling_mapped();
    let prompts = inbound.mapped().map_err(bad_request)?;
    let prompts = match <[Translated; 1]>::try_from(prompts) {
        Ok([only]) => {
            let reply = gateway.chat(asked.with(only)).await?;
            return Ok(shape::tell(reply, Box::new(telling)));
        }
        Err(several) => several,
    };
    let ask = |translated| {
        let (gateway, asked) = (Arc::clone(gateway), asked.clone().with(translated));
        async move { gateway.chat(asked).await }
    };
    match inbound.form() {
        Form::Whole => {
            let replies = stream::iter(prompts.into_iter().map(ask)).buffered(AT_A_TIME);
            Ok(whole(replies.try_collect().await?, telling)?)
        }
        Form::Stream { .. } => {
            let hearings = prompts.iter().map(|_| Hearing::default()).collect();
            let answers = (0..).zip(prompts).map(|(prompt, translated)| {
                let answered = stream::once(ask(translated));
                answered.flat_map(steps).map(move |step| (prompt, step))
            });
            let answers: Vec<_> = answers.map(StreamExt::boxed).collect();
            let steps = stream::iter(answers).flatten_unordered(AT_A_TIME).boxed();
            let told = Told {
                steps: Some(steps),
                telling,
                hearings,
            };
            told.begin().await
        }
    }
}

fn bad_request(Invalid { message, param }: Invalid) -> Refusal {
    Error::bad_request(param, message).into()
}

/// What the gateway gives back is an answer, in the form that was asked for.
fn unanswered() -> Error {
    Error::Internal("a prompt has no answer".to_owned())
}

/// One answer to each prompt, in their order, as one.
fn whole(replies: Vec<Reply>, mut telling: Telling) -> Result<Reply, Error> {
    let mut first: Option<(Facts, HeaderMap)> = None;
    for (prompt, reply) in (0..).zip(replies) {
        let ReplyBody::Json(bytes) = &reply.body else {
            return Err(unanswered());
        };
        let answer = Answer::read(bytes).map_err(|_| unanswered())?;
        let (id, created) = delivery_head(bytes);
        for heard in of_answer(answer, &id, created) {
            telling.hear_of(prompt, heard);
        }
        match &mut first {
            None => first = Some((reply.facts, reply.headers)),
            Some((facts, _)) => *facts = both(facts, &reply.facts),
        }
    }
    let (facts, headers) = first.ok_or_else(unanswered)?;
    Ok(Reply {
        body: ReplyBody::Json(telling.whole().into()),
        native: None,
        headers,
        facts,
    })
}

/// What is true of two answers of one request: that somebody was asked, if somebody was, and what both took.
fn both(one: &Facts, other: &Facts) -> Facts {
    let is_kept = |facts: &Facts| match facts.way {
        Way::Exact | Way::Semantic | Way::Stale => true,
        Way::Miss | Way::Bypass | Way::Coalesced | Way::Background => false,
    };
    let says_more = if is_kept(one) && !is_kept(other) {
        other
    } else {
        one
    };
    let sum = |a: Option<Usd>, b: Option<Usd>| match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    Facts {
        attempts: one.attempts.saturating_add(other.attempts),
        upstream: one.upstream.max(other.upstream),
        stored: one.stored || other.stored,
        cost: sum(one.cost, other.cost),
        saved: sum(one.saved, other.saved),
        ..says_more.clone()
    }
}

/// What happens to the answer to one prompt.
enum Step {
    /// It begins.
    Begun(Box<Facts>, HeaderMap),
    /// More of it.
    Events(Result<Bytes, UpstreamError>),
    /// There will be none.
    Refused(Box<Refusal>),
}

fn steps(answered: Result<Reply, Refusal>) -> BoxStream<'static, Step> {
    let reply = match answered {
        Ok(reply) => reply,
        Err(refusal) => return stream::iter([Step::Refused(Box::new(refusal))]).boxed(),
    };
    let begun = Step::Begun(Box::new(reply.facts), reply.headers);
    let events = match reply.body {
        ReplyBody::Events(events) => events,
        ReplyBody::Json(bytes) | ReplyBody::EventsWhole(bytes) => stream::iter([Ok(bytes)]).boxed(),
    };
    stream::iter([begun])
        .chain(events.map(Step::Events))
        .boxed()
}

/// The answers to several prompts, told as one stream.
struct Told {
    /// `None` once all is told.
    steps: Option<BoxStream<'static, (usize, Step)>>,
    telling: Telling,
    /// One for each prompt.
    hearings: Vec<Hearing>,
}

impl Told {
    /// Waits for the first answer to begin, whose facts are told of all: the others' are not known by then.
    async fn begin(mut self) -> Result<Reply, Refusal> {
        let first = match &mut self.steps {
            Some(steps) => steps.next().await,
            None => None,
        };
        let (facts, headers) = match first {
            Some((_, Step::Begun(facts, headers))) => (*facts, headers),
            Some((_, Step::Refused(refusal))) => return Err(*refusal),
            Some((_, Step::Events(_))) | None => return Err(unanswered().into()),
        };
        let events = stream::unfold(self, |mut told| async move {
            let bytes = told.next().await?;
            Some((Ok(bytes), told))
        });
        Ok(Reply {
            body: ReplyBody::Events(events.boxed()),
            native: None,
            headers,
            facts,
        })
    }

    /// What is written next; may be nothing yet.
    async fn next(&mut self) -> Option<Bytes> {
        let failure = match self.steps.as_mut()?.next().await {
            Some((prompt, Step::Events(Ok(bytes)))) => {
                self.hear(prompt, &bytes);
                None
            }
            Some((_, Step::Begun(..))) => None,
            Some((_, Step::Events(Err(error)))) => Some(Error::Exhausted(error)),
            Some((_, Step::Refused(refusal))) => Some(refusal.error),
            None => {
                self.steps = None;
                if self.hearings.iter().all(Hearing::is_over) {
                    self.telling.end();
                }
                None
            }
        };
        if let Some(failure) = failure {
            tracing::warn!(error = failure.summary(), "a stream broke");
            // The other prompts are given up.
            self.steps = None;
            let (status, object) = error::told(&failure);
            self.telling.fail(status, &object);
        }
        Some(self.telling.take().into())
    }

    fn hear(&mut self, prompt: usize, bytes: &[u8]) {
        if let Some(hearing) = self.hearings.get_mut(prompt) {
            for heard in hearing.events(bytes) {
                self.telling.hear_of(prompt as u64, heard);
            }
        }
    }
}
