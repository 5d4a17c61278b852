//! Elsewhere a prompt is what a user says in a chat.

use serde_json::{Value, json};

use super::{post, prompting, streaming, texts};
use crate::support::{
    answer::{Answer, completion},
    anthropic::Anthropic,
    asking,
    gateway::{Gateway, Setup, model},
    gemini::{Gemini, response},
    ollama::{Ollama, done, text},
    upstream::Upstream,
    with,
};

const QUESTION: &str = "Name a bird that can not fly.";

#[tokio::test]
async fn an_answer_and_the_chat_request_that_it_is_of() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = post(&gateway, prompting(QUESTION)).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    insta::assert_snapshot!(reply.text(), @r#"{"id":"cmpl-upstream1","object":"text_completion","created":1600000000,"model":"gpt-test-2026","choices":[{"text":"answer 1","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#);
    insta::assert_snapshot!(upstream.only().json(), @r#"{"model":"gpt-test","messages":[{"role":"user","content":"Name a bird that can not fly."}],"max_tokens":16}"#);
}

#[tokio::test]
async fn one_entry_serves_chats_and_completions() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let chat = with(asking(QUESTION), json!({"max_tokens": 16}));
    assert_eq!(gateway.ask(&chat).send().await.way(), "miss");
    gateway.app.settle().await;
    let reply = post(&gateway, prompting(QUESTION)).send().await;
    assert_eq!(
        (reply.way(), texts(&reply)),
        ("exact", vec!["answer 1".to_owned()])
    );
    let stream = post(&gateway, streaming(QUESTION)).send().await;
    assert_eq!(
        (stream.way(), texts(&stream)),
        ("exact", vec!["answer 1".to_owned()])
    );
    assert!(stream.is_done());
    // And the other way round.
    let other = with(
        prompting("Name a fish that can."),
        json!({"max_tokens": 9, "temperature": 0}),
    );
    assert_eq!(post(&gateway, &other).send().await.way(), "miss");
    gateway.app.settle().await;
    let more = json!({"max_completion_tokens": 9, "temperature": 0});
    let chat = gateway
        .ask(&with(asking("Name a fish that can."), more))
        .send()
        .await;
    assert_eq!((chat.way(), chat.said().as_str()), ("exact", "answer 2"));
    assert_eq!(chat.json()["object"], "chat.completion");
    // What is told in front is not kept.
    let echo = post(&gateway, with(prompting(QUESTION), json!({"echo": true})))
        .send()
        .await;
    assert_eq!(
        (echo.way(), texts(&echo)),
        ("exact", vec![format!("{QUESTION}answer 1")])
    );
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_stream_with_echo_and_usage() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let more = json!({"echo": true, "stream_options": {"include_usage": true}});
    let reply = post(&gateway, with(streaming("Hop"), more)).send().await;
    let sent = upstream.only().json();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert_eq!(
        (texts(&reply), reply.is_done()),
        (vec!["Hopanswer 1".to_owned()], true)
    );
    let chunks = reply.chunks();
    let (last, others) = chunks.split_last().unwrap();
    // The fake has no usage in its streams.
    assert!(
        others.iter().all(|chunk| chunk["usage"].is_null()),
        "{}",
        reply.text()
    );
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(chunks.iter().all(|chunk| chunk["id"] == "cmpl-upstream"));
}

#[tokio::test]
async fn several_answers_with_probabilities() {
    let upstream = Upstream::start().await;
    let mut answer = completion("dodo", 1);
    let logprobs = json!({"content": [
        {"token": "do", "logprob": -0.5, "bytes": [100, 111], "top_logprobs": [
            {"token": "do", "logprob": -0.5, "bytes": [100, 111]}, {"token": "em", "logprob": -1.5, "bytes": null}]},
        {"token": "do", "logprob": -0.1, "bytes": [100, 111], "top_logprobs": [
            {"token": "do", "logprob": -0.1, "bytes": null}, {"token": "u", "logprob": -4.0, "bytes": null}]},
    ], "refusal": null});
    answer["choices"][0]["logprobs"] = logprobs;
    let mut second = answer["choices"][0].clone();
    second["index"] = json!(1);
    second["finish_reason"] = json!("length");
    answer["choices"].as_array_mut().unwrap().push(second);
    upstream.script(Answer::json(&answer));
    let gateway = Gateway::before(&upstream).await;
    let reply = post(
        &gateway,
        with(prompting(QUESTION), json!({"n": 2, "logprobs": 2})),
    )
    .send()
    .await;
    let sent = upstream.only().json();
    assert_eq!(
        (&sent["n"], &sent["logprobs"], &sent["top_logprobs"]),
        (&json!(2), &json!(true), &json!(2))
    );
    let choices = &reply.json()["choices"];
    assert_eq!(
        (&choices[1]["index"], &choices[1]["finish_reason"]),
        (&json!(1), &json!("length"))
    );
    assert_eq!(
        choices[0]["logprobs"],
        json!({
            "tokens": ["do", "do"], "token_logprobs": [-0.5, -0.1],
            "top_logprobs": [{"do": -0.5, "em": -1.5}, {"do": -0.1, "u": -4.0}], "text_offset": [0, 2],
        })
    );
}

