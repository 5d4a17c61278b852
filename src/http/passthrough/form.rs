//! A form on its way from a client to a provider: looked through, held nowhere.
//!
//! Invariant: its last boundary is handed on only if a file was there and the model may be used; so a provider never gets
//! a complete form that is refused here.

use std::{collections::VecDeque, time::Duration};

use axum::{body::Body, http::header};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::Asked;
use crate::{
    error::Error,
    gateway::{Caller, passthrough::Outlet},
    http::{body, overload::Admitted},
    wire::multipart::{Boundary, Malformed, Piece, Scanner},
};

/// The field that names the model.
const MODEL: &str = "model";
/// How much is waited for until the model is named or a file begins, in bytes: clients send each part by itself.
const READ_AHEAD: usize = 64 << 10;

/// What a form has to have, and may not.
pub(super) struct Rules {
    /// A file in a part of one of these names.
    pub(super) files: &'static [&'static str],
    /// Who sends it.
    pub(super) caller: Caller,
    /// Where it goes.
    pub(super) outlet: Outlet,
}

/// A form of which the beginning is here.
pub(super) struct Begun {
    /// What the provider calls the model, if it was named by now.
    pub(super) model: Option<String>,
    /// How long what is handed on is, in bytes, if that is known.
    pub(super) length: Option<u64>,
    /// All of it.
    pub(super) pieces: BoxStream<'static, Result<Bytes, Error>>,
}

/// A form that is coming in.
pub(super) struct Incoming {
    body: Body,
    scanner: Scanner,
    check: Check,
    /// What was looked through and not handed on yet.
    ready: VecDeque<Bytes>,
    /// How long the body is said to be.
    announced: Option<u64>,
    /// How much of it has come.
    length: u64,
    /// The longest that it may be.
    limit: u64,
    /// How long the client may pause.
    pause: Duration,
    /// How long it was waited for.
    waited: Duration,
    room: Option<Admitted>,
    most_held: u64,
    /// The most of it that was held at a time.
    held: u64,
    ended: bool,
}

impl Incoming {
    /// The form in `body`.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Encoded`], [`Error::Overloaded`].
    pub(super) fn new(
        asked: &Asked<'_>,
        body: Body,
        boundary: &Boundary,
        rules: Rules,
    ) -> Result<Self, Error> {
        let Asked { front, head, .. } = asked;
        let limit = front.max_body;
        let announced = body::announced(&head.headers);
        if announced.is_some_and(|length| length > limit) {
            return Err(Error::TooLarge { limit });
        }
        let encoding = head.headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Error::Encoded);
        }
        Ok(Self {
            body,
            scanner: Scanner::new(boundary, MODEL),
            check: Check {
                rules,
                is_file: false,
                has_file: false,
                model: None,
                shorter: 0,
            },
            ready: VecDeque::new(),
            announced,
            length: 0,
            limit,
            pause: front.read_timeout,
            waited: Duration::ZERO,
            room: head.extensions.get::<Admitted>().cloned(),
            most_held: front.capacity.bytes,
            held: 0,
            ended: false,
        })
    }

    /// Waits for its beginning: the model, or a file.
    ///
    /// # Errors
    /// What is wrong with that.
    pub(super) async fn begin(mut self) -> Result<Begun, Error> {
        let (mut first, mut length) = (VecDeque::new(), 0);
        while self.check.model.is_none() && !self.check.has_file && length < READ_AHEAD {
            let Some(piece) = self.next().await? else {
                break;
            };
            length += piece.len();
            first.push_back(Ok(piece));
        }
        let model = self.check.model.as_ref().map(|model| {
            let outlet = &self.check.rules.outlet;
            outlet.model(model).to_owned()
        });
        let length = self.announced;
        let rest = stream::unfold(Some(self), |incoming| async move {
            let mut incoming = incoming?;
            match incoming.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(incoming))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        let first = stream::iter(first);
        Ok(Begun {
            model,
            length,
            pieces: first.chain(rest).boxed(),
        })
    }

    /// The next bytes to be handed on; `None` when all were.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            match self.piece().await? {
                Some(piece) => {
                    let pieces = self.scanner.push(&piece).map_err(malformed)?;
                    for piece in pieces {
                        let bytes = self.check.take(piece)?;
                        self.ready.extend(bytes.filter(|bytes| !bytes.is_empty()));
                    }
                }
                None => {
                    self.scanner.finish().map_err(malformed)?;
                    self.ended = true;
                    // What a shorter name of the model left over of the length that was announced. RFC 2046 §5.1.1: what
                    // follows the last boundary is ignored.
                    let padding = " ".repeat(self.check.shorter);
                    if self.announced.is_some() && !padding.is_empty() {
                        self.ready.push_back(padding.into());
                    }
                }
            }
        }
    }

    /// What comes next from the client.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let longest = body::longest(self.pause, self.length);
            let patience = longest.saturating_sub(self.waited).min(self.pause);
            let began = Instant::now();
            let frame = timeout(patience, self.body.frame()).await;
            self.waited += began.elapsed();
            let frame = match frame {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    let message = "the body ended before it was complete";
                    return Err(Error::bad_request(None, message));
                }
                Ok(None) => return Ok(None),
                Err(_) => return Err(Error::SlowBody),
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            let length = piece.len() as u64;
            self.length = self.length.saturating_add(length);
            if self.length > self.limit {
                return Err(Error::TooLarge { limit: self.limit });
            }
            if let Some(room) = self.room.as_ref().filter(|_| length > self.held) {
                room.reserve(length - self.held, self.most_held)?;
                self.held = length;
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }
}

fn malformed(why: Malformed) -> Error {
    let param = matches!(why, Malformed::Value).then(|| MODEL.to_owned());
    Error::bad_request(param, why.to_string())
}

/// What was seen of a form.
struct Check {
    rules: Rules,
    /// Whether the present part is to hold the file.
    is_file: bool,
    has_file: bool,
    /// The model as the client calls it.
    model: Option<String>,
    /// By how many bytes its name is shorter for the provider.
    shorter: usize,
}

impl Check {
    /// Looks at a piece; what is handed on of it.
    fn take(&mut self, piece: Piece) -> Result<Option<Bytes>, Error> {
        let Rules {
            files,
            caller,
            outlet,
        } = &self.rules;
        match piece {
            Piece::Part { name, is_file } => {
                if name == MODEL && self.model.is_some() {
                    let message = "there are several parts `model`; send one";
                    return Err(Error::bad_request(Some(name), message));
                }
                self.is_file = is_file && files.contains(&name.as_str());
                Ok(None)
            }
            Piece::Frame(bytes) => Ok(Some(bytes)),
            Piece::Content(bytes) => {
                self.has_file |= self.is_file;
                Ok(Some(bytes))
            }
            Piece::Captured(model) => {
                outlet.allow(caller, Some(&model))?;
                let name = outlet.model(&model);
                self.shorter = model.len().saturating_sub(name.len());
                let bytes = Bytes::copy_from_slice(name.as_bytes());
                self.model = Some(model);
                Ok(Some(bytes))
            }
            Piece::Closing => {
                if self.model.is_none() {
                    outlet.allow(caller, None)?;
                }
                if self.has_file {
                    return Ok(None);
                }
                let [name, ..] = files else {
                    return Ok(None);
                };
                let message = format!(
                    "you must provide a file in the part `{name}`, with a `filename`, and it must not be empty"
                );
                Err(Error::bad_request(Some((*name).to_owned()), message))
            }
        }
    }
}
