//! Nobody answers: an old answer if that is allowed, else one last try, else when to come back.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::advance;

use super::{ALONE, BREAKER, HOUSE, Pair, asked, by, question};
use crate::support::answer::Answer;

fn lines() -> String {
    format!("retry = {{ attempts = 0 }}\n{BREAKER}")
}

#[tokio::test(start_paused = true)]
async fn the_only_target_keeps_a_way_back() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), ALONE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..4 {
        assert_eq!(asked(&gateway, &question()).await.0, 502);
    }
    // Open: but there is nobody else, so each request is one more look, one at a time.
    let reply = gateway.ask(&question()).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (503, &"circuit_open".into())
    );
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(pair.main.calls(), 5);
    // And the first that is answered ends it, without any wait.
    pair.main.recovers();
    let body = question();
    assert_eq!(asked(&gateway, &body).await, by("main"));
    let answered = join_all((0..20).map(|_| asked(&gateway, &body))).await;
    assert!(answered.iter().all(|answer| *answer == by("main")));
}

#[tokio::test(start_paused = true)]
async fn beside_a_last_try_others_are_told_when_to_come_back() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), ALONE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..4 {
        asked(&gateway, &question()).await;
    }
    let (answer, hold) = Answer::said("at last").held();
    pair.main.script(answer);
    let body = question();
    let last_try = async {
        let answered = asked(&gateway, &body).await;
        assert_eq!(answered, by("main"));
    };
    let others = async {
        pair.main.arrived(5).await;
        for _ in 0..5 {
            let reply = gateway.ask(&body).send().await;
            assert_eq!(
                (reply.status, &reply.error()["code"]),
                (503, &"circuit_open".into())
            );
            assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
            let wait: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=18).contains(&wait), "{wait}");
        }
        hold.release();
    };
    tokio::join!(last_try, others);
    assert_eq!(pair.main.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn when_both_are_down_there_is_one_try_in_all() {
    let pair = Pair::start().await;
    let models = HOUSE;
    let backup = format!("{}\n", lines());
    let toml = pair.toml(super::NO_CACHE, &lines(), models).replace(
        "retry = { attempts = 0 }\n\n[[models]]",
        &format!("{backup}[[models]]"),
    );
    let mut setup = crate::support::gateway::Setup::new(&toml);
    setup.clock = refrain::clock::Clock::system();
    let gateway = setup.start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    pair.backup.mood(|_| Answer::error(503, "down too"));
    for _ in 0..4 {
        assert_eq!(asked(&gateway, &question()).await.0, 503);
    }
    assert_eq!(pair.calls(), [4, 4]);
    for _ in 0..3 {
        asked(&gateway, &question()).await;
    }
    let [main, backup] = pair.calls();
    assert_eq!(main + backup, 8 + 3, "one call for each request");
    pair.backup.recovers();
    pair.main.recovers();
    assert_eq!(asked(&gateway, &question()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_goes_before_a_last_try() {
    let pair = Pair::start().await;
    let cache = "[cache]\nttl = \"20s\"\nstale_if_error = \"1h\"\n";
    let gateway = pair.setup_with(cache, &lines(), ALONE).start().await;
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    advance(Duration::from_secs(25)).await;
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..4 {
        let reply = gateway.ask(&question()).send().await;
        assert_eq!((reply.status, reply.way()), (200, "stale"));
    }
    let calls = pair.main.calls();
    for _ in 0..4 {
        let reply = gateway.ask(&question()).send().await;
        assert_eq!((reply.status, reply.way()), (200, "stale"));
        assert!(reply.header("cache-status").contains("ttl=-"));
    }
    assert_eq!(
        pair.main.calls(),
        calls,
        "nobody is asked while the breaker is open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_does_not_keep_others_from_the_only_target() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), ALONE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..4 {
        asked(&gateway, &question()).await;
    }
    pair.main.recovers();
    pair.main
        .script(Answer::said("a long answer").after(Duration::from_secs(50)));
    let body = question();
    let others = async {
        pair.main.arrived(5).await;
        advance(Duration::from_millis(1100)).await;
        assert_eq!(asked(&gateway, &body).await, by("main"));
    };
    let (first, ()) = tokio::join!(asked(&gateway, &body), others);
    assert_eq!(first, by("main"));
}

#[tokio::test(start_paused = true)]
async fn whoever_can_be_tried_is_tried() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    let by_hand = r#"{"provider": "backup", "model": "b", "state": "open"}"#;
    let forced = gateway
        .request("POST", "/admin/api/breakers", by_hand)
        .send();
    assert_eq!(forced.await.status, 200);
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..4 {
        asked(&gateway, &question()).await;
    }
    pair.main.recovers();
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    assert_eq!(pair.backup.calls(), 0);
}
