//! A request whose client speaks the provider's own interface: its words go out as they are, and the provider's
//! come back as they are.
//!
//! Beside them goes what they say as a chat answer, by which it is counted, kept and told to others. Invariant: a
//! stream is handed over only when something was said or done, and ends when its answer does.

use bytes::Bytes;
use futures_util::StreamExt;

use super::{
    ChatCall, ChatReply, Events, Piece, Whole,
    dialect::{Outgoing, Reader},
    frames::Framing,
    native::{
        Talk,
        streaming::{Streaming, Told},
    },
    signatures::Listener,
    traced,
    transport::{Answered, Transport},
};
use crate::{
    error::{UpstreamError, UpstreamErrorKind},
    wire::{
        chat::Delivery,
        native::Interface,
        said::{Event, Telling, made_up_id},
    },
};

/// How a client's own words are sent, and what comes back is read.
pub(super) struct Verbatim {
    pub(super) interface: Interface,
    pub(super) outgoing: Outgoing,
    pub(super) framing: Framing,
    /// Reads one answer.
    pub(super) reader: fn() -> Box<dyn Reader>,
}

/// What came back.
enum Begun {
    Whole(Vec<Event>, Bytes),
    Stream(Told, Box<Streaming>),
}

impl Verbatim {
    /// Asks, on behalf of `call`. `now` is the Unix time, in seconds.
    pub(super) async fn ask(
        self,
        transport: &Transport,
        call: &ChatCall,
        listener: Option<Listener>,
        now: u64,
    ) -> Result<ChatReply, UpstreamError> {
        let delivery = call.request.delivery();
        let is_stream = delivery != Delivery::Json;
        let Outgoing { url, headers, body } = self.outgoing;
        let headers = traced(headers, call.trace.as_ref());
        let (framing, reader, length) = (self.framing, self.reader, body.len());
        let read = |answered: Answered| async move {
            let headers = answered.headers.clone();
            let is_whole = !(is_stream && (framing != Framing::Sse || answered.is_event_stream()));
            let talk = Talk {
                reader: reader(),
                answered,
            };
            let begun = if is_whole {
                let (events, words) = talk.whole_with_words(transport).await?;
                Begun::Whole(events, words)
            } else {
                let (first, streaming) = Streaming::begin(talk, transport, framing, length).await?;
                Begun::Stream(first, Box::new(streaming))
            };
            Ok((headers, begun))
        };
        let model = call.model.as_str();
        let limits = transport.limits(is_stream);
        let sent = transport.post(model, (&url, headers), body, limits, read);
        let (headers, begun) = sent.await?;
        let id = made_up_id();
        let with_usage = delivery != Delivery::Stream { usage: false };
        let mut heard = Heard {
            telling: Telling::new(id, model, now, with_usage),
            listener,
            transport: transport.clone(),
        };
        Ok(match begun {
            Begun::Whole(events, words) => {
                events.iter().for_each(|event| heard.hear(event));
                let whole = heard.telling.whole(events);
                let (answer, json) = whole.map_err(|error| transport.decode_error(&error))?;
                ChatReply::Whole(Whole {
                    headers,
                    body: json.into(),
                    answer,
                    native: Some((self.interface, words)),
                })
            }
            Begun::Stream(first, streaming) => {
                let first = heard.piece(first)?;
                let rest = streaming.told(0).map(move |(_, told)| heard.piece(told?));
                ChatReply::Stream(Events {
                    headers,
                    native: Some(self.interface),
                    first,
                    rest: rest.boxed(),
                })
            }
        })
    }
}

/// What was heard of a stream, as a chat stream.
struct Heard {
    telling: Telling,
    listener: Option<Listener>,
    transport: Transport,
}

impl Heard {
    fn hear(&mut self, event: &Event) {
        if let Some(listener) = &mut self.listener {
            listener.hear(event);
        }
    }

    fn piece(&mut self, told: Told) -> Result<Piece, UpstreamError> {
        for event in told.events {
            self.hear(&event);
            self.telling.tell(event);
        }
        if told.over {
            if !self.telling.is_whole() {
                let why = "it ended before the answer did".to_owned();
                return Err(self.transport.error(UpstreamErrorKind::Stream(why)));
            }
            self.telling.end();
        }
        Ok(Piece {
            bytes: self.telling.take().into(),
            native: told.raw,
            last: told.over,
        })
    }
}
