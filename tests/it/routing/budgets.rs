//! Prompts that are too long for a model.

use serde_json::{Value, json};

use super::Three;
use crate::support::{answer::Answer, gateway::Gateway, upstream::Upstream, with};

/// One model with a window of 1,000 tokens, and what is done with prompts that are longer.
fn house(more: &str) -> String {
    format!(
        "[[models]]\nname = \"house\"\ntargets = [\"one/gpt-4o\"]\ncontext_window = 1000\nmax_output_tokens = 100\n{more}\n"
    )
}

/// A text of as many tokens.
fn words(count: usize) -> String {
    "word ".repeat(count)
}

/// A conversation of turns of 100 tokens each, and a last question.
fn conversation(turns: usize) -> Value {
    let mut messages = vec![json!({"role": "system", "content": "Be terse."})];
    for turn in 0..turns {
        messages.push(json!({"role": "user", "content": format!("question {turn} {}", words(44))}));
        messages
            .push(json!({"role": "assistant", "content": format!("answer {turn} {}", words(44))}));
    }
    messages.push(json!({"role": "user", "content": "The last question?"}));
    json!({"model": "house", "messages": messages})
}

fn contents(upstream: &Upstream) -> Vec<String> {
    let body = upstream.only().json();
    let messages = body["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}

async fn refused(gateway: &Gateway, body: &Value) -> String {
    let reply = gateway.ask(body).send().await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"]),
        (400, &json!("context_length_exceeded"))
    );
    assert_eq!(
        (&error["type"], &error["param"]),
        (&json!("invalid_request_error"), &json!("messages"))
    );
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_prompt_that_no_model_has_room_for_is_refused_with_the_counts() {
    for policy in [
        "",
        "on_overflow = \"reject\"",
        "on_overflow = \"larger_model\"",
    ] {
        let three = Three::start().await;
        let gateway = three.setup(&house(policy)).start().await;
        let message = refused(&gateway, &conversation(20)).await;
        assert!(
            message.contains("maximum context length is 1000 tokens"),
            "{message}"
        );
        let count = message
            .split(' ')
            .filter_map(|word| word.parse::<u64>().ok())
            .nth(1)
            .unwrap();
        assert!((1900..2200).contains(&count), "{message}");
        assert_eq!(three.calls(), [0, 0, 0]);
        assert_eq!(gateway.ask(&conversation(5)).send().await.status, 200);
    }
}

#[tokio::test]
async fn the_room_for_the_answer_counts() {
    let three = Three::start().await;
    let gateway = three.setup(&house("")).start().await;
    let body = conversation(9);
    assert_eq!(gateway.ask(&body).send().await.status, 200);
    let message = refused(&gateway, &with(body, json!({"max_tokens": 100}))).await;
    assert!(message.contains("100 in the completion"), "{message}");
}

#[tokio::test]
async fn a_prompt_is_cut_where_that_is_wished() {
    let trim = json!({"trim_messages": true});
    for (policy, fields) in [
        ("on_overflow = \"trim\"", json!({})),
        ("", trim.clone()),
        ("", json!({"refrain": trim})),
    ] {
        let three = Three::start().await;
        let gateway = three.setup(&house(policy)).start().await;
        let reply = gateway.ask(&with(conversation(20), fields)).send().await;
        assert_eq!(reply.status, 200);
        let cut: u64 = reply.header("x-refrain-trimmed-tokens").parse().unwrap();
        let contents = contents(&three.one);
        assert!((1000..1400).contains(&cut), "{cut}");
        assert_eq!(contents.first().unwrap(), "Be terse.");
        assert_eq!(contents.last().unwrap(), "The last question?");
        // Whole turns, the newest ones.
        assert!(contents[1].starts_with("question ") && contents.len() > 10);
        assert!(contents[contents.len() - 2].starts_with("answer 19"));
        assert!(three.one.only().json().get("trim_messages").is_none());
    }
}

#[tokio::test]
async fn what_fits_goes_through_byte_for_byte() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    let body = r#"{ "model":"gpt-4o","messages" : [ {"role":"user","content":"caf\u00e9"} ] }"#;
    let more = "[[models]]\nname = \"gpt-4o\"\ntargets = [\"one/gpt-4o\"]\ncontext_window = 1000\non_overflow = \"trim\"\n";
    drop(gateway);
    let gateway = three.setup(more).start().await;
    let reply = gateway.post(body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-trimmed-tokens")),
        (200, "")
    );
    assert_eq!(three.one.only().body, body);
}

#[tokio::test]
async fn a_request_may_forbid_cutting() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    refused(
        &gateway,
        &with(conversation(20), json!({"trim_messages": false})),
    )
    .await;
}

