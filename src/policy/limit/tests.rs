use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

const MINUTE: Duration = Duration::from_secs(60);

fn start() -> Moment {
    Clock::manual().now()
}

fn bucket(per_minute: u64) -> Bucket {
    Bucket::new(NonZeroU64::new(per_minute).unwrap(), start())
}

#[test]
fn a_full_bucket_is_a_minute_of_tokens() {
    let mut bucket = bucket(600);
    assert_eq!(bucket.level(start()), (Tokens(600), Duration::ZERO));
    assert_eq!(bucket.take(Tokens(600), start()), Ok(()));
    let wait = Duration::from_millis(100);
    assert_eq!(bucket.take(Tokens(1), start()), Err(wait));
    assert_eq!(bucket.level(start()), (Tokens(0), MINUTE));
    assert_eq!(bucket.take(Tokens(1), start().after(wait)), Ok(()));
    let full = start().after(wait).after(MINUTE).after(MINUTE);
    assert_eq!(bucket.level(full), (Tokens(600), Duration::ZERO));
}

#[test]
fn more_than_it_holds_needs_a_full_one_and_leaves_a_debt() {
    let mut bucket = bucket(100);
    bucket.take(Tokens(1), start()).unwrap();
    let wait = bucket.take(Tokens(300), start()).unwrap_err();
    assert_eq!(wait, Duration::from_millis(600));
    let full = start().after(wait);
    assert_eq!(bucket.take(Tokens(300), full), Ok(()));
    // 200 in debt, and the one that is asked for.
    let wait = bucket.take(Tokens(1), full).unwrap_err();
    assert_eq!(wait, Duration::from_millis(120_600));
    assert_eq!(bucket.take(Tokens(1), full.after(wait)), Ok(()));
}

#[test]
fn what_was_not_used_comes_back_and_what_was_used_beyond_is_owed() {
    let mut bucket = bucket(100);
    bucket.take(Tokens(80), start()).unwrap();
    bucket.correct(Tokens(80), Tokens(30), start());
    assert_eq!(bucket.level(start()).0, Tokens(70));
    bucket.correct(Tokens(30), Tokens(130), start());
    assert_eq!(bucket.level(start()), (Tokens(0), MINUTE + MINUTE * 3 / 10));
    // Never more than full, however much is given back.
    bucket.correct(Tokens(u64::MAX), Tokens(0), start());
    assert_eq!(bucket.level(start()).0, Tokens(100));
}

#[test]
fn nothing_can_always_be_taken() {
    let mut bucket = bucket(1);
    bucket.correct(Tokens(0), Tokens(50), start());
    assert_eq!(bucket.take(Tokens(0), start()), Ok(()));
    assert!(bucket.take(Tokens(1), start()).is_err());
}

#[test]
fn nonsense_is_forgotten_after_a_day() {
    for per_minute in [1, 1000, u64::MAX] {
        let mut bucket = bucket(per_minute);
        for _ in 0..3 {
            bucket.correct(Tokens(0), Tokens(u64::MAX), start());
        }
        let wait = bucket.take(Tokens(1), start()).unwrap_err();
        assert!(wait <= Duration::from_secs(24 * 60 * 60) + MINUTE);
        assert_eq!(bucket.take(Tokens(1), start().after(wait)), Ok(()));
    }
}

#[test]
fn a_moment_before_the_last_one_fills_nothing() {
    let mut bucket = bucket(60);
    let later = start().after(MINUTE);
    bucket.take(Tokens(60), later).unwrap();
    assert!(bucket.take(Tokens(1), start()).is_err());
    // The minute up to `later` has been counted already.
    assert!(bucket.take(Tokens(1), later).is_err());
    assert_eq!(bucket.level(start()), (Tokens(0), MINUTE));
}

fn per_minute() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..20, 1_u64..1_000_000, Just(u64::MAX)]
}

proptest! {
    #[test]
    fn whoever_waits_as_long_as_told_is_let_in(
        per_minute in per_minute(),
        steps in prop::collection::vec((0_u64..2_000_000, 0_u64..90_000_000_000), 1..30),
        asked in any::<u64>(),
    ) {
        let mut bucket = bucket(per_minute);
        let mut now = start();
        for (tokens, pause) in steps {
            now = now.after(Duration::from_nanos(pause));
            let _full = bucket.take(Tokens(tokens), now);
        }
        let asked = Tokens(asked.max(1));
        if let Err(wait) = bucket.take(asked, now) {
            let almost = wait.saturating_sub(Duration::from_nanos(1));
            prop_assert!(wait > Duration::ZERO);
            prop_assert!(bucket.take(asked, now.after(almost)).is_err(), "told too long");
            prop_assert_eq!(bucket.take(asked, now.after(wait)), Ok(()));
        }
    }

    /// What is beyond a full bucket in one take is not counted: it is a debt, which the rest pay.
    #[test]
    fn no_span_sees_more_than_a_full_bucket_and_what_flows_in(
        per_minute in 1_u64..5_000,
        steps in prop::collection::vec((1_u64..8_000, 0_u64..40_000), 1..60),
    ) {
        let mut bucket = bucket(per_minute);
        let (mut now, mut taken) = (start(), Vec::new());
        for (tokens, pause) in steps {
            now = now.after(Duration::from_millis(pause));
            if bucket.take(Tokens(tokens), now).is_ok() {
                taken.push((now, u128::from(tokens.min(per_minute))));
            }
        }
        let per_minute = u128::from(per_minute);
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (until, tokens) in &taken[first..] {
                sum += tokens;
                let span = until.since(*from).as_nanos();
                let most = per_minute * MINUTE.as_nanos() + span * per_minute;
                prop_assert!(sum * MINUTE.as_nanos() <= most, "{sum} tokens in {span} ns");
            }
        }
    }

    #[test]
    fn a_correction_comes_to_the_same_as_having_known(
        per_minute in 1_u64..100_000,
        reserved in 1_u64..100_000,
        used in 1_u64..100_000,
        pause in 0_u64..60_000,
    ) {
        let (reserved, used) = (reserved.min(per_minute), used.min(per_minute));
        let (mut guessed, mut known) = (bucket(per_minute), bucket(per_minute));
        guessed.take(Tokens(reserved), start()).unwrap();
        known.take(Tokens(used), start()).unwrap();
        let later = start().after(Duration::from_millis(pause));
        guessed.correct(Tokens(reserved), Tokens(used), later);
        // One that was full before the correction has lost what would have flown in; it never gains.
        prop_assert!(guessed.level(later).0 <= known.level(later).0);
        if pause == 0 {
            prop_assert_eq!(guessed.level(later), known.level(later));
        }
    }
}
