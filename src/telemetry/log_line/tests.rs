//! What a line says of a request, and what it never says.

use std::sync::Mutex;

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::Clock,
    ident::{ClientName, ModelId, ProviderName, TaskName},
    telemetry::{
        facts::Facts,
        journal::{Failure, Head, Journal, Observers},
        ledger::Way,
        logs::tests::lines,
        trace::TraceContext,
    },
    units::{Share, Similarity, Tokens},
    wire::answer::Usage,
};

const ALL: Lines = Lines {
    answered: true,
    slow: Duration::from_secs(1),
};

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Arc<Record>>>);

impl Observer for Kept {
    fn over(&self, record: &Arc<Record>) {
        self.0.lock().unwrap().push(Arc::clone(record));
    }
}

/// What is told of a request to which this happened.
fn record(happened: impl FnOnce(&Arc<Journal>, &Clock)) -> Arc<Record> {
    let kept = Arc::new(Kept::default());
    let observers = Observers::new(vec![Arc::clone(&kept) as _], Some(100), Some(Share::NONE));
    let clock = Clock::manual();
    let parent = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let journal = Journal::open("req_1", parent, &clock, &observers);
    journal.asked(&Method::POST, "/v1/chat/completions");
    happened(&journal, &clock);
    drop(journal);
    kept.0.lock().unwrap().remove(0)
}

fn after(clock: &Clock, ms: u64) {
    clock.advance(Duration::from_millis(ms));
}

fn head(status: u16, facts: Option<Facts>, failure: Option<Failure>) -> Head {
    Head {
        route: "/v1/chat/completions",
        status,
        facts,
        failure,
    }
}

/// A miss that a provider answered.
fn miss() -> Arc<Record> {
    record(|journal, clock| {
        journal.client(&ClientName::new("web").unwrap());
        journal.asked_for("gpt-\u{202e}4o\n");
        journal.content(&Bytes::from_static(b"a planted prompt"));
        journal.read();
        let step = journal.begin(Stage::Lookup);
        after(clock, 2);
        step.ended("below_point");
        drop(step);
        let step = journal.begin(Stage::Attempt {
            provider: ProviderName::new("openai").unwrap(),
            model: ModelId::new("gpt-4o").unwrap(),
        });
        after(clock, 40);
        step.answered();
        let mut facts = Facts::new(Way::Miss, Some("below_point"), clock.now());
        facts.provider = ProviderName::new("openai").ok();
        facts.model = ModelId::new("gpt-4o").ok();
        facts.task = TaskName::new("chat").ok();
        facts.attempts = 1;
        facts.upstream = Duration::from_millis(40);
        facts.trimmed = Some(Tokens(7));
        journal.answered(head(200, Some(facts), None));
        after(clock, 8);
        let used = Usage {
            input: Tokens(30),
            output: Tokens(4),
        };
        step.used(Some(used), Usd::new(0.001));
        step.ended("ok");
        journal.delivered();
    })
}

fn hit(overhead: u64) -> Arc<Record> {
    record(|journal, clock| {
        let lookup = journal.begin(Stage::Lookup);
        let embedding = journal.begin(Stage::Embedding);
        after(clock, overhead);
        embedding.ended("ok");
        lookup.ended("semantic");
        let mut facts = Facts::new(Way::Semantic, None, clock.now());
        facts.tier = Similarity::new(0.951_23).map(Tier::Semantic);
        facts.saved = Usd::new(0.002);
        journal.answered(head(200, Some(facts), None));
        journal.delivered();
    })
}

fn failed(status: u16, fault: Fault) -> Arc<Record> {
    record(|journal, _| {
        let failure = Failure {
            fault,
            summary: "bad `messages`".to_owned(),
        };
        journal.answered(head(status, None, Some(failure)));
        journal.delivered();
    })
}

