//! What is handed on as it is, to the provider that the configuration names for it.
//!
//! One provider, no cache, no other target. What comes whole may be asked again with another key, or after a failure;
//! what is uploaded is sent once. Invariant: nothing is sent before the client's limits and budget and the provider's
//! allow it, and whatever was let through is told how it ended.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue};

mod asking;
mod charge;

use self::{
    asking::{Asked, Form, Only, ask, upload},
    charge::Charge,
};
use super::{
    Caller, Gateway,
    attempt::{Attempt, Load, Tariff},
    behalf::Behalf,
    catalogue::Target,
    reply::{Facts, Refusal},
    setup::Setup,
    turns::Turns,
};
use crate::{
    clock::Moment,
    config::{AllowedModels, Endpoint},
    error::Error,
    ident::ModelId,
    provider::forward::{ForwardedBody, Pieces},
    telemetry::{journal::Journal, ledger::Way},
    units::{Tokens, Usd},
    wire::{
        answer::Usage,
        chat::Delivery,
        operation::{JsonRequest, Operation},
    },
};

/// Where an operation goes, as the configuration said when it was asked for.
#[derive(Debug, Clone)]
pub struct Outlet {
    setup: Arc<Setup>,
    operation: Operation,
    endpoint: Endpoint,
}

/// A request to be handed on.
#[derive(Debug)]
pub struct Passing {
    /// Who asks.
    pub caller: Caller,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// What the client accepts.
    pub accept: Option<HeaderValue>,
    /// The body.
    pub body: PassingBody,
    /// When its head came in.
    pub received: Moment,
    /// Where it is noted what happens to it.
    pub journal: Arc<Journal>,
}

/// The body of a request to be handed on.
pub enum PassingBody {
    /// JSON.
    Json(JsonRequest),
    /// A form, whose pieces end with an error if it is not to be handed on after all.
    Form {
        /// What the provider calls its model, if that is known before it is sent.
        model: Option<String>,
        /// How long it is, in bytes, if that is known.
        length: Option<u64>,
        /// Its pieces.
        pieces: BoxStream<'static, Result<Bytes, Error>>,
    },
}

impl std::fmt::Debug for PassingBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "Json",
            Self::Form { .. } => "Form",
        })
    }
}

/// The answer to a request that was handed on.
#[derive(Debug)]
pub struct Passed {
    /// The provider's headers that clients may see, and the type of the body.
    pub headers: HeaderMap,
    /// The body.
    pub body: ForwardedBody,
    /// How it came to be.
    pub facts: Facts,
}

impl Outlet {
    /// What the provider calls the model that a client calls `model`: without the name of the provider in front.
    #[must_use]
    pub fn model<'m>(&self, model: &'m str) -> &'m str {
        let own = model.strip_prefix(self.endpoint.provider.as_str());
        let own = own.and_then(|rest| rest.strip_prefix('/'));
        own.filter(|own| !own.is_empty()).unwrap_or(model)
    }

    /// Whether `caller` may ask for `model`, which is none if the request names none.
    ///
    /// # Errors
    /// [`Error::ModelNotAllowed`]; [`Error::BadRequest`] if a model has to be named, or can't be called that.
    pub fn allow(&self, caller: &Caller, model: Option<&str>) -> Result<(), Error> {
        let param = || Some("model".to_owned());
        let Some(model) = model else {
            // The provider would choose one, which may be any.
            let is_free = caller.allowed == AllowedModels::All;
            return is_free.then_some(()).ok_or_else(|| {
                let message = "you must provide a `model`: this key may use certain models only";
                Error::bad_request(param(), message)
            });
        };
        if !caller.allowed.allows(model) {
            return Err(Error::ModelNotAllowed(model.to_owned()));
        }
        ModelId::new(self.model(model))
            .map(|_| ())
            .map_err(|rule| Error::bad_request(param(), format!("`model`: {rule}")))
    }

    /// Who is asked about `model`.
    fn target(&self, model: Option<&str>) -> Result<Target, Error> {
        let catalogue = &self.setup.catalogue;
        // Without a name, what is asked stands for the model that it is done by.
        let model = model.unwrap_or_else(|| self.operation.path().trim_start_matches('/'));
        let id = ModelId::new(model).map_err(|rule| {
            Error::bad_request(Some("model".to_owned()), format!("`model`: {rule}"))
        })?;
        let provider = &self.endpoint.provider;
        catalogue.of_provider(provider, id).ok_or_else(|| {
            let mut inactive = catalogue.inactive().iter();
            let why = inactive
                .find(|inactive| inactive.name == *provider)
                .map_or("it is not ready", |inactive| inactive.reason.as_str());
            Error::NoSuchPath(format!(
                "POST /v1{} goes to the provider `{provider}`, which is not active: {why}",
                self.operation.path(),
            ))
        })
    }

    /// What one request costs, for a client whose money is counted.
    fn price(&self, caller: &Caller) -> Result<Option<Usd>, Error> {
        let has_budget =
            (caller.account.as_ref()).is_some_and(|account| account.budget().is_some());
        match self.endpoint.price {
            None if has_budget => Err(Error::BudgetExceeded {
                message: format!(
                    "this key has a budget, and nobody has said what POST /v1{} costs; whoever runs this gateway can \
                     write `usd_per_request` into `{}` of `[endpoints]`",
                    self.operation.path(),
                    self.operation.family().as_str(),
                ),
                retry_after: None,
            }),
            price => Ok(price),
        }
    }
}

