//! Waiting that says how far it is, and can be interrupted.

use std::{
    io,
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::TransferError;
use crate::clock::{Clock, Moment};

/// How often it says how far it is.
const TICK: Duration = Duration::from_secs(1);
/// Waits, says how far it is, and lets itself be interrupted.
pub(super) struct Watch {
    ticks: Interval,
    started: Moment,
}

impl Watch {
    pub(super) fn new(clock: &Clock) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.reset();
        Self {
            ticks,
            started: clock.now(),
        }
    }

    /// When it began.
    pub(super) fn started(&self) -> Moment {
        self.started
    }

    /// What `work` gives; until then, `say` says how far it is, every second.
    pub(super) async fn over<T>(
        &mut self,
        work: impl Future<Output = T>,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
        mut say: impl FnMut() -> io::Result<()>,
    ) -> Result<T, TransferError> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = self.ticks.tick() => say()?,
                () = &mut interrupt => return Err(TransferError::Interrupted),
            }
        }
    }
}
