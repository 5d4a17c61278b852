//! Reading a provider's stream: cut at event borders, timed, and known to be whole or broken.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use memchr::memmem;
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
            state: State::Open,
        };
        let first = timeout_at(first_token, reader.next())
            .await
            .map_err(|_| self.error(UpstreamErrorKind::Timeout(TimeoutKind::FirstToken)))?
            .unwrap_or_else(|| Err(self.decode_error(&"an event stream without events")))?;
        if let Some(error) = sse::data(&first.bytes).next().and_then(ErrorObject::read) {
            return Err(self.error(UpstreamErrorKind::Status {
                status: error
                    .code
                    .as_deref()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(502),
                message: error.message.clone(),
                body: Some(error.into()),
                retry_after: None,
            }));
        }
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
    state: State,
}

impl Reader {
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
        let result = self.read().await;
        self.state = match &result {
            Ok(piece) if piece.last => State::Ended,
            Ok(_) => State::Open,
            Err(_) => State::Failed,
        };
        Some(result)
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
                self.finish_seen |= names_a_finish_reason(&bytes);
                let last =
                    memmem::rfind(&bytes, b"[DONE]").is_some_and(|at| ends_stream(&bytes, at));
                return Ok(Piece { bytes, last });
            }
        }
    }
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
