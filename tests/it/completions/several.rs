//! Several prompts of one request, each asked as a chat of its own.

use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::{post, prompting, streaming, texts};
use crate::support::{
    answer::{Answer, completion},
    gateway::{Gateway, Setup, config, model, provider},
    upstream::Upstream,
    with,
};

const PROMPTS: [&str; 6] = [
    "Name a bird.",
    "Name a fish.",
    "Name a tree.",
    "Name a gem.",
    "Name a star.",
    "Name a sea.",
];

/// What each prompt alone is answered.
async fn alone(gateway: &Gateway) -> Vec<String> {
    let mut answers = Vec::new();
    for prompt in PROMPTS {
        let reply = post(gateway, prompting(prompt)).send().await;
        answers.extend(texts(&reply));
    }
    gateway.app.settle().await;
    answers
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_prompts() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let all = post(&gateway, prompting(json!(PROMPTS))).send().await;
    assert_eq!((all.status, all.way()), (200, "miss"), "{}", all.text());
    assert_eq!(all.header("x-refrain-attempts"), "6");
    assert_eq!(
        all.json()["usage"],
        json!({"prompt_tokens": 60, "completion_tokens": 30, "total_tokens": 90})
    );
    gateway.app.settle().await;
    // Each was kept by itself.
    assert_eq!(alone(&gateway).await, texts(&all));
    assert_eq!(upstream.calls(), PROMPTS.len());
    let backwards: Vec<&str> = PROMPTS.into_iter().rev().collect();
    let again = post(&gateway, prompting(json!(backwards))).send().await;
    let mut expect = texts(&all);
    expect.reverse();
    assert_eq!((again.way(), texts(&again)), ("exact", expect));
    assert_eq!(upstream.calls(), PROMPTS.len());
}

#[tokio::test]
async fn one_new_prompt_is_one_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut expect = alone(&gateway).await;
    expect.push("answer 7".to_owned());
    let mut prompts = PROMPTS.to_vec();
    prompts.push("Name a hill.");
    for body in [prompting(json!(prompts)), streaming(json!(prompts))] {
        let reply = post(&gateway, &body).send().await;
        assert_eq!((reply.status, texts(&reply)), (200, expect.clone()));
        gateway.app.settle().await;
    }
    assert_eq!(upstream.calls(), 7);
}

#[tokio::test]
async fn the_same_prompt_twice_is_one_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for body in [
        prompting(json!(["Hop", "Hop"])),
        streaming(json!(["Hip", "Hip"])),
    ] {
        let reply = post(&gateway, &body).send().await;
        let texts = texts(&reply);
        assert_eq!((reply.status, &texts[0]), (200, &texts[1]));
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn streams_are_told_as_one_with_the_right_numbers() {
    let upstream = Upstream::start().await;
    upstream.mood(|number| {
        let mut stream = String::new();
        for (index, delta, finish) in [
            (0, json!({"role": "assistant", "content": "a"}), None),
            (1, json!({"role": "assistant", "content": "b"}), None),
            (1, json!({"content": number.to_string()}), Some("length")),
            (0, json!({"content": number.to_string()}), Some("stop")),
        ] {
            let choices = json!([{"index": index, "delta": delta, "finish_reason": finish}]);
            stream += &format!("data: {}\n\n", piece(&choices));
        }
        let mut usage = piece(&json!([]));
        usage["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
        Answer::events(format!("{stream}data: {usage}\n\ndata: [DONE]\n\n"))
    });
    let gateway = Gateway::before(&upstream).await;
    let more = json!({"n": 2, "echo": true, "stream_options": {"include_usage": true}});
    let reply = post(&gateway, with(streaming(json!(PROMPTS)), more))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = texts(&reply);
    assert_eq!(told.len(), 12);
    let mut numbers = Vec::new();
    for (prompt, both) in PROMPTS.iter().zip(told.chunks(2)) {
        let number = both[0].strip_prefix(&format!("{prompt}a")).unwrap();
        assert_eq!(both[1], format!("{prompt}b{number}"));
        numbers.push(number.to_owned());
    }
    numbers.sort();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6"]);
    let dones = reply
        .events()
        .iter()
        .filter(|data| *data == "[DONE]")
        .count();
    assert_eq!((dones, reply.is_done()), (1, true));
    let chunks = reply.chunks();
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]),
        (
            &json!([]),
            &json!({"prompt_tokens": 6, "completion_tokens": 12, "total_tokens": 18})
        )
    );
    assert!(
        others
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk["id"] == last["id"])
    );
}

fn piece(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1_600_000_000,
        "model": "gpt-test-2026", "choices": choices,
    })
}

#[tokio::test]
async fn one_that_fails_fails_all() {
    let upstream = Upstream::start().await;
    upstream.mood(|number| match number {
        5 => Answer::error(422, "not this one"),
        _ => Answer::said("x"),
    });
    let gateway = Gateway::before(&upstream).await;
    let reply = post(&gateway, prompting(json!(PROMPTS))).send().await;
    assert_eq!(
        (reply.status, &reply.error()["message"]),
        (422, &json!("not this one")),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_stream_in_which_one_fails_ends_in_the_error() {
    let upstream = Upstream::start().await;
    upstream.mood(|number| match number {
        5 => Answer::error(422, "not this one"),
        _ => Answer::said("x"),
    });
    let gateway = Gateway::before(&upstream).await;
    let reply = post(&gateway, streaming(json!(PROMPTS))).send().await;
    assert_eq!((reply.status, reply.is_done()), (200, false));
    assert_eq!(
        reply.chunks().last().unwrap()["error"]["message"],
        "not this one"
    );
    // Nothing was said yet: the status says it.
    upstream.mood(|_| Answer::error(422, "none"));
    let more = with(streaming(json!(["Hop", "Hip"])), json!({"seed": 1}));
    assert_eq!(post(&gateway, more).send().await.status, 422);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_all_calls() {
    let upstream = Upstream::start().await;
    let (first, hold) = Answer::said("x").held();
    upstream.script(first);
    let (second, other) = Answer::said("y").held();
    upstream.script(second);
    let gateway = Gateway::before(&upstream).await;
    let mut asking = tokio::task::JoinSet::new();
    let ask = post(&gateway, prompting(json!(["Hop", "Hip"])));
    asking.spawn(ask.send());
    upstream.arrived(2).await;
    drop(asking);
    hold.abandoned().await;
    other.abandoned().await;
}

#[tokio::test]
async fn a_request_is_one_of_its_clients_however_many_prompts_it_has() {
    let upstream = Upstream::start().await;
    upstream.mood(|_| Answer::json(&completion("x", 1)));
    let toml = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n".to_owned()
        + &provider("main", &upstream)
        + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&toml).start().await;
    let mut config = config(&toml);
    config.clients[0].limits.requests_per_minute = NonZeroU32::new(1);
    config.clients[0].limits.concurrent = NonZeroU32::new(1);
    gateway.app.reload(&config).await.unwrap();
    let ask = || {
        post(&gateway, prompting(json!(PROMPTS)))
            .key("sk-alice_key")
            .send()
    };
    assert_eq!((ask().await.status, upstream.calls()), (200, 6));
    assert_eq!(ask().await.status, 429);
}
