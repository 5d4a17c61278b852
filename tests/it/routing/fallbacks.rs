//! Who is asked after a failure, and for what kind of failure.

use serde_json::json;

use super::{Three, for_model};
use crate::support::{
    answer::{Answer, chunk, event},
    with,
};

const MODEL: &str = r#"
[[models]]
name = "house"
targets = ["one/a"]
fallbacks = ["two/b"]
context_window_fallbacks = ["three/long"]
content_policy_fallbacks = ["three/open"]
"#;

fn refusal(code: &str) -> Answer {
    let error =
        json!({"message": "no", "type": "invalid_request_error", "param": null, "code": code});
    Answer::json(&json!({"error": error})).status(400)
}

#[tokio::test]
async fn an_outage_is_answered_by_the_fallback() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    three.one.script(Answer::error(503, "down"));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [1, 1, 0]));
    assert_eq!(reply.header("x-refrain-provider"), "two");
    assert_eq!(reply.header("x-refrain-model"), "b");
    assert_eq!(reply.header("x-refrain-attempts"), "2");
}

#[tokio::test]
async fn a_prompt_that_a_provider_finds_too_long_goes_to_its_own_fallback() {
    for stream in [false, true] {
        let three = Three::start().await;
        let gateway = three.setup(MODEL).start().await;
        three.one.script(refusal("context_length_exceeded"));
        let body = with(for_model("house"), json!({"stream": stream}));
        let reply = gateway.ask(&body).send().await;
        assert_eq!((reply.status, three.calls()), (200, [1, 0, 1]));
        assert_eq!(three.three.only().json()["model"], "long");
    }
}

#[tokio::test]
async fn refused_content_goes_to_its_own_fallback() {
    for code in ["content_filter", "content_policy_violation"] {
        let three = Three::start().await;
        let gateway = three.setup(MODEL).start().await;
        three.one.script(refusal(code));
        let reply = gateway.ask(&for_model("house")).send().await;
        assert_eq!((reply.status, three.calls()), (200, [1, 0, 1]), "{code}");
        assert_eq!(three.three.only().json()["model"], "open");
    }
}

#[tokio::test]
async fn an_answer_that_a_filter_left_nothing_of_goes_there_too() {
    let filtered = || {
        let message = json!({"role": "assistant", "content": ""});
        let choice = json!({"index": 0, "message": message, "finish_reason": "content_filter"});
        Answer::json(&json!({
            "id": "x", "object": "chat.completion", "created": 1, "model": "a", "choices": [choice],
        }))
    };
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    three.one.script(filtered());
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!(reply.header("x-refrain-model"), "open");

    // If nobody else answers, the first one's answer is better than an error.
    three.one.script(filtered());
    three.three.script(Answer::error(500, "broken"));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json()["choices"][0]["finish_reason"],
        "content_filter"
    );
}

#[tokio::test]
async fn a_bad_request_goes_to_nobody_else() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    three.one.script(refusal("invalid_value"));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!((reply.status, three.calls()), (400, [1, 0, 0]));
}

#[tokio::test]
async fn a_fallback_may_be_another_model_with_fallbacks_of_its_own() {
    let three = Three::start().await;
    let more = r#"
        [[models]]
        name = "first"
        targets = ["one/a"]
        fallbacks = ["second"]
        [[models]]
        name = "second"
        targets = ["two/b"]
        fallbacks = ["three/c"]
    "#;
    let gateway = three.setup(more).start().await;
    three.one.script(Answer::error(500, "broken"));
    three.two.script(Answer::error(500, "broken"));
    let reply = gateway.ask(&for_model("first")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [1, 1, 1]));
}

#[tokio::test]
async fn fallbacks_are_those_of_the_task_that_was_chosen() {
    let three = Three::start().await;
    let more = r#"
        [[tasks]]
        name = "chat"
        targets = ["one/chatty"]
        fallbacks = ["two/chatty"]
        examples = ["hello"]
        [[tasks]]
        name = "sql"
        targets = ["one/coder"]
        fallbacks = ["three/coder"]
        examples = ["select"]
    "#;
    let gateway = three.setup(more).start().await;
    three.one.script(Answer::error(500, "broken"));
    let reply = gateway.ask(&for_model("auto:sql")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [1, 0, 1]));
    assert_eq!(three.three.only().json()["model"], "coder");
    assert_eq!(reply.header("x-refrain-task"), "sql");
}

#[tokio::test]
async fn what_a_fallback_says_is_not_kept_as_the_models_own() {
    let three = Three::start().await;
    let gateway = three.cached(MODEL).start().await;
    three.one.script(Answer::error(503, "down"));
    let ask = || gateway.ask(&for_model("house")).send();
    assert_eq!(ask().await.header("x-refrain-provider"), "two");
    let reply = ask().await;
    assert_eq!(reply.header("x-refrain-provider"), "one");
    assert_eq!(reply.header("x-refrain-cache"), "miss");
    assert_eq!(ask().await.header("x-refrain-cache"), "exact");
}

