//! What kind of work a request is, and where that is done.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Three, for_model};
use futures_util::future::BoxFuture;
use refrain::embed::{Embed, EmbedError, Embedding, EncoderId};
use tokio::sync::Notify;

use crate::support::{angles::Angles, gateway::Gateway, with};

const TASKS: &str = r#"
[routing]
default_task = "chat"
margin = 0.1
[[tasks]]
name = "chat"
targets = ["one/chatty"]
fast = ["three/small"]
examples = ["hello"]
[[tasks]]
name = "sql"
targets = ["two/coder"]
examples = ["select"]
[[models]]
name = "gpt-test"
targets = ["three/gpt-test"]
"#;

/// A gateway whose encoder knows these texts by where they stand between the two tasks: 1 is `hello`, 0 is
/// `select`.
async fn gateway(three: &Three, texts: &[(&str, f32)]) -> Gateway {
    let known = [("hello", 1.0), ("select", 0.0)];
    let all: Vec<(&str, f32)> = known.iter().chain(texts).copied().collect();
    three.setup(TASKS).encoder(Angles::of(&all)).start().await
}

fn auto(question: &str) -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": question}]})
}

#[tokio::test]
async fn a_request_that_leaves_the_choice_goes_where_prompts_like_it_go() {
    let three = Three::start().await;
    let texts = [
        ("How are you doing?", 0.9),
        ("Join the two tables", 0.1),
        ("Hm, well", 0.7),
    ];
    let gateway = gateway(&three, &texts).await;
    for (question, task, model) in [
        ("How are you doing?", "chat", "chatty"),
        ("Join the two tables", "sql", "coder"),
        // As near to the one as to the other: the default.
        ("Hm, well", "chat", "chatty"),
        // The encoder does not know it.
        ("Something else", "chat", "chatty"),
    ] {
        let reply = gateway.ask(&auto(question)).send().await;
        assert_eq!(reply.status, 200, "{question}");
        assert_eq!(reply.header("x-refrain-task"), task, "{question}");
        assert_eq!(reply.header("x-refrain-model"), model, "{question}");
    }
}

#[tokio::test]
async fn a_declared_task_is_not_guessed_at() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[("How are you doing?", 0.9)]).await;
    let auto = auto("How are you doing?");
    let asks = [
        gateway.ask(&auto).header("x-refrain-task", "sql"),
        gateway.ask(&with(auto.clone(), json!({"task_type": "sql"}))),
        gateway.ask(&with(auto.clone(), json!({"refrain": {"task": "sql"}}))),
        gateway.ask(&with(auto.clone(), json!({"model": "auto:sql"}))),
    ];
    for ask in asks {
        let reply = ask.send().await;
        assert_eq!(reply.header("x-refrain-task"), "sql");
        assert_eq!(reply.header("x-refrain-model"), "coder");
    }
    for received in three.two.received() {
        let body = received.json();
        assert_eq!(body["model"], "coder");
        assert!(body.get("task_type").is_none() && body.get("refrain").is_none());
    }
}

#[tokio::test]
async fn a_model_that_is_named_is_the_one_that_answers() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    for model in ["gpt-test", "three/gpt-test"] {
        let body = with(
            for_model(model),
            json!({"task_type": "sql", "prefer_fast": true}),
        );
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.header("x-refrain-model"), "gpt-test");
        assert_eq!(reply.header("x-refrain-task"), "");
    }
    assert_eq!(three.calls(), [0, 0, 2]);
}

#[tokio::test]
async fn who_prefers_a_quick_answer_gets_one_where_there_is_one() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    let quick = [
        gateway
            .ask(&for_model("auto:chat"))
            .header("x-refrain-prefer-fast", "true"),
        gateway.ask(&with(for_model("auto:chat"), json!({"prefer_fast": true}))),
        gateway.ask(&with(
            for_model("auto:chat"),
            json!({"refrain": {"prefer_fast": true}}),
        )),
    ];
    for ask in quick {
        assert_eq!(ask.send().await.header("x-refrain-model"), "small");
    }
    let body = with(for_model("auto:sql"), json!({"prefer_fast": true}));
    assert_eq!(
        gateway.ask(&body).send().await.header("x-refrain-model"),
        "coder"
    );
}

#[tokio::test]
async fn a_task_that_there_is_not_is_refused_with_the_nearest_name() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    for body in [
        with(for_model("auto"), json!({"task_type": "sqll"})),
        with(for_model("gpt-test"), json!({"task_type": "sqll"})),
    ] {
        let reply = gateway.ask(&body).send().await;
        let error = reply.error();
        assert_eq!((reply.status, &error["param"]), (400, &json!("task")));
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("`sqll`") && message.contains("`sql`"),
            "{message}"
        );
    }
    let reply = gateway.ask(&for_model("auto:sqll")).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (404, &json!("model_not_found"))
    );
    assert_eq!(three.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn the_choice_is_offered_among_the_models() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    let list = gateway.get("/v1/models").send().await.json();
    let ids: Vec<&str> = (list["data"].as_array().unwrap().iter())
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["gpt-test", "auto", "local/angles"]);
    let one = gateway.get("/v1/models/auto").send().await.json();
    assert_eq!(one["object"], "model");
}

#[tokio::test]
async fn without_tasks_auto_is_a_name_like_any_other() {
    let three = Three::start().await;
    let gateway = three.setup("").start().await;
    assert_eq!(gateway.ask(&for_model("auto")).send().await.status, 404);
}

