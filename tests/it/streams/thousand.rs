//! A thousand identical requests at the same time make one call.

use futures_util::future::join_all;

use crate::support::{
    answer::Answer,
    asking,
    client::{self, Ask},
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

const QUESTION: &str = "What do crabs eat?";
/// A connection of HTTP/2 carries 256 requests.
const CONNECTIONS: usize = 4;
const EACH: usize = 250;

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