impl Gateway {
    /// Where `operation` goes at present.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`] if the configuration says nothing of it.
    pub fn outlet(&self, operation: Operation) -> Result<Outlet, Error> {
        let setup = self.setup();
        let family = operation.family();
        let endpoint = setup.settings.endpoints.of(family).cloned();
        let endpoint = endpoint.ok_or_else(|| {
            let (path, key) = (operation.path(), family.as_str());
            Error::NoSuchPath(format!(
                "nobody is configured for POST /v1{path}; whoever runs this gateway can write \
                 `{key} = \"PROVIDER\"` below `[endpoints]`"
            ))
        })?;
        Ok(Outlet {
            setup,
            operation,
            endpoint,
        })
    }

    /// Hands a request on.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn pass_on(&self, outlet: &Outlet, passing: Passing) -> Result<Passed, Refusal> {
        const REASON: &str = "passthrough";
        self.ledger.reasons().bypasses.count(REASON);
        let mut facts = Facts::new(Way::Bypass, Some(REASON), passing.received);
        let refused = |error: Error, facts: &Facts| Refusal {
            error,
            facts: Some(facts.clone()),
        };
        let named = match &passing.body {
            PassingBody::Json(request) => request.model(),
            PassingBody::Form { model, .. } => model.as_deref(),
        };
        if let Some(model) = named {
            passing.journal.asked_for(model);
        }
        let model = match &passing.body {
            PassingBody::Json(request) => {
                outlet.allow(&passing.caller, request.model())?;
                request.model().map(|model| outlet.model(model).to_owned())
            }
            PassingBody::Form { model, .. } => model.clone(),
        };
        let target = outlet.target(model.as_deref())?;
        let price = outlet.price(&passing.caller)?;
        let load = load(&passing.body, outlet.operation, price);
        let charge = Charge::open(&passing.caller, load.tokens.total(), price)
            .inspect_err(|_| self.ledger.count_failed())
            .map_err(|error| refused(error, &facts))?;
        let start = self.clock.now();
        let stop = Only {
            target: &target,
            load,
        };
        let journal = passing.journal;
        let behalf = Behalf {
            tab: None,
            journal: Arc::clone(&journal),
            ledger: Arc::clone(&self.ledger),
        };
        let turns = Turns::new([stop], behalf, true, &self.clock);
        let asked = Asked {
            outlet,
            model: model.as_deref(),
            content_type: passing.content_type,
            accept: passing.accept,
        };
        let attempts = &mut facts.attempts;
        let answered = match passing.body {
            PassingBody::Json(request) => {
                charge.sent.store(true, Ordering::Relaxed);
                ask(turns, &asked, &request, attempts).await
            }
            PassingBody::Form { length, pieces, .. } => {
                let form = Form {
                    length,
                    pieces,
                    sent: Arc::clone(&charge.sent),
                };
                upload(turns, &asked, form, attempts).await
            }
        };
        facts.upstream = self.clock.now().since(start);
        let (answer, mut attempt) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                charge.forgive();
                self.ledger.count_failed();
                return Err(refused(error, &facts));
            }
        };
        attempt.begins(false);
        attempt.used(load.tokens);
        facts.cost = price;
        facts.provider = Some(target.provider().clone());
        facts.model = model.is_some().then(|| target.model.clone());
        self.ledger.count(Way::Bypass);
        // An answer came, however much of the request was read for it.
        charge.sent.store(true, Ordering::Relaxed);
        drop(charge);
        Ok(Passed {
            headers: answer.headers,
            body: watched(answer.body, attempt, journal),
            facts,
        })
    }
}

/// What a request takes of the limits in tokens: those of its texts, about four bytes each. What a file takes is counted
/// in no tokens.
fn load(body: &PassingBody, operation: Operation, price: Option<Usd>) -> Load {
    let bytes = match (body, operation) {
        (PassingBody::Form { .. }, _) | (_, Operation::Edits) => 0,
        (PassingBody::Json(request), _) => request.length() as u64,
    };
    Load {
        delivery: Delivery::Json,
        tokens: Usage {
            input: Tokens(bytes.div_ceil(4)),
            output: Tokens(0),
        },
        tariff: Tariff::Request(price),
    }
}

/// The body of an answer, which keeps its call's place and says if it breaks. Clients are told of that in an event, where
/// there are events.
fn watched(body: ForwardedBody, attempt: Attempt, journal: Arc<Journal>) -> ForwardedBody {
    match body {
        ForwardedBody::Whole(bytes) => {
            attempt.complete();
            ForwardedBody::Whole(bytes)
        }
        ForwardedBody::Bytes { length, pieces } => ForwardedBody::Bytes {
            length,
            pieces: watch(pieces, attempt, length),
        },
        ForwardedBody::Events(pieces) => {
            let pieces = watch(pieces, attempt, None);
            let pieces = pieces.inspect_err(move |_| journal.broke_off());
            ForwardedBody::Events(pieces.boxed())
        }
    }
}

/// The pieces, of so many bytes in all; after the last of them nobody asks for more.
fn watch(pieces: Pieces, attempt: Attempt, length: Option<u64>) -> Pieces {
    if length == Some(0) {
        attempt.complete();
    }
    let state = (pieces, attempt, length);
    let watched = stream::unfold(state, async |(mut pieces, mut attempt, mut left)| {
        let piece = pieces.next().await;
        match &piece {
            Some(Ok(bytes)) => {
                left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                if left == Some(0) {
                    attempt.complete();
                }
            }
            Some(Err(_)) => attempt.broke_off(),
            None => attempt.complete(),
        }
        Some((piece?, (pieces, attempt, left)))
    });
    watched.boxed()
}
