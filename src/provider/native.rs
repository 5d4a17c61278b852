//! A provider that is spoken to in its own dialect: reads the request, puts it, asks, and writes what
//! comes back in OpenAI's format.
//!
//! Several answers (`n`) are several calls at once where the provider gives one at a time. Invariant:
//! a stream is handed over only when something was said in each of its answers.

mod joined;
pub(super) mod streaming;

use bytes::Bytes;
use futures_util::{StreamExt, future::try_join_all, stream};
use http::HeaderMap;
use tokio::sync::Semaphore;

use self::{
    joined::{Going, Merger},
    streaming::{Streaming, Told, broken_before},
};
use super::{
    ChatCall, ChatReply, EmbedCall, Embedded, Events, Piece, Whole,
    dialect::{Dialect, Outgoing, Reader},
    dropped,
    signatures::Signatures,
    traced,
    transport::{Answered, Transport},
};
use crate::{
    clock::Clock,
    config,
    error::{UpstreamError, UpstreamErrorKind},
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::Delivery,
        embeddings::Embeddings,
        said::{Event, Telling, made_up_id},
    },
};

/// More calls than this are not made for one request.
const MOST_CALLS: u32 = 16;
/// As many of them wait for the first word, or for a whole answer, at a time.
const AT_ONCE: usize = 8;

/// A provider with its own dialect.
#[derive(Debug)]
pub(super) struct Native<D> {
    pub(super) transport: Transport,
    pub(super) dialect: D,
    clock: Clock,
    signatures: Signatures,
    /// Whether what it can't do is left out of every request.
    drops: bool,
}

impl<D: Dialect> Native<D> {
    /// A provider that `config` describes, behind `transport`.
    pub(super) fn new(
        config: &config::Provider,
        transport: Transport,
        dialect: D,
        clock: Clock,
    ) -> Self {
        Self {
            transport,
            dialect,
            clock,
            signatures: Signatures::new(),
            drops: config.drop_unsupported,
        }
    }

    /// Meets what the provider can't do; with `drops`, or if so configured, by leaving it out.
    pub(super) fn cannot(&self, drops: bool) -> Cannot {
        Cannot::new(self.transport.provider().as_str(), self.drops || drops)
    }

    pub(super) fn unable(&self, unable: Unable) -> UpstreamError {
        self.transport
            .error(UpstreamErrorKind::Untranslatable(unable.into()))
    }

    /// Renders `embeddings`, one for each text of `call`.
    pub(super) fn embedded(
        &self,
        call: &EmbedCall,
        embeddings: &Embeddings,
        mut headers: HeaderMap,
        cannot: &Cannot,
    ) -> Result<Embedded, UpstreamError> {
        let wanted = call.request.input().len();
        let given = embeddings.vectors.len();
        if given != wanted {
            let why = format!("{given} embeddings for {wanted} texts");
            return Err(self.transport.decode_error(&why));
        }
        dropped::tell(&mut headers, &cannot.dropped());
        Ok(Embedded {
            headers,
            body: embeddings.to_json(call.request.format()).into(),
            tokens: embeddings.tokens,
        })
    }

    pub(super) async fn chat(&self, call: &ChatCall) -> Result<ChatReply, UpstreamError> {
        if let Some(native) = call.request.native() {
            let delivery = call.request.delivery();
            if let Some(verbatim) = self.dialect.verbatim(native, &call.model, delivery) {
                let listener = Some(self.signatures.listener(call.scope));
                let now = self.clock.unix_seconds();
                return verbatim.ask(&self.transport, call, listener, now).await;
            }
        }
        let mut cannot = self.cannot(call.request.drops_unsupported());
        let unable = |unable: Unable| self.unable(unable.as_sent(&call.request));
        cannot.meet(&call.request).map_err(unable)?;
        let mut ask = Ask::read(&call.request, &mut cannot).map_err(unable)?;
        self.signatures.restore(call.scope, &mut ask);
        self.dialect.ready(&self.transport, &call.model).await;
        let wanted = ask.choices;
        if self.dialect.choices_per_call(&ask) < wanted {
            ask.choices = 1;
        }
        let reply = self.ask(call, &ask, wanted, cannot.clone()).await;
        match reply {
            Err(error) if ask.choices > 1 && refuses_choices(&error) => {
                ask.choices = 1;
                self.ask(call, &ask, wanted, cannot).await
            }
            reply => reply,
        }
    }

