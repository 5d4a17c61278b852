//! What journals tell, and how often.

use super::*;
use crate::{
    ident::{ModelId, ProviderName},
    units::Tokens,
};

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Arc<Record>>>);

impl Observer for Seen {
    fn over(&self, record: &Arc<Record>) {
        self.0.lock().unwrap().push(Arc::clone(record));
    }
}

fn watched(capture: Option<usize>) -> (Arc<Seen>, Observers) {
    let seen = Arc::new(Seen::default());
    let all: Vec<Arc<dyn Observer>> = vec![Arc::clone(&seen) as _];
    (seen, Observers::new(all, capture, None))
}

fn attempt() -> Stage {
    Stage::Attempt {
        provider: ProviderName::new("openai").unwrap(),
        model: ModelId::new("gpt-4o").unwrap(),
    }
}

#[test]
fn a_record_is_told_once_when_the_last_who_works_on_it_lets_go() {
    let (seen, observers) = watched(None);
    let clock = Clock::manual();
    let journal = Journal::open("req_1", None, &clock, &observers);
    clock.advance(Duration::from_millis(5));
    let step = journal.begin(attempt());
    clock.advance(Duration::from_millis(20));
    step.answered();
    journal.answered(Head {
        route: "/v1/chat/completions",
        status: 200,
        facts: None,
        failure: None,
    });
    journal.delivered();
    drop(journal);
    assert!(seen.0.lock().unwrap().is_empty());
    clock.advance(Duration::from_millis(10));
    let usage = Usage {
        input: Tokens(3),
        output: Tokens(4),
    };
    step.used(Some(usage), None);
    step.ended("ok");
    step.ended("later");
    drop(step);
    let all = seen.0.lock().unwrap();
    let [record] = &all[..] else {
        panic!("{all:?}")
    };
    let ms = Duration::from_millis;
    assert_eq!(&*record.id, "req_1");
    assert_eq!(
        (record.answered, record.delivered),
        (Some(ms(25)), Some(ms(25)))
    );
    assert_eq!(record.total, ms(35));
    let step = &record.steps[0];
    assert_eq!(
        (step.began, step.answered, step.ended),
        (ms(5), Some(ms(25)), Some(ms(35)))
    );
    assert_eq!((step.outcome, step.used), (Some("ok"), Some(usage)));
    assert_eq!(record.content, None);
}

#[test]
fn what_is_never_ended_was_given_up() {
    let (seen, observers) = watched(None);
    let journal = Journal::open("r", None, &Clock::manual(), &observers);
    drop(journal.begin(Stage::Lookup));
    drop(journal);
    let all = seen.0.lock().unwrap();
    assert_eq!(all[0].steps[0].outcome, None);
    assert_eq!((all[0].answered, all[0].delivered), (None, None));
}

#[test]
fn what_follows_a_request_belongs_to_its_trace() {
    let (seen, observers) = watched(None);
    let parent = TraceContext::fresh(true);
    let journal = Journal::open("r", Some(parent), &Clock::manual(), &observers);
    let aside = journal.aside();
    assert_eq!(aside.trace().trace, parent.trace);
    drop(aside.begin(attempt()));
    let step = journal.begin(Stage::Embedding);
    assert_ne!(step.trace().span, journal.trace().span);
    drop((step, aside, journal));
    let all = seen.0.lock().unwrap();
    assert_eq!(all[1].parent, Some(parent.span));
    assert_eq!(all[0].parent, Some(all[1].trace.span));
}

#[test]
fn words_are_noted_only_where_they_are_wanted_and_no_more_than_wanted() {
    for (capture, expected) in [
        (None, None),
        (Some(3), Some("abc")),
        (Some(9), Some("abcdef")),
    ] {
        let (seen, observers) = watched(capture);
        let journal = Journal::open("r", None, &Clock::manual(), &observers);
        journal.asked(&Method::POST, "/v1/chat/completions");
        journal.content(&Bytes::from_static(b"abcdef"));
        journal.asked_for(&"m".repeat(1000));
        drop(journal);
        let all = seen.0.lock().unwrap();
        assert_eq!(all[0].content.as_deref(), expected.map(str::as_bytes));
        assert_eq!(
            all[0].asked_model.as_deref().map(str::len),
            Some(LONGEST_NAME)
        );
    }
}

#[test]
fn no_more_steps_are_noted_than_there_is_room_for() {
    let (seen, observers) = watched(None);
    let journal = Journal::open("r", None, &Clock::manual(), &observers);
    for _ in 0..2 * MOST_STEPS {
        journal.begin(Stage::Lookup).ended("hit");
    }
    drop(journal);
    assert_eq!(seen.0.lock().unwrap()[0].steps.len(), MOST_STEPS);
}

#[test]
fn of_what_nobody_asked_and_nobody_did_nobody_is_told() {
    let (seen, observers) = watched(None);
    let journal = Journal::open("r", None, &Clock::manual(), &observers);
    journal.asked(&Method::POST, "/v1/chat/completions");
    drop(journal.aside());
    assert!(seen.0.lock().unwrap().is_empty());
    // A client's request is one, also if nothing was done for it.
    drop(journal);
    assert_eq!(seen.0.lock().unwrap().len(), 1);
}

#[test]
fn what_is_known_late_belongs_to_the_answer_all_the_same() {
    let (seen, observers) = watched(None);
    let clock = Clock::manual();
    let journal = Journal::open("r", None, &clock, &observers);
    journal.asked(&Method::POST, "/v1/chat/completions");
    let facts = crate::telemetry::facts::Facts::new(
        crate::telemetry::ledger::Way::Coalesced,
        None,
        clock.now(),
    );
    journal.answered(Head {
        route: "/v1/chat/completions",
        status: 200,
        facts: Some(facts),
        failure: None,
    });
    journal.saved(Usd::new(0.5).unwrap());
    journal.broke_off();
    journal.delivered();
    drop(journal);
    let all = seen.0.lock().unwrap();
    let facts = all[0].head.as_ref().unwrap().facts.as_ref().unwrap();
    assert_eq!(facts.saved, Usd::new(0.5));
    assert!(all[0].is_broken_off());
    assert_eq!(all[0].delivery(), Some("broken"));
}

#[test]
fn each_route_that_asks_providers_has_its_operation() {
    for (route, operation) in [
        ("/v1/chat/completions", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1beta/models", "embeddings"),
        (
            "/v1beta/models/{model}:streamGenerateContent",
            "generate_content",
        ),
        ("/v1/moderations", "moderations"),
        ("/v1/rerank", "rerank"),
        ("/v1/audio", "audio"),
        ("/v1/images", "images"),
    ] {
        let inbound = Inbound {
            method: Method::POST,
            route,
        };
        let record = Record {
            inbound: Some(inbound),
            ..Record::blank()
        };
        assert_eq!(record.operation(), operation, "{route}");
        assert!(OPERATIONS.contains(&operation));
    }
    assert_eq!(Record::blank().operation(), "chat");
}
