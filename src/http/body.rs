//! Reading request bodies, no further than allowed, for as long as they come, and where there is room for them.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header, request},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout};

use super::{Api, overload::Admitted};
use crate::error::Error;

/// The least of a body that comes in a second, on average, in bytes: who sends single bytes, each just in time, would
/// keep a place for hours.
const SLOWEST: u64 = 1024;

/// The whole body, of at most `limit` bytes. Room is reserved before it is read: where its length is announced, for
/// all of it.
///
/// # Errors
/// [`Error::TooLarge`], before reading anything where the length is announced; [`Error::BadRequest`]
/// if the client stops in the middle; [`Error::Encoded`] for a compressed one; [`Error::SlowBody`] if it pauses for
/// too long; [`Error::Overloaded`] if there is no room.
pub(super) async fn read(
    api: &Api,
    head: &request::Parts,
    body: Body,
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
    if let Some(length) = announced
        && let Err(refusal) = room.reserve(length)
    {
        skip(&head.headers, body).await;
        return Err(refusal);
    }
    collect(body, limit, announced, pause, &room).await
}

/// Where bodies count; nowhere for operators' requests.
struct Room<'a> {
    admitted: Option<&'a Admitted>,
    /// Bytes of all bodies.
    most: u64,
}

impl Room<'_> {
    fn reserve(&self, bytes: u64) -> Result<(), Error> {
        self.admitted
            .map_or(Ok(()), |admitted| admitted.reserve(bytes, self.most))
    }
}

async fn collect(
    mut body: Body,
    limit: u64,
    announced: Option<u64>,
    pause: Duration,
    room: &Room<'_>,
) -> Result<Bytes, Error> {
    let start = Instant::now();
    // Most bodies come in one piece, which needs no copy.
    let (mut first, mut all, mut length) = (Bytes::new(), BytesMut::new(), 0_u64);
    loop {
        let allowed = pause.saturating_add(Duration::from_secs(length / SLOWEST));
        let patience = allowed.saturating_sub(start.elapsed()).min(pause);
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
        if announced.is_none() {
            room.reserve(piece.len() as u64)?;
        }
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            let expected = announced.unwrap_or(length).max(length);
            all.reserve(usize::try_from(expected).unwrap_or_default());
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn announced(headers: &HeaderMap) -> Option<u64> {
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
