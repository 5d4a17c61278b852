//! What is counted and what is timed.

use moka::notification::RemovalCause;

use super::*;
use crate::{gateway::catalogue::Conduct, policy::breaker::State, telemetry::models::MODELS};

const STREAM: Delivery = Delivery::Stream { usage: false };

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn name(model: &str) -> Name {
    (
        ProviderName::new("p").unwrap(),
        ModelId::new(model).unwrap(),
    )
}

fn vitals() -> Arc<Vitals> {
    Arc::new(Vitals::new(name("m"), &Clock::manual()))
}

fn latency(vitals: &Vitals, delivery: Delivery, clock: &Clock) -> Option<Duration> {
    vitals.candidate(1, None, delivery, clock.now()).latency
}

#[test]
fn requests_are_under_way_until_their_guard_is_gone() {
    let (clock, vitals) = (Clock::manual(), vitals());
    let mut one = vitals.begin(&clock, STREAM);
    let two = vitals.begin(&clock, Delivery::Json);
    one.first_token();
    assert_eq!(
        vitals.in_flight(),
        2,
        "a stream lasts beyond its first word"
    );
    assert_eq!(
        vitals.candidate(3, None, STREAM, clock.now()),
        Candidate {
            weight: 3,
            price: None,
            latency: Some(Duration::ZERO),
            in_flight: 2
        }
    );
    two.failed();
    assert_eq!(vitals.in_flight(), 1);
    drop(one);
    assert_eq!(vitals.in_flight(), 0);
}

#[test]
fn a_panic_leaves_nothing_under_way() {
    let (clock, vitals) = (Clock::manual(), vitals());
    let shared = Arc::clone(&vitals);
    let thread = std::thread::spawn(move || {
        let _guard = shared.begin(&clock, STREAM);
        shared.with_latencies(|_| panic!("while the lock is held"));
    });
    assert!(thread.join().is_err());
    assert_eq!(vitals.in_flight(), 0);
    let clock = Clock::manual();
    let mut guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(40));
    guard.first_token();
    assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(40)));
}

#[test]
fn threads_count_together() {
    let vitals = vitals();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let clock = Clock::manual();
                for turn in 0..500 {
                    let mut guard = vitals.begin(&clock, STREAM);
                    match turn % 3 {
                        0 => guard.first_token(),
                        1 => guard.failed(),
                        _ => {}
                    }
                }
            });
        }
    });
    assert_eq!(vitals.in_flight(), 0);
}

#[test]
fn the_time_to_the_first_word_counts_once() {
    let (clock, vitals) = (Clock::manual(), vitals());
    assert_eq!(latency(&vitals, STREAM, &clock), None);
    clock.advance(ms(5_000));
    let mut guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(300));
    guard.first_token();
    clock.advance(ms(9_000));
    guard.first_token();
    drop(guard);
    assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(300)));
    assert_eq!(latency(&vitals, Delivery::Json, &clock), None, "not told");
}

#[test]
fn a_quick_failure_does_not_look_quick() {
    let (clock, vitals) = (Clock::manual(), vitals());
    let guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(2));
    guard.failed();
    assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE));
    assert_eq!(latency(&vitals, Delivery::Json, &clock), Some(FAILURE));
    let guard = vitals.begin(&clock, STREAM);
    clock.advance(FAILURE * 2);
    guard.failed();
    assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE * 2));
}

#[test]
fn a_stream_that_breaks_has_failed_too() {
    let (clock, vitals) = (Clock::manual(), vitals());
    let mut guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(100));
    guard.first_token();
    guard.failed();
    assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE));
    clock.advance(Duration::from_secs(120));
    let calm = latency(&vitals, STREAM, &clock).unwrap();
    assert!(calm < ms(110), "{calm:?}");
}

#[test]
fn what_is_given_up_tells_only_of_long_waits() {
    let (clock, vitals) = (Clock::manual(), vitals());
    let guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(900));
    drop(guard);
    assert_eq!(latency(&vitals, STREAM, &clock), None);
    let guard = vitals.begin(&clock, STREAM);
    clock.advance(ms(20_000));
    drop(guard);
    assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(20_000)));
}

#[test]
fn every_target_has_its_own() {
    let table = VitalsTable::new(&Clock::manual());
    let provider = |name: &str| ProviderName::new(name).unwrap();
    let model = |name: &str| ModelId::new(name).unwrap();
    let one = table.of(&provider("p"), &model("m"));
    let _guard = one.begin(&Clock::manual(), STREAM);
    let same = table.clone().of(&provider("p"), &model("m"));
    assert!(Arc::ptr_eq(&one, &same) && same.in_flight() == 1);
    assert_eq!(table.of(&provider("q"), &model("m")).in_flight(), 0);
    assert_eq!(table.of(&provider("p"), &model("n")).in_flight(), 0);
}

