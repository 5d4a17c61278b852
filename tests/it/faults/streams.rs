//! Streams that break: before the first token nobody notices, after it nobody is lied to.

use std::time::Duration;

use serde_json::json;

use super::{BREAKER, HOUSE, Pair, asked, by, stream};
use crate::support::answer::{Answer, chunk, event};

fn lines() -> String {
    format!("retry = {{ attempts = 0 }}\n{BREAKER}")
}

#[tokio::test(start_paused = true)]
async fn cut_before_anything_was_said_the_other_one_answers() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    let (answer, steps) = Answer::stepwise();
    pair.main.script(answer);
    steps.send(event(&chunk(&json!({"role": "assistant"}), None)));
    steps.cut();
    let reply = gateway.ask(&stream()).send().await;
    assert!(reply.is_done());
    assert_eq!(reply.header("x-refrain-provider"), "backup");
}

#[tokio::test(start_paused = true)]
async fn cut_or_silent_afterwards_the_stream_ends_in_an_error_and_counts_as_failed() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    for is_cut in [true, false, true, true] {
        let (answer, steps) = Answer::stepwise();
        pair.main.script(answer);
        steps.say("Algae");
        let asking = gateway.ask(&stream());
        let mut open = asking.open().await;
        assert_eq!(open.head.header("x-refrain-provider"), "main");
        assert!(open.piece().await.is_some());
        let silent = if is_cut {
            steps.cut();
            None
        } else {
            Some(steps)
        };
        let rest = open.rest().await;
        assert!(!rest.is_done());
        assert!(rest.text().contains("\"error\""), "{}", rest.text());
        drop(silent);
    }
    // The other one begins from the start; nothing of two answers is mixed.
    assert_eq!(asked(&gateway, &stream()).await, by("backup"));
    tokio::time::advance(Duration::from_secs(19)).await;
    assert_eq!(asked(&gateway, &stream()).await, by("main"));
}
