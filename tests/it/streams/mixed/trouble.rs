//! Calls shared in different forms whose leader leaves, that fail, break, or grow too large.

use futures_util::future::join_all;
use serde_json::json;

use super::{QUESTION, assert_is_shared, counting, under_way, waiting};
use crate::support::{
    answer::{Answer, event},
    asking,
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

#[tokio::test]
async fn a_stream_whose_leader_leaves_is_read_on_for_json() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let mut joiners = vec![waiting(&gateway, &body), waiting(&gateway, &body)];
    drop(leader);
    // The first of them reads for both, until it leaves too.
    drop(joiners.remove(0));
    steps.say("two");
    steps.finish();
    assert_is_shared(&joiners.remove(0).await, "one two");
    assert_eq!(gateway.ask(&body).send().await.way(), "exact");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_that_everybody_leaves_ends() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let joiner = waiting(&gateway, &body);
    drop(joiner);
    drop(leader);
    steps.abandoned().await;
    assert_eq!(gateway.ask(&body).send().await.said(), "answer 2");
}

#[tokio::test]
async fn a_leader_that_leaves_hands_over_to_another_form() {
    let forms = [asking(QUESTION), counting(QUESTION)];
    for (first, second) in [(0, 1), (1, 0)] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let (answer, hold) = Answer::said("too late").held();
        upstream.script(answer);
        let mut leader = waiting(&gateway, &forms[first]);
        tokio::select! {
            _ = &mut leader => panic!("there is no answer yet"),
            () = upstream.arrived(1) => {}
        }
        let next = waiting(&gateway, &forms[second]);
        let last = waiting(&gateway, &forms[first]);
        drop(leader);
        hold.abandoned().await;
        let (next, last) = tokio::join!(next, last);
        assert_eq!((next.way(), next.said().as_str()), ("miss", "answer 2"));
        assert_is_shared(&last, "answer 2");
        // Asked for in the form of the one who asks.
        assert_eq!(upstream.received()[1].json(), forms[second]);
        assert_eq!(upstream.calls(), 2);
    }
}

#[tokio::test]
async fn what_the_provider_says_of_the_request_holds_for_every_form() {
    for forms in [
        [asking(QUESTION), streaming(QUESTION)],
        [counting(QUESTION), asking(QUESTION)],
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        upstream.script(Answer::error(400, "too long"));
        let all = forms.each_ref().map(|body| waiting(&gateway, body));
        for reply in join_all(all).await {
            assert_eq!(
                (reply.status, &reply.error()["message"]),
                (400, &json!("too long"))
            );
        }
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test]
async fn after_an_error_each_asks_in_its_own_form() {
    for forms in [
        [asking(QUESTION), streaming(QUESTION)],
        [streaming(QUESTION), asking(QUESTION)],
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        upstream.script(Answer::error(500, "no capacity"));
        let all = forms.each_ref().map(|body| waiting(&gateway, body));
        let replies = join_all(all).await;
        assert_eq!(replies[0].status, 502);
        assert_eq!(
            (replies[1].way(), replies[1].said().as_str()),
            ("miss", "answer 2")
        );
        assert_eq!(upstream.received()[1].json(), forms[1]);
    }
}

#[tokio::test]
async fn a_break_is_told_in_every_form() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let with_usage = gateway.ask(&counting(QUESTION)).open().await;
    let body = asking(QUESTION);
    let as_json = waiting(&gateway, &body);
    steps.cut();
    let (leader, with_usage, as_json) = tokio::join!(leader.rest(), with_usage.rest(), as_json);
    for stream in [leader, with_usage] {
        assert_eq!(
            stream.chunks().last().unwrap()["error"]["code"],
            "upstream_error"
        );
        assert!(!stream.text().contains("[DONE]"));
    }
    assert_eq!(
        (as_json.status, &as_json.error()["code"]),
        (502, &json!("upstream_error"))
    );
    assert_eq!(as_json.header("x-refrain-error-origin"), "upstream");
    assert_eq!(gateway.ask(&body).send().await.said(), "answer 2");
}

#[tokio::test]
async fn an_error_event_is_told_as_json_in_the_words_of_the_provider() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let as_json = waiting(&gateway, &body);
    let error = json!({
        "message": "overloaded", "type": "server_error", "param": null, "code": null,
    });
    steps.send(event(&json!({"error": error})));
    let (_, as_json) = tokio::join!(leader.rest(), as_json);
    assert_eq!((as_json.status, as_json.error()), (502, error));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_that_is_no_answer_is_not_told_as_one() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let with_usage = gateway.ask(&counting(QUESTION)).open().await;
    let body = asking(QUESTION);
    // One more than may ask for themselves at a time.
    let all: Vec<_> = (0..9).map(|_| waiting(&gateway, &body)).collect();
    let (answers, holds): (Vec<_>, Vec<_>) = (0..8).map(|_| Answer::said("own").held()).unzip();
    answers
        .into_iter()
        .for_each(|answer| upstream.script(answer));
    steps.send("data: <html>\n\n");
    steps.finish();
    let release = async {
        upstream.arrived(9).await;
        drop(holds);
    };
    let (leader, with_usage, all, ()) =
        tokio::join!(leader.rest(), with_usage.rest(), join_all(all), release);
    // Those who read it as it comes get what the provider sent.
    assert!(leader.is_done() && leader.text().contains("<html>"));
    assert!(with_usage.text().ends_with(leader.text()));
    let own = all.iter().filter(|reply| reply.way() == "miss");
    assert_eq!(own.filter(|reply| reply.said() == "own").count(), 8);
    let refused: Vec<_> = all.iter().filter(|reply| reply.status == 502).collect();
    assert_eq!((refused.len(), upstream.calls()), (1, 9));
    assert_eq!(refused[0].error()["code"], "upstream_error");
}

#[tokio::test]
async fn a_stream_too_large_to_be_held_is_shared_no_more() {
    for form in [asking(QUESTION), streaming(QUESTION)] {
        let upstream = Upstream::start().await;
        let more = "[cache]\nmax_entry_bytes = \"1KiB\"\n";
        let gateway = Gateway::setup(&upstream, more).start().await;
        let (mut leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
        for _ in 0..24 {
            steps.say(&"x".repeat(1024));
            leader.piece().await.unwrap();
        }
        // Its beginning is gone: who comes now is answered by a call of its own.
        let late = gateway.ask(&form).send().await;
        assert_eq!((late.way(), late.said().as_str()), ("miss", "answer 2"));
        steps.finish();
        assert!(leader.rest().await.is_done());
    }
}

#[tokio::test]
async fn a_stream_that_grows_too_large_is_asked_for_again_as_json() {
    let upstream = Upstream::start().await;
    let more = "[cache]\nmax_entry_bytes = \"1KiB\"\n";
    let gateway = Gateway::setup(&upstream, more).start().await;
    let (mut leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let joiner = waiting(&gateway, &body);
    let leading = async {
        for _ in 0..24 {
            steps.say(&"x".repeat(1024));
            leader.piece().await.unwrap();
        }
        steps.finish();
        leader.rest().await
    };
    let (joiner, leader) = tokio::join!(joiner, leading);
    assert_eq!((joiner.way(), joiner.said().as_str()), ("miss", "answer 2"));
    assert!(leader.is_done());
    assert_eq!(upstream.calls(), 2);
}
