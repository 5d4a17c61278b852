//! The client's 200 is held until the provider has said something: until then, a failure is one like
//! any other, and the next target answers as if nothing had been.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    answer::{Answer, Steps, chunk, event, events_of},
    asking,
    client::Reply,
    gateway::{Gateway, model, provider},
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
const PING: &str = ": OPENROUTER PROCESSING\n\n";

fn role() -> String {
    event(&chunk(
        &json!({"role": "assistant", "content": "", "refusal": null}),
        None,
    ))
}

/// What Azure sends first: no choice, but what its filter thinks of the prompt.
fn filter_results() -> String {
    let results =
        json!([{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false}}}]);
    event(
        &json!({"choices": [], "created": 0, "id": "", "model": "", "object": "",
        "prompt_filter_results": results}),
    )
}

fn error() -> String {
    event(&json!({"error": {"message": "no capacity", "type": "server_error", "code": null}}))
}

/// Two providers behind the model `both`, of which the first answers this.
struct Two {
    first: Upstream,
    _second: Upstream,
    gateway: Gateway,
}

impl Two {
    async fn start() -> Self {
        let (first, second) = (Upstream::start().await, Upstream::start().await);
        let more = provider("backup", &second) + &model("both", &["main/one", "backup/one"]);
        let gateway = Gateway::setup(&first, &more).start().await;
        Self {
            first,
            _second: second,
            gateway,
        }
    }

    async fn ask(&self, answer: Answer) -> Reply {
        self.first.script(answer);
        let body = with(streaming(QUESTION), json!({"model": "both"}));
        self.gateway.ask(&body).send().await
    }
}

#[track_caller]
fn assert_unseen(reply: &Reply, about: &str) {
    assert_eq!(
        (reply.status, reply.said().as_str()),
        (200, "answer 1"),
        "{about}"
    );
    assert_eq!(
        (
            reply.header("x-refrain-provider"),
            reply.header("x-refrain-attempts")
        ),
        ("backup", "2"),
        "{about}"
    );
    assert_eq!(
        reply.text(),
        events_of("answer 1"),
        "{about}: nothing of the first is left"
    );
}

