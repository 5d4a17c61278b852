use proptest::prelude::*;

use super::*;

fn score(score: f32) -> Score {
    Score::new(score).unwrap()
}

fn rule() -> Rule {
    Rule {
        start: score(0.925),
        floor: score(0.8),
        max_false: Share::percent(1),
    }
}

fn label(at: f32, same: bool, source: Source) -> Label {
    Label {
        score: score(at),
        same,
        source,
    }
}

fn observe(calibrator: &mut Calibrator, labels: usize, label: Label) {
    for _ in 0..labels {
        calibrator.observe(label);
    }
}

#[test]
fn it_starts_where_the_policy_says() {
    let mut calibrator = Calibrator::default();
    let point = calibrator.settle(&rule());
    assert_eq!(
        (point.at, point.why, point.sample),
        (score(0.925), Why::Start, 0)
    );
    assert_eq!(
        (point.bound, point.interval),
        (Share::ALL, (Share::NONE, Share::ALL))
    );
}

#[test]
fn it_takes_labels_to_lower_it() {
    let mut calibrator = Calibrator::default();
    let same = label(0.9, true, Source::Miss);
    observe(&mut calibrator, 345, same);
    // With none wrong the limit of 97 % is 1 − 0.03^(1/n): within 1 % from 349 on.
    assert_eq!(calibrator.settle(&rule()).why, Why::Start);
    observe(&mut calibrator, 10, same);
    let point = calibrator.settle(&rule());
    assert_eq!(point.why, Why::Relaxed);
    assert!(point.bound <= Share::percent(1) && point.sample == 355);
    assert_eq!(point.at, score(0.9), "nothing is known below");
}

#[test]
fn errors_below_keep_it_above_them() {
    let mut calibrator = Calibrator::default();
    observe(&mut calibrator, 800, label(0.91, true, Source::Miss));
    observe(&mut calibrator, 40, label(0.87, true, Source::Miss));
    observe(&mut calibrator, 2, label(0.87, false, Source::Miss));
    // Two wrong of 842 are few, but they are two of the 42 at the edge.
    let at = calibrator.settle(&rule()).at.get();
    assert!((0.889..0.911).contains(&at), "{at}");
}

#[test]
fn one_bad_check_keeps_it_from_being_lowered_until_more_are_good() {
    let mut calibrator = Calibrator::default();
    observe(&mut calibrator, 100, label(0.95, true, Source::Shadow));
    calibrator.observe(label(0.95, false, Source::Shadow));
    observe(&mut calibrator, 2000, label(0.9, true, Source::Miss));
    assert_eq!(calibrator.settle(&rule()).why, Why::Start);
    observe(&mut calibrator, 300, label(0.95, true, Source::Shadow));
    assert_eq!(calibrator.settle(&rule()).why, Why::Relaxed);
}

#[test]
fn a_world_that_turns_bad_is_noticed_within_a_few_checks() {
    let mut calibrator = Calibrator::default();
    observe(&mut calibrator, 2000, label(0.9, true, Source::Miss));
    observe(&mut calibrator, 900, label(0.95, true, Source::Shadow));
    assert_eq!(calibrator.settle(&rule()).why, Why::Relaxed);
    let mut checks = 0;
    while calibrator.settle(&rule()).why != Why::Raised {
        // One in four is wrong now.
        checks += 1;
        calibrator.observe(label(0.95, checks % 4 != 0, Source::Shadow));
        assert!(checks < 20, "{calibrator:?}");
    }
    assert_eq!(calibrator.point(&rule()).at, Score::UNREACHABLE);
}

#[test]
fn it_comes_back_once_misses_say_so() {
    let mut calibrator = Calibrator::default();
    observe(&mut calibrator, 10, label(0.95, false, Source::Shadow));
    assert_eq!(calibrator.settle(&rule()).at, Score::UNREACHABLE);
    observe(&mut calibrator, 300, label(0.96, true, Source::Miss));
    assert_eq!(calibrator.settle(&rule()).at, Score::UNREACHABLE);
    observe(&mut calibrator, 300, label(0.96, true, Source::Miss));
    let point = calibrator.settle(&rule());
    assert_eq!((point.at, point.why), (score(0.96), Why::Raised));
    observe(&mut calibrator, 8000, label(0.926, true, Source::Miss));
    assert_eq!(calibrator.settle(&rule()).why, Why::Start);
}

