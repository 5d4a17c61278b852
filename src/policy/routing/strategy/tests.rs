use proptest::{
    prelude::{Just, any, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest},
    sample::select,
    strategy::Strategy as Generator,
};

use super::*;
use crate::units::Usd;

const NEED: Need = Need {
    input: Tokens(1_000),
    output: Tokens(500),
};

fn idle() -> Candidate {
    Candidate {
        weight: 1,
        price: None,
        latency: None,
        in_flight: 0,
    }
}

fn weights(weights: &[u32]) -> Vec<Candidate> {
    let weighing = |weight: &u32| Candidate {
        weight: *weight,
        ..idle()
    };
    weights.iter().map(weighing).collect()
}

/// Latency in milliseconds, and requests under way.
fn measured(milliseconds: u64, in_flight: u32) -> Candidate {
    Candidate {
        latency: Some(Duration::from_millis(milliseconds)),
        in_flight,
        ..idle()
    }
}

fn busy(in_flight: u32) -> Candidate {
    Candidate {
        in_flight,
        ..idle()
    }
}

fn dollars(input: f64, output: f64) -> Candidate {
    Candidate {
        price: Some(Price {
            input: Usd::new(input).unwrap(),
            output: Usd::new(output).unwrap(),
        }),
        ..idle()
    }
}

/// How often each candidate goes first in 20,000 orders, as a share.
fn first(strategy: Strategy, candidates: &[Candidate]) -> Vec<f64> {
    const ROUNDS: u32 = 20_000;
    let mut random = fastrand::Rng::with_seed(5);
    let mut counts = vec![0_u32; candidates.len()];
    for _ in 0..ROUNDS {
        counts[order(strategy, candidates, NEED, &mut || random.f64())[0]] += 1;
    }
    let share = |count: &u32| f64::from(*count) / f64::from(ROUNDS);
    counts.iter().map(share).collect()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    // Four standard deviations of a share of 20,000 are at most 0.0142.
    let close = |(found, expected): (&f64, &f64)| (found - expected).abs() < 0.015;
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "{found:?} is not {expected:?}"
    );
}

fn no_chance() -> f64 {
    panic!("nothing is left to chance here")
}

#[test]
fn priority_is_the_order_of_the_file() {
    let candidates = [busy(9), measured(1, 0), dollars(0.0, 0.0)];
    let asked = order(Strategy::Priority, &candidates, NEED, &mut no_chance);
    assert_eq!(asked, [0, 1, 2]);
    for (_, strategy) in Strategy::NAMES {
        assert_eq!(order(strategy, &[], NEED, &mut || 0.5), [0; 0]);
        assert_eq!(order(strategy, &[busy(3)], NEED, &mut || 0.5), [0]);
    }
}

#[test]
fn weights_are_shares_of_first_places() {
    let found = first(Strategy::Weighted, &weights(&[1, 3, 0, 6]));
    near(&found, &[0.1, 0.3, 0.0, 0.6]);
    let found = first(Strategy::Weighted, &weights(&[u32::MAX, u32::MAX]));
    near(&found, &[0.5, 0.5]);
}

#[test]
fn second_places_are_in_proportion_among_the_rest() {
    let candidates = weights(&[1, 3, 6]);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut after_last, mut then_second) = (0.0, 0.0);
    for _ in 0..40_000 {
        let asked = order(Strategy::Weighted, &candidates, NEED, &mut || random.f64());
        if asked[0] == 2 {
            after_last += 1.0;
            then_second += f64::from(u8::from(asked[1] == 1));
        }
    }
    near(&[then_second / after_last], &[0.75]);
}

#[test]
fn those_without_weight_come_last_in_order() {
    let candidates = weights(&[0, 2, 0, 5, 0]);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let asked = order(Strategy::Weighted, &candidates, NEED, &mut || random.f64());
        assert_eq!(asked[2..], [0, 2, 4]);
    }
}

#[test]
fn cost_is_that_of_this_request() {
    // A dear prompt with a cheap answer, and the other way round.
    let candidates = [idle(), dollars(3.0, 1.0), dollars(1.0, 4.0), idle()];
    let asked = |need| order(Strategy::LowestCost, &candidates, need, &mut no_chance);
    assert_eq!(asked(NEED), [2, 1, 0, 3]);
    let long_answer = Need {
        output: Tokens(2_000),
        ..NEED
    };
    assert_eq!(asked(long_answer), [1, 2, 0, 3]);
    // Nothing needed costs nothing: as they stand.
    assert_eq!(asked(Need::default()), [1, 2, 0, 3]);
    let endless = Need {
        input: Tokens(u64::MAX),
        output: Tokens(u64::MAX),
    };
    assert_eq!(asked(endless), [1, 2, 0, 3]);
}

#[test]
fn of_two_the_quicker_goes_first() {
    let candidates = [measured(900, 0), measured(200, 0)];
    near(&first(Strategy::LowestLatency, &candidates), &[0.0, 1.0]);
    // Five under way make the quick one slow.
    let candidates = [measured(900, 0), measured(200, 5)];
    near(&first(Strategy::LowestLatency, &candidates), &[1.0, 0.0]);
    let equal = [measured(200, 0), measured(100, 1)];
    near(&first(Strategy::LowestLatency, &equal), &[0.5, 0.5]);
}

