use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

const MODEL: &str = "gpt";
const DENIED: Reason = Reason::Unauthorized;
const LIMITED: Reason = Reason::RateLimited { retry_after: None };

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limited(seconds: u64) -> Reason {
    Reason::RateLimited {
        retry_after: Some(s(seconds)),
    }
}

fn none_free(seconds: u64, obstacle: Obstacle) -> Result<usize, NoneFree> {
    Err(NoneFree {
        retry_after: s(seconds),
        obstacle,
    })
}

/// A ring at a time that the test moves, without jitter.
struct Held {
    ring: KeyRing,
    clock: Clock,
}

impl Held {
    fn new(keys: usize) -> Self {
        Self {
            ring: KeyRing::new(keys),
            clock: Clock::manual(),
        }
    }

    fn next(&mut self) -> Result<usize, NoneFree> {
        self.next_for(MODEL)
    }

    fn next_for(&mut self, model: &str) -> Result<usize, NoneFree> {
        self.ring.next(model, &[], self.clock.now())
    }

    fn aside(&mut self, place: usize, reason: Reason) -> Option<Duration> {
        let now = self.clock.now();
        self.ring.put_aside(place, MODEL, reason, now, 0.0)
    }

    fn succeeded(&mut self, place: usize) {
        let now = self.clock.now();
        self.ring.succeeded(place, MODEL, None, now);
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(s(seconds));
    }
}

#[test]
fn one_key_is_used_until_it_is_put_aside() {
    let mut ring = Held::new(3);
    assert_eq!([ring.next(), ring.next()], [Ok(0), Ok(0)]);
    assert_eq!(ring.aside(0, limited(20)), Some(s(20)));
    assert_eq!([ring.next(), ring.next()], [Ok(1), Ok(1)]);
    ring.wait(30);
    assert_eq!(ring.next(), Ok(1), "what is cached there is cached there");
    ring.aside(1, limited(20));
    assert_eq!(ring.next(), Ok(2));
    ring.aside(2, limited(20));
    assert_eq!(ring.next(), Ok(0));
}

#[test]
fn a_rate_limit_is_of_one_model() {
    let mut ring = Held::new(1);
    ring.aside(0, limited(20));
    assert_eq!(ring.next(), none_free(20, Obstacle::RateLimited));
    assert_eq!(ring.next_for("other"), Ok(0));
    ring.wait(19);
    assert_eq!(ring.next(), none_free(1, Obstacle::RateLimited));
    ring.wait(1);
    assert_eq!(ring.next(), Ok(0));
}

#[test]
fn rate_limits_without_a_time_double() {
    let mut ring = Held::new(1);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(ring.aside(0, LIMITED), Some(s(seconds)));
        assert_eq!(ring.aside(0, LIMITED), None, "they were under way together");
        ring.wait(seconds);
    }
    ring.succeeded(0);
    assert_eq!(ring.aside(0, LIMITED), Some(s(1)));
    ring.wait(1);
    assert_eq!(ring.aside(0, limited(5)), Some(s(5)));
    ring.wait(5);
    assert_eq!(ring.aside(0, LIMITED), Some(s(1)));
    ring.wait(1);
    assert_eq!(ring.aside(0, limited(0)), None);
    assert_eq!(ring.next(), Ok(0));
    assert_eq!(ring.aside(0, limited(86_400)), Some(s(3600)));
}

#[test]
fn rate_limits_do_not_double_while_others_are_answered() {
    let mut ring = Held::new(1);
    for _ in 0..9 {
        assert_eq!(ring.aside(0, LIMITED), Some(s(1)));
        ring.succeeded(0);
        assert_eq!(ring.next(), none_free(1, Obstacle::RateLimited));
        ring.wait(1);
    }
}

#[test]
fn a_refused_key_is_aside_for_all_models_and_ever_longer() {
    for (reason, pauses) in [
        (Reason::Unauthorized, [10, 20, 40, 80, 160, 320, 600, 600]),
        (Reason::Unpaid, [60, 120, 240, 480, 600, 600, 600, 600]),
    ] {
        let mut ring = Held::new(2);
        for seconds in pauses {
            assert_eq!(ring.aside(0, reason), Some(s(seconds)));
            assert_eq!((ring.next(), ring.next_for("other")), (Ok(1), Ok(1)));
            ring.wait(seconds);
        }
        ring.succeeded(0);
        assert_eq!(ring.aside(0, reason), Some(s(pauses[0])));
    }
}

