//! Ollama, over sockets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    gateway::{Gateway, Setup, model, provider},
    ollama::{Ollama, done, error, line, ndjson, text},
    upstream::Upstream,
    with,
};

fn local(ollama: &Ollama, more: &str) -> String {
    let base_url = ollama.base_url();
    format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{base_url}\"\nretry = {{ attempts = 0 }}\n{more}\n"
    )
}

/// A gateway before this server alone.
async fn before(ollama: &Ollama) -> Gateway {
    let models = model("crab", &["local/crab:7b"]);
    Setup::new(&(local(ollama, "") + &models)).start().await
}

fn asking(question: &str) -> Value {
    json!({"model": "crab", "messages": [{"role": "user", "content": question}]})
}

fn streaming(question: &str) -> Value {
    let stream = json!({"stream": true, "stream_options": {"include_usage": true}});
    with(asking(question), stream)
}

#[tokio::test]
async fn a_whole_answer_is_one_of_openai_and_a_hit_the_second_time() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let reply = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!(
        (reply.status, reply.said().as_str(), reply.way()),
        (200, "answer 1", "miss")
    );
    let json = reply.json();
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert_eq!(json["usage"]["total_tokens"], 15);
    let again = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!((again.said().as_str(), again.way()), ("answer 1", "exact"));
    assert_eq!(ollama.calls(), 1);
}

#[tokio::test]
async fn a_stream_is_one_of_openai_and_a_hit_the_second_time() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let reply = gateway.ask(&streaming("What is a crab?")).send().await;
    assert_eq!((reply.status, reply.said().as_str()), (200, "answer 1"));
    assert!(reply.is_done());
    let chunks = reply.chunks();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let last = chunks.last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["total_tokens"]),
        (&json!([]), &json!(15))
    );
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]));
    for body in [streaming("What is a crab?"), asking("What is a crab?")] {
        let again = gateway.ask(&body).send().await;
        assert_eq!((again.said().as_str(), again.way()), ("answer 1", "exact"));
    }
    assert_eq!(ollama.calls(), 1);
}

#[tokio::test]
async fn thoughts_and_calls_come_through_in_either_form() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let call = json!({"id": "call_1", "function": {"index": 0, "name": "dig", "arguments": {"deep": true}}});
    let message =
        json!({"role": "assistant", "content": "", "thinking": "Sand.", "tool_calls": [call]});
    let tools = json!([{"type": "function", "function": {"name": "dig"}}]);
    for stream in [false, true] {
        let body = line(message.clone()) + &done(text(""));
        ollama.script(if stream {
            ndjson(body)
        } else {
            Answer::raw("application/json", done(message.clone()))
        });
        let body = with(asking("Dig!"), json!({"stream": stream, "tools": tools}));
        let no_store = ("cache-control", "no-store");
        let reply = gateway.ask(&body).headers(&[no_store]).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let (said, finish) = if stream {
            let chunks = reply.chunks();
            let call = chunks.iter().find_map(|chunk| {
                chunk["choices"][0]["delta"]["tool_calls"][0]
                    .as_object()
                    .cloned()
            });
            let finish = chunks.iter().find_map(|chunk| {
                chunk["choices"][0]["finish_reason"]
                    .as_str()
                    .map(str::to_owned)
            });
            assert!(
                chunks
                    .iter()
                    .any(|chunk| chunk["choices"][0]["delta"]["reasoning_content"] == "Sand.")
            );
            (Value::from(call.unwrap()), finish.unwrap())
        } else {
            let choice = reply.json()["choices"][0].clone();
            assert_eq!(choice["message"]["reasoning_content"], "Sand.");
            let finish = choice["finish_reason"].as_str().unwrap().to_owned();
            (choice["message"]["tool_calls"][0].clone(), finish)
        };
        assert_eq!(finish, "tool_calls");
        assert_eq!(said["id"], "call_1");
        assert_eq!(
            said["function"],
            json!({"name": "dig", "arguments": "{\"deep\":true}"})
        );
    }
}

