//! What is refused, and how it is said.

use std::num::NonZeroU32;

use super::*;

#[tokio::test]
async fn refusals_in_openais_words() {
    let gateway = start("").await;
    keep(&gateway, "resp_1", &json!([]));
    let mut report = Vec::new();
    for (method, path) in [
        ("GET", "/v1/responses/resp_2"),
        ("DELETE", "/v1/responses/resp_2"),
        ("GET", "/v1/responses/resp_2/input_items"),
        ("POST", "/v1/responses/resp_2/cancel"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1?stream=true"),
        ("GET", "/v1/responses/resp_1?starting_after=3"),
        ("GET", "/v1/responses/resp_1?include=all"),
        ("POST", "/v1/responses/resp_1"),
    ] {
        let reply = gateway.request(method, path, "").key(ALICE).send().await;
        report.push(format!(
            "{method} {path}\n{} {}",
            reply.status,
            reply.text()
        ));
    }
    insta::assert_snapshot!(report.join("\n"));
}

#[tokio::test]
async fn what_asks_for_nothing_special_is_let_through() {
    let gateway = start("").await;
    keep(&gateway, "resp_1", &json!([]));
    for query in [
        "",
        "stream=false",
        "include=",
        "include[]=message.output_text.logprobs&include[]=web_search_call.results",
        "include_obfuscation=false",
        "other=1",
    ] {
        let path = format!("/v1/responses/resp_1?{query}");
        let reply = gateway.get(&path).key(ALICE).send().await;
        assert_eq!(reply.status, 200, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_id_is_an_unknown_one() {
    let gateway = start("").await;
    let long = "x".repeat(20_000);
    for id in [
        "%00",
        "%0d%0aset-cookie:%20a",
        "%FF",
        "..%2F..%2Fsecret",
        "%F0%9F%A6%80",
        "a%20b",
        &long,
    ] {
        let path = format!("/v1/responses/{id}");
        let reply = gateway.get(&path).key(ALICE).send().await;
        assert_eq!(reply.status, 404, "{id}");
        let message = reply.error()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Response with id '"), "{message}");
        assert!(message.chars().count() < 100, "{message}");
        assert!(!message.contains(char::is_control), "{message}");
    }
}

#[tokio::test]
async fn where_nothing_is_kept_it_is_said_how_to_change_that() {
    let upstream = Upstream::start().await;
    let toml = terms(&upstream, "[responses]\nstore = false\n");
    let gateway = Setup::new(&toml).start().await;
    assert!(gateway.app.responses().is_none());
    for (method, path) in [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("POST", "/v1/responses/resp_1/cancel"),
    ] {
        let reply = gateway.request(method, path, "").key(ALICE).send().await;
        assert_eq!(reply.status, 404, "{method} {path}");
        let message = reply.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("store = true"), "{message}");
        let unknown = gateway
            .request(method, path, "")
            .key("sk-other")
            .send()
            .await;
        assert_eq!(unknown.status, 401, "nothing is told to strangers");
    }
}

#[tokio::test]
async fn keys_and_limits_hold_as_everywhere() {
    let upstream = Upstream::start().await;
    let toml = terms(&upstream, "");
    let setup = Setup::new(&toml);
    let now = setup.clock.unix();
    let gateway = setup.start().await;
    keep(&gateway, "resp_1", &json!([]));
    let get = |key: &'static str| gateway.get("/v1/responses/resp_1").key(key).send();
    assert_eq!(get("sk-stranger").await.status, 401);

    let change = async |change: &dyn Fn(&mut Client)| {
        let mut config = config(&toml);
        change(&mut config.clients[0]);
        gateway.app.reload(&config).await.unwrap();
    };
    change(&|alice| {
        alice.limits.requests_per_minute = NonZeroU32::new(2);
    })
    .await;
    assert_eq!(
        get(ALICE).await.header("x-ratelimit-remaining-requests"),
        "1"
    );
    assert_eq!(get(ALICE).await.status, 200);
    let refused = get(ALICE).await;
    assert_eq!(
        (refused.status, refused.error()["code"].as_str()),
        (429, Some("rate_limit_exceeded"))
    );
    change(&|alice| alice.expires = Some(now)).await;
    assert_eq!(get(ALICE).await.status, 403);
    assert_eq!(get(BOB).await.status, 404);
}
