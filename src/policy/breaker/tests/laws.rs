//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Admit,
    LastResort,
    Settle(usize, Outcome),
    /// A permit that is never settled.
    Lose(usize),
    BrokeOff,
    Advance(Duration),
}

/// Last resorts beside the usual probes.
const MOST_URGENT: usize = 16;

/// The probes of the present spell that have not lost their places.
fn probes_of<'p>(bench: &Bench, permits: impl Iterator<Item = &'p (Permit, Moment)>) -> usize {
    let probes = permits.filter(|(permit, given)| {
        permit.spell == bench.breaker.spell
            && permit.probe.is_some()
            && bench.now.since(*given) < bench.rules.window
    });
    probes.count()
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Failure),
        2 => Just(Outcome::Success),
        1 => Just(Outcome::Refused),
        1 => Just(Outcome::Unknown),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Admit),
        1 => Just(Step::LastResort),
        6 => (any::<usize>(), outcome()).prop_map(|(at, outcome)| Step::Settle(at, outcome)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => Just(Step::BrokeOff),
        3 => (0_u64..9_000).prop_map(|span| Step::Advance(ms(span))),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (1_u64..30, 0_u32..6, 1_u8..=100, 1_u64..20, 1_u32..4).prop_map(
        |(window, min_requests, percent, open_for, probes)| Rules {
            window: s(window),
            min_requests,
            failure_ratio: Share::percent(percent),
            slow_after: s(5),
            open_for: s(open_for),
            probes,
        },
    )
}

fn extreme_rules() -> impl Strategy<Value = Rules> {
    let span = || prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), Just(ms(1))];
    let number = || prop_oneof![Just(0), Just(1), Just(u32::MAX)];
    (span(), number(), 0_u8..=100, span(), number()).prop_map(
        |(window, min_requests, percent, open_for, probes)| Rules {
            window,
            min_requests,
            failure_ratio: Share::percent(percent),
            slow_after: Duration::ZERO,
            open_for,
            probes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn laws(rules in rules(), chance in 0.0..=1.0, steps in proptest::collection::vec(step(), 1..150)) {
        let mut bench = Bench::new(rules);
        bench.chance = chance;
        // With when each was given.
        let mut under_way: Vec<(Permit, Moment)> = Vec::new();
        let mut lost: Vec<(Permit, Moment)> = Vec::new();
        let mut told = State::Closed;
        for step in steps {
            let before = bench.view();
            let change = match step {
                Step::Admit => match bench.admit() {
                    Ok(permit) => {
                        prop_assert!(before.until.is_none_or(|until| bench.now >= until));
                        let change = permit.change();
                        under_way.push((permit, bench.now));
                        let probes = probes_of(&bench, under_way.iter().chain(&lost));
                        prop_assert!(probes <= rules.probes as usize);
                        change
                    }
                    Err(Refused { retry_after }) => {
                        prop_assert!(before.state != State::Closed && retry_after >= ms(1));
                        if let Some(left) = before.until.map(|until| until.since(bench.now))
                            && !left.is_zero()
                        {
                            prop_assert!(retry_after >= left && retry_after - left < ms(1));
                        }
                        None
                    }
                },
                Step::LastResort => bench.last_resort().and_then(|permit| {
                    let change = permit.change();
                    under_way.push((permit, bench.now));
                    change
                }),
                Step::Settle(at, outcome) if !under_way.is_empty() => {
                    let (permit, _) = under_way.swap_remove(at % under_way.len());
                    let change = bench.settle(permit, outcome);
                    if before.state != State::Closed && bench.state() == State::Closed {
                        prop_assert!(matches!(outcome, Outcome::Success | Outcome::Refused));
                    }
                    if matches!(outcome, Outcome::Unknown) {
                        prop_assert_eq!(change, None);
                    }
                    change
                }
                Step::Lose(at) if !under_way.is_empty() => {
                    lost.push(under_way.swap_remove(at % under_way.len()));
                    None
                }
                Step::Settle(..) | Step::Lose(_) => None,
                Step::BrokeOff => bench.broke_off(),
                Step::Advance(by) => {
                    bench.advance(by);
                    prop_assert_eq!(before.state, bench.state());
                    None
                }
            };
            // Every change is told, and nothing else is.
            if let Some(change) = change {
                prop_assert_eq!(change.from, told);
                told = change.to;
            }
            let after = bench.view();
            prop_assert_eq!(told, after.state);
            prop_assert!(after.failures <= after.requests);
            // A time that is set is kept until it is over or the breaker closes.
            if let (Some(before), Some(after)) = (before.until, after.until) {
                prop_assert_eq!(before, after);
            }
            let probes = probes_of(&bench, under_way.iter().chain(&lost));
            prop_assert!(probes <= rules.probes as usize + MOST_URGENT);
        }
        // Never wedged, even if nothing of all that is ever settled; and successes close it.
        bench.advance((rules.window * 2).max(rules.open_for * 10));
        for _ in 0..rules.probes {
            bench.call(Outcome::Success);
        }
        let view = bench.view();
        prop_assert!(view.state == State::Closed || told == State::Closed, "{view:?}");
    }

    #[test]
    fn it_opens_where_the_share_says_so_and_not_before(
        rules in rules(),
        calls in proptest::collection::vec((0_u64..20, outcome()), 1..40),
    ) {
        let mut bench = Bench::new(rules);
        let (mut requests, mut failures) = (0_u32, 0_u32);
        // All within a window.
        for (step, outcome) in calls {
            bench.advance(ms(step));
            let change = bench.call(outcome);
            match outcome {
                Outcome::Success => requests += 1,
                Outcome::Failure => {
                    requests += 1;
                    failures += 1;
                }
                Outcome::Refused | Outcome::Unknown => {}
            }
            let share = f64::from(failures) / f64::from(requests.max(1));
            let is_due = matches!(outcome, Outcome::Success | Outcome::Failure)
                && requests >= rules.min_requests
                && failures > 0
                && share >= rules.failure_ratio.get();
            prop_assert_eq!(change.is_some(), is_due, "{} of {}", failures, requests);
            if is_due {
                break;
            }
        }
    }

    #[test]
    fn refusals_alone_never_open_it(rules in rules(), calls in 0_usize..300, unknown in any::<bool>()) {
        let mut bench = Bench::new(rules);
        let outcome = if unknown { Outcome::Unknown } else { Outcome::Refused };
        for _ in 0..calls {
            prop_assert_eq!(bench.call(outcome), None);
        }
        prop_assert_eq!(bench.view().requests, 0);
    }

    #[test]
    fn nothing_is_too_large(
        spans in proptest::collection::vec((extreme_rules(), step(), any::<f64>()), 1..60),
        end in any::<bool>(),
    ) {
        let mut bench = Bench::new(RULES);
        let mut under_way = Vec::new();
        for (rules, step, chance) in spans {
            (bench.rules, bench.chance) = (rules, chance);
            match step {
                Step::Admit => under_way.extend(bench.admit()),
                Step::LastResort => under_way.extend(bench.last_resort()),
                Step::Settle(_, outcome) => {
                    if let Some(permit) = under_way.pop() {
                        bench.settle(permit, outcome);
                    }
                }
                Step::Lose(_) => {}
                Step::BrokeOff => {
                    bench.broke_off();
                }
                // To the end of time and back.
                Step::Advance(_) if end => bench.advance(Duration::MAX),
                Step::Advance(_) => bench.now = Clock::manual().now(),
            }
            bench.view();
        }
    }
}