#[tokio::test]
async fn a_larger_model_answers_where_there_is_one() {
    let three = Three::start().await;
    let more = house("context_window_fallbacks = [\"two/long\"]")
        + "[[models]]\nname = \"long\"\ntargets = [\"two/long\"]\ncontext_window = 10000\n";
    let gateway = three.setup(&more).start().await;
    let reply = gateway.ask(&conversation(20)).send().await;
    assert_eq!((reply.status, three.calls()), (200, [0, 1, 0]));
    assert_eq!(reply.header("x-refrain-trimmed-tokens"), "");
    assert_eq!(
        gateway
            .ask(&conversation(3))
            .send()
            .await
            .header("x-refrain-provider"),
        "one"
    );
    let message = refused(&gateway, &conversation(300)).await;
    assert!(message.contains("10000 tokens"), "{message}");
}

#[tokio::test]
async fn a_client_has_a_budget_of_its_own() {
    let three = Three::start().await;
    let client = "[[clients]]\nname = \"a\"\nkey_env = \"ALICE_KEY\"\nmax_input_tokens = 300\n";
    for (policy, status) in [("reject", 400), ("trim", 200)] {
        let more = format!("{client}on_overflow = \"{policy}\"\n{}", house(""));
        let gateway = three.setup(&more).start().await;
        let reply = gateway
            .ask(&conversation(5))
            .key("sk-alice_key")
            .send()
            .await;
        assert_eq!(reply.status, status, "{policy}");
        if status == 400 {
            let message = reply.error()["message"].as_str().unwrap().to_owned();
            assert!(message.contains("300"), "{message}");
        }
    }
    assert!(contents(&three.one).len() < 7);
}

#[tokio::test]
async fn tool_outputs_are_cut_first_and_pairs_stay_whole() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": "{}"}});
    let messages = json!([
        {"role": "user", "content": "Read the file."},
        {"role": "assistant", "content": null, "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": format!("BEGIN {} END", words(3000))},
        {"role": "assistant", "content": "It is long."},
        {"role": "user", "content": "How does it end?"},
    ]);
    let tools = json!([{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "house", "messages": messages, "tools": tools});
    let reply = gateway.ask(&body).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = three.one.only().json();
    let sent = sent["messages"].as_array().unwrap();
    assert_eq!(sent.len(), 5);
    let output = sent[2]["content"].as_str().unwrap();
    assert!(output.starts_with("BEGIN") && output.ends_with("END") && output.len() < 6000);
    assert_eq!(sent[2]["tool_call_id"], "c1");
}

#[tokio::test]
async fn one_message_longer_than_the_window_keeps_its_head_and_tail() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    let text = format!(
        "Summarise this: {} What does it say?",
        "日本語のテキスト。".repeat(2000)
    );
    let body = json!({"model": "house", "messages": [{"role": "user", "content": text}]});
    assert_eq!(gateway.ask(&body).send().await.status, 200);
    let sent = contents(&three.one).remove(0);
    assert!(sent.starts_with("Summarise this:") && sent.ends_with("What does it say?"));
    assert!(sent.len() < 12_000, "{}", sent.len());
}

#[tokio::test]
async fn a_system_prompt_longer_than_the_window_is_refused_with_the_counts() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    let body = json!({"model": "house", "messages": [
        {"role": "system", "content": words(3000)}, {"role": "user", "content": "Hi"},
    ]});
    let message = refused(&gateway, &body).await;
    assert!(message.contains("system messages"), "{message}");
}

