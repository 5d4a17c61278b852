//! Reading a stream of OpenAI's dialect: held until something is said, and known to be whole or broken.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use memchr::memmem::{Finder, FinderRev};
use serde_json::Value;
use tokio::time::timeout_at;

use super::{
    Piece,
    frames::{Frames, Framing},
    openai::failure,
    transport::{Answered, Transport},
};
use crate::{
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    wire::{error_body::ErrorObject, sse},
};

/// How many bytes may come before something is said. More are handed on as they are: a client that
/// waits in silence is worse off than one that sees an error later.
const LONGEST_LEAD: usize = 64 << 10;

// Made once: making ready for a search takes longer than searching one piece.
static DONE: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("[DONE]"));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static FINISH_REASON: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"finish_reason\":"));

impl Transport {
    /// Reads the first events, and gives the rest as a stream.
    pub(super) async fn events(
        &self,
        answered: Answered,
    ) -> Result<(Piece, BoxStream<'static, Result<Piece, UpstreamError>>), UpstreamError> {
        let first_token = answered.limits.first_token;
        let mut reader = Reader {
            transport: self.clone(),
            frames: Frames::new(self, answered, Framing::Sse),
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
    frames: Frames,
    finish_seen: bool,
    /// An error event that came right behind what was handed out last.
    failure: Option<UpstreamError>,
    /// Whether something was said.
    begun: bool,
    state: State,
}

impl Reader {
    /// The first events: up to the first that says something. Until then, an error is one like any
    /// other, and another target can be asked.
    async fn first(&mut self) -> Result<Piece, UpstreamError> {
        let transport = self.transport.clone();
        let unusable = |why: &str| transport.decode_error(&why);
        let mut lead = BytesMut::new();
        let mut chunks = 0;
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
            for data in sse::data(&piece.bytes).filter(|data| !data.trim_ascii().is_empty()) {
                if sse::is_done(data) {
                    break;
                }
                let Ok(chunk @ Value::Object(_)) = serde_json::from_slice(data) else {
                    return Err(unusable("an event stream whose data is not JSON"));
                };
                chunks += 1;
                self.begun |= says_something(&chunk);
                if self.begun {
                    break;
                }
            }
            if piece.last && chunks == 0 {
                return Err(unusable("an event stream without an answer"));
            }
            // Comments keep the connection alive, as some routers send them.
            if chunks == 0 && lead.len() + piece.bytes.len() > LONGEST_LEAD {
                return Err(unusable("an event stream without data"));
            }
            if self.begun || piece.last || lead.len() + piece.bytes.len() > LONGEST_LEAD {
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
                return Ok(Piece::new(lead.freeze(), piece.last));
            }
            lead.extend_from_slice(&piece.bytes);
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Piece, UpstreamError>> {
        match self.state {
            State::Open => {}
            State::Ended => {
                self.frames.drain().await;
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

    /// What a provider's error event means: before something is said an error like any other, behind
    /// it a break.
    fn reported(&self, error: ErrorObject, begun: bool) -> UpstreamError {
        if begun {
            return self
                .transport
                .error(UpstreamErrorKind::Reported(error.into()));
        }
        self.transport.reported(failure::reported(error))
    }

    async fn read(&mut self) -> Result<Piece, UpstreamError> {
        let Some(bytes) = self.frames.next().await? else {
            // Some servers leave `[DONE]` out; a finish reason and a clean end mean the same.
            if self.finish_seen {
                return Ok(Piece::new(Bytes::from_static(sse::DONE), true));
            }
            let why = "it ended before the answer did".to_owned();
            return Err(self.transport.error(UpstreamErrorKind::Stream(why)));
        };
        let (bytes, error) = until_error(bytes);
        if let Some(error) = error {
            let begun = self.begun
                || sse::data(&bytes).any(|data| {
                    serde_json::from_slice(data).is_ok_and(|chunk| says_something(&chunk))
                });
            let error = self.reported(error, begun);
            if bytes.is_empty() {
                return Err(error);
            }
            self.failure = Some(error);
            return Ok(Piece::new(bytes, false));
        }
        self.finish_seen |= names_a_finish_reason(&bytes);
        let last = ends(&bytes);
        Ok(Piece::new(bytes, last))
    }
}

/// Whether a chunk is more than a beginning: a role and empty texts say nothing yet.
fn says_something(chunk: &Value) -> bool {
    let choices = chunk.get("choices").and_then(Value::as_array);
    choices.into_iter().flatten().any(|choice| {
        let delta = choice.get("delta").and_then(Value::as_object);
        let said = delta.into_iter().flatten().any(|(key, value)| match value {
            Value::String(text) => key != "role" && !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        });
        said || choice.get("finish_reason").is_some_and(Value::is_string)
    })
}

/// The events before the first that reports an error, and the error.
fn until_error(bytes: Bytes) -> (Bytes, Option<ErrorObject>) {
    // In what is said, the quotes are escaped: this is rarely found but in error events.
    if ERROR.find(&bytes).is_none() {
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

/// Whether a `[DONE]` is the whole data of an event, and not something that was said.
fn ends(bytes: &[u8]) -> bool {
    let Some(at) = DONE.rfind(bytes) else {
        return false;
    };
    let line_start =
        memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |end| end + 1);
    bytes
        .get(line_start..)
        .is_some_and(|line| sse::data(line).next().is_some_and(sse::is_done))
}

fn names_a_finish_reason(bytes: &[u8]) -> bool {
    FINISH_REASON.find_iter(bytes).any(|at| {
        bytes
            .get(at + FINISH_REASON.needle().len()..)
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_is_an_event_and_not_a_word() {
        assert!(ends(b"data: {}\n\ndata: [DONE]\n\n"));
        assert!(ends(b"data:[DONE]\r\n\r\n"));
        assert!(!ends(b"data: {\"content\":\"[DONE]\"}\n\n"));
        assert!(names_a_finish_reason(b"{\"finish_reason\": \"stop\"}"));
        assert!(!names_a_finish_reason(b"{\"finish_reason\":null}"));
    }
}
