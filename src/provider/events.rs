//! Reading a provider's stream: cut at event borders, timed, and known to be whole or broken.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use memchr::memmem;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Piece,
    transport::{Answered, Transport, innermost},
};
use crate::{
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    wire::{error_body::ErrorObject, sse},
};

/// How long the connection of a finished stream is waited for, so that it can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// How many bytes of comments may come before the first chunk.
const LONGEST_LEAD: usize = 64 << 10;

impl Transport {
    /// Reads the first events, and gives the rest as a stream.
    pub(super) async fn events(
        &self,
        answered: Answered,
    ) -> Result<(Piece, BoxStream<'static, Result<Piece, UpstreamError>>), UpstreamError> {
        let first_token = answered.first_token;
        let mut reader = Reader {
            transport: self.clone(),
            response: answered.response,
            deadline: answered.deadline,
            splitter: sse::Splitter::default(),
            finish_seen: false,
            failure: None,
            begun: false,
            state: State::Open,
        };
        let first = timeout_at(first_token, reader.first())
            .await
            .map_err(|_| self.error(UpstreamErrorKind::Timeout(TimeoutKind::FirstToken)))??;
        let rest = stream::unfold(reader, |mut reader| async move {
            Some((reader.next().await?, reader))
        });
        Ok((first, rest.boxed()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// `[DONE]` was handed out.
    Ended,
    Failed,
}

struct Reader {
    transport: Transport,
    response: reqwest::Response,
    deadline: Instant,
    splitter: sse::Splitter,
    finish_seen: bool,
    /// An error event that came right behind what was handed out last.
    failure: Option<UpstreamError>,
    /// Whether a chunk has come.
    begun: bool,
    state: State,
}

impl Reader {
    /// The first events: up to the first with data, which has to be a chunk.
    async fn first(&mut self) -> Result<Piece, UpstreamError> {
        let transport = self.transport.clone();
        let unusable = |why: &str| transport.decode_error(&why);
        let mut lead = BytesMut::new();
        loop {
            let piece = match self.read().await {
                Ok(piece) => piece,
                Err(UpstreamError {
                    kind: UpstreamErrorKind::Stream(_),
                    ..
                }) => {
                    return Err(unusable("an event stream without an answer"));
                }
                Err(error) => return Err(error),
            };
            let chunk = sse::data(&piece.bytes).find(|data| !data.trim_ascii().is_empty());
            match chunk {
                // A comment that keeps the connection alive, as some routers send.
                None if lead.len() < LONGEST_LEAD => lead.extend_from_slice(&piece.bytes),
                None => return Err(unusable("an event stream without data")),
                Some(data) if sse::is_done(data) => {
                    return Err(unusable("an event stream without an answer"));
                }
                Some(data) if !matches!(serde_json::from_slice(data), Ok(Value::Object(_))) => {
                    return Err(unusable("an event stream whose data is not JSON"));
                }
                Some(_) => {
                    self.begun = true;
                    self.state = if piece.last {
                        State::Ended
                    } else {
                        State::Open
                    };
                    if lead.is_empty() {
                        return Ok(piece);
                    }
                    lead.extend_from_slice(&piece.bytes);
                    return Ok(Piece {
                        bytes: lead.freeze(),
                        last: piece.last,
                    });
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Piece, UpstreamError>> {
        match self.state {
            State::Open => {}
            State::Ended => {
                // Reading to the end lets the connection serve again.
                while let Ok(Ok(Some(_))) = timeout(DRAIN, self.response.chunk()).await {}
                return None;
            }
            State::Failed => return None,
        }
        let result = match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.read().await,
        };
        self.state = match &result {
            Ok(piece) if piece.last => State::Ended,
            Ok(_) => State::Open,
            Err(_) => State::Failed,
        };
        Some(result)
    }

    /// What a provider's error event means: before the first chunk an error like any other, behind it
    /// a break.
    fn reported(&self, error: ErrorObject) -> UpstreamError {
        let status = error.code.as_deref().and_then(|code| code.parse().ok());
        self.transport.error(if self.begun {
            UpstreamErrorKind::Reported(error.into())
        } else {
            UpstreamErrorKind::Status {
                status: status
                    .filter(|status| (400..600).contains(status))
                    .unwrap_or(502),
                message: error.message.clone(),
                body: Some(error.into()),
                retry_after: None,
            }
        })
    }

    async fn read(&mut self) -> Result<Piece, UpstreamError> {
        let broken = |why: &dyn ToString| {
            self.transport
                .error(UpstreamErrorKind::Stream(why.to_string()))
        };
        loop {
            let idle = Instant::now() + self.transport.timeouts.idle;
            let (limit, kind) = if idle < self.deadline {
                (idle, TimeoutKind::Idle)
            } else {
                (self.deadline, TimeoutKind::Total)
            };
            let chunk = timeout_at(limit, self.response.chunk())
                .await
                .map_err(|_| self.transport.error(UpstreamErrorKind::Timeout(kind)))?
                .map_err(|error| broken(&innermost(&error)))?;
            let Some(chunk) = chunk else {
                // Some servers leave `[DONE]` out; a finish reason and a clean end mean the same.
                if self.finish_seen && self.splitter.remainder().trim_ascii().is_empty() {
                    return Ok(Piece {
                        bytes: Bytes::from_static(sse::DONE),
                        last: true,
                    });
                }
                return Err(broken(&"it ended before the answer did"));
            };
            if let Some(bytes) = self.splitter.push(&chunk).map_err(|error| broken(&error))? {
                let bytes = self.transport.redactor.redact(bytes);
                let (bytes, error) = until_error(bytes);
                if let Some(error) = error {
                    let error = self.reported(error);
                    if bytes.is_empty() {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    return Ok(Piece { bytes, last: false });
                }
                self.finish_seen |= names_a_finish_reason(&bytes);
                let last =
                    memmem::rfind(&bytes, b"[DONE]").is_some_and(|at| ends_stream(&bytes, at));
                return Ok(Piece { bytes, last });
            }
        }
    }
}

/// The events before the first that reports an error, and the error.
fn until_error(bytes: Bytes) -> (Bytes, Option<ErrorObject>) {
    // In what is said, the quotes are escaped: this is rarely found but in error events.
    if memmem::find(&bytes, b"\"error\"").is_none() {
        return (bytes, None);
    }
    let found = sse::data(&bytes).find_map(|data| Some((data.as_ptr(), ErrorObject::read(data)?)));
    let Some((data, error)) = found else {
        return (bytes, None);
    };
    let at = data.addr().saturating_sub(bytes.as_ptr().addr());
    let before =
        memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |end| end + 1);
    (bytes.slice(..before), Some(error))
}

/// Whether the `[DONE]` at `at` is the whole data of an event, and not something that was said.
fn ends_stream(bytes: &[u8], at: usize) -> bool {
    let line_start =
        memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |end| end + 1);
    bytes
        .get(line_start..)
        .is_some_and(|line| sse::data(line).next().is_some_and(sse::is_done))
}

fn names_a_finish_reason(bytes: &[u8]) -> bool {
    const FIELD: &[u8] = b"\"finish_reason\":";
    memmem::find_iter(bytes, FIELD).any(|at| {
        bytes
            .get(at + FIELD.len()..)
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_is_an_event_and_not_a_word() {
        let ends =
            |text: &[u8]| memmem::rfind(text, b"[DONE]").is_some_and(|at| ends_stream(text, at));
        assert!(ends(b"data: {}\n\ndata: [DONE]\n\n"));
        assert!(ends(b"data:[DONE]\r\n\r\n"));
        assert!(!ends(b"data: {\"content\":\"[DONE]\"}\n\n"));
        assert!(names_a_finish_reason(b"{\"finish_reason\": \"stop\"}"));
        assert!(!names_a_finish_reason(b"{\"finish_reason\":null}"));
    }
}
