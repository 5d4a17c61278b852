use proptest::prelude::*;

use super::*;

/// 2026-11-21T12:00:00Z.
const NOON: UnixMillis = UnixMillis(1_795_262_400_000);

fn later(by: u64) -> UnixMillis {
    UnixMillis(NOON.0 + by)
}

fn usd(amount: f64) -> Usd {
    Usd::new(amount).unwrap()
}

fn nano(amount: f64) -> NanoUsd {
    NanoUsd::of(usd(amount))
}

fn daily(amount: f64) -> Budget {
    Budget {
        daily: Some(usd(amount)),
        ..Budget::default()
    }
}

fn spend(at: UnixMillis, amount: f64) -> Spend {
    let mut spend = Spend::default();
    spend.count(NanoUsd(0), nano(amount), at);
    spend
}

#[test]
fn a_day_ends_at_midnight_and_a_month_with_its_last_day() {
    assert_eq!(rfc3339(NOON), "2026-11-21T12:00:00Z");
    let mut spend = spend(NOON, 3.0);
    let at = |spend: &Spend, now| {
        let Spent { date, day, month } = spend.spent(now);
        (date, day.dollars(), month.dollars())
    };
    assert_eq!(at(&spend, NOON), ("2026-11-21".into(), 3.0, 3.0));
    let almost = later(DAY / 2 - 1);
    assert_eq!(at(&spend, almost), ("2026-11-21".into(), 3.0, 3.0));
    spend.count(NanoUsd(0), nano(1.0), later(DAY / 2));
    assert_eq!(at(&spend, later(DAY / 2)), ("2026-11-22".into(), 1.0, 4.0));
    assert_eq!(at(&spend, later(9 * DAY)), ("2026-11-30".into(), 0.0, 4.0));
    assert_eq!(at(&spend, later(10 * DAY)), ("2026-12-01".into(), 0.0, 0.0));
    assert_eq!(
        at(&spend, later(365 * DAY)),
        ("2027-11-21".into(), 0.0, 0.0)
    );
}

