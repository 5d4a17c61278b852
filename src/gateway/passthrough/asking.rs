//! Asking the one who can be asked: again, where that does no harm, or once.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::HeaderValue;

use super::Outlet;
use crate::{
    error::{Error, UpstreamError, UpstreamErrorKind},
    gateway::{
        attempt::{Attempt, Load},
        catalogue::Target,
        turns::{Stop, Turns},
    },
    provider::forward::{Abandoned, ForwardBody, ForwardCall, Forwarded, Upload},
    telemetry::trace::Propagated,
    wire::operation::JsonRequest,
};

/// What is asked, but for the body.
pub(super) struct Asked<'a> {
    pub(super) outlet: &'a Outlet,
    pub(super) model: Option<&'a str>,
    pub(super) content_type: HeaderValue,
    pub(super) accept: Option<HeaderValue>,
}

impl Asked<'_> {
    fn call(&self, body: ForwardBody, trace: Option<Propagated>) -> ForwardCall {
        let Outlet {
            operation,
            endpoint,
            ..
        } = self.outlet;
        ForwardCall {
            operation: *operation,
            path: endpoint.path_of(*operation),
            model: self.model.unwrap_or_default().to_owned(),
            content_type: self.content_type.clone(),
            accept: self.accept.clone(),
            body,
            trace,
        }
    }
}

/// The one who can be asked.
pub(super) struct Only<'t> {
    pub(super) target: &'t Target,
    pub(super) load: Load,
}

impl Stop for Only<'_> {
    fn target(&self) -> &Target {
        self.target
    }

    fn is_choice(&self) -> bool {
        true
    }

    fn load(&self) -> Load {
        self.load
    }
}

/// Asks for what can be sent again, as often as it may.
pub(super) async fn ask(
    mut turns: Turns<'_, Only<'_>>,
    asked: &Asked<'_>,
    request: &JsonRequest,
    attempts: &mut u32,
) -> Result<(Forwarded, Attempt), Error> {
    let body = request.body_for(asked.model);
    while let Some((turn, attempt)) = turns.next().await {
        *attempts += 1;
        let call = asked.call(ForwardBody::Whole(body.clone()), attempt.trace());
        match turn.stop.target.member.provider.forward(call).await {
            Ok(answer) => return Ok((answer, attempt)),
            Err(error) => {
                attempt.failed(&error);
                if !error.is_retryable() || error.is_unsupported() {
                    return Err(error.into());
                }
                turns.failed(turn, error).await;
            }
        }
    }
    Err(nobody(turns, asked))
}

/// Sends what can be sent once.
pub(super) async fn upload(
    mut turns: Turns<'_, Only<'_>>,
    asked: &Asked<'_>,
    form: Form,
    attempts: &mut u32,
) -> Result<(Forwarded, Attempt), Error> {
    let Some((turn, attempt)) = turns.next().await else {
        return Err(nobody(turns, asked));
    };
    *attempts += 1;
    let provider = &turn.stop.target.member.provider;
    let Form {
        length,
        pieces,
        sent,
    } = form;
    let trace = attempt.trace();
    let mut uploading = Uploading {
        attempt: Some(attempt),
        sent: Arc::clone(&sent),
    };
    let fault: Arc<Mutex<Option<Error>>> = Arc::default();
    let noted = Arc::clone(&fault);
    let pieces = stream::unfold(Some(pieces), move |pieces| {
        let (noted, sent) = (Arc::clone(&noted), Arc::clone(&sent));
        async move {
            let mut pieces = pieces?;
            match pieces.next().await {
                Some(Ok(piece)) => Some((Ok(piece), Some(pieces))),
                Some(Err(error)) => {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Some((Err(Abandoned), None))
                }
                None => {
                    sent.store(true, Ordering::Relaxed);
                    None
                }
            }
        }
    });
    let body = ForwardBody::Upload(Upload {
        length,
        pieces: pieces.boxed(),
    });
    let answer = provider.forward(asked.call(body, trace)).await;
    let attempt = uploading.attempt.take();
    let theirs = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (answer, attempt) {
        (Ok(answer), Some(attempt)) => Ok((answer, attempt)),
        (Ok(_), None) => Err(Error::Internal("an upload without its attempt".to_owned())),
        (Err(error), attempt) => {
            match attempt {
                Some(attempt) if theirs.is_some() => attempt.abandoned(),
                Some(attempt) => attempt.failed(&error),
                None => {}
            }
            Err(theirs.unwrap_or_else(|| error.into()))
        }
    }
}

/// Why nobody was asked, or what all who were asked ended in.
fn nobody(turns: Turns<'_, Only<'_>>, asked: &Asked<'_>) -> Error {
    let error = turns.into_error().unwrap_or_else(|| UpstreamError {
        provider: asked.outlet.endpoint.provider.clone(),
        kind: UpstreamErrorKind::Connect("it can't be asked".to_owned()),
    });
    error.into()
}

/// A form on its way.
pub(super) struct Form {
    pub(super) length: Option<u64>,
    pub(super) pieces: BoxStream<'static, Result<Bytes, Error>>,
    /// Set when all of it is.
    pub(super) sent: Arc<AtomicBool>,
}

/// A call whose body is being sent. That its client is slow, or hangs up before its end, says nothing of the provider.
struct Uploading {
    attempt: Option<Attempt>,
    sent: Arc<AtomicBool>,
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let is_sent = self.sent.load(Ordering::Relaxed);
        if let Some(attempt) = self.attempt.take_if(|_| !is_sent) {
            attempt.abandoned();
        }
    }
}
