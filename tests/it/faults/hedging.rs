//! A second target beside a slow one, for routes that want it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Pair, asked, by, question, stream};
use crate::support::{answer::Answer, gateway::Gateway};

const HEDGED: &str = r#"
[[models]]
name = "house"
targets = ["main/a", "backup/a"]
hedge = { quantile = 0.95, min_wait = "100ms", budget = 0.1 }
"#;

/// A gateway that has seen 30 answers of `main`, three after 200 ms and the others after 100.
async fn seasoned(pair: &Pair) -> Gateway {
    let gateway = pair.setup("", HEDGED).start().await;
    pair.main.mood(|number| {
        let delay = if number <= 3 { 200 } else { 100 };
        Answer::said("in time").after(Duration::from_millis(delay))
    });
    for _ in 0..30 {
        assert_eq!(asked(&gateway, &stream()).await, by("main"));
    }
    assert_eq!(pair.calls(), [30, 0]);
    gateway
}

#[tokio::test(start_paused = true)]
async fn a_straggler_is_overtaken() {
    let pair = Pair::start().await;
    let gateway = seasoned(&pair).await;
    let (answer, hold) = Answer::said("too late").held();
    pair.main.script(answer);
    let start = Instant::now();
    let reply = gateway.ask(&stream()).send().await;
    assert_eq!(reply.header("x-refrain-provider"), "backup");
    assert_eq!(reply.header("x-refrain-attempts"), "2");
    assert!(
        start.elapsed() < Duration::from_millis(400),
        "{:?}",
        start.elapsed()
    );
    // Whoever lost is hung up on.
    hold.abandoned().await;
    assert_eq!(asked(&gateway, &stream()).await, by("main"));
}

#[tokio::test(start_paused = true)]
async fn the_first_to_answer_counts_whoever_it_is() {
    let pair = Pair::start().await;
    let gateway = seasoned(&pair).await;
    pair.main
        .script(Answer::said("just in time").after(Duration::from_millis(300)));
    pair.backup
        .script(Answer::said("too late").after(Duration::from_millis(300)));
    assert_eq!(asked(&gateway, &stream()).await, by("main"));
    assert_eq!(pair.calls(), [31, 1]);
    // A failure of one is no failure while the other may answer.
    for status in [500, 400] {
        pair.main
            .script(Answer::said("late").after(Duration::from_millis(900)));
        pair.backup.script(Answer::error(status, "broken"));
        assert_eq!(asked(&gateway, &stream()).await, by("main"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_slow_throughout_is_not_hedged_throughout() {
    let pair = Pair::start().await;
    let gateway = seasoned(&pair).await;
    pair.main
        .mood(|_| Answer::said("slow").after(Duration::from_secs(3)));
    for _ in 0..50 {
        assert_eq!(asked(&gateway, &stream()).await.0, 200);
    }
    let [_, second] = pair.calls();
    assert!((1..=18).contains(&second), "{second} of 80 requests");
}

#[tokio::test(start_paused = true)]
async fn without_being_told_to_and_without_knowing_better_nobody_hedges() {
    let pair = Pair::start().await;
    let gateway = pair
        .setup("", &HEDGED.replace("hedge", "# hedge"))
        .start()
        .await;
    pair.main
        .mood(|_| Answer::said("slow").after(Duration::from_secs(9)));
    for _ in 0..30 {
        assert_eq!(asked(&gateway, &question()).await, by("main"));
    }
    let hedging = Pair::start().await;
    let gateway = hedging.setup("", HEDGED).start().await;
    hedging
        .main
        .mood(|_| Answer::said("slow").after(Duration::from_secs(9)));
    for _ in 0..10 {
        assert_eq!(asked(&gateway, &stream()).await, by("main"));
    }
    assert_eq!((pair.calls(), hedging.calls()), ([30, 0], [10, 0]));
}
