//! What requests see of a reload: the one configuration or the other, and never a failure.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;

use super::{reload, served_by};
use crate::support::{
    answer::Answer,
    asking,
    gateway::{Setup, config, model, provider},
    streaming,
    upstream::Upstream,
};

const QUESTION: &str = "What do crabs eat?";

#[tokio::test]
async fn a_changed_target_answers_from_now_on_and_what_is_in_flight_ends_on_the_old_one() {
    let (left, right) = (Upstream::start().await, Upstream::start().await);
    let upstreams = [("left", &left), ("right", &right)];
    let gateway = Setup::new(&served_by("left", upstreams)).start().await;
    let (answer, steps) = Answer::stepwise();
    left.script(answer);
    steps.say("Algae ");
    let mut streamed = gateway.ask(&streaming(QUESTION)).open().await;
    assert!(streamed.piece().await.is_some());
    let (answer, hold) = Answer::said("held back").held();
    left.script(answer);
    let other = asking("And what do lobsters eat?");
    let (held, ()) = tokio::join!(gateway.ask(&other).send(), async {
        left.arrived(2).await;
        // The provider of the requests in flight is gone altogether.
        let toml = provider("right", &right) + &model("gpt-test", &["right/gpt-test"]);
        assert!(reload(&gateway, &toml).await.is_empty());
        let after = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!(after.header("x-refrain-provider"), "right");
        hold.release();
    });
    assert_eq!(
        (held.said().as_str(), held.header("x-refrain-provider")),
        ("held back", "left")
    );
    steps.say("and worms");
    steps.finish();
    assert!(streamed.rest().await.is_done());
    assert_eq!((left.calls(), right.calls()), (2, 1));
}

#[tokio::test]
async fn the_same_bytes_do_not_bring_the_old_targets_answer() {
    let (left, right) = (Upstream::start().await, Upstream::start().await);
    left.script(Answer::said("from the left"));
    right.script(Answer::said("from the right"));
    let upstreams = [("left", &left), ("right", &right)];
    let gateway = Setup::new(&served_by("left", upstreams)).start().await;
    let ask = || gateway.ask(&asking(QUESTION)).send();
    for way in ["miss", "exact", "exact"] {
        let reply = ask().await;
        assert_eq!((reply.way(), reply.said().as_str()), (way, "from the left"));
    }
    reload(&gateway, &served_by("right", upstreams)).await;
    for way in ["miss", "exact", "exact"] {
        let reply = ask().await;
        assert_eq!(
            (reply.way(), reply.said().as_str()),
            (way, "from the right")
        );
    }
    // What was kept is kept: it is the old target's again.
    reload(&gateway, &served_by("left", upstreams)).await;
    let again = ask().await;
    assert_eq!(
        (again.way(), again.said().as_str()),
        ("exact", "from the left")
    );
}

#[tokio::test]
async fn what_the_cache_is_set_to_changes_at_once() {
    let upstream = Upstream::start().await;
    let plain = provider("main", &upstream) + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&plain).start().await;
    let ask = || gateway.ask(&asking(QUESTION)).send();
    assert_eq!(ask().await.way(), "miss");
    for (cache, way) in [
        ("enabled = false", "bypass"),
        ("mode = \"shadow\"", "miss"),
        ("", "exact"),
        ("generation = 1", "miss"),
        ("", "exact"),
    ] {
        assert!(
            reload(&gateway, &format!("[cache]\n{cache}\n{plain}"))
                .await
                .is_empty()
        );
        assert_eq!(ask().await.way(), way, "{cache}");
    }
    let stats = gateway.stats().await;
    assert_eq!(stats["cache"]["generation"], 1, "it never goes back");
    assert_eq!(stats["config"]["generation"], 5);
    reload(&gateway, &format!("[server]\nmax_body = \"1KiB\"\n{plain}")).await;
    let long = gateway.ask(&asking(&"long ".repeat(500))).send().await;
    assert_eq!(long.status, 413);
}

#[tokio::test]
async fn nobody_is_refused_while_the_configuration_changes() {
    const REQUESTS: usize = 200;
    const AT_ONCE: usize = 20;
    let (left, right) = (Upstream::start().await, Upstream::start().await);
    let upstreams = [("left", &left), ("right", &right)];
    let gateway = Arc::new(Setup::new(&served_by("left", upstreams)).start().await);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..AT_ONCE {
        let (gateway, answered) = (Arc::clone(&gateway), Arc::clone(&answered));
        clients.spawn(async move {
            for number in 0..REQUESTS / AT_ONCE {
                // Some are asked for the first time, some were answered before.
                let question = format!("Question {} of {}", number / 2, client % 7);
                let body = match number % 3 {
                    0 => streaming(&question),
                    _ => asking(&question),
                };
                let reply = gateway.ask(&body).send().await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                assert!(reply.said().starts_with("answer "), "{}", reply.text());
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut reloads = 0;
    while reloads < 20 || answered.load(Ordering::SeqCst) < REQUESTS {
        let name = ["right", "left"][reloads % 2];
        let toml = config(&served_by(name, upstreams));
        let reloaded = gateway.app.reload(&toml).await.unwrap();
        assert_eq!((reloaded.kept.len(), reloaded.renewed.len()), (2, 0));
        reloads += 1;
        if let Some(Err(failed)) = clients.try_join_next() {
            std::panic::resume_unwind(failed.into_panic());
        }
        tokio::task::yield_now().await;
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(left.calls() > 0 && right.calls() > 0);
    assert_eq!(gateway.stats().await["config"]["generation"], reloads);
}
