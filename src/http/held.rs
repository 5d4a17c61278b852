//! Keeps something until an answer has been delivered, or given up.
//!
//! The answer itself stays as it is: a known length stays known.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::pieces::Pieces;
use crate::telemetry::journal::Journal;

/// What is handed over at once, in bytes. A connection takes a piece when there is room for it, so of a large body
/// nearly all is taken by the client when the last piece is.
const PIECE: usize = 64 << 10;

/// `response`, whose body drops `guard` when its end was handed to the connection, or when it is dropped itself since
/// the client has hung up.
pub(super) fn hold<G: Send + 'static>(response: Response, guard: G) -> Response {
    deliver(response, None, guard)
}

/// In the extensions of a response of which it is noted when it was delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

/// The same, where `journal` is told when the end was handed over: not if the client has hung up before.
pub(super) fn deliver<G: Send + 'static>(
    mut response: Response,
    journal: Option<Arc<Journal>>,
    guard: G,
) -> Response {
    if journal.is_some() {
        response.extensions_mut().insert(Noted);
    }
    response.map(|body| {
        Body::new(Held {
            body: Pieces::new(body),
            kept: Some((journal, guard)),
        })
    })
}

struct Held<G> {
    body: Pieces,
    /// Until the end, one way or the other.
    kept: Option<(Option<Arc<Journal>>, G)>,
}

impl<G> Held<G> {
    /// The end was handed over.
    fn ended(&mut self) {
        if let Some((Some(journal), _)) = self.kept.take() {
            journal.delivered();
        }
    }
}

impl<G> Drop for Held<G> {
    fn drop(&mut self) {
        // Of a body of known length nobody asks whether there is more.
        if self.kept.is_some() && self.body.is_over() {
            self.ended();
        }
    }
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
        match next {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.kept = None,
            None => self.ended(),
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
    use std::sync::Mutex;

    use futures_util::stream;
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;
    use crate::{
        clock::Clock,
        telemetry::journal::{Observer, Observers, Record},
    };

    /// Notes whether a request was told, and whether its answer was delivered.
    #[derive(Debug, Default)]
    struct Told(Mutex<Option<bool>>);

    impl Observer for Told {
        fn over(&self, record: &Arc<Record>) {
            *self.0.lock().unwrap() = Some(record.delivered.is_some());
        }
    }

    /// A body as it is delivered to a client, and what is told of it.
    fn delivered(body: Body) -> (Body, Arc<Told>) {
        let told = Arc::new(Told::default());
        let observers = Observers::new(vec![Arc::clone(&told) as _], None, None);
        let journal = Journal::open("r", None, &Clock::manual(), &observers);
        journal.asked(&http::Method::POST, "/v1/chat/completions");
        let response = deliver(Response::new(body), Some(journal), ());
        assert!(response.extensions().get::<Noted>().is_some());
        (response.into_body(), told)
    }

    #[tokio::test]
    async fn what_was_handed_over_to_its_end_is_delivered() {
        // As HTTP/1 and HTTP/2 do with a known length: nobody asks for more than that.
        let (mut body, told) = delivered(Body::from(vec![7; PIECE + 1]));
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        assert_eq!(*told.0.lock().unwrap(), None);
        drop(body);
        assert_eq!(*told.0.lock().unwrap(), Some(true));

        let (body, told) = delivered(Body::empty());
        drop(body);
        assert_eq!(*told.0.lock().unwrap(), Some(true));

        let one = stream::iter([Ok::<_, axum::Error>(Bytes::from_static(b"x"))]);
        let (mut body, told) = delivered(Body::from_stream(one));
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.is_none());
        assert_eq!(*told.0.lock().unwrap(), Some(true));
    }

    #[tokio::test]
    async fn what_was_given_up_or_broke_is_not() {
        let (mut body, told) = delivered(Body::from(vec![7; PIECE + 1]));
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*told.0.lock().unwrap(), Some(false));

        let one = stream::iter([Ok::<_, axum::Error>(Bytes::from_static(b"x"))]);
        let (mut body, told) = delivered(Body::from_stream(one));
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*told.0.lock().unwrap(), Some(false));

        let broken = stream::iter([Err::<Bytes, _>(axum::Error::new("cut"))]);
        let (mut body, told) = delivered(Body::from_stream(broken));
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(*told.0.lock().unwrap(), Some(false));
    }

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
