//! The probes by which a breaker finds out whether a target is well again.

use super::Rules;
use crate::clock::Moment;

/// Urgent probes beside the usual ones, at most.
const MOST_URGENT: u64 = 16;

/// Probes of one spell.
#[derive(Debug, Default)]
pub(super) struct Trial {
    under_way: Vec<Probe>,
    handed_out: u64,
    pub(super) successes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    id: u64,
    began: Moment,
}

impl Trial {
    /// A place for a probe, if one is free and still needed.
    pub(super) fn probe(&mut self, now: Moment, rules: &Rules) -> Option<u64> {
        self.one_of(0, now, rules)
    }

    /// The same for a call that nobody else can take: for each second that the first probe has not failed, one more.
    /// What is down mostly fails at once; what is well again may take a minute to write an answer.
    pub(super) fn urgent_probe(&mut self, now: Moment, rules: &Rules) -> Option<u64> {
        let waited = self
            .under_way
            .iter()
            .map(|probe| now.since(probe.began))
            .max();
        let more = waited.unwrap_or_default().as_secs().min(MOST_URGENT);
        self.one_of(u32::try_from(more).unwrap_or(0), now, rules)
    }

    fn one_of(&mut self, more: u32, now: Moment, rules: &Rules) -> Option<u64> {
        self.under_way
            .retain(|probe| now.since(probe.began) < rules.window);
        // At least one, if fewer are needed now than have succeeded: its success closes.
        let needed = rules
            .probes
            .saturating_sub(self.successes)
            .max(1)
            .saturating_add(more);
        let is_free = u32::try_from(self.under_way.len()).is_ok_and(|probes| probes < needed);
        is_free.then(|| {
            let id = self.handed_out;
            self.handed_out = id.wrapping_add(1);
            self.under_way.push(Probe { id, began: now });
            id
        })
    }

    /// One has ended.
    pub(super) fn settle(&mut self, probe: u64) {
        self.under_way.retain(|other| other.id != probe);
    }
}
