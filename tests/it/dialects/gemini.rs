//! Gemini, asked by clients of OpenAI.

mod emulated;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    gemini::{Gemini, error, response, stream},
    upstream::Upstream,
    with,
};

const MODEL: &str = "gemini-2.5-flash";

fn asking(question: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": question}]})
}

fn streaming(question: &str) -> Value {
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    with(asking(question), options)
}

async fn before(google: &Gemini) -> Gateway {
    gateway(google, "").await
}

async fn gateway(google: &Gemini, more: &str) -> Gateway {
    let models = ["gemini-2.5-flash", "gemini-3.1-pro-preview"]
        .map(|name| model(name, &[&format!("google/{name}")]));
    let toml = format!("{}{more}{}", google.section("google"), models.concat());
    Setup::new(&toml).start().await
}

/// A gateway that asks somebody else after Google.
async fn with_backup(google: &Gemini, backup: &Upstream) -> Gateway {
    let model = model(MODEL, &[&format!("google/{MODEL}"), "backup/gpt-test"]);
    let toml = google.section("google") + &provider("backup", backup) + &model;
    Setup::new(&toml).start().await
}

async fn alone(answer: Answer, body: &Value) -> Reply {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    google.script(answer);
    gateway.ask(body).send().await
}

#[tokio::test]
async fn a_question_is_answered_whole_and_streamed() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let reply = gateway.ask(&asking("One?")).send().await;
    assert_eq!(
        (reply.status, reply.way(), reply.said().as_str()),
        (200, "miss", "answer 1")
    );
    let json = reply.json();
    assert_eq!(json["model"], MODEL);
    assert_eq!(
        json["usage"],
        json!({
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "completion_tokens_details": {"reasoning_tokens": 2},
        })
    );
    let reply = gateway.ask(&streaming("Two?")).send().await;
    assert_eq!((reply.said().as_str(), reply.is_done()), ("answer 2", true));
    let last = reply.chunks().pop().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["total_tokens"]),
        (&json!([]), &json!(17))
    );
    let paths: Vec<String> = google
        .received()
        .into_iter()
        .map(|received| received.path)
        .collect();
    assert_eq!(
        paths,
        [
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ]
    );
}

#[tokio::test]
async fn an_answer_is_kept_in_both_forms() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let parts = json!([
        {"text": "Hm.", "thought": true},
        {"functionCall": {"id": "call-77", "name": "_n_2fa", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
    ]);
    google.script(Answer::events(stream(&[response(&parts, Some("STOP"))])));
    let tools = json!([{"type": "function", "function": {"name": "2fa"}}]);
    let first = gateway
        .ask(&with(streaming("Code?"), json!({"tools": tools})))
        .send()
        .await;
    assert_eq!((first.way(), first.is_done()), ("miss", true));
    let again = gateway
        .ask(&with(streaming("Code?"), json!({"tools": tools})))
        .send()
        .await;
    assert_eq!((again.way(), again.is_done()), ("exact", true));
    let whole = gateway
        .ask(&with(asking("Code?"), json!({"tools": tools})))
        .send()
        .await;
    assert_eq!(whole.way(), "exact");
    let message = whole.json()["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_content"], "Hm.");
    assert_eq!(
        message["tool_calls"],
        json!([{
            "id": "call-77", "type": "function", "function": {"name": "2fa", "arguments": "{\"x\":1}"},
            "extra_content": {"google": {"thought_signature": "c2ln"}},
        }])
    );
    assert_eq!(google.received().len(), 1);
}

/// A question, the calls of `message`, and a result for each.
fn history(question: &Value, message: &Value) -> Vec<Value> {
    let mut messages = vec![question.clone(), message.clone()];
    let calls = message["tool_calls"].as_array().unwrap();
    messages.extend(
        calls
            .iter()
            .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "cold"})),
    );
    messages
}

