//! Keys, errors, counts, embeddings and models.

use serde_json::{Value, json};

use super::{MODEL, asking, before, call, path, said};
use crate::support::{
    answer::Answer,
    gateway::{Gateway, Setup, model, provider},
    gemini::Gemini,
    upstream::Upstream,
    with,
};

async fn with_clients(google: &Gemini) -> Gateway {
    let client = |name: &str, more: &str| {
        let upper = name.to_uppercase();
        format!("[[clients]]\nname = \"{name}\"\nkey_env = \"{upper}_KEY\"\n{more}\n")
    };
    let models = model(MODEL, &[&format!("google/{MODEL}")]) + &model("other", &["google/other"]);
    let toml = client("alice", "") + &client("bob", "allowed_models = [\"other\"]");
    Setup::new(&(google.section("google") + &models + &toml))
        .start()
        .await
}

#[tokio::test]
async fn a_key_may_come_in_a_header_or_in_the_address() {
    let google = Gemini::start().await;
    let gateway = with_clients(&google).await;
    let body = asking("Who am I?").to_string();
    let post = |path: &str| gateway.request("POST", path, body.clone());
    let plain = path(MODEL, "generateContent");
    let replies = [
        post(&plain)
            .header("x-goog-api-key", "sk-alice_key")
            .send()
            .await,
        post(&format!("{plain}?key=sk-alice_key&alt=json"))
            .send()
            .await,
        post(&plain).key("sk-alice_key").send().await,
    ];
    for reply in replies {
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!format!("{:?}{}", reply.headers, reply.text()).contains("sk-alice"));
    }
    for (path, key) in [
        (plain.clone(), ""),
        (format!("{plain}?key=sk-wrong"), "sk-wrong"),
        (format!("{plain}?key="), ""),
    ] {
        let reply = post(&path).send().await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.error()["status"], "UNAUTHENTICATED");
        assert!(key.is_empty() || !reply.text().contains(key));
    }
    // The header goes before the address.
    let both = post(&format!("{plain}?key=sk-wrong")).header("x-goog-api-key", "sk-alice_key");
    assert_eq!(both.send().await.status, 200);
    let refused = post(&plain).key("sk-bob_key").send().await;
    assert_eq!(
        (refused.status, refused.error()["status"].as_str()),
        (403, Some("PERMISSION_DENIED"))
    );
    for received in google.received() {
        assert!(!format!("{received:?}").contains("alice"));
    }
}

