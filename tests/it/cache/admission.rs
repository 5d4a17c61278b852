//! What is never kept.

use serde_json::{Value, json};

use crate::support::{
    answer::{Answer, chunk, completion, event},
    asking,
    gateway::{Gateway, model, provider},
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";

/// A finished answer with other fields in its one choice.
fn choosing(fields: Value) -> Value {
    let mut answer = completion("Algae, and", 1);
    answer["choices"][0] = with(answer["choices"][0].take(), fields);
    answer
}

/// The same, as a stream.
fn as_stream(answer: &Value) -> String {
    let choice = &answer["choices"][0];
    let delta = event(&chunk(&choice["message"], None));
    delta + &event(&chunk(&json!({}), choice["finish_reason"].as_str())) + "data: [DONE]\n\n"
}

#[tokio::test]
async fn an_answer_that_nobody_would_want_again_is_not_kept() {
    let tools =
        json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}}]);
    for fields in [
        json!({"finish_reason": "length"}),
        json!({"finish_reason": "content_filter"}),
        json!({"finish_reason": null}),
        json!({"finish_reason": "invented_tomorrow"}),
        json!({"message": {"role": "assistant", "content": ""}}),
        json!({"message": {"role": "assistant", "content": " \n"}}),
        json!({"message": {"role": "assistant", "content": null, "refusal": "I can't."}}),
        json!({"message": {"role": "assistant", "tool_calls": tools}, "finish_reason": "tool_calls"}),
    ] {
        let answer = choosing(fields);
        for stream in [false, true] {
            let upstream = Upstream::start().await;
            let gateway = Gateway::before(&upstream).await;
            let body = with(asking(QUESTION), json!({"stream": stream}));
            for way in ["miss", "miss", "miss", "exact"] {
                match (upstream.calls() < 2, stream) {
                    (true, false) => upstream.script(Answer::json(&answer)),
                    (true, true) => upstream.script(Answer::events(as_stream(&answer))),
                    (false, _) => {}
                }
                let reply = gateway.ask(&body).send().await;
                assert_eq!((reply.status, reply.way()), (200, way), "{answer}");
            }
            assert_eq!(upstream.calls(), 3);
        }
    }
}

#[tokio::test]
async fn one_bad_choice_of_several_keeps_all_out() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut answer = completion("Algae", 1);
    let cut = json!({"index": 1, "message": {"role": "assistant", "content": "Al"}, "finish_reason": "length"});
    answer["choices"].as_array_mut().unwrap().push(cut);
    upstream.script(Answer::json(&answer));
    let body = with(asking(QUESTION), json!({"n": 2}));
    assert_eq!(gateway.ask(&body).send().await.way(), "miss");
    assert_eq!(gateway.ask(&body).send().await.way(), "miss");
}

#[tokio::test]
async fn several_choices_are_kept_for_the_equal_request() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut answer = completion("Algae", 1);
    let second = json!({"index": 1, "message": {"role": "assistant", "content": "Worms"}, "finish_reason": "stop"});
    answer["choices"].as_array_mut().unwrap().push(second);
    upstream.script(Answer::json(&answer));
    let body = with(asking(QUESTION), json!({"n": 2}));
    gateway.ask(&body).send().await;
    let hit = gateway.ask(&body).send().await;
    assert_eq!(hit.way(), "exact");
    assert_eq!(hit.json()["choices"][1]["message"]["content"], "Worms");
    let stream = gateway
        .ask(&with(body, json!({"stream": true})))
        .send()
        .await;
    let of = |index: u64| -> String {
        let chunks = stream.chunks();
        let mine = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["index"] == index);
        mine.filter_map(|chunk| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
    };
    assert_eq!([of(0), of(1)], ["Algae", "Worms"]);
}

#[tokio::test]
async fn errors_are_not_kept() {
    for status in [400, 401, 404, 422, 429, 500, 503] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let error = json!({"error": {"message": "no", "type": "t", "param": null, "code": null}});
        upstream.script(Answer::json(&error).status(status));
        assert_ne!(gateway.ask(&asking(QUESTION)).send().await.status, 200);
        // Until the key that was refused is tried again.
        gateway.clock.advance(std::time::Duration::from_secs(10));
        let reply = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!(
            (reply.status, reply.way(), reply.said().as_str()),
            (200, "miss", "answer 2")
        );
    }
}

#[tokio::test]
async fn another_models_answer_is_not_kept_under_the_first_ones_name() {
    for stream in [false, true] {
        let (first, second) = (Upstream::start().await, Upstream::start().await);
        let more = provider("backup", &second) + &model("both", &["main/one", "backup/two"]);
        let gateway = Gateway::setup(&first, &more).start().await;
        first.script(Answer::json(&json!({})).status(500));
        second.script(Answer::said("from the second"));
        let body = with(asking(QUESTION), json!({"model": "both", "stream": stream}));
        let fallback = gateway.ask(&body).send().await;
        assert_eq!(
            (fallback.way(), fallback.said().as_str()),
            ("miss", "from the second")
        );
        assert_eq!(fallback.header("cache-status"), "refrain; fwd=miss");
        assert_eq!(fallback.header("x-refrain-model"), "two");
        let next = gateway.ask(&body).send().await;
        assert_eq!((next.way(), next.said().as_str()), ("miss", "answer 2"));
        assert_eq!(next.header("x-refrain-provider"), "main");
        assert_eq!(gateway.ask(&body).send().await.way(), "exact");
    }
}

#[tokio::test]
async fn the_same_models_answer_from_another_provider_is_kept() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let more = provider("backup", &second) + &model("both", &["main/one", "backup/one"]);
    let gateway = Gateway::setup(&first, &more).start().await;
    first.script(Answer::json(&json!({})).status(500));
    let body = with(asking(QUESTION), json!({"model": "both"}));
    gateway.ask(&body).send().await;
    let hit = gateway.ask(&body).send().await;
    assert_eq!(
        (hit.way(), hit.header("x-refrain-provider")),
        ("exact", "backup")
    );
}
