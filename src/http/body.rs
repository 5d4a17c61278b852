//! Reading request bodies, no further than allowed.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::Error;

/// The whole body, of at most `limit` bytes.
///
/// # Errors
/// [`Error::TooLarge`], before reading anything where the length is announced; [`Error::BadRequest`]
/// if the client stops in the middle; [`Error::Encoded`] for a compressed one.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: u64) -> Result<Bytes, Error> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| length > limit)
    {
        return Err(Error::TooLarge { limit });
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::Encoded);
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge { limit }),
        Err(_) => Err(Error::bad_request(
            None,
            "the body ended before it was complete",
        )),
    }
}

/// Reads on, for a moment, what a refused client is still sending: a connection that is closed with
/// bytes unread is reset, and the refusal may be lost on the way.
pub(super) async fn skip(body: Body) {
    const MOST: usize = 64 << 10;
    const LONGEST: Duration = Duration::from_secs(1);
    let mut body = Limited::new(body, MOST);
    let to_the_end = async { while let Some(Ok(_)) = body.frame().await {} };
    // One that sends more, or slowly, has to live with it.
    let _late = tokio::time::timeout(LONGEST, to_the_end).await;
}
