//! Counts of the recent past, in a ring of buckets of time.
//!
//! It costs the same however long nothing was counted. Invariant: a count is forgotten after [`BUCKETS`] widths, and
//! not before one less has gone by.

use std::time::Duration;

use crate::clock::Moment;

/// So many, the one that is being filled included.
pub(super) const BUCKETS: usize = 11;

/// What was counted recently.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent<T> {
    width: Duration,
    /// When the first bucket began; `None` if nothing was counted yet.
    start: Option<Moment>,
    /// The number of the newest bucket since then.
    newest: u128,
    /// The newest first.
    buckets: [T; BUCKETS],
}

impl<T: Copy + Default> Recent<T> {
    /// Counts something `now`, in buckets of this width; those of another width are forgotten. What comes late, or
    /// from a clock that is behind, counts into the newest bucket.
    pub(super) fn count(&mut self, now: Moment, width: Duration, count: impl FnOnce(&mut T)) {
        if self.width != width || self.start.is_none() {
            *self = Self {
                width,
                start: Some(now),
                ..Self::default()
            };
        }
        let passed = self.passed(now);
        self.buckets.rotate_right(passed);
        self.buckets
            .iter_mut()
            .take(passed)
            .for_each(|bucket| *bucket = T::default());
        self.newest = self.newest.max(self.number(now));
        let [newest, ..] = &mut self.buckets;
        count(newest);
    }

    /// The newest `most` buckets of this width, as they are seen `now`.
    pub(super) fn counts(
        &self,
        now: Moment,
        width: Duration,
        most: usize,
    ) -> impl Iterator<Item = T> {
        let known = if self.width == width { most } else { 0 };
        let left = known.saturating_sub(self.passed(now));
        self.buckets.iter().take(left).copied()
    }

    /// How many buckets have begun since the newest was; at most all.
    fn passed(&self, now: Moment) -> usize {
        let passed = self.number(now).saturating_sub(self.newest);
        usize::try_from(passed).unwrap_or(BUCKETS).min(BUCKETS)
    }

    fn number(&self, now: Moment) -> u128 {
        let elapsed = self.start.map_or(Duration::ZERO, |start| now.since(start));
        elapsed.as_nanos() / self.width.as_nanos().max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const WIDTH: Duration = Duration::from_millis(100);

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn sum(recent: &Recent<u32>, now: Moment) -> u32 {
        recent.counts(now, WIDTH, BUCKETS).sum()
    }

    proptest! {
        #[test]
        fn what_is_recent_is_there_and_what_is_old_is_not(
            steps in proptest::collection::vec(prop_oneof![0_u64..250, Just(5_000), Just(u64::MAX / 4)], 1..60),
        ) {
            let (mut now, mut recent) = (Clock::manual().now(), Recent::default());
            let mut counted = Vec::new();
            for step in steps {
                now = now.after(ms(step));
                recent.count(now, WIDTH, |count| *count += 1_u32);
                counted.push(now);
                let since = |age: u64| {
                    let young = counted.iter().filter(|at| now.since(**at) < ms(age));
                    u32::try_from(young.count()).unwrap()
                };
                let found = sum(&recent, now);
                prop_assert!(found >= since(1_000), "{found} of {counted:?}");
                prop_assert!(found <= since(1_100), "{found} of {counted:?}");
            }
            prop_assert_eq!(sum(&recent, now.after(ms(1_100))), 0);
            prop_assert_eq!(recent.counts(now, WIDTH * 2, BUCKETS).count(), 0, "another width");
        }
    }

    #[test]
    fn a_clock_that_is_behind_counts_into_the_newest_bucket() {
        let (start, mut recent) = (Clock::manual().now(), Recent::default());
        recent.count(start.after(ms(1_000)), WIDTH, |count| *count += 1_u32);
        recent.count(start.after(ms(5_000)), WIDTH, |count| *count += 1);
        recent.count(start, WIDTH, |count| *count += 1);
        assert_eq!(sum(&recent, start.after(ms(5_999))), 2);
        assert_eq!(sum(&recent, start), 2);
    }

    #[test]
    fn a_width_of_nothing_and_the_end_of_time_are_no_trouble() {
        let (start, mut recent) = (Clock::manual().now(), Recent::<u32>::default());
        for now in [start, start.after(Duration::MAX), start] {
            recent.count(now, Duration::ZERO, |count| *count += 1);
            recent.count(now, Duration::MAX, |count| *count += 1);
        }
        assert_eq!(recent.counts(start, Duration::MAX, 1).sum::<u32>(), 1);
    }
}