#[test]
fn a_complaint_counts_against_what_was_served_and_praise_for_nothing() {
    let wrong = label(0.95, false, Source::Feedback);
    let mut calibrator = Calibrator::default();
    for _ in 0..1000 {
        calibrator.serve(score(0.95));
    }
    observe(&mut calibrator, 5, wrong);
    assert_eq!(calibrator.settle(&rule()).why, Why::Start);
    let before = calibrator.clone();
    observe(&mut calibrator, 5000, label(0.95, true, Source::Feedback));
    assert_eq!(calibrator, before);
    observe(&mut calibrator, 20, wrong);
    assert_eq!(calibrator.settle(&rule()).why, Why::Raised);
}

#[test]
fn another_start_starts_anew_and_the_floor_holds() {
    let mut calibrator = Calibrator::default();
    observe(&mut calibrator, 3000, label(0.82, true, Source::Miss));
    let floor = |floor| Rule {
        floor: score(floor),
        ..rule()
    };
    assert!(calibrator.settle(&floor(0.8)).at < score(0.83));
    assert_eq!(calibrator.point(&floor(0.85)).at.get(), 0.85);
    assert_eq!(
        calibrator.point(&floor(0.99)).at,
        rule().start,
        "a floor above the start"
    );
    let other = Rule {
        start: score(0.95),
        ..rule()
    };
    assert_eq!(calibrator.point(&other).at, score(0.95));
}

#[test]
fn what_was_written_by_another_version_or_hand_is_refused() {
    let written = serde_json::to_string(&Calibrator::default()).unwrap();
    let back: Calibrator = serde_json::from_str(&written).unwrap();
    assert_eq!(back, Calibrator::default());
    for (from, to) in [("0.0,0.0]", "0.0]"), ("[0.0", "[-1.0"), ("[0.0", "[1e30")] {
        let broken = written.replacen(from, to, 1);
        assert_ne!(broken, written);
        assert!(serde_json::from_str::<Calibrator>(&broken).is_err(), "{to}");
    }
    let far = written.replace(
        "\"standing\":null",
        "\"standing\":{\"start\":45,\"at\":9999}",
    );
    let mut far: Calibrator = serde_json::from_str(&far).unwrap();
    assert_eq!(far.settle(&rule()).at, Score::UNREACHABLE);
}

/// A stream of questions with a neighbour each, and how often the answer to one at a score is wrong.
struct World {
    requests: u32,
    wrong_at: fn(f32) -> f64,
}

/// What a stream came to.
struct Outcome {
    hits: u32,
    wrong: u32,
    moves: u32,
    point: Point,
}

impl World {
    /// Scores thin out towards 1. One hit in 50 is checked, and of three answers the judge is sure of two.
    fn play(&self, seed: u64) -> Outcome {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut calibrator = Calibrator::default();
        let mut point = calibrator.settle(&rule());
        let (mut hits, mut wrong, mut moves) = (0, 0, 0);
        for request in 0..self.requests {
            let at = 0.75 + 0.25 * random.f32().powf(1.3);
            let same = random.f64() >= (self.wrong_at)(at);
            if score(at) >= point.at {
                hits += 1;
                wrong += u32::from(!same);
                calibrator.serve(score(at));
                if random.u8(..50) == 0 {
                    calibrator.observe(label(at, same, Source::Shadow));
                }
            } else if random.u8(..3) > 0 {
                calibrator.observe(label(at, same, Source::Miss));
            }
            if request % 64 == 0 {
                let before = point.at;
                point = calibrator.settle(&rule());
                moves += u32::from(point.at != before);
            }
        }
        Outcome {
            hits,
            wrong,
            moves,
            point,
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        (0..SEEDS).map(|seed| self.play(seed)).collect()
    }
}

const SEEDS: u64 = 20;

/// In 95 of 100 streams no more of the hits is wrong than may be.
fn assert_within(outcomes: &[Outcome]) {
    let over = outcomes
        .iter()
        .filter(|outcome| {
            f64::from(outcome.wrong) > Share::percent(1).get() * f64::from(outcome.hits)
        })
        .count();
    assert!(over * 20 <= outcomes.len(), "{over} of {}", outcomes.len());
}

#[test]
fn where_answers_are_the_same_it_is_lowered_to_where_they_no_longer_are() {
    let world = World {
        requests: 15_000,
        wrong_at: |at| if at >= 0.86 { 0.001 } else { 0.3 },
    };
    let outcomes = world.outcomes();
    assert_within(&outcomes);
    let lowered = outcomes
        .iter()
        .filter(|outcome| outcome.point.at <= score(0.88));
    assert!(lowered.count() * 10 >= outcomes.len() * 9);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.point.at >= score(0.859))
    );
    assert!(
        outcomes.iter().all(|outcome| outcome.moves <= 12),
        "it flaps"
    );
}

