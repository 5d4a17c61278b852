//! `POST /v1/cache/feedback`.

use serde_json::json;

use crate::support::{
    angles::Angles,
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    streaming,
    upstream::Upstream,
};

const PATH: &str = "/v1/cache/feedback";

async fn tell(gateway: &Gateway, id: &str, verdict: &str) -> Reply {
    let body = json!({"id": id, "verdict": verdict}).to_string();
    gateway.request("POST", PATH, body).send().await
}

fn id(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_wrong_answer_is_forgotten() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let question = asking("What do crabs eat?");
    gateway.ask(&question).send().await;
    let hit = gateway.ask(&question).send().await;
    assert_eq!(hit.way(), "exact");
    let told = tell(&gateway, &id(&hit), "wrong").await;
    assert_eq!(
        (told.status, told.json()["evicted"].as_bool()),
        (200, Some(true))
    );
    assert_eq!(gateway.ask(&question).send().await.way(), "miss");
    // It counts once.
    assert_eq!(tell(&gateway, &id(&hit), "wrong").await.status, 404);
    assert_eq!(gateway.ask(&question).send().await.way(), "exact");
}

#[tokio::test]
async fn the_first_answer_can_be_wrong_too_whole_or_streamed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let question = asking("What do crabs eat?");
    let first = gateway.ask(&question).send().await;
    assert_eq!(tell(&gateway, &id(&first), "wrong").await.status, 200);
    assert_eq!(gateway.ask(&question).send().await.way(), "miss");

    let stream = gateway.ask(&streaming("What do gulls eat?")).send().await;
    let head = stream.chunks()[0].clone();
    let told = tell(&gateway, head["id"].as_str().unwrap(), "wrong").await;
    assert_eq!(told.json()["evicted"], true, "{}", told.text());
    let again = gateway.ask(&streaming("What do gulls eat?")).send().await;
    assert_eq!(again.way(), "miss");
}

#[tokio::test]
async fn the_entry_of_a_paraphrase_goes_with_it() {
    let upstream = Upstream::start().await;
    let (first, near) = (
        "How many planets are there?",
        "What is the number of planets?",
    );
    let angles = Angles::of(&[(first, 1.0), (near, 0.99)]);
    let gateway = Gateway::setup(&upstream, "").encoder(angles).start().await;
    gateway.ask(&asking(first)).send().await;
    gateway.app.settle().await;
    let hit = gateway.ask(&asking(near)).send().await;
    assert_eq!(hit.way(), "semantic");
    assert_eq!(
        tell(&gateway, &id(&hit), "wrong").await.json()["evicted"],
        true
    );
    assert_eq!(gateway.ask(&asking(first)).send().await.way(), "miss");
}

#[tokio::test]
async fn a_right_answer_stays() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let question = asking("What do crabs eat?");
    gateway.ask(&question).send().await;
    let hit = gateway.ask(&question).send().await;
    assert_eq!(
        tell(&gateway, &id(&hit), "right").await.json()["evicted"],
        false
    );
    assert_eq!(gateway.ask(&question).send().await.way(), "exact");
}

#[tokio::test]
async fn nobody_tells_about_anothers_answers() {
    let upstream = Upstream::start().await;
    let clients = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\nnamespace = \"team\"\n\
                   [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\nnamespace = \"team\"\n";
    let setup = Setup::new(&format!(
        "{clients}{}{}",
        provider("main", &upstream),
        model("gpt-test", &["main/gpt-test"])
    ));
    let gateway = setup.start().await;
    let question = asking("What do crabs eat?");
    gateway.ask(&question).key("sk-alice_key").send().await;
    let alices = gateway.ask(&question).key("sk-alice_key").send().await;
    let body = json!({"id": id(&alices), "verdict": "wrong"}).to_string();
    let tell = |key: &'static str| gateway.request("POST", PATH, body.clone()).key(key).send();
    let refused = tell("sk-bob_key").await;
    assert_eq!(
        (refused.status, &refused.error()["code"]),
        (404, &json!("unknown_answer"))
    );
    assert_eq!(tell("sk-nobody").await.status, 401);
    assert_eq!(tell("sk-alice_key").await.status, 200);
}

#[tokio::test]
async fn what_can_not_be_read_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (body, param) in [
        ("", json!(null)),
        ("[]", json!(null)),
        ("{\"id\": \"x\"}", json!(null)),
        (
            "{\"id\": \"x\", \"verdict\": \"wrong\", \"why\": 1}",
            json!(null),
        ),
        ("{\"id\": \"x\", \"verdict\": \"bad\"}", json!("verdict")),
    ] {
        let refused = gateway.request("POST", PATH, body).send().await;
        assert_eq!(
            (refused.status, &refused.error()["param"]),
            (400, &param),
            "{body}"
        );
    }
    assert_eq!(tell(&gateway, "chatcmpl-never", "wrong").await.status, 404);
}