#[tokio::test]
async fn a_provider_that_finds_a_cut_prompt_too_long_gets_a_shorter_one() {
    let three = Three::start().await;
    let gateway = three.setup(&house("on_overflow = \"trim\"")).start().await;
    let error = json!({"message": "too long", "type": "invalid_request_error", "param": null, "code": "context_length_exceeded"});
    three
        .one
        .script(Answer::json(&json!({"error": error})).status(400));
    let reply = gateway.ask(&conversation(20)).send().await;
    assert_eq!(reply.status, 200);
    let lengths: Vec<usize> = (three.one.received().iter())
        .map(|call| call.body.len())
        .collect();
    assert!(lengths.len() == 2 && lengths[1] < lengths[0], "{lengths:?}");
}

#[tokio::test]
async fn a_window_that_only_the_provider_knows_is_learned_from_its_refusal() {
    let three = Three::start().await;
    let more = "[[models]]\nname = \"house\"\ntargets = [\"one/gpt-4o\"]\n";
    let gateway = three.setup(more).start().await;
    let message = "This model's maximum context length is 400 tokens. However, your messages resulted in 2000 tokens.";
    let error = json!({"message": message, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"});
    let refusal = || Answer::json(&json!({"error": error})).status(400);
    three.one.script(refusal());
    assert_eq!(gateway.ask(&conversation(20)).send().await.status, 400);
    three.one.script(refusal());
    let body = with(conversation(20), json!({"trim_messages": true}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!((reply.status, three.calls()), (200, [3, 0, 0]));
    let sent = three.one.received()[2].json();
    // The question, and as many turns of a hundred tokens as there is room for.
    let messages = sent["messages"].as_array().unwrap().len();
    assert!((4..=8).contains(&messages), "{messages}");
}

#[tokio::test]
async fn the_answer_to_a_cut_prompt_is_not_kept() {
    let three = Three::start().await;
    let gateway = three.cached(&house("on_overflow = \"trim\"")).start().await;
    for _ in 0..2 {
        let reply = gateway.ask(&conversation(20)).send().await;
        assert_eq!(reply.way(), "miss");
    }
    for way in ["miss", "exact"] {
        assert_eq!(gateway.ask(&conversation(2)).send().await.way(), way);
    }
}

#[tokio::test]
async fn calls_are_not_shared_by_those_who_want_their_prompts_treated_otherwise() {
    let three = Three::start().await;
    let gateway = three.cached(&house("on_overflow = \"trim\"")).start().await;
    let (answer, hold) = Answer::said("shortened").held();
    three.one.script(answer);
    let body = conversation(20);
    let (cut, refused) = futures_util::future::join(gateway.ask(&body).send(), async {
        three.one.arrived(1).await;
        let ask = gateway
            .ask(&body)
            .header("x-refrain-trim-messages", "false");
        let refused = ask.send().await;
        hold.release();
        refused
    })
    .await;
    assert_eq!((cut.status, refused.status), (200, 400));
}

#[tokio::test]
async fn a_fallback_for_long_prompts_is_not_held_to_the_models_own_bound() {
    let three = Three::start().await;
    let more = house("max_input_tokens = 500\ncontext_window_fallbacks = [\"two/long\"]");
    let gateway = three.setup(&more).start().await;
    let reply = gateway.ask(&conversation(8)).send().await;
    assert_eq!((reply.status, three.calls()), (200, [0, 1, 0]));
}

#[tokio::test]
async fn the_room_for_an_answer_gives_way_to_what_can_not_be_cut() {
    let three = Three::start().await;
    let more = "[[models]]\nname = \"house\"\ntargets = [\"one/gpt-4o\"]\ncontext_window = 1000\non_overflow = \"trim\"\n";
    let gateway = three.setup(more).start().await;
    let body = json!({"model": "house", "messages": [
        {"role": "system", "content": words(850)},
        {"role": "user", "content": words(300)},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Now?"},
    ]});
    let reply = gateway.ask(&body).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(contents(&three.one).last().unwrap(), "Now?");
}

#[tokio::test]
async fn what_may_fit_a_model_whose_tokens_are_guessed_is_not_cut() {
    let three = Three::start().await;
    let more = "[[models]]\nname = \"house\"\ntargets = [\"one/some-model\"]\ncontext_window = 1000\non_overflow = \"trim\"\n";
    let gateway = three.setup(more).start().await;
    let reply = gateway.ask(&conversation(7)).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-trimmed-tokens")),
        (200, "")
    );
}
