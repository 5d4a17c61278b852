//! Reading request bodies, no further than allowed, for as long as they come, and where there is room for them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header, request},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use serde::{
    Deserialize,
    de::{Error as _, Unexpected},
};
use tokio::time::{Instant, timeout};

use super::{Api, overload::Admitted};
use crate::{error::Error, telemetry::journal::Journal};

/// For so many bytes of a body that have come, the whole of it may take one `read_timeout` more. Who sends single bytes,
/// each just in time, would keep a place for hours, and the room of all that came before.
const PER_TIMEOUT: u64 = 1 << 20;

/// The whole body, of at most `limit` bytes. It may pause for `read_timeout` and take, in all, as long and once more for
/// every MiB of it: 30 s for a short one by default, five and a half minutes for 10 MiB. Room is reserved for what has
/// come, piece by piece: what was only announced would be free to hold.
///
/// # Errors
/// [`Error::TooLarge`], before reading anything where the length is announced; [`Error::BadRequest`]
/// if the client stops in the middle; [`Error::Encoded`] for a compressed one; [`Error::SlowBody`] if it takes
/// too long; [`Error::Overloaded`] if there is no room, before reading anything where there is none for what is announced.
pub(super) async fn read(
    api: &Api,
    head: &request::Parts,
    mut body: Body,
    limit: u64,
) -> Result<Bytes, Error> {
    let announced = announced(&head.headers);
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit });
    }
    let encoding = head.headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::Encoded);
    }
    let (most_held, pause) = {
        let front = api.front.load();
        (front.capacity.bytes, front.read_timeout)
    };
    let room = Room {
        admitted: head.extensions.get::<Admitted>(),
        most: most_held,
    };
    let read = match announced.map_or(Ok(()), |length| room.has(length)) {
        Ok(()) => collect(&mut body, limit, announced, pause, &room).await,
        Err(refusal) => Err(refusal),
    };
    if let Some(journal) = head.extensions.get::<Arc<Journal>>() {
        journal.read();
    }
    if matches!(read, Err(Error::Overloaded { .. })) {
        skip(&head.headers, body).await;
    }
    read
}

/// Where bodies count; nowhere for operators' requests.
struct Room<'a> {
    admitted: Option<&'a Admitted>,
    /// Bytes of all bodies.
    most: u64,
}

impl Room<'_> {
    /// Whether there is room for so many bytes at the moment.
    fn has(&self, bytes: u64) -> Result<(), Error> {
        self.admitted
            .map_or(Ok(()), |admitted| admitted.has_room(bytes, self.most))
    }

    fn reserve(&self, bytes: u64) -> Result<(), Error> {
        self.admitted
            .map_or(Ok(()), |admitted| admitted.reserve(bytes, self.most))
    }
}

async fn collect(
    body: &mut Body,
    limit: u64,
    announced: Option<u64>,
    pause: Duration,
    room: &Room<'_>,
) -> Result<Bytes, Error> {
    let start = Instant::now();
    // Most bodies come in one piece, which needs no copy.
    let (mut first, mut all, mut length) = (Bytes::new(), BytesMut::new(), 0_u64);
    loop {
        let patience = longest(pause, length)
            .saturating_sub(start.elapsed())
            .min(pause);
        let frame = match timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                let message = "the body ended before it was complete";
                return Err(Error::bad_request(None, message));
            }
            Ok(None) => break,
            Err(_) => return Err(Error::SlowBody),
        };
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        length = length.saturating_add(piece.len() as u64);
        if length > limit {
            return Err(Error::TooLarge { limit });
        }
        room.reserve(piece.len() as u64)?;
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            // Memory that nothing was written to yet is only a promise.
            let expected = announced.unwrap_or(length).max(length);
            all.reserve(usize::try_from(expected).unwrap_or_default());
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// What a body says that has to be an object.
///
/// # Errors
/// What is wrong with it. A list is refused: its elements would be taken for the fields in their order, and those that
/// it has none for would be left at their defaults.
pub(super) fn object<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(serde_json::Error::invalid_type(
            Unexpected::Seq,
            &"an object",
        ));
    }
    serde_json::from_slice(body)
}

/// How long a body may take of which `length` bytes have come.
pub(super) fn longest(pause: Duration, length: u64) -> Duration {
    let more = pause.as_nanos().saturating_mul(u128::from(length)) / u128::from(PER_TIMEOUT);
    pause.saturating_add(Duration::from_nanos(
        u64::try_from(more).unwrap_or(u64::MAX),
    ))
}

/// How long the body is said to be, in bytes.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

/// Reads on, for a moment, what a refused client is still sending: a connection that is closed with
/// bytes unread is reset, and the refusal may be lost on the way. A client that waits to be asked for its body
/// (`Expect: 100-continue`) is not asked.
pub(super) async fn skip(headers: &HeaderMap, body: Body) {
    const MOST: usize = 64 << 10;
    const LONGEST: Duration = Duration::from_secs(1);
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let mut body = Limited::new(body, MOST);
    let to_the_end = async { while let Some(Ok(_)) = body.frame().await {} };
    // One that sends more, or slowly, has to live with it.
    let _late = timeout(LONGEST, to_the_end).await;
}
