//! The gateway's own keys are seen by their provider and by nobody else.

use serde_json::json;

use crate::support::{
    answer::{Answer, completion, event, events_of},
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    upstream::{KEY, Upstream},
    with,
};

async fn answered(answer: Answer, stream: bool) -> Reply {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(answer);
    let body = with(asking("What do crabs eat?"), json!({"stream": stream}));
    gateway.ask(&body).send().await
}

#[track_caller]
fn assert_is_hidden(reply: &Reply) {
    assert_ne!(reply.status, 200);
    assert!(!reply.text().contains(KEY), "{}", reply.text());
    assert!(!format!("{:?}", reply.headers).contains(KEY));
}

#[tokio::test]
async fn an_error_that_quotes_the_key() {
    for status in [400, 401, 403, 404, 407, 429, 500, 503] {
        let quoting = format!("Incorrect API key provided: {KEY}. See the documentation.");
        assert_is_hidden(&answered(Answer::error(status, &quoting), false).await);
        assert_is_hidden(&answered(Answer::error(status, &quoting), true).await);
    }
}

#[tokio::test]
async fn an_error_out_of_shape_that_quotes_the_key() {
    for status in [400, 401, 403, 500, 503] {
        let page = format!("Unknown token: Bearer {KEY}");
        assert_is_hidden(&answered(Answer::raw("text/plain", page).status(status), false).await);
    }
}

#[tokio::test]
async fn a_success_that_is_none_and_quotes_the_key() {
    let error = json!({"error": {"message": format!("no such key: {KEY}")}});
    assert_is_hidden(&answered(Answer::json(&error), false).await);
    assert_is_hidden(&answered(Answer::events(event(&error)), true).await);
    let page = format!("<title>Bearer {KEY}</title>");
    assert_is_hidden(&answered(Answer::raw("text/html", page), false).await);
}

#[tokio::test]
async fn another_field_of_an_error_that_quotes_the_key() {
    let error = json!({"error": {"message": "no", "type": KEY, "param": KEY, "code": KEY}});
    assert_is_hidden(&answered(Answer::json(&error).status(400), false).await);
}

#[tokio::test]
async fn a_header_that_quotes_the_key() {
    for (answer, stream) in [
        (Answer::json(&completion("Algae", 1)), false),
        (Answer::events(events_of("Algae")), true),
    ] {
        let answer = answer
            .header("x-request-id", &format!("req-{KEY}"))
            .header("openai-organization", KEY)
            .header("x-ratelimit-limit-requests", &format!("60;key={KEY}"))
            .header("x-ratelimit-remaining-requests", "59");
        let reply = answered(answer, stream).await;
        assert_eq!((reply.status, reply.said().as_str()), (200, "Algae"));
        assert!(!format!("{:?}", reply.headers).contains(KEY));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "59");
        assert_eq!(reply.header("x-refrain-upstream-request-id"), "");
    }
}

#[tokio::test]
async fn an_error_that_quotes_a_header_of_the_configuration() {
    const SECRET: &str = "planted8";
    let upstream = Upstream::start().await;
    let headers = format!("headers = {{ x-token = \"{SECRET}\", x-team = \"team-a\" }}\n");
    let toml = provider("main", &upstream) + &headers + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&toml).start().await;
    let body = asking("What do crabs eat?");
    for status in [400, 403, 500] {
        upstream.script(Answer::error(
            status,
            &format!("you sent {SECRET} of team-a"),
        ));
        let reply = gateway.ask(&body).send().await;
        assert_ne!(reply.status, 200);
        assert!(!reply.text().contains(SECRET), "{}", reply.text());
    }
    upstream.script(Answer::error(400, "this is not for team-a"));
    let reply = gateway.ask(&body).send().await;
    assert!(reply.text().contains("team-a"), "short: {}", reply.text());
    // It may be a word like any other: answers have it.
    upstream.script(Answer::said(SECRET));
    assert_eq!(gateway.ask(&body).send().await.said(), SECRET);
}