#[tokio::test]
async fn a_target_that_lacks_what_is_asked_is_passed_over() {
    let three = Three::start().await;
    let more = r#"
        [[models]]
        name = "house"
        targets = ["one/blind", "two/seeing"]
        [[models]]
        name = "blind"
        targets = ["one/blind"]
        supports = ["tools"]
    "#;
    let gateway = three.setup(more).start().await;
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/crab.png"}});
    let text = json!({"type": "text", "text": "What is this?"});
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": [text, image]}]});
    let reply = gateway.ask(&body("house")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [0, 1, 0]));

    let reply = gateway.ask(&body("blind")).send().await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"]),
        (400, &json!("unsupported_parameter"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("one/blind") && message.contains("images"),
        "{message}"
    );
    assert_eq!(three.calls(), [0, 1, 0]);
}

#[tokio::test]
async fn what_a_seeing_target_says_is_not_kept_as_the_blind_ones() {
    let three = Three::start().await;
    let more = r#"
        [[models]]
        name = "blind"
        targets = ["one/blind"]
        supports = []
        [[models]]
        name = "either"
        targets = ["one/blind", "two/seeing"]
    "#;
    let gateway = three.cached(more).start().await;
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let text = json!({"type": "text", "text": "What is this?"});
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": [text, image]}]});
    assert_eq!(gateway.ask(&body("either")).send().await.way(), "miss");
    assert_eq!(gateway.ask(&body("blind")).send().await.status, 400);
    assert_eq!(gateway.ask(&body("either")).send().await.way(), "miss");
}

#[tokio::test]
async fn a_call_is_shared_only_by_those_with_the_same_way_out() {
    let three = Three::start().await;
    let more = r#"
        [[models]]
        name = "falls"
        targets = ["one/a"]
        fallbacks = ["two/b"]
        [[models]]
        name = "alone"
        targets = ["one/a"]
    "#;
    let gateway = three.cached(more).start().await;
    let (answer, hold) = Answer::error(503, "down").held();
    three.one.script(answer);
    three.one.script(Answer::error(503, "down"));
    let (falls, alone) = (for_model("falls"), for_model("alone"));
    let both = futures_util::future::join(gateway.ask(&falls).send(), async {
        three.one.arrived(1).await;
        let alone = gateway.ask(&alone).send();
        let release = async {
            three.one.arrived(2).await;
            drop(hold);
        };
        futures_util::future::join(alone, release).await.0
    });
    let (falls, alone) = both.await;
    assert_eq!(
        (falls.status, falls.header("x-refrain-provider")),
        (200, "two")
    );
    assert_eq!(alone.status, 503);
}

#[tokio::test]
async fn a_filtered_stream_is_noticed_before_its_end() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    let (answer, steps) = Answer::stepwise();
    three.one.script(answer);
    let opening = json!({"role": "assistant", "content": ""});
    steps.send(event(&chunk(&opening, None)));
    steps.send(event(&chunk(&json!({}), Some("content_filter"))));
    let body = with(for_model("house"), json!({"stream": true}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(reply.header("x-refrain-model"), "open");
    steps.abandoned().await;
}

#[tokio::test]
async fn whatever_the_last_one_says_a_filtered_answer_is_better() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    let message = json!({"role": "assistant", "content": ""});
    let choice = json!({"index": 0, "message": message, "finish_reason": "content_filter"});
    three.one.script(Answer::json(&json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "a", "choices": [choice],
    })));
    three.three.script(refusal("invalid_value"));
    assert_eq!(gateway.ask(&for_model("house")).send().await.status, 200);
}

#[tokio::test]
async fn a_model_that_is_gone_is_answered_by_the_fallback() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    three.one.script(refusal("model_not_found").status(404));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [1, 1, 0]));
    // Nobody else: in the provider's words.
    three.one.script(refusal("model_not_found").status(404));
    let reply = gateway.ask(&for_model("one/a")).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (404, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn larger_models_are_asked_one_after_the_other_and_each_once() {
    let three = Three::start().await;
    let more = r#"
        [[models]]
        name = "house"
        targets = ["one/a"]
        fallbacks = ["three/huge"]
        context_window_fallbacks = ["one/a", "two/b", "three/c"]
        [[models]]
        name = "huge"
        targets = ["three/huge"]
        context_window = 1000000
    "#;
    let gateway = three.setup(more).start().await;
    three.one.script(refusal("context_length_exceeded"));
    three.two.script(refusal("context_length_exceeded"));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [1, 1, 1]));
    assert_eq!(reply.header("x-refrain-model"), "c");
    // The usual fallback is known to be larger.
    three.one.script(refusal("context_length_exceeded"));
    three.two.script(refusal("context_length_exceeded"));
    three.three.script(refusal("context_length_exceeded"));
    let reply = gateway.ask(&for_model("house")).send().await;
    assert_eq!(reply.header("x-refrain-model"), "huge");
}

#[tokio::test]
async fn a_task_whose_targets_are_away_is_served_by_its_fallbacks() {
    let three = Three::start().await;
    let more = r#"
        [[tasks]]
        name = "sql"
        targets = ["away/coder"]
        fallbacks = ["two/coder"]
        examples = ["select"]
        [[providers]]
        name = "away"
        kind = "gemini"
        api_key_env = "NO_SUCH_KEY"
    "#;
    let gateway = three.setup(more).start().await;
    let reply = gateway.ask(&for_model("auto:sql")).send().await;
    assert_eq!((reply.status, three.calls()), (200, [0, 1, 0]));
}
