//! How much is taken on at once: so many requests, so many bytes of bodies, so many connections.
//!
//! What is over a limit is refused at once, with 503 and a `Retry-After`, before it costs anything: a gateway that
//! takes everything on runs out of memory and then answers nobody. Operators are exempt: health, metrics and the
//! admin's API answer whatever the load. Invariant: what was taken on is given back when its answer has been
//! delivered, or when the client is gone.
//!
//! Only bodies as they come in are counted as bytes. A request takes more while it is answered, for what is read of it
//! and what is sent on. Measured with 60 bodies of 1 MiB that wait for a provider: 2.8 times its body for one long
//! message, 9 times for 15,000 short ones, 11 times if these are put into another dialect.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::Gauge;

use super::{Api, body, held::deliver, observe::Logged};
use crate::{
    clock::Moment,
    error::Error,
    telemetry::{journal::Journal, names},
};

/// What a refused client is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Refusals are told in the log this often at most: a line for each would be load, too.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How much is taken on at once.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Requests that are being answered.
    pub requests: usize,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Requests,
    Bytes,
    Connections,
}

impl Excess {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Requests => "it answers as many requests as it can",
            Self::Bytes => "there is no room for this request's body",
            Self::Connections => "it has as many connections as it can hold",
        }
    }

    /// Counts a refusal.
    pub(super) fn count(self) {
        metrics::counter!(names::SHED, "reason" => self.as_str()).increment(1);
    }

    /// A refusal, counted.
    fn refusal(self) -> Error {
        self.count();
        Error::Overloaded {
            why: self.why(),
            retry_after: RETRY_AFTER,
        }
    }
}

/// In the extensions of a request that came over a connection beyond the limit of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnSpareConnection;

/// What is taken on at present.
pub struct Load {
    requests: AtomicUsize,
    bytes: AtomicU64,
    gauge: Gauge,
    refused: Mutex<Refused>,
}

/// What was refused since the log was told last.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    told: Option<Moment>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            requests: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            gauge: metrics::gauge!(names::IN_FLIGHT),
            refused: Mutex::default(),
        }
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load")
            .field("requests", &self.requests())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl Load {
    /// Requests that are being answered, streams until their end.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of their bodies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A place for one more request, if there are fewer than `most`.
    fn admit(self: &Arc<Self>, most: usize) -> Option<Admitted> {
        let one_more = |requests| (requests < most).then_some(requests + 1);
        self.requests
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        self.gauge.increment(1.0);
        Some(Admitted(Arc::new(Place {
            load: Arc::clone(self),
            bytes: AtomicU64::new(0),
        })))
    }

    fn tell(&self, now: Moment) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.count += 1;
        let is_due = refused
            .told
            .is_none_or(|told| now.since(told) >= BETWEEN_LINES);
        if is_due {
            let count = std::mem::take(&mut refused.count);
            refused.told = Some(now);
            drop(refused);
            let (requests, bytes) = (self.requests(), self.bytes());
            tracing::warn!(
                refused = count,
                requests,
                bytes,
                "refused for too much load"
            );
        }
    }
}

/// A request's place, shared by whoever still needs it. It is free when the last of them is done.
#[derive(Debug, Clone)]
pub(super) struct Admitted(Arc<Place>);

#[derive(Debug)]
struct Place {
    load: Arc<Load>,
    /// Bytes reserved for the body of this request.
    bytes: AtomicU64,
}

impl Admitted {
    /// Whether so many more bytes would be no more than `most`, as it is now. Reserves nothing.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(super) fn has_room(&self, more: u64, most: u64) -> Result<(), Error> {
        if self.0.load.bytes().saturating_add(more) > most {
            return Err(Excess::Bytes.refusal());
        }
        Ok(())
    }

    /// Reserves so many more bytes, if there are no more than `most` then.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(super) fn reserve(&self, more: u64, most: u64) -> Result<(), Error> {
        let Place { load, bytes } = &*self.0;
        let fitting = |held: u64| held.checked_add(more).filter(|held| *held <= most);
        if load
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fitting)
            .is_err()
        {
            return Err(Excess::Bytes.refusal());
        }
        bytes.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { load, bytes } = self;
        load.bytes.fetch_sub(*bytes.get_mut(), Ordering::Relaxed);
        load.requests.fetch_sub(1, Ordering::Relaxed);
        load.gauge.decrement(1.0);
    }
}

/// Takes a request on, or refuses it.
pub(super) async fn admit(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let most = api.front.load().capacity.requests;
    let is_spare = request.extensions().get::<OnSpareConnection>().is_some();
    let admitted = if is_spare {
        Err(Excess::Connections)
    } else {
        api.load.admit(most).ok_or(Excess::Requests)
    };
    let mut response = match admitted {
        Ok(admitted) => {
            let journal = request.extensions().get::<Arc<Journal>>().map(Arc::clone);
            request.extensions_mut().insert(admitted.clone());
            deliver(next.run(request).await, journal, admitted)
        }
        Err(excess) => {
            let refusal = excess.refusal();
            let (head, body) = request.into_parts();
            body::skip(&head.headers, body).await;
            refusal.into_response()
        }
    };
    let error = response.extensions().get::<Arc<Error>>();
    if error.is_some_and(|error| matches!(**error, Error::Overloaded { .. })) {
        api.load.tell(api.clock.now());
        // Told, though not line by line.
        response.extensions_mut().insert(Logged);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_taken_on_and_all_is_given_back() {
        let load = Arc::new(Load::default());
        let (one, two) = (load.admit(2).unwrap(), load.admit(2).unwrap());
        assert!(load.admit(2).is_none());
        assert!(load.admit(0).is_none());
        // A limit that was lowered meanwhile.
        assert!(load.admit(1).is_none());
        let copy = one.clone();
        drop(one);
        assert_eq!(load.requests(), 2);
        drop(copy);
        assert_eq!(load.requests(), 1);
        assert!(load.admit(2).is_some());
        drop(two);
        assert_eq!((load.requests(), load.bytes()), (0, 0));
    }

    #[test]
    fn bytes_are_reserved_up_to_the_limit_and_given_back() {
        let load = Arc::new(Load::default());
        let (one, two) = (load.admit(9).unwrap(), load.admit(9).unwrap());
        one.reserve(60, 100).unwrap();
        one.reserve(0, 100).unwrap();
        assert!(matches!(
            two.reserve(41, 100),
            Err(Error::Overloaded { .. })
        ));
        assert!(two.reserve(u64::MAX, u64::MAX).is_err());
        two.reserve(40, 100).unwrap();
        assert_eq!(load.bytes(), 100);
        drop(one);
        assert_eq!(load.bytes(), 40);
        drop(two);
        assert_eq!(load.bytes(), 0);
    }

    #[test]
    fn many_threads_never_hold_more_than_the_limit() {
        const MOST: usize = 5;
        let load = Arc::new(Load::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Some(admitted) = load.admit(MOST) else {
                            continue;
                        };
                        assert!(load.requests() <= MOST);
                        let _full = admitted.reserve(3, 10);
                        assert!(load.bytes() <= 10);
                    }
                });
            }
        });
        assert_eq!((load.requests(), load.bytes()), (0, 0));
    }
}
