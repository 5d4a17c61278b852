use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use super::*;
use crate::config::{AllowedModels, CacheOverrides, KeyDigest};

const NONE: Tokens = Tokens(0);

fn client(limits: Limits, budget: Option<Budget>) -> Client {
    Client {
        name: ClientName::new("web").unwrap(),
        key: KeyDigest::of("rk-the-key-of-web"),
        key_env: None,
        namespace: None,
        allowed_models: AllowedModels::All,
        cache: CacheOverrides::default(),
        max_input_tokens: None,
        on_overflow: None,
        limits,
        budget,
        expires: None,
    }
}

fn requests(limit: u32) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(limit),
        ..Limits::default()
    }
}

fn tokens(limit: u64) -> Limits {
    Limits {
        tokens_per_minute: NonZeroU64::new(limit),
        ..Limits::default()
    }
}

fn usd(amount: f64) -> Option<Usd> {
    Some(Usd::new(amount).unwrap())
}

fn daily(amount: f64) -> Option<Budget> {
    Some(Budget {
        daily: usd(amount),
        ..Budget::default()
    })
}

fn accounts() -> (Accounts, Clock) {
    let clock = Clock::manual();
    (Accounts::new(clock.clone()), clock)
}

fn account(limits: Limits, budget: Option<Budget>) -> (Arc<Account>, Clock) {
    let (accounts, clock) = accounts();
    (accounts.of(&client(limits, budget)), clock)
}

#[track_caller]
fn assert_told<T: std::fmt::Debug>(result: Result<T, Error>, told: &str, wait: Option<u64>) {
    let error = result.unwrap_err();
    let retry_after = if let Error::BudgetExceeded { retry_after, .. } = &error {
        *retry_after
    } else if let Error::RateLimited { retry_after, .. } = &error {
        Some(*retry_after)
    } else {
        panic!("{error}");
    };
    assert_eq!(error.to_string(), told);
    assert_eq!(retry_after, wait.map(Duration::from_millis));
}

#[test]
fn a_client_is_told_which_limit_and_when_to_come_back() {
    let (account, clock) = account(requests(2), None);
    for _ in 0..2 {
        account.enter().unwrap();
    }
    let told = "this key's limit of 2 requests a minute is reached; try again in 30 s";
    assert_told(account.enter(), told, Some(30_000));
    clock.advance(Duration::from_millis(30_000));
    assert!(account.enter().is_ok());

    let (account, _clock) = self::account(tokens(60), None);
    let _first = account.reserve(Tokens(50), None).unwrap();
    let told = "this key's limit of 60 tokens a minute is reached: the request may use 12 of them; \
                try again in 2 s";
    assert_told(account.reserve(Tokens(12), None), told, Some(2000));
    assert!(account.enter().is_ok(), "a hit uses none");

    let concurrent = Limits {
        concurrent: NonZeroU32::new(1),
        ..Limits::default()
    };
    let (account, _clock) = self::account(concurrent, None);
    let place = account.enter().unwrap();
    let told = "this key's limit of 1 requests at the same time is reached; try again when one of them has ended";
    assert_told(account.enter(), told, Some(1000));
    drop(place);
    assert!(account.enter().is_ok());
}

/// It is 2023-11-14T22:13:20Z by the manual clock.
const UNTIL_MIDNIGHT: u64 = (3600 + 46 * 60 + 40) * 1000;