#[tokio::test]
async fn a_failure_before_anything_is_said_is_unseen() {
    let leads = [
        String::new(),
        role(),
        format!("{PING}{}{PING}", role()),
        filter_results(),
        filter_results() + &role(),
        event(&chunk(&json!({"content": null, "tool_calls": []}), None)),
        event(&chunk(&json!({}), None))
            + &event(&json!({"choices": [], "usage": {"total_tokens": 1}})),
    ];
    for lead in &leads {
        for rest in [
            error(),
            String::new(),
            "data: {\"choi".to_owned(),
            "data: oops\n\n".to_owned(),
        ] {
            let two = Two::start().await;
            let reply = two.ask(Answer::events(format!("{lead}{rest}"))).await;
            assert_unseen(&reply, &format!("{lead}{rest}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_before_anything_is_said_is_unseen() {
    for lead in [role(), filter_results(), PING.to_owned()] {
        let two = Two::start().await;
        let (answer, steps) = Answer::stepwise();
        steps.send(lead.clone());
        // Time goes on when all has been read that was sent.
        let cut = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            steps.cut();
        };
        let (reply, ()) = tokio::join!(two.ask(answer), cut);
        assert_unseen(&reply, &lead);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_behind_the_role_is_unseen() {
    // The provider is given up after `idle`; pings only hold it for as long as `first_token` allows.
    let two = Two::start().await;
    let (answer, steps) = Answer::stepwise();
    steps.send(filter_results() + &role());
    let start = Instant::now();
    let reply = two.ask(answer).await;
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_unseen(&reply, "silence");
    steps.abandoned().await;
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_hold_a_client_for_ever() {
    let two = Two::start().await;
    let (answer, steps) = Answer::stepwise();
    two.first.script(answer);
    let start = Instant::now();
    let body = with(streaming(QUESTION), json!({"model": "both"}));
    let mut asked = Box::pin(two.gateway.ask(&body).send());
    let reply = loop {
        steps.send(PING);
        tokio::select! {
            reply = &mut asked => break reply,
            () = tokio::time::sleep(Duration::from_secs(7)) => {}
        }
    };
    assert_eq!(start.elapsed().as_secs(), 60);
    assert_unseen(&reply, "pings");
}

#[tokio::test]
async fn alone_a_failure_before_anything_is_said_has_a_status() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let overloaded = json!({"error": {"message": "overloaded", "type": "x", "code": 503}});
    let bare = json!({"object": "error", "message": "overloaded", "type": "x", "code": 503});
    for (rest, status) in [
        (error(), 502),
        (event(&overloaded), 503),
        (event(&bare) + "data: [DONE]\n\n", 503),
        (String::new(), 502),
    ] {
        upstream.script(Answer::events(role() + &rest));
        let reply = gateway.ask(&streaming(QUESTION)).send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, "application/json")
        );
        assert!(
            reply.error()["message"]
                .as_str()
                .unwrap()
                .contains("provider `main`")
        );
    }
}

/// The reply to a stream whose head is waited for before `rest` happens to it.
async fn once_open(lead: &str, rest: impl FnOnce(Steps)) -> Reply {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.send(lead.to_owned());
    let reply = gateway.ask(&streaming(QUESTION)).open().await;
    rest(steps);
    reply.rest().await
}

#[tokio::test]
async fn whatever_says_something_opens_the_stream() {
    for delta in [
        json!({"content": " "}),
        json!({"reasoning_content": "Hm"}),
        json!({"refusal": "No"}),
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}),
        json!({"audio": {"id": "a"}}),
    ] {
        let lead = role() + &event(&chunk(&delta, None));
        let reply = once_open(&lead, |steps| steps.send(error())).await;
        assert_eq!(reply.status, 200);
        assert!(reply.text().starts_with(&lead), "the lead is not lost");
        let last = reply.chunks().pop().unwrap();
        assert_eq!(last["error"]["message"], "no capacity", "{last}");
        assert!(!reply.text().contains("[DONE]"));
    }
}

#[tokio::test]
async fn an_end_without_a_word_is_an_answer() {
    for reason in ["stop", "content_filter", "length"] {
        let stream = role() + &event(&chunk(&json!({}), Some(reason))) + "data: [DONE]\n\n";
        let two = Two::start().await;
        let reply = two.ask(Answer::events(stream.clone())).await;
        assert_eq!(
            (reply.text(), reply.header("x-refrain-provider")),
            (&*stream, "main")
        );
    }
}

#[tokio::test]
async fn azures_stream_comes_as_it_is() {
    let usage = event(
        &json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1,
        "total_tokens": 2}}),
    );
    let stream = filter_results()
        + &role()
        + &event(&chunk(&json!({"content": "Algae"}), None))
        + &event(&chunk(&json!({}), Some("stop")))
        + &usage
        + "data: [DONE]\n\n";
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::events(stream.clone()));
    assert_eq!(
        gateway.ask(&streaming(QUESTION)).send().await.text(),
        stream
    );
    let hit = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "Algae"));
}

#[tokio::test]
async fn a_stream_of_nothing_but_usage_is_no_answer() {
    let two = Two::start().await;
    let usage = event(&json!({"choices": [], "usage": {"total_tokens": 1}}));
    // `[DONE]` says that it is all there is to it, so it is what the provider has to say.
    let reply = two
        .ask(Answer::events(format!("{usage}data: [DONE]\n\n")))
        .await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-provider")),
        (200, "main")
    );
    let two = Two::start().await;
    assert_unseen(
        &two.ask(Answer::events(usage)).await,
        "usage and a clean end",
    );
}

#[tokio::test]
async fn a_long_lead_is_let_go() {
    // More than 64 KiB without a word: the client sees it rather than silence.
    let lead: String = std::iter::repeat_with(role).take(600).collect();
    assert!(lead.len() > 64 << 10);
    let reply = once_open(&lead, |steps| steps.send(error())).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().starts_with(&lead));
    // Comments alone are not worth that.
    let two = Two::start().await;
    let comments = PING.repeat(4000);
    assert_unseen(&two.ask(Answer::events(comments)).await, "comments");
    // With a chunk among them they are.
    let lead = role() + &PING.repeat(4000);
    let reply = once_open(&lead, |steps| {
        steps.say("Algae");
        steps.finish();
    });
    assert_eq!(reply.await.said(), "Algae");
}

#[tokio::test]
async fn comments_before_the_first_word_are_kept_in_their_place() {
    let stream = format!("{PING}{}{PING}{}", role(), events_of("Algae"));
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::events(stream.clone()));
    let reply = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!(reply.text(), stream);
}
