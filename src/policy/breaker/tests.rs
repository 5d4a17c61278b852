//! What it does, step by step.

mod laws;

use super::*;
use crate::clock::Clock;

const RULES: Rules = Rules {
    window: s(10),
    min_requests: 4,
    failure_ratio: Share::percent(50),
    slow_after: s(5),
    open_for: s(8),
    probes: 1,
};
const TO_OPEN: Change = Change {
    from: State::Closed,
    to: State::Open,
};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A breaker with a clock, by default without jitter.
struct Bench {
    breaker: Breaker,
    now: Moment,
    rules: Rules,
    chance: f64,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self {
            breaker: Breaker::default(),
            now: Clock::manual().now(),
            rules,
            chance: 0.0,
        }
    }

    fn open(rules: Rules) -> Self {
        let mut bench = Self::new(rules);
        for _ in 0..rules.min_requests {
            bench.call(Outcome::Failure);
        }
        assert_eq!(bench.state(), State::Open);
        bench
    }

    fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    fn admit(&mut self) -> Result<Permit, Refused> {
        self.breaker.admit(self.now, &self.rules)
    }

    fn last_resort(&mut self) -> Option<Permit> {
        self.breaker.last_resort(self.now, &self.rules)
    }

    fn settle(&mut self, permit: Permit, outcome: Outcome) -> Option<Change> {
        self.breaker
            .settle(permit, outcome, self.now, &self.rules, self.chance)
    }

    fn broke_off(&mut self) -> Option<Change> {
        self.breaker.broke_off(self.now, &self.rules, self.chance)
    }

    #[track_caller]
    fn call(&mut self, outcome: Outcome) -> Option<Change> {
        let permit = self.admit().unwrap();
        self.settle(permit, outcome)
    }

    fn view(&self) -> View {
        self.breaker.view(self.now, &self.rules)
    }

    fn state(&self) -> State {
        self.view().state
    }

    fn refused_for(&mut self) -> Duration {
        self.admit().unwrap_err().retry_after
    }
}

#[test]
fn it_opens_where_enough_of_enough_calls_failed() {
    let mut bench = Bench::new(RULES);
    assert_eq!(bench.view().since, None);
    for outcome in [Outcome::Success, Outcome::Success, Outcome::Failure] {
        assert_eq!(bench.call(outcome), None);
    }
    bench.advance(s(3));
    assert_eq!(bench.call(Outcome::Failure), Some(TO_OPEN));
    let view = bench.view();
    assert_eq!((view.requests, view.failures), (4, 2));
    assert_eq!(
        (view.since, view.until),
        (Some(bench.now), Some(bench.now.after(s(8))))
    );
    assert_eq!(bench.refused_for(), s(8));
    bench.advance(Duration::from_micros(7_998_500));
    assert_eq!(bench.refused_for(), ms(2), "rounded up");
    bench.advance(ms(2));
    assert_eq!(bench.state(), State::Open, "until somebody asks");
    let probe = bench.admit().unwrap();
    let half_open = Change {
        from: State::Open,
        to: State::HalfOpen,
    };
    assert_eq!(probe.change(), Some(half_open));
    assert_eq!(bench.refused_for(), s(1), "while a probe is under way");
    let closed = Change {
        from: State::HalfOpen,
        to: State::Closed,
    };
    assert_eq!(bench.settle(probe, Outcome::Success), Some(closed));
    assert_eq!((bench.view().requests, bench.view().failures), (0, 0));
}

#[test]
fn failures_are_forgotten_after_the_window() {
    let mut bench = Bench::new(RULES);
    for _ in 0..3 {
        bench.call(Outcome::Failure);
    }
    bench.advance(s(10));
    assert_eq!(bench.view().failures, 3);
    bench.advance(s(1));
    assert_eq!(bench.view().failures, 0);
    for _ in 0..3 {
        assert_eq!(bench.call(Outcome::Failure), None);
    }
    bench.advance(s(9));
    assert_eq!(bench.call(Outcome::Failure), Some(TO_OPEN));
}

