//! Requests beyond `max_in_flight`.

use serde_json::json;

use super::at_rest;
use crate::support::{
    answer::Answer,
    asking,
    client::{Raw, Reply},
    gateway::{Gateway, Setup},
    streaming,
    upstream::Upstream,
};

#[track_caller]
fn assert_shed(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, "1"),
        "{}",
        reply.text()
    );
    let error = reply.error();
    assert_eq!(
        (&error["type"], &error["code"], &error["message"]),
        (
            &json!("server_error"),
            &json!("overloaded"),
            &json!(
                "this gateway is busy: it answers as many requests as it can; try again in a moment"
            )
        )
    );
    assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
    assert!(reply.header("x-request-id").starts_with("req_"));
}

fn for_two(upstream: &Upstream) -> Setup {
    Gateway::setup(upstream, "").adjusted(|config| config.server.max_in_flight = 2)
}

#[tokio::test]
async fn one_more_than_the_limit_is_refused_until_an_answer_is_delivered() {
    let upstream = Upstream::start().await;
    let gateway = for_two(&upstream).start().await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let mut stream = gateway.ask(&streaming("one")).open().await;
    stream.piece().await.unwrap();
    let (answer, hold) = Answer::said("later").held();
    upstream.script(answer);
    let question = asking("two");
    let (held, ()) = tokio::join!(gateway.ask(&question).send(), async {
        upstream.arrived(2).await;
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/embeddings",
        ] {
            let reply = gateway.request("POST", path, asking("three").to_string());
            assert_shed(&reply.send().await);
        }
        assert_shed(&gateway.get("/v1/models").send().await);
        for path in [
            "/health",
            "/health/live",
            "/health/ready",
            "/metrics",
            "/admin",
        ] {
            assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
        }
        assert_eq!(gateway.stats().await["in_flight"]["requests"], 2);
        hold.release();
    });
    assert_eq!((held.status, upstream.calls()), (200, 2));
    assert_eq!(gateway.ask(&asking("four")).send().await.status, 200);
    steps.say("and");
    steps.finish();
    assert!(stream.rest().await.is_done());
    at_rest(&gateway).await;
}

#[tokio::test]
async fn whoever_hangs_up_or_is_refused_leaves_its_place() {
    let upstream = Upstream::start().await;
    let gateway = for_two(&upstream).start().await;
    for _ in 0..3 {
        let (answer, steps) = Answer::stepwise();
        upstream.script(answer);
        steps.say("Algae");
        let mut stream = gateway.ask(&streaming("one")).open().await;
        stream.piece().await.unwrap();
        drop(stream);
        steps.abandoned().await;
        assert_eq!(gateway.post("no JSON").send().await.status, 400);
        upstream.script(Answer::error(400, "no"));
        assert_eq!(gateway.ask(&asking("two")).send().await.status, 400);
    }
    at_rest(&gateway).await;
    assert_eq!(gateway.ask(&asking("three")).send().await.status, 200);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let upstream = Upstream::start().await;
    let setup = Gateway::setup(&upstream, "");
    let gateway = setup
        .adjusted(|config| config.server.max_in_flight = 0)
        .start()
        .await;
    let mut client = Raw::connect(gateway.address).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    assert!(client.write(head.as_bytes()).await);
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let keeping = asking("one").to_string();
    let length = keeping.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut client = Raw::connect(gateway.address).await;
    let last = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    client
        .write(format!("{head}{keeping}{head}{keeping}{last}").as_bytes())
        .await;
    let answers = client.read_to_end().await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(statuses.len(), 3, "{answers}");
    assert!(statuses[1].starts_with("503") && statuses[2].starts_with("200"));
}