#[tokio::test]
async fn several_answers_are_several_calls() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let reply = gateway
        .ask(&with(asking("Pick."), json!({"n": 2})))
        .send()
        .await;
    let json = reply.json();
    let mut said: Vec<&str> = json["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap())
        .collect();
    said.sort_unstable();
    assert_eq!(said, ["answer 1", "answer 2"]);
    assert_eq!(json["usage"]["total_tokens"], 30);
    let reply = gateway
        .ask(&with(streaming("Pick."), json!({"n": 2})))
        .send()
        .await;
    assert!(reply.is_done());
    let indexes: std::collections::BTreeSet<u64> = reply
        .chunks()
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["index"].as_u64())
        .collect();
    assert_eq!(indexes.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_key_is_sent_and_its_refusal_is_the_gateways_matter() {
    let ollama = Ollama::with_key().await;
    for (variable, status) in [("UPSTREAM_KEY", 200), ("ALICE_KEY", 502)] {
        let key = format!("api_key_env = \"{variable}\"\ndiscover = false");
        let toml = local(&ollama, &key) + &model("crab", &["local/crab:7b"]);
        let gateway = Setup::new(&toml).start().await;
        let reply = gateway.ask(&asking("Knock knock")).send().await;
        assert_eq!(reply.status, status);
        if status == 502 {
            assert_eq!(reply.error()["code"], "upstream_auth");
            assert!(!reply.text().contains("sk-"));
        }
    }
}

#[tokio::test]
async fn a_busy_server_is_503_with_a_pause() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let busy = "server busy, please try again.  maximum pending requests exceeded";
    ollama.script(error(503, busy));
    let reply = gateway.ask(&asking("Hello?")).send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    ollama.script(error(503, busy).header("retry-after", "7"));
    let reply = gateway.ask(&streaming("Hello?")).send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "7"));
}

#[tokio::test]
async fn a_missing_model_is_404_and_says_how_to_get_it() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    ollama.script(error(404, "model 'crab:7b' not found"));
    let reply = gateway.ask(&asking("Hello?")).send().await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"], &error["param"]),
        (404, &json!("model_not_found"), &json!("model"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("`ollama pull crab:7b`"), "{message}");
    // Where the server is, is nothing for clients.
    assert!(!message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_event_and_nothing_is_kept() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let broken = line(text("half an")) + "{\"error\":\"the runner has gone\"}\n";
    ollama.script(ndjson(broken));
    let reply = gateway.ask(&streaming("What is a crab?")).send().await;
    assert_eq!(reply.status, 200);
    assert!(!reply.is_done());
    let last: Value = serde_json::from_str(reply.events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["message"], "the runner has gone");
    ollama.script(ndjson(line(text("half an answer"))));
    let reply = gateway.ask(&streaming("What is a crab?")).send().await;
    assert!(
        !reply.is_done() && reply.text().contains("\"error\""),
        "{}",
        reply.text()
    );
    let reply = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!((reply.said().as_str(), reply.way()), ("answer 3", "miss"));
}

#[tokio::test]
async fn an_error_before_the_first_word_is_not_seen() {
    let ollama = Ollama::start().await;
    let backup = Upstream::start().await;
    let toml = local(&ollama, "")
        + &provider("backup", &backup)
        + &model("crab", &["local/crab:7b", "backup/gpt-test"]);
    let gateway = Setup::new(&toml).start().await;
    let scripts = [
        ndjson("{\"error\":\"the runner has gone\"}\n"),
        ndjson(line(text("")) + "{\"error\":\"the runner has gone\"}\n"),
        ndjson(""),
        Answer::raw("text/html", "<html>"),
        error(500, "llama runner process has terminated"),
    ];
    for (number, script) in (1..).zip(scripts) {
        ollama.script(script);
        let question = format!("Question {number}?");
        let reply = gateway.ask(&streaming(&question)).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.said(), format!("answer {number}"));
        assert!(reply.is_done());
        assert_eq!(reply.header("x-refrain-provider"), "backup");
    }
}

#[tokio::test]
async fn what_it_can_not_do_is_refused_or_left_out() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let body = with(
        asking("Pick a tool."),
        json!({
            "tools": [{"type": "function", "function": {"name": "dig"}}], "tool_choice": "required",
        }),
    );
    for body in [body.clone(), with(body.clone(), json!({"stream": true}))] {
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
        let error = reply.error();
        assert_eq!(error["param"], "tool_choice");
        assert_eq!(error["code"], "unsupported_parameter");
        assert!(error["message"].as_str().unwrap().contains("`local`"));
    }
    assert_eq!(ollama.calls(), 0);
    let reply = gateway
        .ask(&with(body, json!({"drop_unsupported": true})))
        .send()
        .await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-dropped")),
        (200, "tool_choice")
    );
    assert_eq!(ollama.received()[0]["tools"][0]["function"]["name"], "dig");
}

#[tokio::test]
async fn a_model_is_asked_about_once_in_a_while_and_gets_the_window_it_needs() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let window = |call: usize| ollama.received()[call]["options"]["num_ctx"].clone();
    gateway.ask(&asking("Short?")).send().await;
    let long = "A crab walks sideways along the beach. ".repeat(1000);
    gateway.ask(&asking(&long)).send().await;
    gateway.ask(&asking("Short again?")).send().await;
    assert_eq!([window(0), window(1), window(2)], [4096, 16_384, 16_384]);
    assert_eq!(ollama.shown(), 1);
    gateway.clock.advance(Duration::from_secs(601));
    gateway.ask(&asking("And now?")).send().await;
    assert_eq!((ollama.shown(), window(3)), (2, json!(4096)));
    let too_long = long.repeat(20);
    let reply = gateway.ask(&asking(&too_long)).send().await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"], &error["param"]),
        (400, &json!("context_length_exceeded"), &json!("messages"))
    );
    assert!(
        error["message"].as_str().unwrap().contains("32768"),
        "{error}"
    );
    assert_eq!(ollama.calls(), 4);
}