    /// Asks as often as it takes for `wanted` answers.
    async fn ask(
        &self,
        call: &ChatCall,
        ask: &Ask,
        wanted: u32,
        mut cannot: Cannot,
    ) -> Result<ChatReply, UpstreamError> {
        let calls = wanted.div_ceil(ask.choices.max(1));
        let unable = |unable: Unable| self.unable(unable.as_sent(&call.request));
        if calls > MOST_CALLS {
            let provider = self.transport.provider();
            let message = format!(
                "`n` is {wanted}; provider `{provider}` gives {MOST_CALLS} answers at most"
            );
            return Err(unable(Unable::Unsupported {
                param: "n".to_owned(),
                message,
            }));
        }
        let mut outgoing = self
            .dialect
            .put(ask, &call.model, &mut cannot)
            .map_err(unable)?;
        outgoing.headers = traced(outgoing.headers, call.trace.as_ref());
        let stream = ask.delivery != Delivery::Json;
        let model = call.model.as_str();
        let id = made_up_id();
        let with_usage = ask.delivery == Delivery::Stream { usage: true };
        let telling = Telling::new(id, model, self.clock.unix_seconds(), with_usage);
        let listener = self.signatures.listener(call.scope);
        let merger = Merger::new(calls as usize, ask, listener);
        let many = Many {
            calls,
            model,
            outgoing: &outgoing,
            stream,
        };
        if stream {
            let begun = self.each(many, |answered| self.begin(answered, ask));
            let (mut headers, begun) = begun.await?;
            dropped::tell(&mut headers, &cannot.dropped());
            Ok(self.stream(begun, telling, headers, merger))
        } else {
            let told = self.each(many, |answered| {
                self.talk(answered, ask).whole(&self.transport)
            });
            let (mut headers, told) = told.await?;
            dropped::tell(&mut headers, &cannot.dropped());
            self.whole(told, telling, headers, merger)
        }
    }

    /// Makes several calls and has each `read`, in order, with the headers of the first. The first that
    /// fails ends all of them; the time for all is that of one attempt.
    async fn each<T, F: Future<Output = Result<T, UpstreamError>>>(
        &self,
        many: Many<'_>,
        read: impl Fn(Answered) -> F,
    ) -> Result<(HeaderMap, Vec<T>), UpstreamError> {
        let Outgoing { url, headers, body } = many.outgoing;
        let limits = self.transport.limits(many.stream);
        let places = Semaphore::new(AT_ONCE);
        let (places, read) = (&places, &read);
        let calls = (0..many.calls).map(|_| async move {
            let _place = places.acquire().await;
            let with_headers = |answered: Answered| {
                let headers = answered.headers.clone();
                let reading = read(answered);
                async move { Ok((headers, reading.await?)) }
            };
            let to = (url, headers.clone());
            self.transport
                .post(many.model, to, body.clone(), limits, with_headers)
                .await
        });
        let (all_headers, all): (Vec<_>, Vec<_>) = try_join_all(calls).await?.into_iter().unzip();
        let first = all_headers.into_iter().next();
        Ok((first.unwrap_or_default(), all))
    }

    async fn begin(
        &self,
        answered: Answered,
        ask: &Ask,
    ) -> Result<(Told, Streaming), UpstreamError> {
        let talk = self.talk(answered, ask);
        Streaming::begin(talk, &self.transport, D::FRAMING, 0).await
    }

    fn talk(&self, answered: Answered, ask: &Ask) -> Talk {
        Talk {
            reader: self.dialect.reader(ask),
            answered,
        }
    }

    fn whole(
        &self,
        told: Vec<Vec<Event>>,
        telling: Telling,
        headers: HeaderMap,
        mut merger: Merger,
    ) -> Result<ChatReply, UpstreamError> {
        let told: Vec<Event> = (0..)
            .zip(told)
            .flat_map(|(call, told)| merger.merge(call, told))
            .collect();
        let whole = telling.whole(told);
        let (answer, json) = whole.map_err(|error| self.transport.decode_error(&error))?;
        Ok(ChatReply::Whole(Whole {
            headers,
            body: json.into(),
            answer,
            native: None,
        }))
    }

    fn stream(
        &self,
        begun: Vec<(Told, Streaming)>,
        telling: Telling,
        headers: HeaderMap,
        merger: Merger,
    ) -> ChatReply {
        let mut going = Going::new(begun.len(), telling, merger, &self.transport);
        for (call, (told, streaming)) in (0..).zip(begun) {
            going.begin(call, told, streaming);
        }
        let bytes = going.take();
        let rest = stream::unfold(going, |mut going| async move {
            Some((going.next().await?, going))
        });
        ChatReply::Stream(Events {
            headers,
            native: None,
            first: Piece::new(bytes, false),
            rest: rest.boxed(),
        })
    }
}

/// Whether a provider refused to give several answers at once.
fn refuses_choices(error: &UpstreamError) -> bool {
    matches!(&error.kind, UpstreamErrorKind::Status { status: 400, message, .. }
        if message.to_ascii_lowercase().contains("candidate"))
}

/// Several calls of one request.
#[derive(Clone, Copy)]
struct Many<'o> {
    calls: u32,
    model: &'o str,
    outgoing: &'o Outgoing,
    stream: bool,
}

/// One call that was answered.
pub(super) struct Talk {
    pub(super) reader: Box<dyn Reader>,
    pub(super) answered: Answered,
}

impl Talk {
    async fn whole(self, transport: &Transport) -> Result<Vec<Event>, UpstreamError> {
        Ok(self.whole_with_words(transport).await?.0)
    }

    /// What a whole answer tells, and its words.
    pub(super) async fn whole_with_words(
        mut self,
        transport: &Transport,
    ) -> Result<(Vec<Event>, Bytes), UpstreamError> {
        let body = transport.read(self.answered).await?;
        let mut told = Vec::new();
        let read = self.reader.whole(&body, &mut told);
        read.map_err(|broken| broken_before(transport, broken))?;
        Ok((told, body))
    }
}
