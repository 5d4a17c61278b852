//! Nobody learns from the cache what others asked: no answer, no similarity, not even that there is
//! an entry.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    angles::Angles,
    answer::Answer,
    asking,
    client::Reply,
    gateway::{Gateway, Setup},
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
/// The same surface form.
const DRESSED: &str = "what do crabs eat, please?";
/// The same meaning.
const NEAR: &str = "What is it that crabs eat?";
const THEN: &str = "And which of it do they like best?";

const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";

const PLAIN: &str = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\n";
const NAMED: &str = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\n\
    [[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n\
    [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\n";

fn angles() -> std::sync::Arc<Angles> {
    Angles::of(&[
        (QUESTION, 1.0),
        (DRESSED, 1.0),
        (NEAR, 0.99),
        (THEN, 1.0),
        ("Where is my order?", 1.0),
        ("Please, where is my order?", 1.0),
        ("Where's my order now at?", 0.99),
        ("Where can my order be?", 0.99),
    ])
}

fn setup(upstream: &Upstream, cache: &str) -> Setup {
    Gateway::setup(upstream, cache)
}

/// What a client can see of an answer but for what is another each time.
fn visible(reply: &Reply) -> (u16, BTreeMap<String, String>, Value) {
    const EACH_TIME: [&str; 3] = ["date", "x-request-id", "x-refrain-overhead-ms"];
    let headers = (reply.headers.iter())
        .filter(|(name, _)| !EACH_TIME.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut body = reply.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("id");
        fields.remove("created");
    }
    (reply.status, headers, body)
}

/// Ways of asking that could find what another asked.
fn probes() -> Vec<(Value, &'static [(&'static str, &'static str)])> {
    let turns = json!({"messages": [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "fine"},
        {"role": "user", "content": THEN},
    ]});
    vec![
        (asking(QUESTION), &[]),
        (asking(DRESSED), &[]),
        (asking(NEAR), &[]),
        (with(asking(""), turns), &[]),
        (with(asking(QUESTION), json!({"user": "alice"})), &[]),
        (asking(QUESTION), &[("cache-control", "only-if-cached")]),
        (asking(NEAR), &[("cache-control", "only-if-cached")]),
        (asking(QUESTION), &[("cache-control", "max-stale")]),
        (asking(NEAR), &[("x-refrain-cache-threshold", "0.8")]),
        (asking(QUESTION), &[("x-refrain-cache-namespace", "alice")]),
        (asking(QUESTION), &[("x-refrain-cache-tags", "crabs")]),
    ]
}

#[tokio::test]
async fn a_miss_looks_the_same_whether_or_not_another_has_the_answer() {
    for cache in [PLAIN, NAMED] {
        for (body, headers) in probes() {
            let mut seen = Vec::new();
            for alice_asks in [false, true] {
                let (upstream, encoder) = (Upstream::start().await, angles());
                let gateway = setup(&upstream, cache)
                    .encoder(encoder.clone())
                    .start()
                    .await;
                if alice_asks {
                    for asked in [
                        asking(QUESTION),
                        asking(DRESSED),
                        asking(NEAR),
                        body.clone(),
                    ] {
                        upstream.script(Answer::said("fine"));
                        gateway
                            .ask(&asked)
                            .key(ALICE)
                            .header("x-refrain-cache-tags", "crabs")
                            .send()
                            .await;
                        gateway.app.settle().await;
                    }
                }
                let (calls, embedded) = (upstream.calls(), encoder.calls());
                // What was not needed so far is still in the script: Bob is given the same.
                upstream.script(Answer::said("fine"));
                let reply = gateway.ask(&body).key(BOB).headers(headers).send().await;
                assert!(
                    ["miss", "bypass"].contains(&reply.way()),
                    "{body} {headers:?}"
                );
                seen.push((
                    visible(&reply),
                    upstream.calls() - calls,
                    encoder.calls() - embedded,
                ));
            }
            assert_eq!(seen[0], seen[1], "{body} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_call_under_way_is_shared_with_nobody_else() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (held, hold) = Answer::said("for alice").held();
    upstream.script(held);
    let alices = gateway.ask(&asking(QUESTION)).key(ALICE).send();
    let bobs = async {
        upstream.arrived(1).await;
        let reply = gateway.ask(&asking(QUESTION)).key(BOB).send().await;
        hold.release();
        reply
    };
    let (alices, bobs) = tokio::join!(alices, bobs);
    assert_eq!(alices.said(), "for alice");
    assert_eq!((bobs.way(), bobs.said().as_str()), ("miss", "answer 2"));
}

#[tokio::test]
async fn namespaces_of_one_key_share_neither_surface_nor_meaning_nor_streams() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, PLAIN).encoder(angles()).start().await;
    gateway
        .ask(&asking(QUESTION))
        .key(ALICE)
        .header("x-refrain-cache-namespace", "blue")
        .send()
        .await;
    gateway.app.settle().await;
    for body in [
        asking(QUESTION),
        asking(DRESSED),
        asking(NEAR),
        streaming(QUESTION),
        streaming(NEAR),
    ] {
        for namespace in ["green", "Blue", "blue2", "blu"] {
            let ask = gateway
                .ask(&body)
                .key(ALICE)
                .header("x-refrain-cache-namespace", namespace);
            let reply = ask.header("cache-control", "no-store").send().await;
            assert_eq!(reply.way(), "miss", "{namespace} {body}");
        }
        let outside = gateway
            .ask(&body)
            .key(ALICE)
            .header("cache-control", "no-store")
            .send()
            .await;
        assert_eq!(outside.way(), "miss", "{body}");
    }
}

#[tokio::test]
async fn another_ones_answer_can_be_judged_by_nobody_else() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, PLAIN).encoder(angles()).start().await;
    let alices = gateway.ask(&asking(QUESTION)).key(ALICE).send().await;
    let id = alices.json()["id"].as_str().unwrap().to_owned();
    let tell = async |id: &str, key: &str| {
        let body = json!({"id": id, "verdict": "wrong"}).to_string();
        gateway
            .request("POST", "/v1/cache/feedback", body)
            .key(key)
            .send()
            .await
    };
    let (real, invented) = (tell(&id, BOB).await, tell("chatcmpl-invented", BOB).await);
    assert_eq!((real.status, invented.status), (404, 404));
    assert_eq!(
        real.text().replace(&id, ""),
        invented.text().replace("chatcmpl-invented", ""),
        "whether there is such an answer is not told"
    );
    assert_eq!(
        gateway.ask(&asking(QUESTION)).key(ALICE).send().await.way(),
        "exact"
    );
}

#[tokio::test]
async fn conversations_are_linked_for_their_owner_only() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, PLAIN).encoder(angles()).start().await;
    let turns = |first: &str| {
        with(
            asking(""),
            json!({"messages": [
                {"role": "user", "content": first},
                {"role": "assistant", "content": "answer 1"},
                {"role": "user", "content": THEN},
            ]}),
        )
    };
    gateway.ask(&asking(QUESTION)).key(ALICE).send().await;
    gateway.app.settle().await;
    assert_eq!(
        gateway.ask(&asking(NEAR)).key(ALICE).send().await.way(),
        "semantic"
    );
    // Bob asks the first of the two only, and has no link between them.
    gateway.ask(&turns(QUESTION)).key(BOB).send().await;
    gateway.app.settle().await;
    assert_eq!(
        gateway.ask(&turns(NEAR)).key(BOB).send().await.way(),
        "miss"
    );
    assert_eq!(
        gateway.ask(&turns(NEAR)).key(ALICE).send().await.way(),
        "miss"
    );
    assert_eq!(
        gateway.ask(&turns(QUESTION)).key(ALICE).send().await.way(),
        "exact"
    );
}