#[test]
fn what_an_operator_wants_is_not_forgotten() {
    let (clock, table) = (Clock::manual(), VitalsTable::new(&Clock::manual()));
    let (provider, model) = name("m");
    let rules = Conduct::default().breaker;
    table.force(&provider, &model, Some(Force::Open), clock.now());
    table.targets.invalidate_all();
    table.targets.run_pending_tasks();
    let vitals = table.of(&provider, &model);
    let refused = vitals.admit(clock.now(), &rules, Urgency::LastResort);
    assert!(refused.is_err());
    let all = table.all();
    assert!(matches!(&all[..], [(_, _, known)] if Arc::ptr_eq(known, &vitals)));

    table.force(&provider, &model, None, clock.now());
    assert!(Arc::ptr_eq(&table.of(&provider, &model), &vitals));
    assert_eq!(table.all().len(), 1);
    assert!(vitals.admit(clock.now(), &rules, Urgency::Usual).is_ok());
}

#[test]
fn the_latest_changes_are_remembered() {
    let clock = Clock::manual();
    let table = VitalsTable::new(&clock);
    let (provider, model) = name("remembered");
    let vitals = table.of(&provider, &model);
    assert_eq!(vitals.changes(), []);
    for force in [Force::Open, Force::Closed].repeat(MOST_CHANGES) {
        clock.advance(Duration::from_secs(2));
        table.force(&provider, &model, Some(force), clock.now());
    }
    let changes = vitals.changes();
    assert_eq!(changes.len(), MOST_CHANGES);
    let last = Changed {
        at: clock.unix_seconds(),
        change: Change {
            from: State::Open,
            to: State::Closed,
        },
    };
    assert_eq!(changes.last(), Some(&last));
    assert!(
        changes
            .iter()
            .zip(&changes[1..])
            .all(|(one, next)| one.at + 2 == next.at)
    );
}

#[test]
fn changes_are_told() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let (clock, table) = (Clock::manual(), VitalsTable::new(&Clock::manual()));
    let (provider, model) = name("told");
    let rules = breaker::Rules {
        min_requests: 1,
        ..Conduct::default().breaker
    };
    let says = |metric: &str, value: &str| {
        let text = shown.render();
        let line = format!("{metric} {value}");
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    };
    let is_in = |state: &str| {
        for other in ["closed", "half_open", "open"] {
            let labels = format!("{{provider=\"p\",model=\"told\",state=\"{other}\"}}");
            let value = if other == state { "1" } else { "0" };
            says(&format!("refrain_breaker_state{labels}"), value);
        }
    };
    let changes = |model: &str, to: &str| {
        let labels = format!("{{provider=\"p\",model=\"{model}\",to=\"{to}\"}}");
        format!("refrain_breaker_transitions_total{labels}")
    };
    MODELS.configured(&provider, &model);
    metrics::with_local_recorder(&recorder, || {
        let vitals = table.of(&provider, &model);
        let call = |outcome| {
            let permit = vitals.admit(clock.now(), &rules, Urgency::Usual).unwrap();
            vitals.settle(permit, outcome, clock.now(), &rules);
        };
        call(Outcome::Success);
        assert!(!shown.render().contains("told"), "nothing has changed");
        vitals.broke_off(clock.now(), &rules);
        assert_eq!(vitals.view(clock.now(), &rules).state, State::Open);
        is_in("open");
        clock.advance(rules.open_for * 2);
        let permit = vitals.admit(clock.now(), &rules, Urgency::Usual).unwrap();
        is_in("half_open");
        vitals.settle(permit, Outcome::Success, clock.now(), &rules);
        is_in("closed");
        table.force(&provider, &model, Some(Force::Open), clock.now());
        table.force(&provider, &model, Some(Force::Open), clock.now());
        is_in("open");
        says(&changes("told", "open"), "2");
        says(&changes("told", "half_open"), "1");
        says(&changes("told", "closed"), "1");
        // Only what was shown is taken back.
        let quiet = (provider.clone(), ModelId::new("quiet").unwrap());
        MODELS.configured(&quiet.0, &quiet.1);
        let never_left_alone = Vitals::new(quiet.clone(), &clock);
        told::forgotten(&quiet, &never_left_alone, RemovalCause::Expired);
        assert!(!shown.render().contains("quiet"));
        let forgotten = (provider.clone(), model.clone());
        told::forgotten(&forgotten, &vitals, RemovalCause::Expired);
        is_in("closed");
        begin_at_zero(&quiet.0, &quiet.1);
        says(&changes("quiet", "open"), "0");
        // Of a model that somebody made up no more is told than that there is one.
        let (provider, model) = name("made-up");
        let made_up = table.of(&provider, &model);
        let permit = made_up.admit(clock.now(), &rules, Urgency::Usual).unwrap();
        made_up.settle(permit, Outcome::Success, clock.now(), &rules);
        made_up.broke_off(clock.now(), &rules);
        assert!(!shown.render().contains("made-up"));
        says(&changes("other", "open"), "1");
    });
}