#[test]
fn periods_begin_anew_at_their_next_first_moment() {
    for (now, day, month) in [
        (NOON.0, "2026-11-22T00:00:00Z", "2026-12-01T00:00:00Z"),
        (
            NOON.0 + 10 * DAY,
            "2026-12-02T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        // The 29th of a February.
        (
            1_835_438_400_000,
            "2028-03-01T00:00:00Z",
            "2028-03-01T00:00:00Z",
        ),
    ] {
        let spend = spend(UnixMillis(now), 1.0);
        assert_eq!(rfc3339(spend.anew(Period::Day)), day);
        assert_eq!(rfc3339(spend.anew(Period::Month)), month);
    }
}

#[test]
fn nobody_spends_more_than_the_budget() {
    let budget = daily(1.0);
    let mut spend = Spend::default();
    assert_eq!(spend.reserve(Some(nano(0.4)), &budget, NOON), Ok(nano(0.4)));
    assert_eq!(spend.reserve(Some(nano(0.6)), &budget, NOON), Ok(nano(0.6)));
    let set_aside = Refused::SetAside {
        period: Period::Day,
        budget: usd(1.0),
    };
    assert_eq!(
        spend.reserve(Some(nano(0.1)), &budget, NOON),
        Err(set_aside)
    );
    assert_eq!(spend.reserve(None, &budget, NOON), Err(set_aside));
    spend.release(nano(0.6));
    spend.count(NanoUsd(0), nano(0.9), NOON);
    spend.release(nano(0.4));
    let anew = UnixMillis(NOON.0 + DAY / 2);
    let too_dear = Refused::TooDear {
        period: Period::Day,
        budget: usd(1.0),
        left: nano(0.1),
        cost: nano(0.2),
        anew: Some(anew),
    };
    assert_eq!(spend.reserve(Some(nano(0.2)), &budget, NOON), Err(too_dear));
    assert_eq!(spend.reserve(Some(nano(0.1)), &budget, NOON), Ok(nano(0.1)));
    spend.release(nano(0.1));
    spend.count(NanoUsd(0), nano(0.1), NOON);
    let spent = Refused::Spent {
        period: Period::Day,
        budget: usd(1.0),
        anew,
    };
    for cost in [Some(NanoUsd(0)), Some(nano(0.1)), None] {
        assert_eq!(spend.reserve(cost, &budget, NOON), Err(spent));
    }
    assert_eq!(spend.reserve(Some(nano(1.0)), &budget, anew), Ok(nano(1.0)));
}

#[test]
fn a_call_that_costs_more_than_the_whole_budget_is_never_let_through() {
    let refused = Spend::default().reserve(Some(nano(2.0)), &daily(1.0), NOON);
    assert!(matches!(refused, Err(Refused::TooDear { anew: None, .. })));
}

#[test]
fn of_two_budgets_the_month_is_told() {
    let budget = Budget {
        monthly: Some(usd(1.0)),
        ..daily(1.0)
    };
    let refused = spend(NOON, 1.0).reserve(None, &budget, NOON).unwrap_err();
    let Refused::Spent { period, anew, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (period, &*rfc3339(anew)),
        (Period::Month, "2026-12-01T00:00:00Z")
    );
}

#[test]
fn a_budget_that_has_ended_pays_for_nothing() {
    let budget = Budget {
        until: Some(NOON),
        ..daily(1.0)
    };
    let mut spend = Spend::default();
    assert!(spend.reserve(None, &budget, UnixMillis(NOON.0 - 1)).is_ok());
    for now in [NOON, later(DAY)] {
        assert_eq!(
            spend.reserve(None, &budget, now),
            Err(Refused::Ended { at: NOON })
        );
    }
}

#[test]
fn what_is_set_aside_survives_midnight() {
    let (budget, tomorrow) = (daily(1.0), later(DAY));
    let mut spend = Spend::default();
    spend.reserve(Some(nano(0.8)), &budget, NOON).unwrap();
    assert!(spend.reserve(Some(nano(0.8)), &budget, tomorrow).is_err());
    spend.release(nano(0.8));
    spend.count(NanoUsd(0), nano(0.7), tomorrow);
    assert_eq!(spend.spent(tomorrow).day, nano(0.7));
}

#[test]
fn a_clock_that_is_set_back_forgets_nothing_unless_it_was_far_ahead() {
    let spend = spend(NOON, 3.0);
    let back = |days: u64| spend.spent(UnixMillis(NOON.0 - days * DAY));
    assert_eq!(
        (back(1).day, back(1).date.as_str()),
        (nano(3.0), "2026-11-21")
    );
    assert_eq!((back(2).day, back(2).month), (NanoUsd(0), nano(3.0)));
    assert_eq!(back(30).month, NanoUsd(0));
}

#[test]
fn only_dates_are_dates() {
    let read = |date: &str| {
        Spend::of(&Spent {
            date: date.to_owned(),
            day: NanoUsd(1),
            month: NanoUsd(2),
        })
    };
    assert!(read("2026-11-21").is_some() && read("9998-12-31").is_some());
    for date in [
        "",
        "2026-13-01",
        "2026-11-31",
        "2026-11-2",
        "1969-12-31",
        "2026-11-21T00:00:00Z",
        "é",
        "20261-1-01",
    ] {
        assert!(read(date).is_none(), "{date}");
    }
}

#[test]
fn extremes_neither_overflow_nor_become_nothing() {
    let most = Usd::new(f64::MAX).unwrap();
    assert_eq!(NanoUsd::of(most), NanoUsd(u64::MAX));
    assert_eq!(NanoUsd::of(usd(1e-12)), NanoUsd(0));
    let mut spend = Spend::default();
    let end = UnixMillis(u64::MAX);
    spend.count(NanoUsd(0), NanoUsd(u64::MAX), end);
    spend.count(NanoUsd(0), NanoUsd(u64::MAX), end);
    assert_eq!(spend.spent(end).month, NanoUsd(u64::MAX));
    assert!(spend.reserve(Some(NanoUsd(1)), &daily(1.0), end).is_err());
    assert!(rfc3339(end).starts_with("999"));
}

proptest! {
    #[test]
    fn a_million_small_calls_add_up(costs in prop::collection::vec(0_u32..5_000_000, 0..200)) {
        let mut spend = Spend::default();
        for cost in &costs {
            spend.count(NanoUsd(0), nano(f64::from(*cost) * 1e-9), NOON);
        }
        let sum: u64 = costs.iter().map(|cost| u64::from(*cost)).sum();
        prop_assert_eq!(spend.spent(NOON).day, NanoUsd(sum));
    }

    #[test]
    fn spent_and_set_aside_stay_within_the_budget(
        steps in prop::collection::vec((0_u64..400, 0_u64..400, 0_u64..DAY / 3, any::<bool>()), 1..60),
    ) {
        let budget = Budget { monthly: Some(usd(2e-6)), ..daily(1e-6) };
        let (mut spend, mut now, mut open) = (Spend::default(), NOON, Vec::new());
        for (cost, used, pause, ends) in steps {
            now = UnixMillis(now.0 + pause);
            if let Ok(reserved) = spend.reserve(Some(NanoUsd(cost)), &budget, now) {
                open.push((reserved, NanoUsd(used).min(reserved)));
            }
            if ends && let Some((reserved, used)) = open.pop() {
                spend.release(reserved);
                spend.count(NanoUsd(0), used, now);
            }
            let Spent { day, month, .. } = spend.spent(now);
            prop_assert!(day.0 <= 1000 && month.0 <= 2000);
            prop_assert!(day <= month);
        }
        for (reserved, _) in open {
            spend.release(reserved);
        }
        prop_assert_eq!(spend.reserved, NanoUsd(0));
    }

    #[test]
    fn what_is_kept_is_read_again(day in 0_u64..LAST_DAY, spent: u64, more: u64) {
        let mut spend = Spend { today: day, day: NanoUsd(spent), month: NanoUsd(spent).plus(NanoUsd(more)), reserved: NanoUsd(0) };
        let kept = spend.spent(UnixMillis(day * DAY));
        prop_assert_eq!(Spend::of(&kept), Some(spend.clone()));
        spend.turn(UnixMillis((day + 1) * DAY));
        prop_assert_eq!(spend.day, NanoUsd(0));
    }
}
