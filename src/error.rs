//! What can go wrong with a request, in two sizes: one attempt at a provider ([`UpstreamError`]) and
//! the request as a whole ([`Error`]).
//!
//! Making or converting an error does nothing else: it is logged once, at the HTTP boundary, and
//! rendered there too. Messages may quote a provider, never a key.

use std::{sync::Arc, time::Duration};

use crate::{ident::ProviderName, wire::ask::Unable};

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

/// What one attempt at one provider ended in.
#[derive(Debug, Clone, thiserror::Error)]
#[error("provider `{provider}` {kind}")]
pub struct UpstreamError {
    /// The provider that was asked.
    pub provider: ProviderName,
    /// What happened.
    pub kind: UpstreamErrorKind,
}

/// The ways in which an attempt fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamErrorKind {
    /// No connection could be made: refused, no such host, TLS.
    #[error("could not be reached: {0}")]
    Connect(String),
    /// Nothing came in time.
    #[error("did not answer in time ({0})")]
    Timeout(TimeoutKind),
    /// An HTTP status other than success.
    #[error("answered {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The provider's own words, or what its body was instead.
        message: String,
        /// The provider's error body in OpenAI's shape, if it was one.
        body: Option<Arc<crate::wire::error_body::ErrorObject>>,
        /// What the provider's `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// A success whose body is not what was asked for: HTML, nothing, broken JSON.
    #[error("sent an answer that can't be used: {0}")]
    Decode(String),
    /// The stream broke off.
    #[error("broke off its stream: {0}")]
    Stream(String),
    /// It was not asked: it fails too often.
    #[error("is left alone, since it fails too often")]
    Open {
        /// How long until it is worth another try.
        retry_after: Duration,
    },
    /// It was not asked: it wants to be left alone for a while, or its share of requests is used up.
    #[error("is not to be asked at present: {why}")]
    Busy {
        /// Whose limit it is, and which.
        why: &'static str,
        /// How long until it may be asked.
        retry_after: Duration,
    },
    /// It was not asked: it refuses all keys that the gateway has for it.
    #[error("refuses the keys that this gateway has for it")]
    NoKey {
        /// How long until they are tried again.
        retry_after: Duration,
    },
    /// It was not asked: the request can't be put into its dialect.
    #[error("can't be asked this: {0}")]
    Untranslatable(Arc<Unable>),
    /// The stream ended in an error event of the provider's.
    #[error("reported an error in its stream: {}", .0.message)]
    Reported(Arc<crate::wire::error_body::ErrorObject>),
}

/// Which time limit ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeoutKind {
    /// Until the first byte of the answer.
    #[error("first token")]
    FirstToken,
    /// Between two parts of a stream.
    #[error("idle")]
    Idle,
    /// The attempt as a whole.
    #[error("total")]
    Total,
}

impl UpstreamErrorKind {
    /// Whether the provider said that the request itself is wrong, so that nobody else needs asking.
    fn blames_request(&self) -> bool {
        // 401, 402 and 403 are about the gateway's key and account, 408, 425 and 429 about the moment, 405, 406, 410, 426
        // and 431 about the server, 413 about how much it takes at a time, 451 about where it is; 421, 498 and 499 come
        // from proxies.
        matches!(
            self,
            Self::Status {
                status: 400..=499,
                ..
            }
        ) && !matches!(
            self,
            Self::Status {
                status: 401..=403 | 405..=408 | 410 | 413 | 421 | 425 | 426 | 429 | 431 | 451 | 498 | 499,
                ..
            }
        ) || matches!(self, Self::Untranslatable(_))
    }
}