#[tokio::test]
async fn models_are_listed_as_google_does() {
    let google = Gemini::start().await;
    let gateway = with_clients(&google).await;
    let names = |reply: &Value| {
        let models = reply["models"].as_array().unwrap();
        let names = models
            .iter()
            .map(|model| model["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let first = gateway
        .get("/v1beta/models?pageSize=1&key=sk-alice_key")
        .send()
        .await
        .json();
    assert_eq!(names(&first), [format!("models/{MODEL}")]);
    let token = first["nextPageToken"].as_str().unwrap();
    let rest = gateway.get(&format!("/v1beta/models?pageSize=900&pageToken={token}"));
    let rest = rest
        .header("x-goog-api-key", "sk-alice_key")
        .send()
        .await
        .json();
    assert!(names(&rest).contains(&"models/other".to_owned()));
    assert!(rest.get("nextPageToken").is_none());
    let bobs = gateway
        .get("/v1beta/models")
        .key("sk-bob_key")
        .send()
        .await
        .json();
    assert_eq!(names(&bobs), ["models/other"]);
    let one = gateway
        .get("/v1beta/models/other?key=sk-bob_key")
        .send()
        .await
        .json();
    assert_eq!(one["name"], "models/other");
    assert!(
        one["supportedGenerationMethods"]
            .to_string()
            .contains("generateContent")
    );
    for (path, status) in [
        ("/v1beta/models/nothing?key=sk-alice_key", 404),
        ("/v1beta/models/gemini-2.5-flash?key=sk-bob_key", 403),
        ("/v1beta/models?pageToken=x&key=sk-bob_key", 400),
        ("/v1beta/models", 401),
    ] {
        let reply = gateway.get(path).send().await;
        assert_eq!(
            (reply.status, reply.error()["code"].as_u64()),
            (status, Some(status.into())),
            "{path}"
        );
    }
}

#[tokio::test]
async fn errors_are_in_googles_shape() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let (temperature, empty) = (
        with(
            asking("Hi"),
            json!({"generation_config": {"temperature": 9}}),
        ),
        json!({"contents": []}),
    );
    for (model, method, body, status, says) in [
        (
            MODEL,
            "generateContent",
            &temperature,
            400,
            "`generation_config.temperature` must be",
        ),
        (MODEL, "generateContent", &empty, 400, "`contents` is empty"),
        (
            MODEL,
            "streamGenerateContent?alt=proto",
            &asking("Hi"),
            400,
            "`alt` must be",
        ),
        (
            MODEL,
            "predict",
            &asking("Hi"),
            404,
            "streamGenerateContent, countTokens",
        ),
        (
            MODEL,
            "embedContent",
            &asking("Hi"),
            400,
            "`content` is missing",
        ),
        (
            "gemini-2.5-flush",
            "generateContent",
            &asking("Hi"),
            404,
            "did you mean `gemini-2.5-flash`?",
        ),
    ] {
        let reply = call(&gateway, model, method, body).send().await;
        let error = reply.error();
        assert_eq!(
            (reply.status, error["code"].as_u64()),
            (status, Some(status.into())),
            "{says}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert_eq!(error.as_object().unwrap().len(), 3);
    }
    let reply = gateway
        .request("POST", "/v1beta/models/x", "{}")
        .send()
        .await;
    assert_eq!(reply.error()["status"], "NOT_FOUND");
    openai.script(Answer::error(429, "slow down"));
    let reply = call(&gateway, "gpt-test", "generateContent", &asking("Busy?"))
        .send()
        .await;
    assert_eq!(
        (reply.status, &reply.error()["status"]),
        (429, &json!("RESOURCE_EXHAUSTED"))
    );
}

#[tokio::test]
async fn names_of_models_may_hold_slashes_and_colons() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let names = ["main/gpt-test", "odd:7b"];
    let toml = google.section("google")
        + &provider("main", &openai)
        + &model(names[1], &["main/gpt-test"]);
    let gateway = Setup::new(&toml).start().await;
    for name in [
        names[0],
        "models/main/gpt-test",
        "main%2Fgpt-test",
        names[1],
        "odd%3A7b",
    ] {
        let reply = call(&gateway, name, "generateContent", &asking("Hi"))
            .send()
            .await;
        assert_eq!(
            (reply.status, said(&reply).as_str()),
            (200, "answer 1"),
            "{name} {}",
            reply.text()
        );
        openai.script(Answer::said("answer 1"));
    }
}

#[tokio::test]
async fn tokens_are_counted() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let count = async |body: Value| {
        let reply = call(&gateway, "gpt-test", "countTokens", &body)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["totalTokens"].as_u64().unwrap()
    };
    let short = count(asking("Hi")).await;
    let request = with(
        asking("Hi"),
        json!({"systemInstruction": {"parts": [{"text": "Be very short, please."}]}}),
    );
    let whole = count(json!({"generateContentRequest": request})).await;
    assert!(0 < short && short < whole);
    assert_eq!(openai.calls(), 0);
}

#[tokio::test]
async fn texts_are_embedded() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let toml = google.section("google") + &model("e", &["google/gemini-embedding-001"]);
    let gateway = Setup::new(&toml).start().await;
    drop(openai);
    let one = |text: &str| json!({"model": "models/e", "content": {"parts": [{"text": text}]}});
    let reply = call(&gateway, "e", "embedContent", &one("a")).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(
        reply.json()["embedding"]["values"][0].is_f64(),
        "{}",
        reply.text()
    );
    let batch = json!({"requests": [one("b"), one("c")]});
    let reply = call(&gateway, "e", "batchEmbedContents", &batch)
        .send()
        .await;
    assert_eq!(reply.json()["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(
        google.received()[1].body["requests"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn newer_clients_ask_under_v1() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let post = |path: &str, body: &Value| gateway.request("POST", path, body.to_string());
    let reply = post("/v1/models/gpt-test:generateContent", &asking("Hi"))
        .send()
        .await;
    assert_eq!((reply.status, said(&reply).as_str()), (200, "answer 1"));
    let reply = post("/v1/models/gpt-test:generateContent", &json!({}))
        .send()
        .await;
    assert_eq!(reply.error()["status"], "INVALID_ARGUMENT");
    // The lists of both interfaces have the same address: who asks says which is meant.
    let ask = |path: &str| {
        gateway
            .get(path)
            .header("x-goog-api-client", "google-genai-sdk/3.4.0")
    };
    let list = ask("/v1/models").send().await.json();
    assert_eq!(list["models"][0]["name"], format!("models/{MODEL}"));
    assert_eq!(
        ask("/v1/models/gpt-test").send().await.json()["name"],
        "models/gpt-test"
    );
    assert_eq!(
        ask("/v1/models/none").send().await.error()["status"],
        "NOT_FOUND"
    );
    let list = gateway.get("/v1/models").send().await.json();
    assert_eq!(list["data"][0]["id"], MODEL);
}
