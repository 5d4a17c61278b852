//! Keys that are refused behind a success: in its body, or in a stream of which nothing was said.

use serde_json::{Value, json};

use super::{keys, seconds, with_keys, with_two};
use crate::support::{
    answer::{Answer, chunk, event},
    anthropic::Anthropic,
    asking,
    gateway::{Setup, model},
    streaming,
    upstream::{KEY, SECOND_KEY, Upstream},
    with,
};

/// What a refused key gets, in the form that is asked for.
fn refusal(error: &Value, stream: bool) -> Answer {
    if stream {
        let role = chunk(&json!({"role": "assistant", "content": ""}), None);
        Answer::events(event(&role) + &event(error))
    } else {
        Answer::json(error)
    }
}

fn question(number: usize, stream: bool) -> Value {
    let question = format!("What do {number} crabs eat?");
    if stream {
        streaming(&question)
    } else {
        asking(&question)
    }
}

#[tokio::test]
async fn the_next_key_answers_and_the_first_one_is_left_alone() {
    for stream in [true, false] {
        for error in [
            json!({"message": "no such key", "code": 401}),
            json!({"message": "no credits", "code": "402"}),
            json!({"message": "this key has no access", "code": 403}),
            json!({"message": "slow down", "code": 429}),
            json!({"message": "no quota", "type": "insufficient_quota", "code": 429}),
        ] {
            let upstream = Upstream::start().await;
            upstream.accept(&[KEY, SECOND_KEY]);
            let gateway = with_two(&upstream).await;
            upstream.script(refusal(&json!({"error": error}), stream));
            for number in 0..2 {
                let reply = gateway.ask(&question(number, stream)).send().await;
                assert_eq!(reply.status, 200, "{error} {}", reply.text());
                assert_eq!(reply.header("x-refrain-attempts"), "1");
                assert!(reply.said().starts_with("answer "), "{}", reply.text());
            }
            assert_eq!(keys(&upstream), [KEY, SECOND_KEY, SECOND_KEY], "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_not_about_the_key_tries_no_other() {
    for stream in [true, false] {
        for (code, status) in [(400, 400), (403, 502), (500, 502)] {
            let upstream = Upstream::start().await;
            upstream.accept(&[KEY, SECOND_KEY]);
            let gateway = with_two(&upstream).await;
            let error = json!({"error": {"message": "flagged", "code": code}});
            upstream.script(refusal(&error, stream));
            let reply = gateway.ask(&question(0, stream)).send().await;
            assert_eq!((reply.status, upstream.calls()), (status, 1));
        }
    }
}

#[tokio::test]
async fn a_head_alone_is_no_success_of_the_key() {
    for stream in [true, false] {
        let upstream = Upstream::start().await;
        let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
        let error = json!({"error": {"message": "slow down", "code": 429}});
        // A success in between would begin the pauses anew.
        for (number, wait) in [1_u64, 2, 4, 8].into_iter().enumerate() {
            upstream.script(refusal(&error, stream));
            let reply = gateway.ask(&question(number, stream)).send().await;
            assert_eq!(reply.status, 429, "{}", reply.text());
            let reply = gateway.ask(&question(10 + number, stream)).send().await;
            assert_eq!(reply.status, 429);
            assert_eq!(reply.header("retry-after"), wait.to_string());
            gateway.clock.advance(seconds(wait));
        }
        assert_eq!(upstream.calls(), 4);
    }
}

#[tokio::test]
async fn nothing_of_a_refused_key_is_shown() {
    for stream in [true, false] {
        let upstream = Upstream::start().await;
        let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
        let words = "Incorrect API key provided: sk-up****9a7e";
        let error = json!({"error": {"message": words, "code": 401}});
        upstream.script(refusal(&error, stream));
        let reply = gateway.ask(&question(0, stream)).send().await;
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (502, &json!("upstream_auth"))
        );
        assert!(!reply.text().contains("9a7e"), "{}", reply.text());
    }
}

#[tokio::test]
async fn an_error_behind_the_first_word_is_the_clients() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    let said = chunk(&json!({"content": "Algae"}), None);
    let error = json!({"error": {"message": "slow down", "code": 429}});
    upstream.script(Answer::events(event(&said) + &event(&error)));
    let reply = gateway.ask(&question(0, true)).send().await;
    assert!(reply.text().contains("Algae") && !reply.is_done());
    assert_eq!(keys(&upstream), [KEY]);
}

#[tokio::test]
async fn a_limit_that_one_of_several_answers_meets_is_told_and_kept() {
    let claude = Anthropic::start().await;
    let both = "api_key_envs = [\"UPSTREAM_KEY\", \"SECOND_UPSTREAM_KEY\"]\n";
    let section = claude.provider("");
    let section = section.replace("api_key_env = \"UPSTREAM_KEY\"\n", both);
    let models = model("gpt-test", &["claude/claude-sonnet-4-5"]);
    let gateway = Setup::new(&(section + &models)).start().await;
    let error =
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}});
    claude.script(Answer::events(format!("event: error\ndata: {error}\n\n")));
    let reply = gateway
        .ask(&with(question(0, true), json!({"n": 2})))
        .send()
        .await;
    // The fake knows no second key: the limit of the first is what is told.
    assert_eq!(reply.status, 429, "{}", reply.text());
    let calls = claude.received().len();
    let reply = gateway.ask(&question(1, true)).send().await;
    assert_eq!((reply.status, claude.received().len()), (429, calls));
    gateway.clock.advance(seconds(10));
    let reply = gateway.ask(&question(1, true)).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