fn broken_off() -> Arc<Record> {
    record(|journal, clock| {
        let step = journal.begin(Stage::Attempt {
            provider: ProviderName::new("openai").unwrap(),
            model: ModelId::new("gpt-4o").unwrap(),
        });
        let facts = Facts::new(Way::Miss, None, clock.now());
        journal.answered(head(200, Some(facts), None));
        step.ended("broken");
        journal.broke_off();
        journal.delivered();
    })
}

fn all(pretty: bool) -> String {
    let given_up = record(|journal, _| {
        drop(journal.begin(Stage::Lookup));
    });
    let records = [
        miss(),
        hit(5),
        hit(1500),
        given_up,
        failed(400, Fault::Client),
        failed(502, Fault::Upstream),
        failed(500, Fault::Gateway),
        broken_off(),
    ];
    let lines = lines(pretty, |_| {
        for record in &records {
            write(record, ALL);
        }
    });
    assert_eq!(lines.len(), records.len());
    lines.join("\n")
}

#[test]
fn a_line_for_machines() {
    insta::assert_snapshot!(all(false));
}

#[test]
fn a_line_for_people() {
    insta::assert_snapshot!(all(true));
}

#[test]
fn nothing_of_a_body_is_in_a_line() {
    for pretty in [false, true] {
        let lines = all(pretty);
        assert!(!lines.contains("planted"), "{lines}");
        assert!(!lines.contains('\u{202e}'), "{lines}");
    }
}

#[test]
fn each_line_has_its_level() {
    let check = |record: &Record, expected: Verdict| {
        assert_eq!(Verdict::of(record, ALL), expected);
    };
    check(&hit(999), Verdict::Answered);
    check(&hit(1000), Verdict::Slow);
    check(&failed(429, Fault::Client), Verdict::Refused);
    let shed = record(|journal, _| {
        journal.answered(head(503, None, None));
        journal.logged();
    });
    check(&shed, Verdict::Quiet);
    // That a client sends its request slowly is not the gateway's.
    let slow_client = record(|journal, clock| {
        after(clock, 5000);
        journal.read();
        journal.answered(head(200, None, None));
        journal.delivered();
    });
    check(&slow_client, Verdict::Answered);
}

#[test]
fn without_lines_of_answers_what_went_wrong_has_still_its_line() {
    let few = Lines {
        answered: false,
        ..ALL
    };
    let lines = lines(false, |_| {
        for record in [hit(1), hit(2000), failed(400, Fault::Client), broken_off()] {
            write(&record, few);
        }
    });
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_the_gateway_does_for_itself_has_no_line() {
    let kept = Arc::new(Kept::default());
    let observers = Observers::new(vec![Arc::clone(&kept) as _], None, None);
    let journal = Journal::open("r", None, &Clock::manual(), &observers);
    drop(journal.begin(Stage::Lookup));
    drop(journal);
    assert_eq!(Verdict::of(&kept.0.lock().unwrap()[0], ALL), Verdict::Quiet);
}

#[test]
fn names_of_clients_are_inert() {
    assert_eq!(named("gpt-4o"), "gpt-4o");
    assert_eq!(named("a\r\n\u{1b}[2Jb"), r"a\r\n\u{1b}[2Jb");
    assert_eq!(
        named("a\u{202e}b\u{200b}\u{feff}"),
        r"a\u{202e}b\u{200b}\u{feff}"
    );
    assert_eq!(named("modèle 型"), "modèle 型");
    assert_eq!(named(&"x".repeat(1000)).len(), LONGEST_NAME);
}

proptest! {
    #[test]
    fn whatever_a_client_writes_is_short_and_inert(text in ".*", bytes: Vec<char>) {
        let more: String = bytes.into_iter().collect();
        for text in [text, more] {
            let shown = named(&text);
            prop_assert!(shown.len() <= LONGEST_NAME);
            prop_assert!(!shown.contains(inert::acts));
            prop_assert_eq!(named(&shown).into_owned(), shown.clone().into_owned());
        }
    }
}
