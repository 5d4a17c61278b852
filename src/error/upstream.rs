//! What one attempt at one provider ended in, and what that says about trying again.

use std::{sync::Arc, time::Duration};

use super::Fault;
use crate::{ident::ProviderName, wire::ask::Unable};

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
        // 401, 402 and 403 are about the gateway's key and account, 408 and 429 about the moment.
        matches!(
            self,
            Self::Status {
                status: 400..=499,
                ..
            }
        ) && !matches!(
            self,
            Self::Status {
                status: 401..=403 | 407 | 408 | 429,
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
        self.is_unsupported() || self.is_about_server() || !self.kind.blames_request()
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

    /// Whether the provider's status says something of itself rather than of the request: it does not have the model
    /// (404), not any longer (410) or not there (451), takes less at a time (413), is another kind of server (405, 406,
    /// 426, 431) or a proxy (421, 425, 498, 499).
    fn is_about_server(&self) -> bool {
        let is_one = matches!(
            &self.kind,
            UpstreamErrorKind::Status {
                status: 404..=406 | 410 | 413 | 421 | 425 | 426 | 431 | 451 | 498 | 499,
                ..
            }
        );
        is_one && !self.is_too_long()
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