#[test]
fn where_answers_differ_more_and_more_it_stays_within_the_limit() {
    for turn in [|at: f32| curve(at, 0.84), |at: f32| curve(at, 0.80)] {
        let world = World {
            requests: 15_000,
            wrong_at: turn,
        };
        assert_within(&world.outcomes());
    }
}

fn curve(at: f32, turn: f32) -> f64 {
    1.0 / (1.0 + f64::from(60.0 * (at - turn)).exp())
}

#[test]
fn where_the_zone_is_just_over_the_limit_it_is_not_lowered_for_long() {
    let world = World {
        requests: 15_000,
        wrong_at: |at| if at >= 0.925 { 0.003 } else { 0.015 },
    };
    assert_within(&world.outcomes());
}

#[test]
fn where_the_start_is_bad_it_rises() {
    let world = World {
        requests: 15_000,
        wrong_at: |_| 0.15,
    };
    for outcome in world.outcomes() {
        assert_eq!(outcome.point.at, Score::UNREACHABLE);
        assert!(outcome.hits < 4000, "{}", outcome.hits);
    }
}

fn labels() -> impl Strategy<Value = Vec<Label>> {
    let source = prop_oneof![
        Just(Source::Miss),
        Just(Source::Shadow),
        Just(Source::Feedback)
    ];
    let label = (-1.0..1.1_f32, proptest::bool::weighted(0.9), source)
        .prop_map(|(at, same, source)| label(at, same, source));
    proptest::collection::vec(label, 0..400)
}

fn learned(labels: &[Label]) -> Calibrator {
    let mut calibrator = Calibrator::default();
    for label in labels {
        calibrator.observe(*label);
        calibrator.settle(&rule());
    }
    calibrator
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_labels_give_a_valid_point(labels in labels(), start in -1.0..1.0_f32, floor in -1.0..1.0_f32, max in 0.0..=1.0_f64) {
        let rule = Rule { start: score(start), floor: score(floor), max_false: Share::new(max).unwrap() };
        let mut calibrator = Calibrator::default();
        for label in labels {
            calibrator.observe(label);
            let point = calibrator.settle(&rule);
            prop_assert!(point.at >= rule.start.min(rule.floor));
            prop_assert!(point.at.get().is_finite() && point.bound.get().is_finite());
            prop_assert!(point.interval.0 <= point.interval.1 && point.interval.1 == point.bound);
            prop_assert!(point.checked.wrong <= point.checked.size);
            prop_assert_eq!(point, calibrator.point(&rule));
        }
    }

    #[test]
    fn merging_does_not_ask_who_was_first_and_writing_changes_nothing(a in labels(), b in labels()) {
        let (a, b) = (learned(&a), learned(&b));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        prop_assert_eq!(&ab, &ba);
        let written = serde_json::to_string(&ab).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Calibrator>(&written).unwrap(), &ab);
        let sizes = |of: &Calibrator| of.all(0, BINS).size;
        prop_assert!((sizes(&ab) - sizes(&a) - sizes(&b)).abs() < 1e-3);
        prop_assert!(ab.point(&rule()).at >= a.point(&rule()).at.min(b.point(&rule()).at));
    }
}
