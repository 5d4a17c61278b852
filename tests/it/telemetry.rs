//! What a collector of traces and the log are told of requests, and what nobody is told.

use refrain::telemetry::trace::TraceContext;
use serde_json::json;

use crate::support::{
    angles::Angles,
    answer::Answer,
    asking,
    collector::{Collector, Span},
    gateway::{Gateway, model, provider},
    program::{QUIET, Serving, written},
    streaming,
    upstream::{KEY, Upstream},
    with,
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

const SERVER: &str = "POST /v1/chat/completions";

/// A gateway that tells a collector of all traces.
async fn traced() -> (Upstream, Collector, Gateway) {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = Gateway::setup(&upstream, &collector.section())
        .start()
        .await;
    (upstream, collector, gateway)
}

#[tokio::test]
async fn a_miss_and_a_hit_are_told_with_their_steps() {
    let (upstream, collector, gateway) = traced().await;
    let question = asking("a planted question");
    let asked = gateway.ask(&question).header("x-request-id", "id-1");
    asked.header("traceparent", PARENT).send().await;
    gateway.app.settle().await;
    gateway
        .ask(&question)
        .header("tracestate", "a=1")
        .send()
        .await;
    gateway.stop().await;

    let spans = collector.spans();
    let [miss, hit] = named(&spans, SERVER)[..] else {
        panic!("{spans:?}")
    };
    let parent = TraceContext::parse(PARENT).unwrap();
    assert_eq!(miss.trace, parent.trace.to_be_bytes());
    assert_eq!(miss.parent, parent.span.to_be_bytes());
    // Sampled, with a parent in another process.
    assert_eq!(miss.flags, 0x301);
    assert_eq!((miss.kind, miss.is_error()), (2, false));
    for (key, value) in [
        ("request.id", "id-1"),
        ("http.request.method", "POST"),
        ("http.route", "/v1/chat/completions"),
        ("http.response.status_code", "200"),
        ("cache.result", "miss"),
        ("gen_ai.request.model", "gpt-test"),
        ("refrain.delivered", "whole"),
        ("error.type", ""),
    ] {
        assert_eq!(miss.says(key), value, "{key}");
    }
    let [call] = named(&spans, "chat gpt-test")[..] else {
        panic!("{spans:?}")
    };
    assert_eq!((&call.trace, &call.parent), (&miss.trace, &miss.id));
    assert_eq!(call.flags, 0x101);
    assert_eq!((call.kind, call.is_error()), (3, false));
    assert!(miss.start <= call.start && call.start <= call.end);
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "main"),
        ("gen_ai.usage.input_tokens", "10"),
        ("gen_ai.usage.output_tokens", "5"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(call.says(key), value, "{key}");
    }
    assert_eq!(call.events(), ["first_chunk"]);
    // The provider was told which span its answer belongs to.
    let told = upstream.only().headers["traceparent"]
        .to_str()
        .unwrap()
        .to_owned();
    let told = TraceContext::parse(&told).unwrap();
    assert_eq!(told.trace, parent.trace);
    assert_eq!(told.span.to_be_bytes(), call.id[..]);

    assert_eq!(
        (hit.says("cache.result"), hit.says("cache.tier")),
        ("exact".into(), "exact".into())
    );
    assert_ne!(hit.trace, miss.trace);
    // A state without a trace that it belongs to says nothing.
    assert_eq!((hit.parent.len(), hit.state.as_str()), (0, ""));
    assert_eq!((hit.flags, hit.links().len()), (1, 0));
    let batch = &collector.batches()[0];
    assert_eq!(batch.headers["content-type"], "application/x-protobuf");
    assert_eq!(batch.resource("service.name"), "refrain");
    for batch in collector.batches() {
        let text = String::from_utf8_lossy(&batch.body).into_owned();
        assert!(!text.contains("planted") && !text.contains("answer 1") && !text.contains(KEY));
    }
}

#[tokio::test]
async fn a_hit_by_meaning_has_its_vector_within_its_lookup() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (first, near) = ("How far away is the moon?", "How far away is our moon?");
    let gateway = Gateway::setup(&upstream, &collector.section())
        .encoder(Angles::of(&[(first, 1.0), (near, 0.999)]))
        .start()
        .await;
    gateway.ask(&asking(first)).send().await;
    gateway.app.settle().await;
    let second = gateway.ask(&asking(near)).send().await;
    gateway.stop().await;
    let spans = collector.spans();
    let [vector] = named(&spans, "embedding")[..] else {
        panic!("{spans:?}")
    };
    let lookup = spans.iter().find(|span| span.id == vector.parent).unwrap();
    assert_eq!(lookup.name, "cache lookup");
    assert_eq!(named(&spans, SERVER)[1].says("cache.result"), second.way());
}