#[tokio::test]
async fn a_signature_that_the_client_lost_is_given_back() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let ask = |messages: Value| {
        json!({
            "model": "gemini-3.1-pro-preview", "messages": messages,
            "tools": [{"type": "function", "function": {"name": "weather"}}],
        })
    };
    let parts = json!([
        {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
    ]);
    google.script(Answer::json(&response(&parts, Some("STOP"))));
    let question = json!({"role": "user", "content": "Rome and Oslo?"});
    let reply = gateway.ask(&ask(json!([question]))).send().await;
    let mut message = reply.json()["choices"][0]["message"].clone();
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "tool_calls");
    for call in message["tool_calls"].as_array_mut().unwrap() {
        call.as_object_mut().unwrap().remove("extra_content");
    }
    let messages = history(&question, &message);
    gateway.ask(&ask(json!(messages))).send().await;
    let sent = google.received().pop().unwrap().body;
    let calls = &sent["contents"][1]["parts"];
    assert_eq!(calls[0]["thoughtSignature"], "c2ln");
    assert_eq!(calls[1].get("thoughtSignature"), None);
    assert_eq!(
        sent["contents"][2]["parts"][1]["functionResponse"]["id"],
        calls[1]["functionCall"]["id"]
    );

    // Nobody knows the signature of a call that another provider made.
    message["tool_calls"][0]["id"] = json!("call_of_somebody_else");
    let messages = history(&question, &message);
    let reply = gateway.ask(&ask(json!(messages))).send().await;
    assert_eq!(reply.status, 200);
    let sent = google.received().pop().unwrap().body;
    assert_eq!(
        sent["contents"][1]["parts"][0]["thoughtSignature"],
        "skip_thought_signature_validator"
    );
}