#[test]
fn a_client_is_told_which_budget_and_when_it_begins_anew() {
    let (account, clock) = account(Limits::default(), daily(10.0));
    let mut call = account.reserve(Tokens(5), usd(9.5)).unwrap();
    let told = "what is left of this key's budget of $10.00 a day is set aside for calls that are under way; \
                try again when one of them has ended";
    assert_told(account.reserve(NONE, usd(1.0)), told, Some(1000));
    call.settle(Tokens(5), usd(9.5));
    let told = "of this key's budget of $10.00 a day $0.500000 are left, and this call may cost $1.000000: ask for \
                fewer tokens, or of a cheaper model; it begins anew at 2023-11-15T00:00:00Z (UTC)";
    assert_told(account.reserve(NONE, usd(1.0)), told, Some(UNTIL_MIDNIGHT));
    let told = "of this key's budget of $10.00 a day $0.500000 are left, and this call may cost $11.000000: ask for \
                fewer tokens, or of a cheaper model; it never pays for such a call";
    assert_told(account.reserve(NONE, usd(11.0)), told, None);
    account
        .reserve(NONE, usd(0.5))
        .unwrap()
        .settle(NONE, usd(0.5));
    let told =
        "this key's budget of $10.00 a day is spent; it begins anew at 2023-11-15T00:00:00Z (UTC)";
    for cost in [usd(0.0), usd(0.1), None] {
        assert_told(account.reserve(NONE, cost), told, Some(UNTIL_MIDNIGHT));
    }
    clock.advance(Duration::from_millis(UNTIL_MIDNIGHT - 1));
    assert!(account.reserve(NONE, usd(10.0)).is_err());
    clock.advance(Duration::from_millis(1));
    assert!(account.reserve(NONE, usd(10.0)).is_ok());
}

#[test]
fn small_budgets_are_not_told_as_nothing() {
    let (account, _clock) = account(Limits::default(), daily(0.0005));
    account.reserve(NONE, None).unwrap().settle(NONE, usd(1.0));
    let told = "this key's budget of $0.000500 a day is spent; it begins anew at 2023-11-15T00:00:00Z (UTC)";
    assert_told(account.reserve(NONE, None), told, Some(UNTIL_MIDNIGHT));
}

#[test]
fn a_budget_that_has_ended_says_when() {
    let (budget, clock) = (daily(1.0).unwrap(), Clock::manual());
    let budget = Budget {
        until: Some(clock.unix()),
        ..budget
    };
    let (account, _clock) = account(Limits::default(), Some(budget));
    let told = "this key's budget ended at 2023-11-14T22:13:20Z (UTC)";
    assert_told(account.reserve(NONE, None), told, None);
}

#[test]
fn what_is_not_settled_is_given_back() {
    let (account, _clock) = account(tokens(100), daily(1.0));
    drop(account.reserve(Tokens(100), usd(1.0)).unwrap());
    let mut call = account.reserve(Tokens(100), usd(1.0)).unwrap();
    call.settle(Tokens(40), usd(0.25));
    // What is learned later.
    call.settle(Tokens(60), usd(0.5));
    drop(call);
    assert_eq!(account.levels().tokens.unwrap().remaining, 40);
    assert_eq!(account.spent().day.dollars(), 0.5);
    assert!(account.reserve(Tokens(40), usd(0.5)).is_ok());
    assert!(account.reserve(Tokens(40), usd(0.501)).is_err());
    assert_eq!(
        account.levels().tokens.unwrap().remaining,
        40,
        "all or nothing"
    );
}

#[test]
fn without_limits_everything_is_let_through_and_counted() {
    let (account, _clock) = account(Limits::default(), None);
    assert!(!account.is_metered());
    assert!(account.enter().unwrap().is_none());
    let mut call = account.reserve(NONE, None).unwrap();
    call.settle(Tokens(7), usd(2.0));
    call.settle(Tokens(7), None);
    assert_eq!(account.spent().month.dollars(), 0.0, "corrected");
    call.settle(Tokens(7), usd(3.0));
    assert_eq!(account.spent().month.dollars(), 3.0);
    assert_eq!(account.levels(), Levels::default());
    Reservation::default().settle(Tokens(1), usd(1.0));
}

#[test]
fn only_tokens_and_money_have_to_be_estimated() {
    assert!(!account(requests(1), None).0.is_metered());
    assert!(account(tokens(1), None).0.is_metered());
    assert!(account(Limits::default(), daily(1.0)).0.is_metered());
}