#[tokio::test]
async fn end_users_of_one_key_share_nothing_where_the_scope_is_the_user() {
    let upstream = Upstream::start().await;
    let cache = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\nscope = \"user\"\n";
    let gateway = setup(&upstream, cache).encoder(angles()).start().await;
    let by = |text: &str, field: &str, user: &str| {
        let mut body = asking(text);
        body[field] = json!(user);
        body
    };
    gateway.ask(&by(QUESTION, "user", "ann")).send().await;
    gateway.app.settle().await;
    for text in [QUESTION, DRESSED, NEAR] {
        for (field, user) in [
            ("user", "ben"),
            ("user", "Ann"),
            ("user", ""),
            ("safety_identifier", "ben"),
        ] {
            let ask = gateway
                .ask(&by(text, field, user))
                .header("cache-control", "no-store");
            assert_eq!(ask.send().await.way(), "miss", "{text} {field} {user}");
        }
        let nobody = gateway
            .ask(&asking(text))
            .header("cache-control", "no-store");
        assert_eq!(nobody.send().await.way(), "miss", "{text}");
    }
    assert_eq!(
        gateway.ask(&by(NEAR, "user", "ann")).send().await.way(),
        "semantic"
    );
}

#[tokio::test]
async fn a_personal_question_finds_another_persons_by_no_way() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, PLAIN).encoder(angles()).start().await;
    let by = |text: &str, user: &str| with(asking(text), json!({"user": user}));
    gateway.ask(&by("Where is my order?", "ann")).send().await;
    gateway.app.settle().await;
    for text in [
        "Where is my order?",
        "Please, where is my order?",
        "Where's my order now at?",
        "Where can my order be?",
    ] {
        for body in [by(text, "ben"), asking(text)] {
            let reply = gateway
                .ask(&body)
                .header("cache-control", "no-store")
                .send()
                .await;
            assert_eq!(reply.way(), "miss", "{body}");
        }
    }
    let own = gateway
        .ask(&by("Where can my order be?", "ann"))
        .send()
        .await;
    assert_eq!(own.way(), "semantic");
}
