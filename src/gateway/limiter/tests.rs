use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::atomic::{AtomicU32, Ordering},
};

use proptest::prelude::*;

use super::*;

const NONE: Tokens = Tokens(0);

fn limits(requests: u32, tokens: u64, concurrent: u32) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(requests),
        tokens_per_minute: NonZeroU64::new(tokens),
        concurrent: NonZeroU32::new(concurrent),
    }
}

fn limiter(limits: Limits) -> (Arc<Limiter>, Clock) {
    let clock = Clock::manual();
    (Limiter::new(limits, &clock), clock)
}

#[test]
fn as_many_requests_as_in_a_minute_and_then_one_by_one() {
    let (limiter, clock) = limiter(limits(4, 0, 0));
    for left in [3, 2, 1, 0] {
        let _hold = limiter.enter(NONE).unwrap();
        assert_eq!(limiter.levels().requests.unwrap().remaining, left);
    }
    let full = Full {
        which: Which::Requests,
        limit: 4,
        wait: Duration::from_secs(15),
    };
    assert_eq!(limiter.enter(NONE).unwrap_err(), full);
    clock.advance(full.wait - Duration::from_millis(1));
    assert_eq!(limiter.enter(NONE).unwrap_err().wait.as_millis(), 1);
    assert_eq!(limiter.levels().requests.unwrap().remaining, 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(limiter.levels().requests.unwrap().remaining, 1);
    assert!(limiter.enter(NONE).is_ok());
    assert!(limiter.enter(NONE).is_err());
    let level = limiter.levels().requests.unwrap();
    assert_eq!((level.remaining, level.reset), (0, MINUTE));
    clock.advance(Duration::from_secs(3600));
    let level = limiter.levels().requests.unwrap();
    assert_eq!((level.remaining, level.reset), (4, Duration::ZERO));
}

#[test]
fn what_is_let_in_gives_its_place_back() {
    let (limiter, _clock) = limiter(limits(0, 0, 2));
    let first = limiter.enter(NONE).unwrap();
    let _second = limiter.enter(NONE).unwrap();
    let full = limiter.enter(NONE).unwrap_err();
    assert_eq!(
        (full.which, full.limit, full.wait),
        (Which::Concurrent, 2, GUESS)
    );
    assert!(limiter.reserve(Tokens(5)).is_ok(), "no place is needed");
    drop(first);
    let _third = limiter.enter(NONE).unwrap();
    assert_eq!(limiter.levels().in_flight, 2);
}

#[test]
fn tokens_are_settled_or_given_back() {
    let (limiter, _clock) = limiter(limits(0, 100, 0));
    let left = || limiter.levels().tokens.unwrap().remaining;
    let mut hold = limiter.reserve(Tokens(60)).unwrap();
    assert_eq!(left(), 40);
    hold.settle(Tokens(30));
    assert_eq!(left(), 70);
    hold.settle(Tokens(45));
    drop(hold);
    assert_eq!(left(), 55);
    let hold = limiter.enter(Tokens(55)).unwrap();
    assert_eq!(limiter.reserve(Tokens(1)).unwrap_err().which, Which::Tokens);
    drop(hold);
    assert_eq!(left(), 55, "unsettled, so nothing was used");
}

#[test]
fn whoever_is_refused_is_charged_nothing() {
    let (limiter, _clock) = limiter(limits(2, 100, 2));
    let _one = limiter.enter(Tokens(10)).unwrap();
    assert_eq!(limiter.enter(Tokens(91)).unwrap_err().which, Which::Tokens);
    let levels = limiter.levels();
    assert_eq!(
        (levels.requests.unwrap().remaining, levels.in_flight),
        (1, 1)
    );
    drop(limiter.enter(Tokens(10)).unwrap());
    assert_eq!(
        limiter.enter(Tokens(10)).unwrap_err().which,
        Which::Requests
    );
    let levels = limiter.levels();
    assert_eq!(
        (levels.tokens.unwrap().remaining, levels.in_flight),
        (90, 1)
    );
}

#[test]
fn no_limits_limit_nothing() {
    let (limiter, _clock) = limiter(Limits::default());
    let holds: Vec<_> = (0..1000)
        .map(|_| limiter.enter(Tokens(u64::MAX)).unwrap())
        .collect();
    let levels = limiter.levels();
    assert_eq!(
        (levels.requests, levels.tokens, levels.in_flight),
        (None, None, 1000)
    );
    drop(holds);
    assert_eq!(limiter.levels(), Levels::default());
}

#[test]
fn at_no_moment_are_more_in_than_may_be() {
    let (limiter, _clock) = limiter(limits(0, 1_000, 3));
    let (inside, let_in) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..2_000 {
                    let Ok(mut hold) = limiter.enter(Tokens(100)) else {
                        continue;
                    };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                    let_in.fetch_add(1, Ordering::SeqCst);
                    if round % 2 == 0 {
                        hold.settle(Tokens(0));
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(let_in.into_inner() > 0);
    let levels = limiter.levels();
    assert_eq!(
        (levels.in_flight, levels.tokens.unwrap().remaining),
        (0, 1_000)
    );
}

#[test]
fn of_many_at_once_exactly_the_limit_is_let_in() {
    let (limiter, _clock) = limiter(limits(500, 0, 0));
    let let_in = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ok = (0..200).filter(|_| limiter.enter(NONE).is_ok()).count();
                let_in.fetch_add(u32::try_from(ok).unwrap(), Ordering::SeqCst);
            });
        }
    });
    assert_eq!(let_in.into_inner(), 500);
}

proptest! {
    #[test]
    fn after_the_told_wait_the_same_is_let_in(
        requests in prop_oneof![1_u32..100, 1_u32..u32::MAX],
        tokens in 1_u64..10_000,
        asked in prop::collection::vec((0_u64..20_000, 0_u64..30_000), 1..40),
    ) {
        let (limiter, clock) = limiter(limits(requests, tokens, 0));
        for (asked, pause) in asked {
            clock.advance(Duration::from_millis(pause));
            let mut refusals = 0;
            loop {
                match limiter.enter(Tokens(asked)) {
                    Ok(mut hold) => {
                        hold.settle(Tokens(asked));
                        break;
                    }
                    // A manual clock knows no less than milliseconds.
                    Err(full) => clock.advance(full.wait + Duration::from_nanos(999_999)),
                }
                refusals += 1;
                // Of requests and of tokens, one after the other.
                prop_assert!(refusals <= 2);
            }
            let level = limiter.levels().requests.unwrap();
            prop_assert!(level.remaining < level.limit);
        }
    }

    #[test]
    fn what_remains_is_what_is_let_in(
        requests in 1_u32..50,
        asked in prop::collection::vec((0_usize..20, 0_u64..20_000), 1..20),
    ) {
        let (limiter, clock) = limiter(limits(requests, 0, 0));
        for (times, pause) in asked {
            clock.advance(Duration::from_millis(pause));
            for _ in 0..times {
                let before = limiter.levels().requests.unwrap().remaining;
                let is_in = limiter.enter(NONE).is_ok();
                prop_assert_eq!(is_in, before > 0);
                let after = limiter.levels().requests.unwrap().remaining;
                prop_assert_eq!(after, before - u64::from(is_in));
            }
        }
    }
}
