//! Keeps something until an answer has been delivered, or given up.
//!
//! The answer itself stays as it is: a known length stays known.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::pieces::Pieces;

/// What is handed over at once, in bytes. A connection takes a piece when there is room for it, so of a large body
/// nearly all is taken by the client when the last piece is.
const PIECE: usize = 64 << 10;

/// `response`, whose body drops `guard` when its end was handed to the connection, or when it is dropped itself since
/// the client has hung up.
pub(super) fn hold<G: Send + 'static>(response: Response, guard: G) -> Response {
    response.map(|body| {
        Body::new(Held {
            body: Pieces::new(body),
            guard: Some(guard),
        })
    })
}

struct Held<G> {
    body: Pieces,
    guard: Option<G>,
}

/// The guard is never pinned, whatever it is.
impl<G> Unpin for Held<G> {}

impl<G> hyper::body::Body for Held<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = ready!(self.body.poll(context, |there| there.min(PIECE)));
        if !matches!(next, Some(Ok(_))) {
            self.guard = None;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.left()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;

    fn held(body: Body) -> (Body, Arc<()>) {
        let guard = Arc::new(());
        let response = hold(Response::new(body), Arc::clone(&guard));
        (response.into_body(), guard)
    }

    fn is_held(guard: &Arc<()>) -> bool {
        Arc::strong_count(guard) > 1
    }

    #[tokio::test]
    async fn a_known_length_stays_known_and_the_bytes_stay_as_they_are() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (mut body, guard) = held(Body::from(bytes.clone()));
            let mut got = Vec::new();
            loop {
                let left = (length - got.len()) as u64;
                assert_eq!(body.size_hint().exact(), Some(left));
                assert_eq!(body.is_end_stream(), left == 0);
                assert!(is_held(&guard));
                let Some(frame) = body.frame().await else {
                    break;
                };
                let data = frame.unwrap().into_data().unwrap();
                assert!(data.len() <= PIECE);
                got.extend_from_slice(&data);
            }
            assert!(got == bytes && !is_held(&guard));
        }
    }

    #[tokio::test]
    async fn whoever_hangs_up_lets_go() {
        let endless = stream::repeat_with(|| Ok::<_, axum::Error>(Bytes::from_static(b"x")));
        let (mut body, guard) = held(Body::from_stream(endless));
        body.frame().await.unwrap().unwrap();
        assert!(is_held(&guard));
        drop(body);
        assert!(!is_held(&guard));
    }

    #[tokio::test]
    async fn a_body_that_breaks_lets_go_and_says_so() {
        let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err(axum::Error::new("cut"))]);
        let (mut body, guard) = held(Body::from_stream(broken));
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert!(!is_held(&guard));
    }
}