#[tokio::test]
async fn a_window_that_was_too_small_is_enlarged_once() {
    let ollama = Ollama::start().await;
    let gateway = before(&ollama).await;
    let too_long = "the prompt is longer than the context length currently available to the model";
    ollama.script(error(400, too_long));
    let reply = gateway.ask(&asking("Short?")).send().await;
    assert_eq!((reply.status, reply.said().as_str()), (200, "answer 2"));
    let windows: Vec<Value> = ollama
        .received()
        .iter()
        .map(|body| body["options"]["num_ctx"].clone())
        .collect();
    assert_eq!(windows, [4096, 8192]);
    ollama.script(error(400, too_long));
    ollama.script(error(400, too_long));
    let reply = gateway.ask(&asking("Another?")).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (400, &json!("context_length_exceeded"))
    );
    assert_eq!(ollama.calls(), 4);
    ollama.script(error(400, too_long));
    let fixed = with(asking("Mine?"), json!({"options": {"num_ctx": 5000}}));
    assert_eq!(gateway.ask(&fixed).send().await.status, 400);
    assert_eq!(ollama.calls(), 5);
}

#[tokio::test]
async fn a_server_that_says_nothing_about_its_models_is_asked_all_the_same() {
    let ollama = Ollama::start().await;
    ollama.show(json!("?"));
    let gateway = before(&ollama).await;
    for question in ["One?", "Two?"] {
        assert_eq!(gateway.ask(&asking(question)).send().await.status, 200);
    }
    assert_eq!(ollama.shown(), 1);
}

#[tokio::test]
async fn its_models_are_listed_and_served() {
    let ollama = Ollama::start().await;
    let gateway = Setup::new(&local(&ollama, "")).start().await;
    let list = gateway.get("/v1/models").send().await.json();
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["crab:7b", "found", "found:latest"]);
    for name in names {
        let body = with(asking(name), json!({"model": name}));
        assert_eq!(gateway.ask(&body).send().await.status, 200);
    }
    assert_eq!(ollama.received()[1]["model"], "found");
}

#[tokio::test]
async fn texts_are_embedded_and_none_is_cut() {
    let ollama = Ollama::start().await;
    let config = local(&ollama, "keep_alive = \"10m\"") + &model("crab", &["local/crab:7b"]);
    let gateway = Setup::new(&config).start().await;
    let ask = async |fields: Value| {
        let body = with(json!({"model": "crab", "input": ["one", "three"]}), fields);
        let request = gateway.request("POST", "/v1/embeddings", body.to_string());
        request.send().await
    };
    let reply = ask(json!({"encoding_format": "base64"})).await;
    let answer = reply.json();
    assert_eq!(reply.status, 200);
    // 5.0 and 1.0 as 32-bit floats.
    assert_eq!(answer["data"][1]["embedding"], "AACgQAAAgD8=");
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 7, "total_tokens": 7})
    );
    assert_eq!(
        ollama.received()[0],
        json!({"model": "crab:7b", "input": ["one", "three"], "truncate": false, "keep_alive": "10m"})
    );
    for (answer, status, code) in [
        (
            error(404, "model 'crab:7b' not found"),
            404,
            json!("model_not_found"),
        ),
        (
            error(400, "the input length exceeds the context length"),
            400,
            json!("context_length_exceeded"),
        ),
        (
            Answer::json(&json!({"embeddings": [[1.0]]})),
            502,
            json!("upstream_error"),
        ),
    ] {
        ollama.script(answer);
        let reply = ask(json!({"input": ["two", "four"]})).await;
        assert_eq!((reply.status, &reply.error()["code"]), (status, &code));
    }
    let tokens = ask(json!({"input": [1, 2]})).await;
    assert_eq!(
        (tokens.status, &tokens.error()["param"]),
        (400, &json!("input"))
    );
    let unknown = ask(json!({"vendor": 1})).await;
    assert_eq!(
        (unknown.status, &unknown.error()["param"]),
        (400, &json!("vendor"))
    );
    let dropped = ask(json!({"vendor": 1, "drop_unsupported": true})).await;
    assert_eq!(
        (dropped.status, dropped.header("x-refrain-dropped")),
        (200, "vendor")
    );
}