#[test]
fn an_account_outlives_a_change_of_the_configuration() {
    let (accounts, _clock) = accounts();
    let before = accounts.of(&client(requests(2), daily(1.0)));
    before.enter().unwrap();
    before
        .reserve(NONE, usd(0.5))
        .unwrap()
        .settle(NONE, usd(0.5));
    let left = |account: &Account| account.levels().requests.map(|level| level.remaining);

    let same = accounts.of(&client(requests(2), daily(0.5)));
    assert!(Arc::ptr_eq(&before, &same));
    assert_eq!(left(&same), Some(1), "what is used stays used");
    assert!(
        same.reserve(NONE, usd(0.1)).is_err(),
        "the budget is the new one"
    );
    let other = accounts.of(&client(requests(3), daily(1.0)));
    assert_eq!(left(&other), Some(3));
    assert!(
        other.reserve(NONE, usd(0.5)).is_ok(),
        "what was spent stays spent"
    );
    assert!(other.reserve(NONE, usd(0.6)).is_err());
    let free = accounts.of(&client(Limits::default(), None));
    assert_eq!((left(&free), free.budget()), (None, None));
    assert_eq!(accounts.spent().len(), 1);
}

#[test]
fn a_budget_that_goes_is_shown_as_unused() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let (accounts, _clock) = accounts();
        let both = Budget {
            monthly: usd(2.0),
            ..daily(1.0).unwrap()
        };
        let account = accounts.of(&client(Limits::default(), Some(both)));
        (account.reserve(NONE, usd(1.0)).unwrap()).settle(NONE, usd(1.0));
        let says = |day: &str, month: &str| {
            let shown = recorder.handle().render();
            for (period, share) in [("day", day), ("month", month)] {
                let labels = format!("{{client=\"web\",period=\"{period}\"}}");
                let line = format!("refrain_client_budget_used_ratio{labels} {share}");
                assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
            }
        };
        says("1", "0.5");
        accounts.of(&client(
            Limits::default(),
            Some(Budget {
                daily: None,
                ..both
            }),
        ));
        says("0", "0.5");
        accounts.of(&client(Limits::default(), None));
        accounts.show();
        says("0", "0");
    });
}

#[test]
fn a_place_is_given_back_to_the_limit_that_it_was_taken_of() {
    let concurrent = |limit| Limits {
        concurrent: NonZeroU32::new(limit),
        ..Limits::default()
    };
    let (accounts, _clock) = accounts();
    let account = accounts.of(&client(concurrent(1), None));
    let place = account.enter().unwrap();
    accounts.of(&client(concurrent(2), None));
    let _one = account.enter().unwrap();
    let _two = account.enter().unwrap();
    assert!(account.enter().is_err());
    drop(place);
    assert!(account.enter().is_err(), "it was none of these two");
}

#[test]
fn changes_are_counted() {
    let (accounts, _clock) = accounts();
    let account = accounts.of(&client(Limits::default(), daily(1.0)));
    assert_eq!(accounts.changes(), 0);
    let mut call = account.reserve(NONE, usd(0.1)).unwrap();
    assert_eq!(accounts.changes(), 0, "nothing is spent yet");
    call.settle(NONE, usd(0.1));
    assert_eq!(accounts.changes(), 1);
    call.settle(NONE, usd(0.1));
    assert_eq!(accounts.changes(), 1);
}

#[test]
fn nobody_overspends_by_asking_many_times_at_once() {
    let (account, _clock) = account(Limits::default(), daily(1.0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    if let Ok(mut call) = account.reserve(NONE, usd(0.01)) {
                        call.settle(NONE, usd(0.01));
                    }
                }
            });
        }
    });
    assert_eq!(account.spent().day, NanoUsd(1_000_000_000));
    assert!(account.reserve(NONE, None).is_err());
}

#[test]
fn no_message_holds_the_key() {
    let (account, _clock) = account(requests(1), daily(1.0));
    account.enter().unwrap();
    let told = account.enter().unwrap_err().to_string();
    assert!(
        !told.contains("rk-")
            && !told.contains(&format!("{:?}", KeyDigest::of("rk-the-key-of-web")))
    );
    assert!(!format!("{account:?}").contains("rk-the-key"));
}
