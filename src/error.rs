//! What can go wrong with a request, in two sizes: one attempt at a provider ([`UpstreamError`]) and
//! the request as a whole ([`Error`]).
//!
//! Making or converting an error does nothing else: it is logged once, at the HTTP boundary, and
//! rendered there too. Messages may quote a provider, never a key.

use std::time::Duration;

mod upstream;

pub use self::upstream::{TimeoutKind, UpstreamError, UpstreamErrorKind};

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is wrong.
    Client,
    /// A provider is wrong, or away.
    Upstream,
    /// The gateway is wrong.
    Gateway,
}

/// What a request ended in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request can't be understood.
    #[error("{message}")]
    BadRequest {
        /// What to do instead.
        message: String,
        /// The field that is wrong, such as `messages[0].content`.
        param: Option<String>,
    },
    /// The body is larger than `server.max_body`.
    #[error("the request body is larger than {limit} bytes, this gateway's limit")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The body is compressed, which is not read here.
    #[error("the body is encoded (`Content-Encoding`); send it as it is")]
    Encoded,
    /// No key, or one that no client has.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The client's key was good once.
    #[error("this key has expired; ask for a new one")]
    Expired,
    /// Known or not, this is not for whoever asks, or not in this way.
    #[error("{message}")]
    Forbidden {
        /// Why, as a word for programs.
        code: &'static str,
        /// Why, and what to do instead.
        message: &'static str,
    },
    /// The client asks too much at once.
    #[error("{message}")]
    RateLimited {
        /// Which limit, how high it is, and when to come back.
        message: String,
        /// How long until the same request is let through.
        retry_after: Duration,
    },
    /// The client has spent what it may.
    #[error("{message}")]
    BudgetExceeded {
        /// Which budget, how much it is, and when it begins anew.
        message: String,
        /// How long until then; `None` for never.
        retry_after: Option<Duration>,
    },
    /// The gateway has as much to do as it can hold.
    #[error("this gateway is busy: {why}; try again in a moment")]
    Overloaded {
        /// What there is too much of.
        why: &'static str,
        /// When to come back.
        retry_after: Duration,
    },
    /// The client stopped in the middle of its request.
    #[error("the body did not come in time; send it without a pause")]
    SlowBody,
    /// The client's key is known, but not for this model.
    #[error("this key may not use the model `{0}`")]
    ModelNotAllowed(String),
    /// No provider serves the model.
    #[error("{message}")]
    UnknownModel {
        /// Which model, why, and the nearest names.
        message: String,
    },
    /// `only-if-cached` was asked, and it is not.
    #[error("the answer is not in the cache, and the request says `only-if-cached`")]
    NotCached,
    /// Feedback about an answer that is not remembered.
    #[error(
        "no answer with this id is remembered for this key; the last ones that were kept or came \
         from the cache are, until feedback about them has come"
    )]
    UnknownAnswer,
    /// A request continues a response that is not kept.
    #[error("{0}")]
    NoPreviousResponse(&'static str),
    /// An operator names an entry that is not there.
    #[error("there is no such entry in the cache")]
    NoSuchEntry,
    /// What an operator wants is not possible as things are.
    #[error("{0}")]
    Conflict(String),
    /// A response that is not kept, or not for this key.
    #[error("{0}")]
    NoSuchResponse(String),
    /// No such path.
    #[error("{0}")]
    NoSuchPath(String),
    /// The path exists, the method does not.
    #[error("{0}")]
    MethodNotAllowed(String),
    /// The last target failed too.
    #[error(transparent)]
    Exhausted(#[from] UpstreamError),
    /// A bug of the gateway. The text is for the log; clients get a fixed message.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whether the same request would fare no better in a minute, either, without anybody's doing.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        const A_MINUTE: Duration = Duration::from_secs(60);
        matches!(self, Self::NotCached)
            || matches!(self, Self::BudgetExceeded { retry_after, .. }
                if retry_after.is_none_or(|wait| wait > A_MINUTE))
    }

    /// Whether an old answer is better than this.
    #[must_use]
    pub fn allows_stale(&self) -> bool {
        matches!(self, Self::Exhausted(error) if error.is_retryable() && !error.is_unsupported())
    }

    /// A `BadRequest` about one field.
    #[must_use]
    pub fn bad_request(param: impl Into<Option<String>>, message: impl Into<String>) -> Self {
        Self::BadRequest {
            message: message.into(),
            param: param.into(),
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::Encoded
            | Self::Unauthorized(_)
            | Self::Expired
            | Self::Forbidden { .. }
            | Self::RateLimited { .. }
            | Self::BudgetExceeded { .. }
            | Self::SlowBody
            | Self::ModelNotAllowed(_)
            | Self::UnknownModel { .. }
            | Self::NotCached
            | Self::UnknownAnswer
            | Self::NoPreviousResponse(_)
            | Self::NoSuchEntry
            | Self::Conflict(_)
            | Self::NoSuchResponse(_)
            | Self::NoSuchPath(_)
            | Self::MethodNotAllowed(_) => Fault::Client,
            Self::Exhausted(upstream) => upstream.fault(),
            Self::Overloaded { .. } | Self::Internal(_) => Fault::Gateway,
        }
    }

    /// What happened, without a word of the client's or a provider's: fit for logs.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::BadRequest {
                param: Some(param), ..
            } if is_field(param) => format!("bad `{param}`"),
            Self::BadRequest { .. } => "a body that can't be understood".to_owned(),
            Self::ModelNotAllowed(_) => "a model that this key may not use".to_owned(),
            Self::UnknownModel { .. } => "an unknown model".to_owned(),
            Self::NoSuchResponse(_) => "an unknown response".to_owned(),
            Self::NoSuchPath(_) => "an unknown path".to_owned(),
            Self::MethodNotAllowed(_) => "a method that the path does not have".to_owned(),
            Self::Exhausted(upstream) => upstream.summary(),
            Self::RateLimited { .. } => "over a limit of this key".to_owned(),
            Self::BudgetExceeded { .. } => "over the budget of this key".to_owned(),
            Self::TooLarge { .. }
            | Self::Encoded
            | Self::Unauthorized(_)
            | Self::Expired
            | Self::Forbidden { .. }
            | Self::Overloaded { .. }
            | Self::SlowBody
            | Self::NotCached
            | Self::UnknownAnswer
            | Self::NoPreviousResponse(_)
            | Self::NoSuchEntry
            | Self::Conflict(_)
            | Self::Internal(_) => self.to_string(),
        }
    }
}

/// Whether this names a field of ours rather than quoting what the client sent.
fn is_field(param: &str) -> bool {
    param.len() <= 64
        && param
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b))
}