#[test]
fn the_last_key_is_aside_for_one_model_only() {
    for keys in [0, 1, 2] {
        let mut ring = Held::new(keys);
        if keys == 2 {
            ring.aside(0, DENIED);
        }
        let last = keys.saturating_sub(1);
        assert_eq!(ring.next(), Ok(last));
        assert_eq!(ring.aside(last, DENIED), Some(s(10)));
        assert_eq!(ring.next(), none_free(10, Obstacle::Refused));
        assert_eq!(ring.next_for("other"), Ok(last));
    }
}

#[test]
fn a_key_that_may_not_use_a_model_may_use_others() {
    let mut ring = Held::new(2);
    assert_eq!(ring.aside(0, Reason::Forbidden), Some(s(10)));
    assert_eq!(ring.next_for("other"), Ok(0));
    assert_eq!(ring.next(), Ok(1));
    ring.aside(1, limited(3));
    assert_eq!(ring.next(), none_free(3, Obstacle::RateLimited));
    ring.wait(4);
    ring.aside(1, limited(30));
    assert_eq!(ring.next(), none_free(30, Obstacle::RateLimited));
    ring.aside(1, Reason::Forbidden);
    assert_eq!(ring.next(), none_free(6, Obstacle::Refused));
}

#[test]
fn one_call_tries_a_refused_key_whose_time_is_over() {
    let mut ring = Held::new(1);
    ring.aside(0, DENIED);
    ring.wait(10);
    assert_eq!(ring.next(), Ok(0));
    assert_eq!(ring.next(), none_free(2, Obstacle::Refused));
    // It never came back.
    ring.wait(2);
    assert_eq!(ring.next(), Ok(0));
    assert_eq!(ring.aside(0, DENIED), Some(s(20)), "not its first time");
    ring.succeeded(0);
    assert_eq!(
        ring.next(),
        none_free(20, Obstacle::Refused),
        "a call from before"
    );
    ring.wait(20);
    assert_eq!(ring.next(), Ok(0));
    ring.succeeded(0);
    assert_eq!([ring.next(), ring.next()], [Ok(0), Ok(0)]);
}

#[test]
fn after_a_rate_limit_everybody_may_call() {
    let mut ring = Held::new(1);
    ring.aside(0, limited(10));
    ring.wait(10);
    assert_eq!([ring.next(), ring.next()], [Ok(0), Ok(0)]);
}

#[test]
fn a_drained_key_goes_behind_the_others_and_is_better_than_none() {
    let mut ring = Held::new(3);
    let drain = |ring: &mut Held, place, seconds| {
        let now = ring.clock.now();
        ring.ring.succeeded(place, MODEL, Some(s(seconds)), now)
    };
    assert_eq!(drain(&mut ring, 0, 60), Some(s(60)));
    assert_eq!(
        drain(&mut ring, 0, 60),
        None,
        "said once is enough for the log"
    );
    assert_eq!(ring.next_for("other"), Ok(0));
    assert_eq!(ring.next(), Ok(1));
    drain(&mut ring, 1, 20);
    drain(&mut ring, 2, 40);
    assert_eq!(ring.next(), Ok(1), "the soonest");
    ring.aside(1, limited(30));
    assert_eq!(ring.next(), Ok(2));
    assert_eq!(ring.ring.next(MODEL, &[2], ring.clock.now()), Ok(0));
    assert_eq!(drain(&mut ring, 1, 1), None, "a call from before");
    ring.aside(0, limited(90));
    ring.aside(2, limited(90));
    assert_eq!(ring.next(), none_free(30, Obstacle::RateLimited));
    // Room was left after all.
    let mut ring = Held::new(2);
    drain(&mut ring, 0, 60);
    drain(&mut ring, 1, 90);
    ring.succeeded(1);
    assert_eq!(ring.next(), Ok(1));
    assert_eq!(drain(&mut ring, 1, 86_400), Some(s(3600)));
    assert_eq!(drain(&mut ring, 0, 0), None);
}

#[test]
fn what_was_tried_for_a_call_is_not_tried_again() {
    let mut ring = Held::new(2);
    let now = ring.clock.now();
    ring.aside(0, limited(5));
    assert_eq!(ring.ring.next(MODEL, &[0], now), Ok(1));
    assert_eq!(
        ring.ring.next(MODEL, &[0, 1], now),
        none_free(5, Obstacle::RateLimited)
    );
}