#[test]
fn what_was_under_way_when_it_opened_changes_nothing() {
    let mut bench = Bench::new(RULES);
    let late: Vec<Permit> = (0..20).map(|_| bench.admit().unwrap()).collect();
    for _ in 0..4 {
        bench.call(Outcome::Failure);
    }
    let opened = bench.view();
    for (at, permit) in late.into_iter().enumerate() {
        bench.advance(ms(500));
        if at == 17 {
            // Half open by now, and the one probe is under way.
            let _probe = bench.admit().unwrap();
        }
        assert_eq!(bench.settle(permit, Outcome::Failure), None);
        assert_eq!(bench.broke_off(), None);
        if at < 17 {
            assert_eq!(bench.view().until, opened.until);
        }
    }
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn it_stays_open_for_longer_with_each_trial_that_fails() {
    let mut bench = Bench::open(RULES);
    bench.chance = 1.0;
    let mut spans = Vec::new();
    for _ in 0..5 {
        let wait = bench.refused_for();
        bench.advance(wait);
        bench.call(Outcome::Failure).unwrap();
        spans.push(bench.refused_for().as_millis());
    }
    assert_eq!(spans, [19_200, 38_400, 76_800, 76_800, 76_800]);
    bench.advance(s(80));
    bench.call(Outcome::Success).unwrap();
    for _ in 0..4 {
        bench.call(Outcome::Failure);
    }
    assert_eq!(bench.refused_for(), ms(9_600), "as at first");
}

#[test]
fn probes_are_no_more_than_are_needed() {
    let rules = Rules { probes: 3, ..RULES };
    let mut bench = Bench::open(rules);
    bench.advance(s(8));
    let mut probes: Vec<Permit> = (0..3).map(|_| bench.admit().unwrap()).collect();
    bench.refused_for();
    bench.settle(probes.pop().unwrap(), Outcome::Success);
    bench.refused_for();
    assert_eq!(bench.last_resort(), None);
    bench.settle(probes.pop().unwrap(), Outcome::Unknown);
    let again = bench.admit().unwrap();
    bench.refused_for();
    bench.settle(probes.pop().unwrap(), Outcome::Refused);
    assert_eq!(bench.state(), State::HalfOpen);
    bench.settle(again, Outcome::Success);
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn a_probe_that_hangs_loses_its_place_but_not_its_word() {
    for (outcome, state) in [
        (Outcome::Success, State::Closed),
        (Outcome::Failure, State::Open),
    ] {
        let mut bench = Bench::open(RULES);
        bench.advance(s(8));
        let hung = bench.admit().unwrap();
        bench.advance(s(10) - ms(1));
        bench.refused_for();
        bench.advance(ms(1));
        let next = bench.admit().unwrap();
        bench.settle(hung, outcome);
        assert_eq!(bench.state(), state);
        bench.settle(next, Outcome::Failure);
        assert_eq!(bench.state(), state, "of another spell");
    }
}

#[test]
fn one_more_last_resort_for_each_second_that_the_first_one_takes() {
    let mut bench = Bench::new(RULES);
    while bench.state() == State::Closed {
        bench.call(Outcome::Failure);
    }
    let first = bench.last_resort().unwrap();
    bench.advance(ms(999));
    assert_eq!(bench.last_resort(), None);
    bench.advance(ms(1));
    let second = bench.last_resort().unwrap();
    assert_eq!(bench.last_resort(), None);
    bench.advance(s(5));
    for _ in 0..5 {
        assert!(bench.last_resort().is_some());
    }
    assert_eq!(bench.last_resort(), None, "one for each of six seconds");
    bench.settle(second, Outcome::Success);
    assert_eq!(bench.state(), State::Closed);
    bench.settle(first, Outcome::Failure);
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn a_last_resort_that_fails_does_not_put_the_time_off() {
    let mut bench = Bench::open(RULES);
    let until = bench.view().until;
    for _ in 0..70 {
        let probe = bench.last_resort().unwrap();
        assert_eq!(bench.last_resort(), None, "one at a time");
        bench.refused_for();
        bench.advance(ms(100));
        assert_eq!(bench.settle(probe, Outcome::Failure), None);
        assert_eq!((bench.view().until, bench.state()), (until, State::Open));
    }
    let probe = bench.last_resort().unwrap();
    let closed = Change {
        from: State::Open,
        to: State::Closed,
    };
    assert_eq!(bench.settle(probe, Outcome::Success), Some(closed));
    assert_eq!(
        bench.last_resort().unwrap().probe,
        None,
        "a call as any other"
    );
}

#[test]
fn an_early_probe_is_a_probe_when_the_time_is_over() {
    let mut bench = Bench::open(RULES);
    let early = bench.last_resort().unwrap();
    bench.advance(s(9));
    assert_eq!(bench.refused_for(), s(1), "it has the place");
    assert_eq!(bench.state(), State::Open);
    bench.settle(early, Outcome::Unknown);
    assert!(bench.admit().unwrap().change().is_some());
}

#[test]
fn early_successes_count_in_a_row() {
    let rules = Rules { probes: 2, ..RULES };
    let mut bench = Bench::open(rules);
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Success] {
        let probe = bench.last_resort().unwrap();
        assert_eq!(bench.settle(probe, outcome), None);
    }
    bench.advance(s(8));
    assert!(bench.call(Outcome::Success).is_some());
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn what_breaks_off_has_failed() {
    let mut bench = Bench::new(RULES);
    for _ in 0..4 {
        bench.call(Outcome::Success);
    }
    assert_eq!(bench.broke_off(), None);
    assert_eq!((bench.view().requests, bench.view().failures), (4, 1));
    assert_eq!(bench.broke_off(), Some(TO_OPEN));

    let mut bench = Bench::open(Rules { probes: 2, ..RULES });
    bench.advance(s(8));
    bench.call(Outcome::Success);
    assert!(bench.broke_off().is_some());
    assert_eq!(bench.refused_for(), s(16));

    let mut bench = Bench::new(RULES);
    for _ in 0..3 {
        assert_eq!(bench.broke_off(), None);
    }
    assert_eq!((bench.view().requests, bench.view().failures), (3, 3));
    assert_eq!(bench.broke_off(), Some(TO_OPEN), "of long ago");
}

#[test]
fn operators_have_the_last_word() {
    let mut bench = Bench::open(RULES);
    let before = bench.admit();
    assert!(before.is_err());
    let closed = bench.breaker.force(Some(Force::Closed), bench.now);
    assert_eq!(closed.unwrap().to, State::Closed);
    for _ in 0..100 {
        assert_eq!(bench.call(Outcome::Failure), None);
        assert_eq!(bench.broke_off(), None);
    }
    let under_way: Vec<Permit> = (0..9).map(|_| bench.admit().unwrap()).collect();
    assert_eq!(
        (bench.view().requests, bench.view().forced),
        (0, Some(Force::Closed))
    );

    let opened = bench.breaker.force(Some(Force::Open), bench.now);
    assert_eq!(opened, Some(TO_OPEN));
    assert_eq!(bench.breaker.force(Some(Force::Open), bench.now), None);
    bench.advance(Duration::MAX);
    assert_eq!(bench.refused_for(), s(5));
    assert_eq!(bench.last_resort(), None);
    assert_eq!((bench.view().until, bench.state()), (None, State::Open));

    assert!(bench.breaker.force(None, bench.now).is_some());
    for permit in under_way {
        assert_eq!(bench.settle(permit, Outcome::Failure), None, "of before");
    }
    assert_eq!(bench.view().requests, 0);
    let mut bench = Bench::open(RULES);
    bench.breaker.force(None, bench.now);
    assert_eq!(bench.state(), State::Closed, "what is open is reset");
}

#[test]
fn other_rules_do_not_wedge_it() {
    let mut bench = Bench::new(RULES);
    for _ in 0..3 {
        bench.call(Outcome::Failure);
    }
    bench.rules.window = s(20);
    assert_eq!(bench.view().requests, 0);
    assert_eq!(bench.call(Outcome::Failure), None, "counts anew");

    let mut bench = Bench::open(Rules { probes: 5, ..RULES });
    bench.advance(s(8));
    for _ in 0..3 {
        bench.call(Outcome::Success);
    }
    bench.rules.probes = 2;
    assert!(bench.call(Outcome::Success).is_some());
    assert_eq!(bench.state(), State::Closed);
}
