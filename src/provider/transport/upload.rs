//! Sending a body that comes piece by piece: once, with one key.
//!
//! Nothing of it is kept, so nothing is sent again. Invariant: a body that was abandoned, or whose sender is gone, is never
//! complete at the other side.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderMap, Method};
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    sync::mpsc,
    time::{timeout, timeout_at},
};

use super::{Answered, Transport, keys};
use crate::{
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    provider::forward::{Abandoned, Upload},
    wire::{ask::Unable, chat::Invalid},
};

/// What is said to the body that is being sent.
enum Said {
    Piece(Bytes),
    End,
}

/// The body of a request, as fast as its pieces come.
struct Piped {
    pieces: mpsc::Receiver<Said>,
    left: Option<u64>,
    ended: bool,
}

impl Body for Piped {
    type Data = Bytes;
    type Error = Abandoned;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abandoned>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(context)) {
            Some(Said::Piece(piece)) => {
                self.left = self
                    .left
                    .map(|left| left.saturating_sub(piece.len() as u64));
                Some(Ok(Frame::data(piece)))
            }
            Some(Said::End) => {
                self.ended = true;
                None
            }
            None => Some(Err(Abandoned)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// How the sending of a body ended.
enum Sent {
    All,
    /// The client's side gave it up.
    Abandoned,
    /// The provider takes no more of it.
    Refused,
    /// The provider took nothing for too long.
    Late,
}

impl Transport {
    /// Sends `upload` about `model` (empty where it is not known) with one key, and has a success `read`. The time of
    /// the call begins when all of it is sent.
    pub(in crate::provider) async fn upload<T, F: Future<Output = Result<T, UpstreamError>>>(
        &self,
        model: &str,
        (url, more): (&reqwest::Url, HeaderMap),
        upload: Upload,
        read: impl Fn(Answered) -> F,
    ) -> Result<T, UpstreamError> {
        let key =
            (self.keys.next(model, &[])).map_err(|none| self.error(keys::none_left(none, None)))?;
        let (sender, pieces) = mpsc::channel(1);
        let mut request = reqwest::Request::new(Method::POST, url.clone());
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(more);
        self.keys.put(key, request.headers_mut());
        *request.body_mut() = Some(reqwest::Body::wrap(Piped {
            pieces,
            left: upload.length,
            ended: false,
        }));
        let mut answering = pin!(self.client.execute(request));
        let mut sending = pin!(send(upload.pieces, sender, self.timeouts.idle));
        let early = tokio::select! {
            biased;
            answer = &mut answering => Some(answer),
            sent = &mut sending => {
                self.went_on(&sent)?;
                None
            }
        };
        let limits = self.limits(false);
        let late = || self.error(UpstreamErrorKind::Timeout(limits.late()));
        let response = match early {
            Some(answer) => {
                // Whoever is content before the end gets the end all the same; whoever refuses does not.
                if answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    self.went_on(&sending.await)?;
                }
                answer
            }
            None => timeout_at(limits.first_token, answering)
                .await
                .map_err(|_| late())?,
        };
        let response = response.map_err(|error| self.unsent(&error))?;
        let heard = self.heard(key, model, response, limits, &read).await;
        if let Err(error) = &heard {
            // It is said, although nobody else can be asked.
            let _reason = self.keys.failed(key, model, error);
        }
        heard
    }

    fn went_on(&self, sent: &Sent) -> Result<(), UpstreamError> {
        match sent {
            Sent::All | Sent::Refused => Ok(()),
            Sent::Late => Err(self.error(UpstreamErrorKind::Timeout(TimeoutKind::Idle))),
            Sent::Abandoned => {
                let invalid = Invalid {
                    message: Abandoned.to_string(),
                    param: None,
                };
                let unable = Unable::Invalid(invalid);
                Err(self.error(UpstreamErrorKind::Untranslatable(unable.into())))
            }
        }
    }
}

/// Sends all pieces. The client is waited for as long as its own side does; the provider has `patience` for each.
async fn send(
    mut pieces: BoxStream<'static, Result<Bytes, Abandoned>>,
    to: mpsc::Sender<Said>,
    patience: std::time::Duration,
) -> Sent {
    loop {
        let said = match pieces.next().await {
            Some(Ok(piece)) => Said::Piece(piece),
            Some(Err(Abandoned)) => return Sent::Abandoned,
            None => Said::End,
        };
        let is_end = matches!(said, Said::End);
        match timeout(patience, to.send(said)).await {
            Ok(Ok(())) if is_end => return Sent::All,
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Sent::Refused,
            Err(_) => return Sent::Late,
        }
    }
}
