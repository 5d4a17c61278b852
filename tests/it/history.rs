//! What happened, step by step and live.

mod billing;

use std::{fs, path::Path, time::Duration};

use refrain::app::Listeners;
use refrain::{
    app::{App, Parts},
    clock::Clock,
    provider::demo::Pace,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, time::Instant};

use crate::support::{
    answer::Answer,
    asking,
    client::{self, Ask, Open},
    gateway::{self, Gateway},
    upstream::Upstream,
};

const RANGES: [(&str, u64, u64); 4] = [
    ("15m", 5, 900),
    ("1h", 20, 3600),
    ("24h", 300, 86_400),
    ("7d", 3600, 604_800),
];

async fn chart(gateway: &Gateway, range: &str) -> Value {
    let path = format!("/admin/api/history?range={range}");
    let reply = gateway.get(&path).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

fn sum(chart: &Value, way: &str) -> u64 {
    let points = chart["points"].as_array().unwrap();
    let of = |point: &Value| point["requests"][way].as_u64().unwrap();
    points.iter().map(of).sum()
}

/// The next event of a live stream.
async fn tick(live: &mut Open) -> Value {
    let piece = live.piece().await.unwrap();
    let text = std::str::from_utf8(&piece).unwrap();
    let data = text.strip_prefix("event: tick\ndata: ").unwrap();
    serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap()
}

#[tokio::test]
async fn every_range_has_its_steps() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for question in ["one", "one", "two"] {
        gateway.ask(&asking(question)).send().await;
    }
    upstream.script(Answer::error(500, "no"));
    assert_eq!(gateway.ask(&asking("three")).send().await.status, 502);
    assert_eq!(gateway.post("{").send().await.status, 400);
    for (range, step, span) in RANGES {
        let chart = chart(&gateway, range).await;
        assert_eq!(
            (&chart["range"], &chart["step_seconds"]),
            (&range.into(), &step.into())
        );
        let [from, to] = ["from", "to"].map(|name| chart[name].as_u64().unwrap());
        assert!(
            (span..span + step).contains(&(to - from)),
            "{range}: {from} to {to}"
        );
        let sums = ["exact", "miss", "failed"].map(|way| sum(&chart, way));
        assert_eq!(sums, [1, 2, 1], "{range}");
        let point = &chart["points"][0];
        assert_eq!(
            point["errors"],
            serde_json::json!({"client": 1, "provider": 1, "gateway": 0})
        );
        assert_eq!(point["latency_ms"]["hit"]["count"], 1);
        assert_eq!(point["latency_ms"]["miss"]["count"], 2);
        assert_eq!(point["latency_ms"]["overhead"]["count"], 2);
    }
    // Without a range: the shortest.
    let reply = gateway.get("/admin/api/history").send().await.json();
    assert_eq!(reply["range"], "15m");
    gateway.stop().await;
}

#[tokio::test]
async fn another_range_is_refused_with_those_there_are() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for query in [
        "range=2h",
        "range=",
        "range=15M",
        "since=1h",
        "range=1h&range=1h",
        "range=%00",
    ] {
        let reply = gateway
            .get(&format!("/admin/api/history?{query}"))
            .send()
            .await;
        assert_eq!(reply.status, 400, "{query}");
        let error = reply.error();
        assert_eq!(
            (&error["param"], &error["type"]),
            (&"range".into(), &"invalid_request_error".into())
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            RANGES.iter().all(|(name, ..)| message.contains(name)),
            "{message}"
        );
    }
    gateway.stop().await;
}

