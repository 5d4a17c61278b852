//! A provider's stream as runs of whole events, each waited for within the time limits.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    task::yield_now,
    time::{Instant, timeout, timeout_at},
};

use super::transport::{Answered, Transport, innermost};
use crate::{
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    wire::sse,
};

/// How long the connection of a finished stream is waited for, so that it can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// What separates events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Sse,
    /// Every line is one.
    Lines,
}

impl Framing {
    /// The data of the events in `run`, in order.
    pub(super) fn data(self, run: &[u8]) -> Box<dyn Iterator<Item = &[u8]> + Send + '_> {
        match self {
            Self::Sse => Box::new(sse::data(run).filter(|data| !data.trim_ascii().is_empty())),
            Self::Lines => {
                let lines = run.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                Box::new(lines.filter(|line| !line.is_empty()))
            }
        }
    }
}

/// A stream being read.
pub(super) struct Frames {
    transport: Transport,
    response: reqwest::Response,
    deadline: Instant,
    splitter: sse::Splitter,
    framing: Framing,
}

impl Frames {
    pub(super) fn new(transport: &Transport, answered: Answered, framing: Framing) -> Self {
        Self {
            transport: transport.clone(),
            response: answered.response,
            deadline: answered.limits.deadline,
            splitter: match framing {
                Framing::Sse => sse::Splitter::default(),
                Framing::Lines => sse::Splitter::of_lines(),
            },
            framing,
        }
    }

    /// The next whole events, the gateway's key taken out; `None` after a clean end. A last event that
    /// only lacks its empty line is given one.
    ///
    /// # Errors
    /// When nothing comes in time, the connection breaks, or the end is inside an event.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let transport = self.transport.clone();
        let broken =
            |why: &dyn ToString| transport.error(UpstreamErrorKind::Stream(why.to_string()));
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
                let rest = self.splitter.take_remainder();
                if rest.trim_ascii().is_empty() {
                    return Ok(None);
                }
                // The last line needs no end.
                if self.framing == Framing::Lines {
                    return Ok(Some(self.transport.redactor.redact(rest)));
                }
                return match sse::unterminated(&rest) {
                    Some(event) => Ok(Some(self.transport.redactor.redact(event))),
                    None => Err(broken(&"it ended before the answer did")),
                };
            };
            if let Some(run) = self.splitter.push(&chunk).map_err(|error| broken(&error))? {
                return Ok(Some(self.transport.redactor.redact(run)));
            }
            self.pause().await?;
        }
    }

    /// Lets the time limits act. Bytes that are always there, and say nothing, would outrun them: a limit
    /// is looked at only in a wait.
    ///
    /// # Errors
    /// When the time for the answer is over.
    pub(super) async fn pause(&self) -> Result<(), UpstreamError> {
        yield_now().await;
        if Instant::now() >= self.deadline {
            let kind = UpstreamErrorKind::Timeout(TimeoutKind::Total);
            return Err(self.transport.error(kind));
        }
        Ok(())
    }

    /// Reads to the end, so that the connection can serve again.
    pub(super) async fn drain(&mut self) {
        while let Ok(Ok(Some(_))) = timeout(DRAIN, self.response.chunk()).await {}
    }
}
