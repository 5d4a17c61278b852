//! When what is told reaches the client.

use super::*;

#[tokio::test]
async fn an_answer_is_over_with_its_last_event_though_the_connection_stays_open() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let (answer, steps) = Answer::stepwise();
    anthropic.script(answer);
    for event in events_of(&text("Standing."), "end_turn") {
        steps.send(event);
    }
    let mut open = gateway.ask(&streaming("How do storks sleep?")).open().await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).ends_with("data: [DONE]\n\n") {
        seen.extend_from_slice(&open.piece().await.expect("more, up to the end"));
    }
    drop(steps);
}

#[tokio::test]
async fn what_is_told_as_a_stream_is_told_as_it_comes() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let (answer, steps) = Answer::stepwise();
    anthropic.script(answer);
    let events = events_of(&text("On one leg."), "end_turn");
    // Up to the first word, and not the head of the answer before it.
    let word = events
        .iter()
        .position(|event| event.contains("_delta"))
        .unwrap();
    let asked = gateway.ask(&streaming("How do storks stand?"));
    let (mut open, ()) = tokio::join!(asked.open(), async {
        for event in &events[..=word] {
            steps.send(event.clone());
        }
    });
    assert_eq!(open.head.status, 200);
    let first = open.piece().await.unwrap();
    assert!(first.starts_with(b"data: {\"id\":\"chatcmpl-msg_upstream\""));
    for event in &events[word + 1..] {
        steps.send(event.clone());
    }
    drop(steps);
    assert!(open.rest().await.is_done());
}