/// Of four there are six pairs: the best wins three of them, the worst none.
#[test]
fn of_several_the_better_of_a_random_pair_goes_first() {
    let candidates = [
        measured(400, 0),
        measured(100, 0),
        measured(300, 0),
        measured(200, 0),
    ];
    near(
        &first(Strategy::LowestLatency, &candidates),
        &[0.0, 3.0 / 6.0, 1.0 / 6.0, 2.0 / 6.0],
    );
    // Of the ranks 0 to 3, these draws are the third and the fourth.
    let mut draws = [0.5, 0.9].into_iter();
    let asked = order(Strategy::LowestLatency, &candidates, NEED, &mut || {
        draws.next().unwrap()
    });
    assert_eq!(asked, [2, 1, 3, 0]);
}

#[test]
fn what_was_never_measured_is_tried_but_not_by_all_at_once() {
    let mut candidates = [measured(200, 0), idle()];
    let mut given = [0, 0];
    for _ in 0..10 {
        let mut draws = fastrand::Rng::with_seed(3);
        let asked = order(Strategy::LowestLatency, &candidates, NEED, &mut || {
            draws.f64()
        });
        given[asked[0]] += 1;
        candidates[asked[0]].in_flight += 1;
        if given == [0, 1] {
            assert_eq!(asked[0], 1, "the unmeasured one is tried first");
        }
    }
    assert_eq!(given, [5, 5]);
    near(
        &first(Strategy::LowestLatency, &[idle(), idle()]),
        &[0.5, 0.5],
    );
    near(
        &first(Strategy::LowestLatency, &[busy(1), busy(2)]),
        &[1.0, 0.0],
    );
}

#[test]
fn an_instant_answer_does_not_draw_all_requests() {
    let instant = Candidate {
        latency: Some(Duration::ZERO),
        in_flight: 4_000_000_000,
        ..idle()
    };
    near(
        &first(Strategy::LowestLatency, &[instant, measured(1, 0)]),
        &[0.0, 1.0],
    );
}

#[test]
fn the_least_busy_goes_first_and_equals_by_chance() {
    let candidates = [busy(2), busy(0), busy(0), busy(1), busy(0)];
    let third = 1.0 / 3.0;
    near(
        &first(Strategy::LeastBusy, &candidates),
        &[0.0, third, third, 0.0, third],
    );
    let asked = order(Strategy::LeastBusy, &candidates, NEED, &mut || 0.0);
    assert_eq!(asked, [1, 2, 4, 3, 0]);
}

fn any_candidate() -> impl Generator<Value = Candidate> {
    let price = proptest::option::of((0.0..1e300_f64, 0.0..1e300_f64));
    let latency = proptest::option::of(prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..100_000).prop_map(Duration::from_millis)
    ]);
    let weight = prop_oneof![Just(0), Just(u32::MAX), any::<u32>()];
    (weight, price, latency, any::<u32>()).prop_map(|(weight, price, latency, in_flight)| {
        Candidate {
            price: price.and_then(|(input, output)| dollars(input, output).price),
            weight,
            latency,
            in_flight,
        }
    })
}

const ODD: [f64; 10] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -1.0,
    -0.0,
    0.0,
    0.5,
    1.0 - f64::EPSILON / 2.0,
    1.0,
    7.0,
];

proptest! {
    #[test]
    fn every_order_has_each_once(
        candidates in proptest::collection::vec(any_candidate(), 0..12),
        strategy in select(Strategy::NAMES.map(|(_, strategy)| strategy).to_vec()),
        draws in proptest::collection::vec(prop_oneof![select(ODD.to_vec()), any::<f64>()], 1..8),
        need in (any::<u64>(), any::<u64>()),
    ) {
        let need = Need { input: Tokens(need.0), output: Tokens(need.1) };
        let mut draws = draws.iter().copied().cycle();
        let mut asked = order(strategy, &candidates, need, &mut || draws.next().unwrap());
        asked.sort_unstable();
        prop_assert_eq!(asked, (0..candidates.len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_worst_never_wins_a_pair_and_the_rest_are_sorted(
        latencies in proptest::collection::btree_set(1_u64..60_000, 2..9),
        turn in any::<usize>(),
        draws in (any::<f64>(), any::<f64>()),
    ) {
        let mut candidates: Vec<_> = latencies.iter().map(|ms| measured(*ms, 0)).collect();
        let count = candidates.len();
        candidates.rotate_left(turn % count);
        let mut draws = [draws.0, draws.1].into_iter();
        let asked = order(Strategy::LowestLatency, &candidates, NEED, &mut || {
            draws.next().unwrap()
        });
        let latency = |position: usize| candidates[position].latency.unwrap();
        let worst = (0..count).max_by_key(|position| latency(*position)).unwrap();
        prop_assert_ne!(asked[0], worst);
        prop_assert!(asked[1..].is_sorted_by_key(|position| latency(*position)));
    }
}
