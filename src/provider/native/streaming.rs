//! One call whose answer comes as a stream.

use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout_at};

use super::Talk;
use crate::{
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    provider::{
        dialect::{Broken, Reader},
        frames::{Frames, Framing},
        transport::Transport,
    },
    wire::said::Event,
};

/// How much may come before something is said, in bytes, the event that says it not counted. Pings and
/// counts of tokens are all that comes.
const LONGEST_SILENCE: usize = 1 << 20;
/// How often a provider may repeat the request besides: a response begins with two events that each have its
/// instructions and tools, and escapes may make them longer.
const REPEATED: usize = 8;

/// One call whose stream is being read.
pub(in crate::provider) struct Streaming {
    transport: Transport,
    reader: Box<dyn Reader>,
    frames: Frames,
    framing: Framing,
    /// Whether something was said.
    begun: bool,
    /// The bytes that said nothing, until something was said.
    silence: usize,
    state: State,
    /// What broke it, right behind what was handed out last.
    failure: Option<UpstreamError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The answer is over; the connection may not be.
    Over,
    Closed,
}

/// What the next events of a call tell.
pub(in crate::provider) struct Told {
    pub(in crate::provider) events: Vec<Event>,
    /// The bytes in which the provider told them.
    pub(in crate::provider) raw: Bytes,
    /// Whether these were the last.
    pub(in crate::provider) over: bool,
}

impl Streaming {
    /// Reads until something is said. `sent` is the size of what was sent, in bytes.
    pub(in crate::provider) async fn begin(
        talk: Talk,
        transport: &Transport,
        framing: Framing,
        sent: usize,
    ) -> Result<(Told, Self), UpstreamError> {
        let longest_silence = LONGEST_SILENCE.saturating_add(sent.saturating_mul(REPEATED));
        let first_token: Instant = talk.answered.limits.first_token;
        let mut streaming = Self {
            transport: transport.clone(),
            reader: talk.reader,
            frames: Frames::new(transport, talk.answered, framing),
            framing,
            begun: false,
            silence: 0,
            state: State::Open,
            failure: None,
        };
        let begin = async {
            let mut events = Vec::new();
            let mut raw = BytesMut::new();
            // Of the counts of tokens, only the last is kept.
            let mut counts = None;
            while !streaming.begun {
                if streaming.state != State::Open {
                    return Err(transport.decode_error(&"a stream without an answer"));
                }
                match streaming.next().await {
                    Ok(told) => {
                        raw.extend_from_slice(&told.raw);
                        for event in told.events {
                            match event {
                                Event::Usage(latest) => counts = Some(latest),
                                Event::Begin { .. } | Event::Say { .. } => events.push(event),
                            }
                        }
                    }
                    Err(UpstreamError {
                        kind: UpstreamErrorKind::Stream(why),
                        ..
                    }) => {
                        return Err(transport.decode_error(&why));
                    }
                    Err(error) => return Err(error),
                }
                if !streaming.begun
                    && let Some(failure) = streaming.failure.take()
                {
                    return Err(failure);
                }
                if streaming.silence > longest_silence {
                    let why = format!("{longest_silence} bytes of a stream without an answer");
                    return Err(transport.decode_error(&why));
                }
            }
            events.extend(counts.map(Event::Usage));
            Ok(Told {
                events,
                raw: raw.freeze(),
                over: streaming.state != State::Open,
            })
        };
        let told = timeout_at(first_token, begin)
            .await
            .map_err(|_| transport.error(UpstreamErrorKind::Timeout(TimeoutKind::FirstToken)))??;
        Ok((told, streaming))
    }

    async fn next(&mut self) -> Result<Told, UpstreamError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut events = Vec::new();
        let mut raw = Bytes::new();
        let read = match self.frames.next().await? {
            Some(run) => {
                raw = run;
                let mut data = self.framing.data(&raw);
                data.try_for_each(|data| self.reader.event(data, &mut events))
            }
            None => {
                self.state = State::Closed;
                self.reader.end(&mut events)
            }
        };
        let says = |event: &Event| matches!(event, Event::Say { said, .. } if said.is_something());
        let said = events.iter().any(says);
        self.begun |= said || self.reader.is_at_work();
        if !self.begun {
            self.silence = self.silence.saturating_add(raw.len());
        }
        if let Err(broken) = read {
            let failure = self.broken(broken);
            if events.is_empty() {
                return Err(failure);
            }
            self.failure = Some(failure);
            return Ok(Told {
                events,
                raw: Bytes::new(),
                over: false,
            });
        }
        if self.state == State::Open && self.reader.is_over() {
            self.state = State::Over;
        }
        let over = self.state != State::Open;
        if !said && !over {
            self.frames.pause().await?;
        }
        Ok(Told { events, raw, over })
    }

    fn broken(&self, broken: Broken) -> UpstreamError {
        match broken {
            broken if !self.begun => broken_before(&self.transport, broken),
            Broken::Unreadable(why) => self.transport.error(UpstreamErrorKind::Stream(why)),
            Broken::Reported(failure) => self.transport.error(match failure.error {
                Some(error) => UpstreamErrorKind::Reported(error.into()),
                None => UpstreamErrorKind::Stream("an error without a word".to_owned()),
            }),
        }
    }

    /// The rest, as told by the call of this number.
    pub(in crate::provider) fn told(
        self,
        call: usize,
    ) -> BoxStream<'static, (usize, Result<Told, UpstreamError>)> {
        let told = stream::unfold(Some(self), move |streaming| async move {
            let mut streaming = streaming?;
            if streaming.failure.is_none() && streaming.state != State::Open {
                if streaming.state == State::Over {
                    streaming.frames.drain().await;
                }
                return None;
            }
            let told = streaming.next().await;
            let goes_on = told.is_ok();
            Some(((call, told), goes_on.then_some(streaming)))
        });
        told.boxed()
    }
}

/// What breaks an answer of which nothing was handed on.
pub(in crate::provider) fn broken_before(transport: &Transport, broken: Broken) -> UpstreamError {
    match broken {
        Broken::Unreadable(why) => transport.decode_error(&why),
        Broken::Reported(failure) => transport.reported(failure),
    }
}
