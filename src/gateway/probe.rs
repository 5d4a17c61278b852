//! One small question to one model of one provider, for operators who want to know whether it answers.
//!
//! It goes past the cache, the breaker and the limits, and tells them nothing; what it costs is billed like any
//! other call. Invariant: it goes on to its end, whoever stops waiting for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{Gateway, catalogue::Target, dispatch::collect};
use crate::{
    clock::Clock,
    error::{Error, UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName},
    provider::ChatCall,
    telemetry::{
        journal::{Journal, Stage, outcome},
        ledger::Ledger,
        trace::Propagated,
    },
    units::Usd,
    wire::{
        answer::Answer,
        chat::{ChatRequest, Invalid},
        controls::Controls,
    },
};

const QUESTION: &str = "Reply with the word ok.";
/// Enough for those who think before they say it; little enough to cost nothing to speak of.
const MOST_TOKENS: u32 = 64;
/// How the length of an answer is bounded: as everybody knows it, and as some want it instead.
const BOUNDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];
/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// How much is told of what was said, and of what went wrong, in bytes.
const MOST_SAID: usize = 200;
const MOST_ERROR: usize = 500;

/// What a provider made of the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// Which model was asked.
    pub model: ModelId,
    /// What was said, cut short; or what went wrong, without any key.
    pub said: Result<String, String>,
    /// How long it took.
    pub took: Duration,
    /// What it cost, if that is known.
    pub cost: Option<Usd>,
}

impl Gateway {
    /// Asks `model` of `provider`, or the first that is configured, and notes it in `journal`. `None` if the provider
    /// is not in force.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if no model is named and none is known; [`Error::Internal`] if asking panics.
    pub async fn probe(
        &self,
        provider: &ProviderName,
        model: Option<ModelId>,
        journal: Arc<Journal>,
    ) -> Result<Option<Probed>, Error> {
        let catalogue = Arc::clone(&self.setup().catalogue);
        let model = model.or_else(|| catalogue.usual_model(provider));
        let Some(model) = model else {
            if catalogue.in_force(provider).is_none() {
                return Ok(None);
            }
            let message = format!("no model of `{provider}` is known yet: name one as `model`");
            return Err(Error::bad_request("model".to_owned(), message));
        };
        let Some(target) = catalogue.probed(provider, model) else {
            return Ok(None);
        };
        let (clock, ledger) = (self.clock.clone(), Arc::clone(&self.ledger));
        let asking = async move { ask(&target, &journal, &clock, &ledger).await };
        let probed = self.tasks.spawn(asking).await;
        let broken = |_| Error::Internal("asking a provider failed".to_owned());
        Ok(Some(probed.map_err(broken)?))
    }
}

async fn ask(target: &Target, journal: &Arc<Journal>, clock: &Clock, ledger: &Ledger) -> Probed {
    let noting = journal.begin(Stage::Attempt {
        provider: target.provider().clone(),
        model: target.model.clone(),
    });
    let began = clock.now();
    let mut cost = None;
    let said = match answer(target, noting.propagated()).await {
        Ok(answer) => {
            noting.answered();
            if let Some(usage) = answer.usage() {
                cost = (target.price).map(|price| price.of(usage.input, usage.output));
                ledger.bill(Some(usage), cost);
                noting.used(Some(usage), cost);
            }
            ledger.bill_time(clock.now().since(began));
            noting.ended(outcome::OK);
            Ok(cut(&answer.plain_text().unwrap_or_default(), MOST_SAID))
        }
        Err(error) => {
            noting.ended(error.outcome());
            Err(cut(&error.to_string(), MOST_ERROR))
        }
    };
    Probed {
        model: target.model.clone(),
        said,
        took: clock.now().since(began),
        cost,
    }
}

async fn answer(target: &Target, trace: Option<Propagated>) -> Result<Answer, UpstreamError> {
    let [usual, other] = BOUNDS;
    match answer_within(target, usual, trace.clone()).await {
        Err(error) if wants(&error, other) => answer_within(target, other, trace).await,
        answered => answered,
    }
}

/// Whether it refuses the request, and names this field as the one to write.
fn wants(error: &UpstreamError, field: &str) -> bool {
    matches!(&error.kind, UpstreamErrorKind::Status { status: 400, message, .. } if message.contains(field))
}

async fn answer_within(
    target: &Target,
    bound: &str,
    trace: Option<Propagated>,
) -> Result<Answer, UpstreamError> {
    let failed = |why: String| UpstreamError {
        provider: target.provider().clone(),
        kind: UpstreamErrorKind::Decode(why),
    };
    let body = json!({
        "model": target.model.as_str(),
        "messages": [{"role": "user", "content": QUESTION}],
        bound: MOST_TOKENS,
    });
    let body = Bytes::from(body.to_string());
    let request = ChatRequest::parse(body, &mut Controls::default());
    let call = ChatCall {
        request: Arc::new(request.map_err(|invalid: Invalid| failed(invalid.to_string()))?),
        model: target.model.clone(),
        scope: None,
        trace,
    };
    let reply = target.member.provider.chat(call).await?;
    let answer = collect(reply, LONGEST).await;
    answer.ok_or_else(|| failed("it broke off, or went on without end".to_owned()))
}

fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(most);
    text.get(..end).unwrap_or_default().to_owned()
}