impl UpstreamError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if self.kind.blames_request() {
            Fault::Client
        } else {
            Fault::Upstream
        }
    }

    /// Whether another target may answer what this one could not.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_unsupported() || self.lacks_model() || !self.kind.blames_request()
    }

    /// Whether the account of the gateway has no credit left, which waiting does not mend.
    #[must_use]
    pub fn is_out_of_credit(&self) -> bool {
        const QUOTA: &str = "insufficient_quota";
        matches!(&self.kind, UpstreamErrorKind::Status { body: Some(body), .. }
            if [&body.code, &body.kind].into_iter().any(|word| word.as_deref() == Some(QUOTA)))
    }

    /// Whether all the time that the call had is up, which runs while the client reads.
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        matches!(self.kind, UpstreamErrorKind::Timeout(TimeoutKind::Total))
    }

    /// The same with another time to come back, if it is sooner.
    #[must_use]
    pub(crate) fn sooner(mut self, other: Option<Duration>) -> Self {
        if let UpstreamErrorKind::Status {
            retry_after: Some(wait),
            ..
        } = &mut self.kind
        {
            *wait = other.map_or(*wait, |other| other.min(*wait));
        }
        self
    }

    /// Whether the provider does not have the model, or not any longer.
    fn lacks_model(&self) -> bool {
        let is_404 = matches!(&self.kind, UpstreamErrorKind::Status { status: 404, .. });
        is_404 && !self.is_too_long()
    }

    /// Whether this provider, but perhaps no other, lacks something that the request asks for, room for
    /// its prompt included.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(&self.kind, UpstreamErrorKind::Untranslatable(unable)
            if matches!(**unable, Unable::Unsupported { .. } | Unable::TooLong { .. }))
    }

    /// Whether there is no room for the prompt in the model's context window.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        let is_unable = matches!(&self.kind, UpstreamErrorKind::Untranslatable(unable)
            if matches!(**unable, Unable::TooLong { .. }));
        is_unable || self.has_code(&["context_length_exceeded"])
    }

    /// Whether a filter of the provider's refused the content: `content_filter` is Azure's word for it,
    /// `content_policy_violation` OpenAI's.
    #[must_use]
    pub fn is_content_filter(&self) -> bool {
        self.has_code(&["content_filter", "content_policy_violation"])
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        let UpstreamErrorKind::Status {
            body: Some(body), ..
        } = &self.kind
        else {
            return false;
        };
        body.code
            .as_deref()
            .is_some_and(|code| codes.contains(&code))
    }

    /// How long the provider asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            UpstreamErrorKind::Status { retry_after, .. } => *retry_after,
            UpstreamErrorKind::Open { retry_after }
            | UpstreamErrorKind::Busy { retry_after, .. }
            | UpstreamErrorKind::NoKey { retry_after } => Some(*retry_after),
            UpstreamErrorKind::Connect(_)
            | UpstreamErrorKind::Timeout(_)
            | UpstreamErrorKind::Decode(_)
            | UpstreamErrorKind::Stream(_)
            | UpstreamErrorKind::Untranslatable(_)
            | UpstreamErrorKind::Reported(_) => None,
        }
    }

    /// Whether nobody was asked at all.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        matches!(
            self.kind,
            UpstreamErrorKind::Open { .. }
                | UpstreamErrorKind::Busy { .. }
                | UpstreamErrorKind::NoKey { .. }
                | UpstreamErrorKind::Untranslatable(_)
        )
    }

    /// What happened, without a word of the provider's, which may quote the prompt: fit for logs.
    #[must_use]
    pub fn summary(&self) -> String {
        let what = match &self.kind {
            UpstreamErrorKind::Status { status, .. } => format!("answered {status}"),
            UpstreamErrorKind::Decode(_) => "sent an answer that can't be used".to_owned(),
            UpstreamErrorKind::Stream(_) => "broke off its stream".to_owned(),
            UpstreamErrorKind::Reported(_) => "reported an error in its stream".to_owned(),
            UpstreamErrorKind::Untranslatable(_) => "can't be asked this".to_owned(),
            kind @ (UpstreamErrorKind::Connect(_)
            | UpstreamErrorKind::Timeout(_)
            | UpstreamErrorKind::Open { .. }
            | UpstreamErrorKind::Busy { .. }
            | UpstreamErrorKind::NoKey { .. }) => kind.to_string(),
        };
        format!("provider `{}` {what}", self.provider)
    }

    /// One word for metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match &self.kind {
            UpstreamErrorKind::Connect(_) => "connect",
            UpstreamErrorKind::Timeout(_) => "timeout",
            UpstreamErrorKind::Open { .. } => "open",
            UpstreamErrorKind::Busy { .. } => "busy",
            UpstreamErrorKind::NoKey { .. } => "auth",
            UpstreamErrorKind::Status { status: 429, .. } => "rate_limited",
            UpstreamErrorKind::Status {
                status: 401..=403, ..
            } => "auth",
            UpstreamErrorKind::Status {
                status: 400..=499, ..
            } => "client_error",
            UpstreamErrorKind::Status { .. } => "server_error",
            UpstreamErrorKind::Decode(_) => "decode",
            UpstreamErrorKind::Untranslatable(_) => "untranslatable",
            UpstreamErrorKind::Stream(_) | UpstreamErrorKind::Reported(_) => "stream",
        }
    }
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
    /// An operator names an entry that is not there.
    #[error("there is no such entry in the cache")]
    NoSuchEntry,
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
            | Self::RateLimited { .. }
            | Self::BudgetExceeded { .. }
            | Self::SlowBody
            | Self::ModelNotAllowed(_)
            | Self::UnknownModel { .. }
            | Self::NotCached
            | Self::UnknownAnswer
            | Self::NoSuchEntry
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
            Self::NoSuchPath(_) => "an unknown path".to_owned(),
            Self::MethodNotAllowed(_) => "a method that the path does not have".to_owned(),
            Self::Exhausted(upstream) => upstream.summary(),
            Self::RateLimited { .. } => "over a limit of this key".to_owned(),
            Self::BudgetExceeded { .. } => "over the budget of this key".to_owned(),
            Self::TooLarge { .. }
            | Self::Encoded
            | Self::Unauthorized(_)
            | Self::Expired
            | Self::Overloaded { .. }
            | Self::SlowBody
            | Self::NotCached
            | Self::UnknownAnswer
            | Self::NoSuchEntry
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
