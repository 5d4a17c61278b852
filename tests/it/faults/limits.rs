//! A provider's limits: another one is asked, or a short while is waited, or the client is told how long.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, advance};

use super::{ALONE, HOUSE, Pair, asked, by, question, stream};
use crate::support::answer::Answer;

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_goes_to_the_next() {
    let pair = Pair::start().await;
    let lines = "limits = { requests_per_minute = 3 }";
    let gateway = pair.setup(lines, HOUSE).start().await;
    let mut by_main = 0;
    for _ in 0..10 {
        let answered = asked(&gateway, &question()).await;
        assert_eq!(answered.0, 200);
        by_main += usize::from(answered == by("main"));
    }
    assert_eq!((by_main, pair.calls()), (3, [3, 7]));
    advance(Duration::from_secs(20)).await;
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
}

#[tokio::test(start_paused = true)]
async fn alone_a_short_wait_is_taken_and_a_long_one_told() {
    let pair = Pair::start().await;
    let lines = "limits = { requests_per_minute = 60, max_wait = \"2s\" }";
    let gateway = pair.setup(lines, ALONE).start().await;
    for _ in 0..60 {
        assert_eq!(asked(&gateway, &question()).await.0, 200);
    }
    let start = Instant::now();
    assert_eq!(asked(&gateway, &question()).await.0, 200);
    assert!(start.elapsed() <= Duration::from_secs(1));
    let body = question();
    let answered = join_all((0..10).map(|_| gateway.ask(&body).send())).await;
    let (let_in, refused): (Vec<_>, Vec<_>) =
        answered.iter().partition(|reply| reply.status == 200);
    assert!((1..=4).contains(&let_in.len()), "{}", let_in.len());
    for reply in refused {
        assert_eq!((reply.status, reply.header("retry-after")), (429, "1"));
        assert_eq!(reply.error()["code"], "rate_limit_exceeded");
        assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_at_a_time_streams_included() {
    let pair = Pair::start().await;
    let gateway = pair
        .setup("limits = { concurrent = 1 }", HOUSE)
        .start()
        .await;
    let (answer, steps) = Answer::stepwise();
    pair.main.script(answer);
    steps.say("Algae");
    let open = gateway.ask(&stream()).open().await;
    assert_eq!(open.head.header("x-refrain-provider"), "main");
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    steps.finish();
    assert!(open.rest().await.is_done());
    assert_eq!(asked(&gateway, &question()).await, by("main"));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_counted_as_they_were_used() {
    let pair = Pair::start().await;
    // The fake says that each answer took 15 tokens; 500 and the prompt are set aside before.
    let lines = "limits = { tokens_per_minute = 1000 }";
    let gateway = pair.setup(lines, HOUSE).start().await;
    let mut by_main = 0;
    for _ in 0..60 {
        by_main += usize::from(asked(&gateway, &question()).await == by("main"));
    }
    assert!((28..=34).contains(&by_main), "{by_main} of about 32");
}

#[tokio::test(start_paused = true)]
async fn a_model_has_limits_of_its_own() {
    let pair = Pair::start().await;
    let lines = "model_limits = [{ models = \"a*\", requests_per_minute = 1 }]";
    let models = format!("{HOUSE}\n[[models]]\nname = \"other\"\ntargets = [\"main/z\"]\n");
    let gateway = pair.setup(lines, &models).start().await;
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    let mut other = question();
    other["model"] = "other".into();
    for _ in 0..3 {
        assert_eq!(asked(&gateway, &other).await, by("main"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_forgets_no_limit() {
    let pair = Pair::start().await;
    let lines = "limits = { requests_per_minute = 2 }\n";
    let gateway = pair.setup(lines, HOUSE).start().await;
    for _ in 0..2 {
        assert_eq!(asked(&gateway, &question()).await, by("main"));
    }
    let more = format!("{lines}timeout = {{ idle = \"20s\" }}\n");
    let toml = pair.toml(super::NO_CACHE, &more, HOUSE);
    let config = crate::support::gateway::config(&toml);
    gateway.app.reload(&config).await.unwrap();
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
}
