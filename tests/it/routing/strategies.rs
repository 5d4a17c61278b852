//! Which of several targets is asked first.

use serde_json::json;

use super::{Three, for_model};
use crate::support::{answer::Answer, with};

fn model(strategy: &str) -> String {
    format!(
        "[[models]]\nname = \"house\"\ntargets = [\"one/a\", \"two/b\", \"three/c\"]\nstrategy = \"{strategy}\"\n"
    )
}

#[tokio::test]
async fn the_weights_share_the_requests_out() {
    let three = Three::start().await;
    let more = model("weighted") + "weights = [3, 1, 0]\n";
    let gateway = three.setup(&more).start().await;
    for _ in 0..80 {
        assert_eq!(gateway.ask(&for_model("house")).send().await.status, 200);
    }
    let [one, two, three] = three.calls();
    // Five standard deviations on either side of sixty.
    assert!((41..=79).contains(&one) && one + two == 80, "{one} {two}");
    assert_eq!(three, 0);
}

#[tokio::test]
async fn the_cheapest_is_asked_first() {
    let three = Three::start().await;
    let prices = r#"
        [[models]]
        name = "a"
        targets = ["one/a"]
        price = { input = 5.0, output = 1.0 }
        [[models]]
        name = "b"
        targets = ["two/b"]
        price = { input = 1.0, output = 4.0 }
    "#;
    let gateway = three.setup(&(model("lowest_cost") + prices)).start().await;
    // What it costs depends on how long question and answer are.
    let short_answer = with(for_model("house"), json!({"max_tokens": 1}));
    let long_answer = with(for_model("house"), json!({"max_tokens": 4000}));
    let answered_by = async |body| {
        let reply = gateway.ask(&body).send().await;
        reply.header("x-refrain-provider").to_owned()
    };
    assert_eq!(answered_by(short_answer).await, "two");
    assert_eq!(answered_by(long_answer).await, "one");
    // One whose price nobody knows is asked when the others fail.
    three.one.script(Answer::error(500, "broken"));
    three.two.script(Answer::error(500, "broken"));
    assert_eq!(answered_by(for_model("house")).await, "three");
}

#[tokio::test]
async fn the_least_busy_is_asked_first() {
    let three = Three::start().await;
    let gateway = three.setup(&model("least_busy")).start().await;
    let mut holds = Vec::new();
    for upstream in [&three.one, &three.two, &three.three] {
        let (answer, hold) = Answer::said("at last").held();
        upstream.script(answer);
        holds.push(hold);
    }
    let body = for_model("house");
    let asks = futures_util::future::join_all((0..3).map(|_| gateway.ask(&body).send()));
    let release = async {
        for upstream in [&three.one, &three.two, &three.three] {
            upstream.arrived(1).await;
        }
        assert_eq!(three.calls(), [1, 1, 1]);
        holds.clear();
    };
    let (replies, ()) = futures_util::future::join(asks, release).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
}

#[tokio::test]
async fn a_stream_that_is_read_keeps_its_target_busy() {
    let three = Three::start().await;
    let gateway = three.setup(&model("least_busy")).start().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        for upstream in [&three.one, &three.two, &three.three] {
            let (answer, steps) = Answer::stepwise();
            steps.say("well");
            upstream.script(answer);
            streams.push(steps);
        }
    }
    let body = with(for_model("house"), json!({"stream": true}));
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(gateway.ask(&body).open().await);
    }
    assert_eq!(three.calls(), [1, 1, 1]);
}

#[tokio::test]
async fn one_that_fails_is_not_taken_for_a_quick_one() {
    let three = Three::start().await;
    let more = "[[models]]\nname = \"house\"\ntargets = [\"one/a\", \"two/b\"]\nstrategy = \"lowest_latency\"\n";
    let gateway = three.setup(more).start().await;
    for _ in 0..20 {
        three.one.script(Answer::error(500, "broken"));
    }
    for _ in 0..20 {
        assert_eq!(gateway.ask(&for_model("house")).send().await.status, 200);
    }
    let [one, two, _] = three.calls();
    assert!(one <= 2 && two == 20, "{one} {two}");
}

#[tokio::test]
async fn whoever_may_be_chosen_answers_for_all() {
    let three = Three::start().await;
    let more = model("weighted") + "weights = [1, 1, 1]\n";
    let gateway = three.cached(&more).start().await;
    let ask = || gateway.ask(&for_model("house")).send();
    assert_eq!(ask().await.header("x-refrain-cache"), "miss");
    assert_eq!(ask().await.header("x-refrain-cache"), "exact");
    assert_eq!(three.calls().iter().sum::<usize>(), 1);
}
