//! Clients that refuse their answers by HTTP/2's flow control: the connection goes on, pings are answered, and nothing is
//! taken.

use std::time::Duration;

use refrain::config::Config;
use tokio::time::{Instant, sleep};

use super::at_rest;
use crate::support::{
    answer::Answer,
    asking,
    client::{self, Raw},
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

/// Half as much again as a client has to take its answer.
const LONG: Duration = Duration::from_secs(90);

/// A client of one connection whose streams take so many bytes until their answers are read.
fn with_window(bytes: usize) -> reqwest::Client {
    let builder = client::http()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(u32::try_from(bytes).unwrap());
    builder.build().unwrap()
}

async fn in_flight(gateway: &Gateway) -> u64 {
    gateway.stats().await["in_flight"]["requests"]
        .as_u64()
        .unwrap()
}

async fn ask(
    client: &reqwest::Client,
    gateway: &Gateway,
    body: &serde_json::Value,
) -> reqwest::Response {
    let asked = client.post(gateway.url("/v1/chat/completions"));
    asked.body(body.to_string()).send().await.unwrap()
}

async fn allowing(upstream: &Upstream, adjust: fn(&mut Config)) -> Gateway {
    let setup = Gateway::setup(upstream, "");
    setup.adjusted(adjust).start().await
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_loses_its_places_and_others_on_the_connection_go_on() {
    const MOST: u64 = 40;
    for window in [0, 1, 60] {
        let upstream = Upstream::start().await;
        let gateway = allowing(&upstream, |config| config.server.max_in_flight = 40).await;
        let refusing = with_window(window);
        let mut refused = Vec::new();
        for _ in 0..MOST - 2 {
            let asked = refusing.get(gateway.url("/v1/models"));
            refused.push(asked.send().await.unwrap());
        }
        refused.push(ask(&refusing, &gateway, &asking("one")).await);
        let (answer, steps) = Answer::stepwise();
        upstream.script(answer);
        steps.say("Algae");
        steps.say("and more");
        refused.push(ask(&refusing, &gateway, &streaming("two")).await);
        assert_eq!(in_flight(&gateway).await, MOST, "window: {window}");
        assert_eq!(gateway.ask(&asking("three")).send().await.status, 503);
        let start = Instant::now();
        sleep(Duration::from_secs(59)).await;
        assert_eq!(in_flight(&gateway).await, MOST, "window: {window}");
        // Time goes on only while nothing else is to do.
        sleep(Duration::from_secs(20)).await;
        at_rest(&gateway).await;
        steps.abandoned().await;
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
        for answer in refused {
            answer.bytes().await.unwrap_err();
        }
        assert_eq!(gateway.ask(&asking("three")).send().await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_kept_until_there_is_room_for_the_last_byte() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking("one")).send().await;
    let answer = gateway.ask(&asking("one")).send().await;
    let length = answer.body.len();
    for (window, left) in [(length - 1, 1), (length, 0)] {
        let client = with_window(window);
        let answer = ask(&client, &gateway, &asking("one")).await;
        assert_eq!(answer.headers()["content-length"], *length.to_string());
        if left == 0 {
            at_rest(&gateway).await;
        } else {
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(in_flight(&gateway).await, left);
        assert_eq!(answer.bytes().await.unwrap().len(), length);
        at_rest(&gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn others_on_the_connection_are_answered_though_one_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let long = "x".repeat(100);
    upstream.script(Answer::said(&long.repeat(100)));
    let client = with_window(8 << 10);
    let refused = ask(&client, &gateway, &asking("one")).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let mut read = ask(&client, &gateway, &streaming("two")).await;
    let talking = async {
        for _ in 0..6 {
            sleep(Duration::from_secs(20)).await;
            steps.say("more");
        }
        steps.finish();
    };
    let reading = async {
        let mut text = Vec::new();
        while let Some(piece) = read.chunk().await.unwrap() {
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text).unwrap()
    };
    let (text, ()) = tokio::join!(reading, talking);
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    sleep(LONG).await;
    at_rest(&gateway).await;
    refused.bytes().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_little_now_and_then_gets_it_all() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said(&"x".repeat(60_000)));
    let client = with_window(8 << 10);
    let mut answer = ask(&client, &gateway, &asking("one")).await;
    let (start, mut length) = (Instant::now(), 0);
    while let Some(piece) = answer.chunk().await.unwrap() {
        length += piece.len();
        sleep(Duration::from_secs(25)).await;
    }
    assert!(length > 60_000);
    assert!(start.elapsed() > 3 * LONG, "{:?}", start.elapsed());
    at_rest(&gateway).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_silent_for_long_is_no_fault_of_the_client() {
    let upstream = Upstream::start().await;
    let gateway = allowing(&upstream, |config| {
        for provider in &mut config.providers {
            provider.timeout.idle = Duration::from_secs(300);
        }
    })
    .await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let client = with_window(64 << 10);
    let answer = ask(&client, &gateway, &streaming("one")).await;
    let talking = async {
        for _ in 0..2 {
            sleep(Duration::from_secs(100)).await;
            assert_eq!(in_flight(&gateway).await, 1);
            steps.say("more");
        }
        steps.finish();
    };
    let (text, ()) = tokio::join!(answer.text(), talking);
    assert!(text.unwrap().ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn connections_that_refuse_what_operators_are_told_are_hung_up_on() {
    for (connections, seconds) in [(1, 60..91), (0, 5..8)] {
        let upstream = Upstream::start().await;
        let gateway = if connections == 1 {
            allowing(&upstream, |config| config.server.max_connections = 1).await
        } else {
            allowing(&upstream, |config| config.server.max_connections = 0).await
        };
        let mut refused = Vec::new();
        // All spare connections.
        for _ in 0..connections + 64 {
            let client = with_window(0);
            let asked = client.get(gateway.url("/health"));
            refused.push((asked.send().await.unwrap(), client));
        }
        let one_more = Raw::connect(gateway.address).await;
        assert_eq!(one_more.read_to_end().await, "");
        let start = Instant::now();
        let (first, _client) = refused.remove(0);
        first.bytes().await.unwrap_err();
        let waited = start.elapsed().as_secs();
        assert!(seconds.contains(&waited), "{waited}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(gateway.get("/health").send().await.status, 200);
    }
}
