//! One request for embeddings: straight to the provider, since what is kept are answers to questions.

use std::sync::Arc;

use super::{
    Asked, Gateway,
    attempt::Load,
    dispatch::first_answer,
    reply::{Facts, Refusal, Reply, ReplyBody},
    tab::Tab,
};
use crate::{
    error::Error,
    provider::EmbedCall,
    telemetry::ledger::Way,
    units::Tokens,
    wire::{answer::Usage, chat::Delivery, embeddings::EmbeddingsRequest},
};

impl Gateway {
    /// Answers a request for embeddings.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn embeddings(&self, asked: Asked) -> Result<Reply, Refusal> {
        let Asked {
            caller,
            controls,
            body,
            received,
        } = asked;
        let body_len = body.len();
        let drops_unsupported = controls.drop_unsupported == Some(true);
        let request = EmbeddingsRequest::parse(body)
            .map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
        if !caller.allowed.allows(request.model()) {
            return Err(Error::ModelNotAllowed(request.model().to_owned()).into());
        }
        let route = self.setup().catalogue.route(request.model())?;
        let request = Arc::new(request);
        let mut facts = Facts::new(Way::Bypass, Some("embeddings"), received);
        let used = Usage {
            input: Tokens((body_len as u64).div_ceil(4)),
            output: Tokens(0),
        };
        let tab = Tab::open(caller.account.as_ref(), || route.dearest(), || used);
        let tab = tab.map_err(|error| Refusal {
            error,
            facts: Some(facts.clone()),
        })?;
        let load = Load {
            delivery: Delivery::Json,
            tokens: used,
        };
        let answered = first_answer(&route, load, tab, &self.clock, |target| {
            let call = EmbedCall {
                request: Arc::clone(&request),
                model: target.model.clone(),
                drops_unsupported: drops_unsupported || request.drops_unsupported(),
            };
            async move { target.member.provider.embeddings(call).await }
        })
        .await;
        let (reply, source, mut attempt) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                self.ledger.count_failed();
                return Err(Refusal {
                    error: error.into(),
                    facts: Some(facts),
                });
            }
        };
        let estimate = used;
        let used = reply.tokens.map(|input| Usage {
            input,
            output: Tokens(0),
        });
        attempt.used(used.unwrap_or(estimate));
        let price = source.price.zip(used);
        facts.cost = price.map(|(price, used)| price.of(used.input, used.output));
        facts.attempts = source.attempts;
        facts.upstream = source.waited;
        facts.provider = Some(source.provider);
        facts.model = Some(source.model);
        self.ledger.count(Way::Bypass);
        self.ledger.bill(used, facts.cost);
        Ok(Reply {
            body: ReplyBody::Json(reply.body),
            headers: reply.headers,
            facts,
        })
    }
}