#[tokio::test]
async fn one_text_is_embedded_once_for_cache_and_choice() {
    let three = Three::start().await;
    let texts = [("hello", 1.0), ("select", 0.0), ("How are you doing?", 0.9)];
    let encoder = Angles::of(&texts);
    let gateway = three.cached(TASKS).encoder(encoder.clone()).start().await;
    let before = encoder.calls();
    let reply = gateway.ask(&auto("How are you doing?")).send().await;
    assert_eq!(reply.header("x-refrain-task"), "chat");
    gateway.app.settle().await;
    assert_eq!(encoder.calls() - before, 1);
    let reply = gateway.ask(&auto("How are you doing?")).send().await;
    assert_eq!((reply.way(), encoder.calls() - before), ("exact", 1));
}

#[tokio::test]
async fn a_conversation_stays_with_its_kind_of_work() {
    let three = Three::start().await;
    let texts = [("Join the two tables", 0.1), ("Thanks, how are you?", 0.95)];
    let gateway = gateway(&three, &texts).await;
    gateway.ask(&auto("Join the two tables")).send().await;
    let messages = json!([
        {"role": "user", "content": "Join the two tables"},
        {"role": "assistant", "content": "SELECT 1"},
        {"role": "user", "content": "Thanks, how are you?"},
    ]);
    let reply = gateway
        .ask(&json!({"model": "auto", "messages": messages}))
        .send()
        .await;
    assert_eq!(reply.header("x-refrain-task"), "sql");
    assert_eq!(three.calls(), [0, 2, 0]);
}

#[tokio::test]
async fn who_may_not_leave_the_choice_is_refused() {
    let three = Three::start().await;
    let clients =
        "[[clients]]\nname = \"a\"\nkey_env = \"ALICE_KEY\"\nallowed_models = [\"auto:chat\"]\n";
    let gateway = three.setup(&format!("{clients}{TASKS}")).start().await;
    let ask = |model: &str| gateway.ask(&for_model(model)).key("sk-alice_key").send();
    assert_eq!(ask("auto:chat").await.status, 200);
    assert_eq!(ask("auto").await.status, 403);
    assert_eq!(ask("auto:sql").await.status, 403);
}

#[tokio::test]
async fn two_tasks_at_once_are_refused() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    let body = with(for_model("auto:sql"), json!({"task_type": "chat"}));
    assert_eq!(gateway.ask(&body).send().await.status, 400);
    let body = with(for_model("auto:sql"), json!({"task_type": "sql"}));
    assert_eq!(gateway.ask(&body).send().await.status, 200);
}

#[tokio::test]
async fn a_task_that_leaves_the_cache_alone_does_so_in_every_turn() {
    let three = Three::start().await;
    let texts = [
        ("hello", 1.0),
        ("select", 0.0),
        ("Join the two tables", 0.1),
        ("And now?", 0.9),
    ];
    let more = TASKS.replace(
        "targets = [\"two/coder\"]",
        "targets = [\"two/coder\"]\ncache = false",
    );
    let gateway = three
        .cached(&more)
        .encoder(Angles::of(&texts))
        .start()
        .await;
    let first = auto("Join the two tables");
    let second = json!({"model": "auto", "messages": [
        {"role": "user", "content": "Join the two tables"},
        {"role": "assistant", "content": "SELECT 1"},
        {"role": "user", "content": "And now?"},
    ]});
    for body in [&first, &first, &second, &second] {
        let reply = gateway.ask(body).send().await;
        assert_eq!(
            (reply.way(), reply.header("x-refrain-task")),
            ("miss", "sql")
        );
    }
}

#[tokio::test]
async fn who_comes_to_prefer_a_quick_answer_is_not_held_to_a_slow_one() {
    let three = Three::start().await;
    let gateway = gateway(&three, &[]).await;
    let mut body = for_model("auto:chat");
    assert_eq!(
        gateway.ask(&body).send().await.header("x-refrain-model"),
        "chatty"
    );
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Algae."}));
    messages.push(json!({"role": "user", "content": "More."}));
    let quick = gateway.ask(&body).header("x-refrain-prefer-fast", "true");
    assert_eq!(quick.send().await.header("x-refrain-model"), "small");
}

/// An encoder that takes its time.
#[derive(Debug)]
struct Late {
    now: Notify,
    then: Arc<Angles>,
}

impl Embed for Late {
    fn encoder(&self) -> EncoderId {
        self.then.encoder()
    }

    fn dimension(&self) -> usize {
        self.then.dimension()
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        let text = text.to_owned();
        Box::pin(async move {
            if text == "hello" {
                self.now.notified().await;
            }
            self.then.embed(&text).await
        })
    }
}

#[tokio::test]
async fn nobody_waits_for_the_examples() {
    let three = Three::start().await;
    let texts = [
        ("hello", 1.0),
        ("select", 0.0),
        ("Join the two tables", 0.1),
    ];
    let late = Arc::new(Late {
        now: Notify::new(),
        then: Angles::of(&texts),
    });
    let setup = three.setup(TASKS).encoder(late.clone()).impatient();
    let gateway = setup.start().await;
    let ready = async || {
        let reply = gateway.get("/health/ready").send().await;
        (reply.status, reply.json()["status"].clone())
    };
    assert_eq!(ready().await, (503, json!("starting")));
    let by = async || {
        let reply = gateway.ask(&auto("Join the two tables")).send().await;
        reply.header("x-refrain-task").to_owned()
    };
    // By its signs, which are none here.
    assert_eq!(by().await, "chat");
    late.now.notify_one();
    gateway.app.learned().await;
    assert_eq!(
        (ready().await, by().await),
        ((200, json!("ready")), "sql".to_owned())
    );
}
