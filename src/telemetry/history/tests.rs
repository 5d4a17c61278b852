//! What the history says of what happened, whatever clocks and counters do.

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Clock,
    telemetry::{
        facts::Facts,
        journal::{Failure, Stage, Step},
        ledger::Ledger,
    },
    units::{Tokens, Usd},
    wire::answer::Usage,
};

/// A history, what feeds it, and the time.
struct World {
    history: History,
    ledger: Ledger,
    clock: Clock,
    /// How far the wall clock is ahead, in seconds.
    ahead: i64,
}

impl World {
    fn new() -> Self {
        Self {
            history: History::default(),
            ledger: Ledger::default(),
            clock: Clock::manual(),
            ahead: 0,
        }
    }

    fn at(&self) -> UnixMillis {
        UnixMillis(self.clock.unix().0.saturating_add_signed(self.ahead * 1000))
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn sample(&self) {
        let totals = self.ledger.totals();
        self.history.sample(self.clock.now(), self.at(), &totals);
    }

    fn chart(&self, range: Range) -> Chart {
        self.history.chart(range, self.at())
    }

    fn misses(&self, range: Range) -> u64 {
        let points = self.chart(range).points;
        points.iter().map(|point| point.requests.miss).sum()
    }
}

fn bill(ledger: &Ledger) {
    let usage = Usage {
        input: Tokens(10),
        output: Tokens(5),
    };
    ledger.count(Way::Miss);
    ledger.bill(Some(usage), Usd::new(0.25));
    ledger.bill_time(Duration::from_millis(1500));
}

fn record(way: Way, attempts: u32, upstream_ms: u64, answered_ms: u64) -> Record {
    let facts = Facts {
        attempts,
        upstream: Duration::from_millis(upstream_ms),
        ..Facts::new(way, None, Clock::manual().now())
    };
    Record {
        head: Some(Head {
            route: "/v1/chat/completions",
            status: 200,
            facts: Some(facts),
            failure: None,
        }),
        answered: Some(Duration::from_millis(answered_ms)),
        total: Duration::from_millis(answered_ms),
        ..Record::blank()
    }
}

fn failed(fault: Fault) -> Record {
    let mut record = record(Way::Miss, 1, 5, 5);
    if let Some(head) = &mut record.head {
        head.status = 500;
        head.failure = Some(Failure {
            fault,
            summary: "x".to_owned(),
        });
    }
    record
}

#[test]
fn every_range_says_what_the_ledger_says() {
    let world = World::new();
    for _ in 0..7 {
        bill(&world.ledger);
        world.ledger.save(None, Usd::new(0.5));
        world.ledger.save_time(Duration::from_secs(2));
        world.ledger.count(Way::Exact);
        world.ledger.count_failed();
        world.pass(1);
        world.sample();
    }
    for range in Range::ALL {
        let chart = world.chart(range);
        assert_eq!(
            (chart.range, chart.step_seconds),
            (range.as_str(), range.step())
        );
        assert_eq!(
            chart.to - chart.from - range.span(),
            chart.to % range.step()
        );
        let sum = |of: fn(&Point) -> f64| chart.points.iter().map(of).sum::<f64>();
        assert_eq!(sum(|point| point.requests.miss as f64), 7.0);
        assert_eq!(sum(|point| point.requests.exact as f64), 7.0);
        assert_eq!(sum(|point| point.requests.failed as f64), 7.0);
        assert_eq!(sum(|point| point.tokens.billed as f64), 105.0);
        assert!((sum(|point| point.usd.billed) - 1.75).abs() < 1e-9);
        assert!((sum(|point| point.usd.saved) - 3.5).abs() < 1e-9);
        assert!((sum(|point| point.waited_seconds.billed) - 10.5).abs() < 1e-9);
        assert!((sum(|point| point.waited_seconds.saved) - 14.0).abs() < 1e-9);
        assert!(
            chart
                .points
                .iter()
                .all(|point| point.at % range.step() == 0)
        );
    }
    assert_eq!(
        Range::ALL.map(|range| Range::named(range.as_str()).unwrap()),
        Range::ALL
    );
    assert_eq!(Range::named("2h"), None);
}

#[test]
fn counters_that_begin_anew_are_no_negative_numbers() {
    let mut world = World::new();
    for _ in 0..100 {
        bill(&world.ledger);
    }
    world.sample();
    world.pass(60);
    world.ledger = Ledger::default();
    bill(&world.ledger);
    world.sample();
    world.pass(60);
    bill(&world.ledger);
    world.sample();
    let points = world.chart(Range::Quarter).points;
    let misses: Vec<_> = points.iter().map(|point| point.requests.miss).collect();
    assert_eq!(misses, [100, 1]);
    assert!(points.iter().all(|point| point.usd.billed >= 0.0));
}

#[test]
fn a_long_pause_is_a_gap() {
    let world = World::new();
    bill(&world.ledger);
    world.sample();
    world.pass(8 * 3600);
    bill(&world.ledger);
    world.sample();
    let points = world.chart(Range::Day).points;
    assert_eq!(
        points.len(),
        2,
        "nothing in between, and nothing spread over it"
    );
    assert!(points[1].at + 300 > world.at().0 / 1000, "when it was seen");
    assert!(world.history.requests_per_second() < 0.001);
    world.pass(30 * 24 * 3600);
    assert!(
        Range::ALL
            .iter()
            .all(|range| world.chart(*range).points.is_empty())
    );
}

#[test]
fn a_clock_that_was_wrong_for_a_moment_costs_nearly_nothing() {
    let mut world = World::new();
    for _ in 0..180 {
        bill(&world.ledger);
        world.pass(5);
        world.sample();
    }
    assert_eq!(world.misses(Range::Quarter), 180);
    for ahead in [-1_700_000_000, 5_000_000_000] {
        world.ahead = ahead;
        bill(&world.ledger);
        world.sample();
    }
    world.ahead = 0;
    let left = world.misses(Range::Quarter);
    assert!(left >= 178, "{left}");
    // Set back for good: what was the future is not shown, and nothing is lost.
    world.ahead = -3600;
    bill(&world.ledger);
    world.sample();
    assert_eq!(world.misses(Range::Quarter), 1);
    world.ahead = 0;
    assert!(world.misses(Range::Quarter) >= 177);
}

#[test]
fn it_does_not_grow_without_bound() {
    let world = World::new();
    for second in 0..3000 {
        bill(&world.ledger);
        for took in 0..300 {
            world
                .history
                .hits
                .add(Duration::from_micros(3_u64.pow(took % 20)));
        }
        world.pass(if second % 3 == 0 { 3600 } else { 5 });
        world.sample();
    }
    for range in Range::ALL {
        let most = usize::try_from(range.span() / range.step() + 1).unwrap();
        assert!(world.chart(range).points.len() <= most, "{range:?}");
    }
    let state = world.history.state();
    let kept: usize = state.levels.iter().map(|series| series.all().len()).sum();
    assert!(kept <= 830, "{kept}");
    assert!(state.marks.len() <= 16);
}

#[test]
fn the_rate_is_of_the_last_ten_seconds() {
    let world = World::new();
    assert_eq!(world.history.requests_per_second(), 0.0);
    world.sample();
    for _ in 0..30 {
        for _ in 0..5 {
            world.ledger.count(Way::Miss);
        }
        world.ledger.count(Way::Background);
        world.pass(1);
        world.sample();
    }
    assert_eq!(world.history.requests_per_second(), 5.0);
    for rate in [2.5, 0.0] {
        for _ in 0..5 {
            world.pass(1);
            world.sample();
        }
        assert_eq!(world.history.requests_per_second(), rate);
    }
}

#[test]
fn latencies_are_told_apart_by_who_answered() {
    let world = World::new();
    let told = |record: Record| world.history.over(&Arc::new(record));
    for way in [Way::Exact, Way::Semantic, Way::Stale] {
        told(record(way, 0, 0, 2));
    }
    told(record(Way::Miss, 1, 100, 103));
    told(record(Way::Bypass, 2, 100, 103));
    // Neither: shared, counted here, the gateway's own, without a head.
    told(record(Way::Coalesced, 1, 50, 50));
    told(record(Way::Bypass, 0, 0, 50));
    told(record(Way::Background, 1, 50, 50));
    told(Record {
        head: None,
        ..record(Way::Miss, 1, 50, 50)
    });
    world.sample();
    let LatencyMs {
        hit,
        miss,
        overhead,
    } = world.history.latest(world.at()).latency_ms;
    let (hit, miss, overhead) = (hit.unwrap(), miss.unwrap(), overhead.unwrap());
    assert_eq!((hit.count, miss.count, overhead.count), (3, 2, 2));
    for (told, is) in [(hit.p50, 2.0), (miss.p99, 103.0), (overhead.p95, 3.0)] {
        assert!((told / is - 1.0_f64).abs() < 0.05, "{told} for {is}");
    }
}

#[test]
fn errors_are_told_apart_by_whose_fault_they_are() {
    let world = World::new();
    let told = |record: Record| world.history.over(&Arc::new(record));
    told(failed(Fault::Client));
    told(failed(Fault::Upstream));
    told(failed(Fault::Upstream));
    told(failed(Fault::Gateway));
    let mut not_found = record(Way::Bypass, 0, 0, 1);
    not_found.head.as_mut().unwrap().status = 404;
    told(not_found);
    let mut broken = record(Way::Miss, 1, 1, 1);
    broken.steps.push(Step {
        stage: Stage::Attempt {
            provider: crate::ident::ProviderName::new("openai").unwrap(),
            model: crate::ident::ModelId::new("m").unwrap(),
        },
        span: 1,
        began: Duration::ZERO,
        answered: None,
        ended: None,
        outcome: Some("broken"),
        used: None,
        cost: None,
    });
    told(broken);
    world.sample();
    let point = world.history.latest(world.at());
    let Errors {
        client,
        provider,
        gateway,
    } = point.errors;
    assert_eq!((client, provider, gateway), (2, 3, 1));
    assert_eq!(
        point.latency_ms.miss.unwrap().count,
        1,
        "the broken one began"
    );
}

#[test]
fn what_is_saved_is_read_again() {
    let world = World::new();
    for _ in 0..50 {
        bill(&world.ledger);
        world.history.over(&Arc::new(record(Way::Exact, 0, 0, 2)));
        world.pass(7);
        world.sample();
    }
    let saved = world.history.save();
    let again = History::default();
    again.restore(&saved).unwrap();
    for range in Range::ALL {
        assert_eq!(again.chart(range, world.at()), world.chart(range));
    }
    // What happens in a step that was begun before the restart is added to it.
    let (before, ledger) = (world.misses(Range::Week), Ledger::default());
    bill(&ledger);
    again.sample(world.clock.now(), world.at(), &ledger.totals());
    let after = again.chart(Range::Week, world.at()).points;
    assert_eq!(
        after.iter().map(|point| point.requests.miss).sum::<u64>(),
        before + 1
    );
    // Of a clock that was years ahead, there is nothing to be seen.
    let past = UnixMillis(world.at().0 - 3 * 365 * 24 * 3600 * 1000);
    assert!(again.chart(Range::Week, past).points.is_empty());
}

#[test]
fn what_is_damaged_or_of_another_version_is_refused_as_a_whole() {
    let world = World::new();
    bill(&world.ledger);
    world.sample();
    let saved = world.history.save();
    let refused = |bytes: &[u8]| {
        let history = History::default();
        let error = history.restore(bytes).unwrap_err();
        assert!(history.chart(Range::Week, world.at()).points.is_empty());
        error
    };
    for length in 0..saved.len() {
        assert_eq!(
            refused(&saved[..length]),
            Unreadable::Damaged,
            "{length} bytes"
        );
    }
    for place in 0..saved.len() {
        let mut damaged = saved.clone();
        damaged[place] ^= 0x10;
        let error = refused(&damaged);
        let is_version = (4..8).contains(&place);
        assert_eq!(
            matches!(error, Unreadable::Version(_)),
            is_version,
            "{place}"
        );
    }
    let mut future = saved;
    future[4] = 2;
    assert_eq!(refused(&future).to_string(), "its version is 2, not 1");
}

#[test]
fn it_changes_when_something_is_added_and_only_then() {
    let world = World::new();
    world.sample();
    let before = world.history.changes();
    world.pass(1);
    world.sample();
    assert_eq!(world.history.changes(), before);
    bill(&world.ledger);
    world.sample();
    assert_ne!(world.history.changes(), before);
}

proptest! {
    #[test]
    fn whatever_clocks_do_nothing_is_told_that_did_not_happen(
        steps in prop::collection::vec((0_u64..100_000, -100_000_i64..100_000, 0_u8..4), 1..60)
    ) {
        let mut world = World::new();
        let mut billed = 0;
        for (seconds, ahead, requests) in steps {
            world.pass(seconds);
            world.ahead = ahead;
            for _ in 0..requests {
                bill(&world.ledger);
                billed += 1;
            }
            world.sample();
            for range in Range::ALL {
                let chart = world.chart(range);
                prop_assert!(world.misses(range) <= billed);
                prop_assert!(chart.points.is_sorted_by(|one, other| one.at < other.at));
                let is_in = |point: &Point| (chart.from..=chart.to).contains(&point.at);
                prop_assert!(chart.points.iter().all(|point| is_in(point) && point.usd.billed >= 0.0));
            }
            prop_assert!((0.0..1e12).contains(&world.history.requests_per_second()));
        }
        let again = History::default();
        again.restore(&world.history.save()).unwrap();
        prop_assert_eq!(again.chart(Range::Day, world.at()), world.chart(Range::Day));
    }
}