#[tokio::test]
async fn each_attempt_has_its_span_also_of_a_stream() {
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    let collector = Collector::start().await;
    let toml = [
        collector.section(),
        provider("main", &upstream),
        provider("other", &other),
        model("gpt-test", &["main/gpt-test", "other/gpt-test"]),
    ];
    let gateway = crate::support::gateway::Setup::new(&toml.concat())
        .start()
        .await;
    upstream.script(Answer::error(500, "a planted error"));
    let reply = gateway
        .ask(&streaming("Who?"))
        .header("traceparent", PARENT);
    let reply = reply.header("tracestate", "a=1,b=2").send().await;
    assert!(reply.is_done());
    gateway.ask(&json!({"model": "gpt-test"})).send().await;
    upstream.mood(|_| Answer::error(500, "a planted error"));
    other.mood(|_| Answer::error(503, "a planted error"));
    let failed = gateway.ask(&asking("Who else?")).send().await;
    assert_eq!(failed.status, 503);
    gateway.stop().await;

    let spans = collector.spans();
    let [stream, refused, failed] = named(&spans, SERVER)[..] else {
        panic!("{spans:?}")
    };
    let calls = named(&spans, "chat gpt-test");
    let [first, second, third, fourth] = calls[..] else {
        panic!("{calls:?}")
    };
    assert!(first.is_error() && third.is_error() && fourth.is_error() && !second.is_error());
    assert_eq!(first.says("error.type"), "server_error");
    assert_eq!((&first.parent, &second.parent), (&stream.id, &stream.id));
    assert_eq!(second.says("refrain.provider"), "other");
    assert_eq!(stream.says("refrain.attempts"), "2");
    assert_eq!(
        (
            stream.state.as_str(),
            other.received()[0].headers["tracestate"].to_str().unwrap()
        ),
        ("a=1,b=2", "a=1,b=2")
    );
    assert_eq!(
        (
            refused.says("http.response.status_code"),
            refused.is_error()
        ),
        ("400".into(), false)
    );
    assert_eq!(
        (failed.says("error.type"), failed.is_error()),
        ("503".into(), true)
    );
    assert!(!format!("{spans:?}").contains("planted"));
}

#[tokio::test]
async fn a_client_that_is_gone_is_told_as_gone() {
    let (upstream, collector, gateway) = traced().await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("a word");
    let mut open = gateway.ask(&streaming("Who?")).open().await;
    open.piece().await;
    drop(open);
    steps.abandoned().await;
    collector.arrived(1).await;
    let spans = collector.spans();
    assert_eq!(named(&spans, SERVER)[0].says("refrain.delivered"), "gone");
    assert_eq!(
        named(&spans, "chat gpt-test")[0].says("refrain.outcome"),
        "given_up"
    );
}

#[tokio::test]
async fn who_shares_a_call_is_linked_to_who_made_it() {
    let (upstream, collector, gateway) = traced().await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("a word");
    let question = streaming("Who?");
    let mut leader = gateway.ask(&question).open().await;
    leader.piece().await;
    let follower = gateway.ask(&question).open().await;
    assert_eq!(follower.head.way(), "coalesced");
    steps.finish();
    leader.rest().await;
    follower.rest().await;
    gateway.stop().await;
    let spans = collector.spans();
    let all = named(&spans, SERVER);
    let of = |way: &str| {
        *all.iter()
            .find(|span| span.says("cache.result") == way)
            .unwrap()
    };
    let (leader, follower) = (of("miss"), of("coalesced"));
    assert_eq!(follower.links(), [(&*leader.trace, &*leader.id)]);
    assert!(leader.links().is_empty());
}

#[tokio::test]
async fn a_model_that_is_not_there_is_told_as_it_was_asked_for() {
    let (_upstream, collector, gateway) = traced().await;
    let body = with(asking("Who?"), json!({"model": "nobody"}));
    assert_eq!(gateway.ask(&body).send().await.status, 404);
    gateway.stop().await;
    let spans = collector.spans();
    assert_eq!(
        named(&spans, SERVER)[0].says("gen_ai.request.model"),
        "nobody"
    );
}