#[tokio::test]
async fn what_no_chat_can_say_is_refused_by_name_or_left_out_on_request() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (more, param) in [
        (json!({"best_of": 4}), "best_of"),
        (json!({"echo": true, "logprobs": 1}), "logprobs"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"guided_regex": "a+"}), "guided_regex"),
    ] {
        let body = with(prompting(QUESTION), more);
        let reply = post(&gateway, &body).send().await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param)),
            "{}",
            reply.text()
        );
        assert_eq!(reply.error()["code"], "unsupported_parameter");
        assert_eq!(upstream.calls(), 0);
    }
    let body = with(
        prompting(QUESTION),
        json!({"best_of": 4, "drop_unsupported": true}),
    );
    let reply = post(&gateway, &body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-dropped")),
        (200, "best_of"),
        "{:?}",
        reply.headers
    );
    assert_eq!(upstream.only().json().get("best_of"), None);
}

#[tokio::test]
async fn bad_requests_are_refused_by_their_fields() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (more, param) in [
        (json!({"prompt": null}), json!("prompt")),
        (json!({"prompt": ""}), json!("prompt")),
        (json!({"prompt": []}), json!("prompt")),
        (json!({"prompt": ["a", 5]}), json!("prompt[1]")),
        (json!({"prompt": [5, 6]}), json!("prompt")),
        (json!({"prompt": vec!["a"; 129]}), json!("prompt")),
        (json!({"n": 0}), json!("n")),
        (json!({"temperature": 3}), json!("temperature")),
        (json!({"logprobs": 6}), json!("logprobs")),
        (json!({"stream_options": {}}), json!("stream_options")),
        (json!({"refrain": {"ttl": "x"}}), json!("refrain.ttl")),
    ] {
        let reply = post(&gateway, with(prompting(QUESTION), more.clone()))
            .send()
            .await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &param),
            "{more} {}",
            reply.text()
        );
        assert_eq!(reply.error()["type"], "invalid_request_error");
    }
    let unknown = with(prompting(QUESTION), json!({"model": "gpt-none"}));
    let reply = post(&gateway, unknown).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (404, &json!("model_not_found"))
    );
    for body in [
        "",
        "[]",
        "{",
        "{\"model\":\"gpt-test\",\"prompt\":\"a\",\"prompt\":\"b\"}",
    ] {
        assert_eq!(post(&gateway, body).send().await.status, 400, "{body}");
    }
    let get = gateway.request("GET", "/v1/completions", "").send().await;
    assert_eq!(get.status, 405);
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn with_a_suffix_claude_is_told_to_fill_in() {
    let anthropic = Anthropic::start().await;
    let toml = anthropic.provider("") + &model("gpt-test", &["claude/claude-sonnet-4-5"]);
    let gateway = Setup::new(&toml).start().await;
    let more =
        json!({"suffix": "    return total", "max_tokens": 64, "stop": "END", "temperature": 0.5});
    let reply = post(&gateway, with(prompting("def add(a, b):\n"), more))
        .send()
        .await;
    assert_eq!(
        (reply.status, texts(&reply)),
        (200, vec!["answer 1".to_owned()]),
        "{}",
        reply.text()
    );
    insta::assert_json_snapshot!(anthropic.last());
    insta::assert_snapshot!(reply.text());
}

#[tokio::test]
async fn gemini_answers_a_prompt() {
    let google = Gemini::start().await;
    google.script(Answer::json(&response(
        &json!([{"text": "An emu."}]),
        Some("STOP"),
    )));
    let toml = google.section("google") + &model("gpt-test", &["google/gemini-2.5-flash"]);
    let gateway = Setup::new(&toml).start().await;
    let reply = post(&gateway, prompting(QUESTION)).send().await;
    assert_eq!(
        (reply.status, texts(&reply)),
        (200, vec!["An emu.".to_owned()]),
        "{}",
        reply.text()
    );
    insta::assert_json_snapshot!(google.only().body);
}

#[tokio::test]
async fn ollama_answers_a_prompt() {
    let ollama = Ollama::start().await;
    let said: Value = serde_json::from_str(&done(text("A kiwi."))).unwrap();
    ollama.script(Answer::json(&said));
    let section = format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{}\"\ndiscover = false\n",
        ollama.base_url()
    );
    let toml = section + &model("gpt-test", &["local/crab:7b"]);
    let gateway = Setup::new(&toml).start().await;
    let reply = post(&gateway, prompting(QUESTION)).send().await;
    assert_eq!(
        (reply.status, texts(&reply)),
        (200, vec!["A kiwi.".to_owned()]),
        "{}",
        reply.text()
    );
    insta::assert_json_snapshot!(ollama.received());
}
