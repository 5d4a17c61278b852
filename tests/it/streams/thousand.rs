//! A thousand identical requests at the same time make one call.

use futures_util::future::join_all;

use crate::support::{
    answer::Answer,
    asking,
    client::{self, Ask},
    gateway::Gateway,
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
/// A connection of HTTP/2 carries 128 requests.
const CONNECTIONS: usize = 8;
const EACH: usize = 125;

/// The same request, many times over few connections.
fn thousand(gateway: &Gateway, body: &serde_json::Value) -> Vec<Ask> {
    let url = gateway.url("/v1/chat/completions");
    let clients = (0..CONNECTIONS).map(|_| client::http().http2_prior_knowledge().build().unwrap());
    let asks = clients.flat_map(|client| {
        let ask = || Ask::new(client.post(&url).body(body.to_string()));
        (0..EACH).map(|_| ask()).collect::<Vec<_>>()
    });
    asks.collect()
}

#[tokio::test]
async fn as_json() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("Algae").held();
    upstream.script(answer);
    let release = async {
        upstream.arrived(1).await;
        hold.release();
    };
    let all = thousand(&gateway, &asking(QUESTION))
        .into_iter()
        .map(Ask::send);
    let (replies, ()) = tokio::join!(join_all(all), release);
    assert_eq!((replies.len(), upstream.calls()), (1000, 1));
    assert!(replies.iter().all(|reply| reply.said() == "Algae"));
    assert_eq!(
        replies.iter().filter(|reply| reply.way() == "miss").count(),
        1
    );
}

#[tokio::test]
async fn as_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae ");
    let all = thousand(&gateway, &streaming(QUESTION))
        .into_iter()
        .map(Ask::open);
    // The call is under way for as long as its stream is: whoever has a head shares it.
    let replies = join_all(all).await;
    steps.say("and worms");
    steps.finish();
    let replies = join_all(replies.into_iter().map(client::Open::rest)).await;
    assert_eq!((replies.len(), upstream.calls()), (1000, 1));
    assert!(
        replies
            .iter()
            .all(|reply| reply.is_done() && reply.said() == "Algae and worms")
    );
    assert_eq!(
        replies.iter().filter(|reply| reply.way() == "miss").count(),
        1
    );
    assert_eq!(
        replies
            .iter()
            .filter(|reply| reply.way() == "coalesced")
            .count(),
        999
    );
}

/// The same question in each form that an answer may be wanted in.
fn forms() -> [serde_json::Value; 3] {
    let options = serde_json::json!({"stream_options": {"include_usage": true}});
    [
        asking(QUESTION),
        streaming(QUESTION),
        with(streaming(QUESTION), options),
    ]
}

/// A third of a thousand in each form, in turns.
fn thousand_mixed(gateway: &Gateway) -> Vec<Ask> {
    let mut forms = forms().map(|body| thousand(gateway, &body).into_iter());
    (0..CONNECTIONS * EACH)
        .filter_map(|number| forms[number % 3].next())
        .collect()
}

#[tokio::test]
async fn in_every_form() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("Algae and worms").held();
    upstream.script(answer);
    let release = async {
        upstream.arrived(1).await;
        hold.release();
    };
    let all = thousand_mixed(&gateway).into_iter().map(Ask::send);
    let (replies, ()) = tokio::join!(join_all(all), release);
    assert_eq!((replies.len(), upstream.calls()), (1000, 1));
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 200 && reply.said() == "Algae and worms")
    );
    let misses = replies.iter().filter(|reply| reply.way() == "miss");
    assert_eq!(misses.count(), 1);
}

#[tokio::test]
async fn in_every_form_while_a_stream_is_under_way() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae ");
    let leader = gateway.ask(&streaming(QUESTION)).open().await;
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    for (number, ask) in thousand_mixed(&gateway).into_iter().enumerate() {
        if number % 3 == 0 {
            whole.push(ask.send());
        } else {
            pieces.push(ask.open());
        }
    }
    let streams = async {
        let heads = join_all(pieces).await;
        steps.say("and worms");
        steps.finish();
        join_all(heads.into_iter().map(client::Open::rest)).await
    };
    let (whole, streams, leader) = tokio::join!(join_all(whole), streams, leader.rest());
    assert!(leader.is_done());
    assert_eq!(
        (whole.len(), streams.len(), upstream.calls()),
        (334, 666, 1)
    );
    for reply in &streams {
        assert_eq!(reply.way(), "coalesced");
        assert!(reply.is_done());
    }
    assert!(
        whole
            .iter()
            .chain(&streams)
            .all(|reply| reply.status == 200 && reply.said() == "Algae and worms")
    );
    assert!(
        whole
            .iter()
            .all(|reply| ["coalesced", "exact"].contains(&reply.way()))
    );
}