#[test]
fn no_more_gates_are_kept_than_there_may_be() {
    let mut ring = Held::new(2);
    let now = ring.clock.now();
    ring.aside(1, limited(1));
    for number in 0..3 * MOST_GATES {
        let wait = s(number as u64 % 3000 + 2);
        let reason = Reason::RateLimited {
            retry_after: Some(wait),
        };
        let model = format!("model-{number}");
        ring.ring.put_aside(number % 2, &model, reason, now, 0.0);
        let gates: usize = ring.ring.keys.iter().map(|key| key.gates.len()).sum();
        assert!(gates <= MOST_GATES);
    }
    // What opens first was let go first.
    assert_eq!(ring.ring.keys[1].gates.get(MODEL).map(|_| ()), None);
    let last = format!("model-{}", 3 * MOST_GATES - 1);
    assert!(ring.ring.keys[1].gates.contains_key(&*last));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Call(usize),
    Aside(usize, usize, Reason, f64),
    Succeed(usize, usize, Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let duration = prop_oneof![
        Just(Duration::ZERO),
        (0_u64..100).prop_map(s),
        Just(Duration::MAX)
    ];
    let reason = prop_oneof![
        proptest::option::of(duration).prop_map(|retry_after| Reason::RateLimited { retry_after }),
        Just(Reason::Forbidden),
        Just(Reason::Unauthorized),
        Just(Reason::Unpaid),
    ];
    let chance = prop_oneof![Just(f64::NAN), Just(-9.0), Just(9.0), 0.0..=1.0];
    let (place, model) = (0_usize..5, 0_usize..3);
    let step = prop_oneof![
        (0_u64..200_000).prop_map(Step::Wait),
        model.clone().prop_map(Step::Call),
        (place.clone(), model.clone(), reason, chance)
            .prop_map(|(place, model, reason, chance)| Step::Aside(place, model, reason, chance)),
        (place, model, proptest::option::of(0_u64..100))
            .prop_map(|(place, model, drained)| Step::Succeed(place, model, drained)),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn laws(keys in 0_usize..5, steps in steps()) {
        let names = ["", "gpt", "claude"];
        let clock = Clock::manual();
        let mut ring = KeyRing::new(keys);
        // Until when nothing may be sent, by key and model.
        let mut closed = BTreeMap::new();
        for step in steps {
            let now = clock.now();
            match step {
                Step::Wait(ms) => clock.advance(Duration::from_millis(ms)),
                Step::Call(model) => match ring.next(names[model], &[], now) {
                    Ok(place) => {
                        prop_assert!(place < keys.max(1));
                        let until = closed.get(&(place, model));
                        prop_assert!(until.is_none_or(|until| *until <= now));
                    }
                    Err(none) => {
                        let wait = none.retry_after;
                        prop_assert!(!wait.is_zero() && wait <= LONGEST);
                        let before = now.after(wait - Duration::from_nanos(1));
                        // On a copy: what is asked ahead of its time would be a probe.
                        let mut ahead = ring.clone();
                        if none.obstacle == Obstacle::Refused {
                            prop_assert!(ahead.next(names[model], &[], before).is_err());
                        }
                        prop_assert!(ahead.next(names[model], &[], now.after(wait)).is_ok());
                    }
                },
                Step::Aside(place, model, reason, chance) => {
                    let pause = ring.put_aside(place, names[model], reason, now, chance);
                    if let Some(pause) = pause {
                        prop_assert!(place < keys.max(1) && !pause.is_zero() && pause <= LONGEST);
                        closed.insert((place, model), now.after(pause));
                    }
                    let standing = ring.keys.iter().filter(|key| key.hold.is_none()).count();
                    prop_assert!(standing > 0, "one key is always there for other models");
                }
                Step::Succeed(place, model, drained) => {
                    ring.succeeded(place, names[model], drained.map(s), now);
                }
            }
        }
    }

    #[test]
    fn pauses_after_refusals_are_spread_but_not_by_much(times in 1_u32..u32::MAX, chance in 0.0..=1.0) {
        for reason in [Reason::Forbidden, Reason::Unauthorized, Reason::Unpaid] {
            let (full, pause) = (reason.pause(times, 0.0), reason.pause(times, chance));
            prop_assert!(pause <= full && pause >= full.mul_f64(0.799));
            prop_assert!(full <= s(600) && full >= s(10));
        }
    }
}
