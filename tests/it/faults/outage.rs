//! One provider is away, and another one is there: no client sees an error.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::advance;

use super::{BREAKER, HOUSE, Pair, asked, by, question, stream, tripped};
use crate::support::{answer::Answer, gateway::config, upstream::Upstream};

const ONCE: &str = "retry = { attempts = 0 }\n";

fn lines() -> String {
    format!("{ONCE}{BREAKER}")
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_no_errors_and_few_calls() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    for answer in [500, 502, 503, 529] {
        pair.main.mood(move |_| Answer::error(answer, "down"));
        let before = pair.main.calls();
        for turn in 0..40 {
            let body = if turn % 2 == 0 { question() } else { stream() };
            assert_eq!(asked(&gateway, &body).await, by("backup"));
        }
        let made = pair.main.calls() - before;
        assert!(made <= 4, "{answer}: {made} calls");
        advance(Duration::from_secs(200)).await;
        pair.main.recovers();
        assert_eq!(asked(&gateway, &question()).await, by("main"));
        assert_eq!(asked(&gateway, &question()).await, by("main"));
        advance(Duration::from_secs(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_lasts_one_call_now_and_then_looks_whether_it_is_over() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    tripped(&pair, &gateway).await;
    advance(Duration::from_secs(14)).await;
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    assert_eq!(pair.main.calls(), 4);
    advance(Duration::from_secs(5)).await;
    for _ in 0..3 {
        assert_eq!(asked(&gateway, &question()).await, by("backup"));
    }
    assert_eq!(pair.main.calls(), 5, "one probe");
    // The next one comes later than the first.
    advance(Duration::from_secs(20)).await;
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    assert_eq!(pair.main.calls(), 5);
    advance(Duration::from_secs(20)).await;
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    assert_eq!(pair.main.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn half_open_among_many_requests_there_is_one_probe() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    tripped(&pair, &gateway).await;
    advance(Duration::from_secs(19)).await;
    let (answer, hold) = Answer::said("I am back").held();
    pair.main.script(answer);
    let body = question();
    let mut all = Box::pin(join_all((0..50).map(|_| asked(&gateway, &body))));
    let mut asked_main = Box::pin(pair.main.arrived(5));
    let answered = tokio::select! {
        biased;
        answered = &mut all => answered,
        () = &mut asked_main => {
            pair.backup.arrived(4 + 49).await;
            hold.release();
            all.await
        }
    };
    let of = |name: &str| {
        answered
            .iter()
            .filter(|answer| **answer == by(name))
            .count()
    };
    assert_eq!((of("main"), of("backup")), (1, 49));
    assert_eq!(pair.main.calls(), 5);
    pair.main.recovers();
    assert_eq!(asked(&gateway, &question()).await, by("main"));
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_client_hangs_up_makes_room_for_another() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    tripped(&pair, &gateway).await;
    advance(Duration::from_secs(19)).await;
    let (answer, hold) = Answer::said("nobody reads this").held();
    pair.main.script(answer);
    let body = question();
    tokio::select! {
        _ = asked(&gateway, &body) => panic!("it is held back"),
        () = pair.main.arrived(5) => {}
    }
    hold.abandoned().await;
    pair.main.recovers();
    assert_eq!(asked(&gateway, &question()).await, by("main"));
}

#[tokio::test(start_paused = true)]
async fn flapping_costs_no_errors_either() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    for turn in 0..120 {
        match turn % 20 {
            0 => pair.main.mood(|_| Answer::error(503, "down")),
            10 => pair.main.recovers(),
            _ => {}
        }
        let body = if turn % 3 == 0 { stream() } else { question() };
        assert_eq!(asked(&gateway, &body).await.0, 200);
        advance(Duration::from_secs(2)).await;
    }
    assert!(pair.main.calls() > 20, "it is used while it works");
}

#[tokio::test(start_paused = true)]
async fn slow_first_tokens_are_failures_too() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main
        .mood(|_| Answer::said("well …").after(Duration::from_secs(6)));
    for _ in 0..4 {
        assert_eq!(
            asked(&gateway, &stream()).await,
            by("main"),
            "slow, but there"
        );
    }
    assert_eq!(asked(&gateway, &stream()).await, by("backup"));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_may_take_its_time() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main
        .mood(|_| Answer::said("a long answer").after(Duration::from_secs(50)));
    for _ in 0..6 {
        assert_eq!(asked(&gateway, &question()).await, by("main"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_never_says_anything_is_waited_for_only_a_few_times() {
    let pair = Pair::start().await;
    let lines = format!("{}\ntimeout = {{ first_token = \"20s\" }}", lines());
    let gateway = pair.setup(&lines, HOUSE).start().await;
    pair.main
        .mood(|_| Answer::said("too late").after(Duration::from_secs(10_000)));
    let mut waits = Vec::new();
    for _ in 0..8 {
        let start = tokio::time::Instant::now();
        assert_eq!(asked(&gateway, &stream()).await, by("backup"));
        waits.push(start.elapsed().as_secs());
    }
    // Three failures of 20 s are in the window of 60 s at a time, the fourth comes as the first one leaves it.
    assert!(
        waits.iter().filter(|wait| **wait >= 20).count() <= 5,
        "{waits:?}"
    );
    assert_eq!(waits.last(), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn clients_with_little_patience_find_it_out_too() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main
        .mood(|_| Answer::said("too late").after(Duration::from_secs(10_000)));
    let (body, whole) = (stream(), question());
    for _ in 0..4 {
        let asking = asked(&gateway, &body);
        let answered = tokio::time::timeout(Duration::from_secs(10), asking).await;
        assert!(answered.is_err(), "given up");
    }
    assert_eq!(asked(&gateway, &body).await, by("backup"));
    // A whole answer may take longer before it says anything of its provider.
    advance(Duration::from_secs(100)).await;
    let all = join_all((0..6).map(|_| asked(&gateway, &whole)));
    let answered = tokio::time::timeout(Duration::from_secs(70), all).await;
    assert!(answered.is_err(), "given up");
    assert_eq!(asked(&gateway, &whole).await, by("backup"));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_knows_and_a_port_that_nobody_listens_on() {
    let pair = Pair::start().await;
    let gone = Upstream::gone().await;
    for address in ["http://no-such-host.invalid/v1", gone.as_str()] {
        let main = pair.main.base_url();
        let toml = pair.toml(super::NO_CACHE, &lines(), HOUSE);
        let mut setup = crate::support::gateway::Setup::new(&toml.replace(&main, address));
        setup.clock = refrain::clock::Clock::system();
        let gateway = setup.start().await;
        for _ in 0..6 {
            assert_eq!(asked(&gateway, &question()).await, by("backup"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_forgets_no_outage() {
    let pair = Pair::start().await;
    let gateway = pair.setup(&lines(), HOUSE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    tripped(&pair, &gateway).await;
    let explained = gateway
        .request("POST", "/admin/api/route", question().to_string())
        .send()
        .await
        .json();
    let states = [0, 1].map(|place| explained["targets"][place]["breaker"].clone());
    assert_eq!(states, ["open", "closed"]);
    // Also where the provider itself has other settings now.
    for more in ["", "timeout = { idle = \"20s\" }\n"] {
        let toml = pair.toml(super::NO_CACHE, &format!("{more}{}", lines()), HOUSE);
        let config = config(&toml);
        let body = question();
        let requests = join_all((0..10).map(|_| asked(&gateway, &body)));
        let (reloaded, answered) = tokio::join!(gateway.app.reload(&config), requests);
        reloaded.unwrap();
        assert!(answered.iter().all(|answer| *answer == by("backup")));
    }
    assert_eq!(pair.main.calls(), 4);
}
