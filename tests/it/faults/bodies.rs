//! Bodies that do not end, do not go on, or say something else than their status.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{ALONE, BREAKER, HOUSE, NO_CACHE, Pair, asked, by, question, stream};
use crate::support::{
    answer::{Answer, completion},
    anthropic::{Anthropic, message},
    gateway::Setup,
    with,
};

const IMPATIENT: &str =
    "retry = { attempts = 0 }\ntimeout = { first_token = \"8s\", idle = \"3s\", total = \"60s\" }";

/// As [`asked`], and how many seconds it took.
async fn timed(gateway: &crate::support::gateway::Gateway, body: &Value) -> ((u16, String), u64) {
    let start = Instant::now();
    let answered = asked(gateway, body).await;
    (answered, start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_body_does_not_end_is_one_all_the_same() {
    for body in [stream(), question()] {
        for begins in ["", " ", "{\"error\":"] {
            let pair = Pair::start().await;
            let gateway = pair.setup(IMPATIENT, HOUSE).start().await;
            let (answer, steps) = Answer::stepwise();
            steps.send(begins);
            pair.main.script(answer.status(500));
            let (answered, seconds) = timed(&gateway, &body).await;
            assert_eq!(answered, by("backup"));
            assert!(seconds <= 3, "{seconds} s for {begins:?}");
            drop(steps);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_body_that_trickles_holds_a_stream_no_longer_than_a_first_word() {
    let pair = Pair::start().await;
    let gateway = pair.setup(IMPATIENT, HOUSE).start().await;
    let (answer, steps) = Answer::stepwise();
    pair.main.script(answer.status(500));
    let trickle = async {
        loop {
            steps.send("word ");
            sleep(Duration::from_secs(1)).await;
        }
    };
    let body = stream();
    let (answered, seconds) = tokio::select! {
        it = timed(&gateway, &body) => it,
        () = trickle => unreachable!(),
    };
    assert_eq!(answered, by("backup"));
    assert!((7..=8).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_of_an_error_body_is_used() {
    let pair = Pair::start().await;
    let gateway = pair.setup(IMPATIENT, ALONE).start().await;
    let (answer, steps) = Answer::stepwise();
    let error = json!({"error": {"message": "no such crab", "param": "crab", "code": "crab"}});
    steps.send(error.to_string());
    pair.main.script(answer.status(400));
    let reply = gateway.ask(&stream()).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (400, &"crab".into())
    );
    drop(steps);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_stops_is_given_up() {
    // A stream whose answer does not even begin may take as long as a first word.
    for (body, begins, limit) in [
        (stream(), "{\"id\":", 3),
        (stream(), " ", 8),
        (question(), "{\"id\":", 3),
        (question(), " ", 60),
    ] {
        let pair = Pair::start().await;
        let gateway = pair.setup(IMPATIENT, HOUSE).start().await;
        let (answer, steps) = Answer::stepwise();
        steps.send(begins);
        pair.main
            .script(answer.header("content-type", "application/json"));
        let (answered, seconds) = timed(&gateway, &body).await;
        assert_eq!(answered, by("backup"));
        assert!((limit - 1..=limit).contains(&seconds), "{seconds} s");
        drop(steps);
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_goes_on_is_waited_for() {
    let pair = Pair::start().await;
    let gateway = pair.setup(IMPATIENT, HOUSE).start().await;
    for body in [stream(), question()] {
        let (answer, steps) = Answer::stepwise();
        pair.main
            .script(answer.header("content-type", "application/json"));
        let text = completion("Algae", 1).to_string();
        let say = async {
            for part in text.as_bytes().chunks(text.len().div_ceil(10)) {
                steps.send(part.to_vec());
                sleep(Duration::from_secs(2)).await;
            }
            drop(steps);
        };
        let (answered, ()) = tokio::join!(asked(&gateway, &body), say);
        assert_eq!(answered, by("main"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_called_a_success_has_its_own_status() {
    for streams in [true, false] {
        let pair = Pair::start().await;
        let gateway = pair.setup(BREAKER, HOUSE).start().await;
        let body = if streams { stream() } else { question() };
        for (code, status) in [
            (json!(400), 400),
            (json!("422"), 422),
            (json!(415), 415),
            (json!(200), 200),
            (json!(70_000), 200),
            (json!("crab"), 200),
            (json!(503), 200),
        ] {
            let error = json!({"error": {"message": "no such crab", "code": code}});
            pair.main.mood(move |_| {
                if streams {
                    Answer::events(format!("data: {error}\n\n"))
                } else {
                    Answer::json(&error)
                }
            });
            // Six refusals of the request trip no breaker and are not tried again, nor elsewhere.
            if status == 200 {
                assert_eq!(asked(&gateway, &body).await, by("backup"), "{code}");
                continue;
            }
            let before = pair.calls();
            let replies = join_all((0..6).map(|_| gateway.ask(&body).send())).await;
            assert!(replies.iter().all(|reply| reply.status == status), "{code}");
            assert_eq!(pair.calls(), [before[0] + 6, before[1]], "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_called_too_long_with_a_success_has_the_usual_code() {
    let words = "This model's maximum context length is 8 tokens.";
    let error = json!({"error": {"message": words, "code": 400}});
    let pair = Pair::start().await;
    let gateway = pair.setup("", ALONE).start().await;
    let event = format!("data: {error}\n\n");
    for (answer, body) in [
        (Answer::json(&error), question()),
        (Answer::events(event), stream()),
    ] {
        pair.main.script(answer);
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.error()["code"], "context_length_exceeded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_none_hides_no_other() {
    for wait in ["-1", "NaN", "soon"] {
        let pair = Pair::start().await;
        let gateway = pair.setup("retry = { attempts = 0 }", ALONE).start().await;
        let answer = Answer::error(429, "slow down")
            .header("retry-after-ms", wait)
            .header("retry-after", "17");
        pair.main.script(answer);
        let reply = gateway.ask(&question()).send().await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, "17"));
    }
}

#[tokio::test(start_paused = true)]
async fn many_answers_are_asked_for_eight_at_a_time() {
    let claude = Anthropic::start().await;
    let models = "[[models]]\nname = \"house\"\ntargets = [\"claude/claude-x\"]\n";
    let gateway = Setup::new(&format!("{NO_CACHE}{}{models}", claude.provider("")))
        .start()
        .await;
    let said = message(&json!([{"type": "text", "text": "Algae"}]), "end_turn");
    let mut holds = Vec::new();
    for _ in 0..16 {
        let (answer, hold) = Answer::json(&said).held();
        claude.script(answer);
        holds.push(hold);
    }
    let body = with(question(), json!({"n": 16, "max_tokens": 10}));
    let release = async {
        for (number, hold) in holds.into_iter().enumerate() {
            let expect = (number + 8).min(16);
            while claude.received().len() < expect {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(20)).await;
            assert_eq!(claude.received().len(), expect);
            hold.release();
        }
    };
    let (reply, ()) = tokio::join!(gateway.ask(&body).send(), release);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["choices"].as_array().unwrap().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn one_of_many_that_fails_ends_the_others() {
    let claude = Anthropic::start().await;
    let models = "[[models]]\nname = \"house\"\ntargets = [\"claude/claude-x\"]\n";
    let gateway = Setup::new(&format!("{NO_CACHE}{}{models}", claude.provider("")))
        .start()
        .await;
    let said = message(&json!([{"type": "text", "text": "Algae"}]), "end_turn");
    let mut holds = Vec::new();
    for _ in 0..7 {
        let (answer, hold) = Answer::json(&said).held();
        claude.script(answer);
        holds.push(hold);
    }
    claude.script(Answer::raw("text/html", "<html>").status(500));
    let body = with(question(), json!({"n": 16, "max_tokens": 10}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    for hold in holds {
        hold.abandoned().await;
    }
    assert_eq!(claude.received().len(), 8);
}