#[tokio::test]
async fn everything_at_once_is_taken_by_a_strict_server() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {
            "count": {"type": "integer", "exclusiveMinimum": 0},
            "kind": {"oneOf": [{"const": 1}, {"const": "x"}, {"type": "null"}]},
            "node": {"$ref": "#/$defs/Node"},
        },
        "required": ["count", "gone"], "additionalProperties": false,
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    });
    let body = json!({
        "model": "gemini-3.1-pro-preview",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "Welcome."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [{"type": "function", "function": {"name": "2fa", "parameters": schema}}],
        "tool_choice": "required", "reasoning_effort": "low", "temperature": 0.5, "top_p": 0.5,
        "max_completion_tokens": 100, "stop": "END", "seed": 1, "logprobs": true, "top_logprobs": 2,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": true}},
        "user": "u", "metadata": {}, "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    });
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.said().as_str()),
        (200, "answer 1"),
        "{}",
        reply.text()
    );
    let sent = google.only().body;
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"]["thinkingLevel"],
        "LOW"
    );
    assert_eq!(sent["contents"][2]["parts"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn several_answers_come_from_one_call_or_from_several() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let two = |question: &str| with(asking(question), json!({"n": 2}));
    let texts = |reply: &Reply| -> Vec<String> {
        let choices = reply.json()["choices"].as_array().unwrap().clone();
        let texts = choices
            .iter()
            .map(|choice| choice["message"]["content"].as_str().unwrap());
        texts.map(str::to_owned).collect()
    };
    let reply = gateway.ask(&two("At once?")).send().await;
    assert_eq!(texts(&reply), ["answer 1", "answer 1, 1"]);

    let many = "Multiple candidates is not enabled for this model";
    google.script(Answer::json(&error(400, "INVALID_ARGUMENT", many, &json!([]))).status(400));
    let reply = gateway.ask(&two("One by one?")).send().await;
    let mut said = texts(&reply);
    said.sort();
    assert_eq!(said, ["answer 3", "answer 4"]);
    assert_eq!(reply.json()["usage"]["total_tokens"], 34);

    // A model that gives one whatever it is asked for.
    google.script(Answer::json(&response(
        &json!([{"text": "only"}]),
        Some("STOP"),
    )));
    let reply = gateway.ask(&two("Ignored?")).send().await;
    assert_eq!(
        (reply.status, texts(&reply).len(), google.received().len()),
        (200, 2, 7)
    );
}

#[tokio::test]
async fn a_refused_key_is_the_gateways_trouble() {
    let details =
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let refused = error(400, "INVALID_ARGUMENT", "API key not valid.", &details);
    let denied = error(
        403,
        "PERMISSION_DENIED",
        "Your project has been denied access.",
        &json!([]),
    );
    for (status, body) in [(400, refused), (403, denied)] {
        for asked in [asking("Key?"), streaming("Key?")] {
            let reply = alone(Answer::json(&body).status(status), &asked).await;
            assert_eq!(
                (reply.status, &reply.error()["code"]),
                (502, &json!("upstream_auth"))
            );
        }
    }
}

#[tokio::test]
async fn an_overloaded_model_asks_to_wait() {
    let busy = error(503, "UNAVAILABLE", "The model is overloaded.", &json!([]));
    let reply = alone(Answer::json(&busy).status(503), &asking("Busy?")).await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (503, &json!("upstream_unavailable"))
    );
    assert!(!reply.header("retry-after").is_empty());

    let details =
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]);
    let quota = error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
        &details,
    );
    let reply = alone(Answer::json(&quota).status(429), &asking("Quota?")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "17"));
    assert_eq!(reply.error()["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn what_google_says_of_the_request_is_passed_on() {
    let message = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
    let long = error(400, "INVALID_ARGUMENT", message, &json!([]));
    let reply = alone(Answer::json(&long).status(400), &asking("Long?")).await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"], &error["message"]),
        (400, &json!("context_length_exceeded"), &json!(message))
    );
    assert_eq!(reply.header("x-refrain-error-origin"), "upstream");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_ends_it_without_done() {
    let busy = error(503, "UNAVAILABLE", "The model is overloaded.", &json!([]));
    let open = response(&json!([{"text": "Hel"}]), None);
    let reply = alone(
        Answer::events(stream(&[open.clone(), busy])),
        &streaming("Cut?"),
    )
    .await;
    assert_eq!(
        (reply.status, reply.said().as_str(), reply.is_done()),
        (200, "Hel", false)
    );
    let last = reply.chunks().pop().unwrap();
    assert!(
        last["error"]["message"]
            .as_str()
            .unwrap()
            .contains("overloaded"),
        "{last}"
    );

    let reply = alone(Answer::events(stream(&[open])), &streaming("Endless?")).await;
    assert!(!reply.is_done() && reply.chunks().pop().unwrap()["error"].is_object());
}

#[tokio::test]
async fn what_fails_before_the_first_word_is_asked_elsewhere() {
    let busy = error(503, "UNAVAILABLE", "The model is overloaded.", &json!([]));
    let malformed = response(&json!([]), Some("MALFORMED_FUNCTION_CALL"));
    for events in [
        vec![busy],
        vec![response(&json!([{"text": ""}]), None)],
        vec![malformed],
        vec![],
    ] {
        let (google, backup) = (Gemini::start().await, Upstream::start().await);
        let gateway = with_backup(&google, &backup).await;
        google.script(Answer::events(stream(&events)));
        let reply = gateway.ask(&streaming("Anybody?")).send().await;
        assert_eq!((reply.said().as_str(), reply.is_done()), ("answer 1", true));
        assert_eq!((google.received().len(), backup.calls()), (1, 1));
    }
}

#[tokio::test]
async fn a_blocked_prompt_is_a_filtered_answer() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let reply = alone(Answer::json(&blocked), &asking("Bad?")).await;
    assert_eq!(
        reply.json()["choices"][0]["finish_reason"],
        "content_filter"
    );
    let reply = alone(Answer::events(stream(&[blocked])), &streaming("Bad?")).await;
    assert!(reply.is_done() && reply.text().contains("content_filter"));
}

#[tokio::test]
async fn what_gemini_cannot_do_is_refused_or_left_out() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let body = with(asking("Bias?"), json!({"logit_bias": {"50256": -100}}));
    let reply = gateway.ask(&body).send().await;
    let error = reply.error();
    assert_eq!((reply.status, &error["param"]), (400, &json!("logit_bias")));
    assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
    assert_eq!(google.received().len(), 0);

    let body = with(body, json!({"drop_unsupported": true}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-dropped")),
        (200, "logit_bias")
    );
}

#[tokio::test]
async fn models_are_listed_over_all_pages() {
    let google = Gemini::start().await;
    let gateway = gateway(&google, "discover = true\n").await;
    let models = gateway.get("/v1/models").send().await.json();
    let names: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"gemini-9-found"), "{names:?}");
    assert!(
        !names.iter().any(|name| name.contains("embedding")),
        "{names:?}"
    );
}
