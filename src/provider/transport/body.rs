//! Reading a body as a whole, within limits of time and size.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::innermost;
use crate::error::TimeoutKind;

/// How long a body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Until it begins, and what it is called when it does not. White space is no beginning: it is how
    /// some servers hold a connection while they think.
    pub(super) first: (Instant, TimeoutKind),
    /// Between two parts of it.
    pub(super) idle: Duration,
    /// Until its end.
    pub(super) deadline: Instant,
}

impl Pace {
    fn limit(&self, begun: bool) -> (Instant, TimeoutKind) {
        if !begun {
            return self.first;
        }
        let idle = Instant::now() + self.idle;
        if idle < self.deadline {
            (idle, TimeoutKind::Idle)
        } else {
            (self.deadline, TimeoutKind::Total)
        }
    }
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(super) enum Cut {
    Late(TimeoutKind),
    /// The connection broke, or there is too much of it.
    Unreadable(String),
}

/// Reads about as many bytes as `most`; what there was, and whether that is all.
pub(super) async fn collect(
    response: &mut reqwest::Response,
    most: usize,
    pace: Pace,
) -> (Bytes, Result<(), Cut>) {
    // A body in one piece is not copied.
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    let mut begun = false;
    let end = loop {
        let (limit, kind) = pace.limit(begun);
        let chunk = match timeout_at(limit, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break Ok(()),
            Ok(Err(error)) => break Err(Cut::Unreadable(innermost(&error))),
            Err(_) => break Err(Cut::Late(kind)),
        };
        begun |= !chunk.trim_ascii().is_empty();
        if first.is_empty() {
            first = chunk;
            continue;
        }
        if body.is_empty() {
            body.extend_from_slice(&first);
        }
        body.extend_from_slice(&chunk);
        if body.len() > most {
            let why = format!("the body is larger than {most} bytes");
            break Err(Cut::Unreadable(why));
        }
    };
    let bytes = if body.is_empty() {
        first
    } else {
        body.freeze()
    };
    (bytes, end)
}