#[tokio::test]
async fn who_asks_decides_whether_its_trace_is_recorded() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let section = collector.section() + "sample = 0.0\n";
    let gateway = Gateway::setup(&upstream, &section).start().await;
    gateway.ask(&asking("one")).send().await;
    gateway
        .ask(&asking("two"))
        .header("traceparent", UNSAMPLED)
        .send()
        .await;
    gateway
        .ask(&asking("three"))
        .header("traceparent", PARENT)
        .send()
        .await;
    // What is not recorded is known to be of a trace all the same.
    let told = |n: usize| {
        let headers = &upstream.received()[n].headers;
        TraceContext::parse(headers["traceparent"].to_str().unwrap()).unwrap()
    };
    assert!(!told(0).is_sampled && !told(1).is_sampled && told(2).is_sampled);
    gateway.stop().await;
    assert_eq!(named(&collector.spans(), SERVER).len(), 1);
}

#[tokio::test]
async fn without_a_collector_nobody_is_told_of_traces() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let ask = gateway.ask(&asking("one")).header("traceparent", PARENT);
    ask.header("tracestate", "a=1").send().await;
    let headers = upstream.only().headers;
    assert!(!headers.contains_key("traceparent") && !headers.contains_key("tracestate"));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    collector.answers(&[503, 429, 0]);
    let gateway = Gateway::setup(&upstream, &collector.section())
        .start()
        .await;
    for question in ["one", "two", "three"] {
        let reply = gateway.ask(&asking(question)).send().await;
        assert_eq!(reply.status, 200);
    }
    // Refused, refused, not answered in time, and taken.
    collector.arrived(4).await;
    let batches = collector.batches();
    assert!(batches.windows(2).all(|pair| pair[0].body == pair[1].body));
    assert_eq!(named(&batches[3].spans(), SERVER).len(), 3);
    collector.answers(&[0]);
    gateway.ask(&asking("four")).send().await;
    // The end is not held up either.
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_sent_again() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    collector.answers(&[400]);
    let gateway = Gateway::setup(&upstream, &collector.section())
        .start()
        .await;
    gateway.ask(&asking("one")).send().await;
    collector.arrived(1).await;
    gateway.ask(&asking("two")).send().await;
    collector.arrived(2).await;
    assert_ne!(collector.batches()[0].body, collector.batches()[1].body);
    gateway.stop().await;
    assert_eq!(collector.batches().len(), 2);
}

#[tokio::test]
async fn the_log_has_one_line_for_each_request_and_no_word_of_it() {
    let upstream = Upstream::start().await;
    let toml = [
        QUIET.replace("[cache]", "[telemetry]\nlogs = \"json\"\n[cache]"),
        provider("main", &upstream),
        model("gpt-test", &["main/gpt-test"]),
    ];
    let (_directory, path) = written(&toml.concat());
    let serving = Serving::start(std::path::Path::new(&path), &[]).await;
    let client = crate::support::client::http().build().unwrap();
    let url = format!("{}/v1/chat/completions", serving.url);
    let post = |body: String| {
        client
            .post(&url)
            .header("x-request-id", "id-1")
            .body(body)
            .send()
    };
    upstream.script(Answer::said("a planted answer"));
    let asked = with(asking("a planted question"), json!({"model": "gpt-test"}));
    for body in [
        asked.to_string(),
        asked.to_string(),
        "{\"planted".to_owned(),
    ] {
        let _read = post(body).await.unwrap().bytes().await.unwrap();
    }
    serving.terminate().await;
    let log = serving.ended().await.err;
    assert!(!log.contains("planted") && !log.contains(KEY), "{log}");
    let lines: Vec<serde_json::Value> = (log.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["request_id"] == "id-1")
        .collect();
    let told: Vec<_> = (lines.iter())
        .map(|line| ["message", "level", "cache", "delivered"].map(|key| line[key].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            [Some("answered"), Some("INFO"), Some("miss"), Some("whole")],
            [Some("answered"), Some("INFO"), Some("exact"), Some("whole")],
            [Some("refused"), Some("INFO"), None, Some("whole")],
        ],
        "{log}"
    );
}