fn lasting(upstream: &Upstream, directory: &Path) -> gateway::Setup {
    let cache = format!("[cache]\ndata_dir = {directory:?}\n");
    Gateway::setup(upstream, &cache)
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let gateway = lasting(&upstream, directory.path()).start().await;
    gateway.ask(&asking("one")).send().await;
    gateway.stop().await;
    let gateway = lasting(&upstream, directory.path()).start().await;
    assert_eq!(gateway.stats().await["requests"]["miss"], 0);
    for (range, ..) in RANGES {
        assert_eq!(sum(&chart(&gateway, range).await, "miss"), 1, "{range}");
    }
    gateway.ask(&asking("two")).send().await;
    gateway.stop().await;
    let gateway = lasting(&upstream, directory.path()).start().await;
    assert_eq!(sum(&chart(&gateway, "7d").await, "miss"), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_understood_stops_nothing() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let file = directory.path().join("history.bin");
    for damaged in [
        &b""[..],
        b"{}",
        b"RFRH\x09\0\0\0 from a later version",
        &[0xff; 4096],
    ] {
        fs::write(&file, damaged).unwrap();
        let gateway = lasting(&upstream, directory.path()).start().await;
        assert_eq!(sum(&chart(&gateway, "7d").await, "miss"), 0);
        gateway.ask(&asking(&format!("{damaged:?}"))).send().await;
        gateway.stop().await;
        let gateway = lasting(&upstream, directory.path()).start().await;
        assert_eq!(sum(&chart(&gateway, "7d").await, "miss"), 1);
        gateway.stop().await;
    }
    // Nor does one that can be neither read nor written.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let gateway = lasting(&upstream, directory.path()).start().await;
    assert_eq!(gateway.ask(&asking("last")).send().await.status, 200);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_told_at_once_and_then_every_second() {
    let upstream = Upstream::start().await;
    let mut setup = Gateway::setup(&upstream, "");
    setup.clock = Clock::system();
    let gateway = setup.start().await;
    for question in ["one", "one"] {
        gateway.ask(&asking(question)).send().await;
    }
    let mut live = gateway.get("/admin/api/live").open().await;
    assert_eq!(live.head.header("content-type"), "text/event-stream");
    assert_eq!(live.head.header("cache-control"), "no-store");
    let first = tick(&mut live).await;
    assert_eq!(
        (&first["totals"]["miss"], &first["totals"]["exact"]),
        (&1.into(), &1.into())
    );
    assert_eq!(first["cache"]["entries"], 1);
    assert_eq!(first["latest"]["requests"]["miss"], 1);
    assert_eq!(first["providers"]["active"], serde_json::json!(["main"]));
    assert_eq!(first["breakers"]["closed"], 1);
    assert_eq!(first["config"]["state"], "current");
    gateway.ask(&asking("one")).send().await;
    let (second, third) = (tick(&mut live).await, tick(&mut live).await);
    assert_eq!(second["totals"]["exact"], 2);
    assert!(third["requests_per_second"].as_f64().unwrap() > 0.0);
    let at = |tick: &Value| tick["at"].as_u64().unwrap();
    assert!((1..=1001).contains(&(at(&second) - at(&first))));
    assert!((999..=1001).contains(&(at(&third) - at(&second))));
    gateway.stop().await;
}

#[tokio::test]
async fn no_more_watch_than_may() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut all = Vec::new();
    for _ in 0..32 {
        let mut live = gateway.get("/admin/api/live").open().await;
        assert_eq!(live.head.status, 200);
        tick(&mut live).await;
        all.push(live);
    }
    let refused = gateway.get("/admin/api/live").send().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "10"));
    assert_eq!(refused.error()["code"], "overloaded");
    drop(all);
    // It takes a moment to see that they have gone.
    while gateway.get("/admin/api/live").open().await.head.status == 503 {
        tokio::task::yield_now().await;
    }
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn watching_does_not_keep_the_gateway_from_stopping() {
    let upstream = Upstream::start().await;
    let config = gateway::config(&gateway::provider("main", &upstream));
    let parts = Parts {
        clock: Clock::system(),
        encoder: None,
        metrics: None,
        demo_pace: Pace {
            first_token: Duration::ZERO,
            between: Duration::ZERO,
        },
    };
    let app = App::build(&config, parts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/admin/api/live", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let listeners = Listeners {
        clients: listener,
        operators: None,
    };
    let serving = app.serve(listeners, async move {
        let _stopped = stopped.await;
    });
    let watching = async {
        let client = client::http().build().unwrap();
        let mut live = Ask::new(client.get(url)).open().await;
        tick(&mut live).await;
        stop.send(()).unwrap();
        let start = Instant::now();
        while live.piece().await.is_some() {}
        assert!(
            start.elapsed() <= Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
    };
    let (served, ()) = tokio::join!(serving, watching);
    served.unwrap();
}
