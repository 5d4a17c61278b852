//! Where time comes from: the system, or a test's hand.
//!
//! Decisions never ask for the time; they are told it. Invariant: a clock never goes backwards
//! ([`Clock::now`] is monotonic), whatever the wall clock of the machine does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment: the time since the process started, monotonic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment(Duration);

impl Moment {
    /// How long before `self` the moment `earlier` was; zero if it was not before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// Milliseconds since 1970: a moment that means the same after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// How long before `self` the moment `earlier` was; zero if it was not before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A source of time. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System {
        start: tokio::time::Instant,
        epoch_ms: u64,
    },
    Manual {
        elapsed_ms: Arc<AtomicU64>,
    },
}

impl Clock {
    /// The machine's clock. Follows tokio's paused time in tests.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    pub fn system() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(Kind::System {
            start: tokio::time::Instant::now(),
            epoch_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual() -> Self {
        Self(Kind::Manual {
            elapsed_ms: Arc::default(),
        })
    }

    /// Moves a manual clock forward; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual { elapsed_ms } = &self.0 {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            elapsed_ms.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System { start, .. } => Moment(start.elapsed()),
            Kind::Manual { elapsed_ms } => {
                Moment(Duration::from_millis(elapsed_ms.load(Ordering::SeqCst)))
            }
        }
    }

    /// Seconds since 1970, for `created` fields.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.unix().0 / 1000
    }

    /// The time since 1970. Counted from the start of the process, so a wall clock that is set back
    /// does not make answers younger than they are.
    #[must_use]
    pub fn unix(&self) -> UnixMillis {
        UnixMillis(match &self.0 {
            Kind::System { start, epoch_ms } => {
                let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                epoch_ms.saturating_add(elapsed)
            }
            Kind::Manual { elapsed_ms } => 1_700_000_000_000 + elapsed_ms.load(Ordering::SeqCst),
        })
    }
}
