//! How providers and clients fare, as operators see it, and the small question that tests one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    asking,
    gateway::{Gateway, Setup, model, provider},
    upstream::{KEY, Upstream},
    with,
};

const PATH: &str = "/admin/api/providers";
/// Opens after two calls that failed.
const BREAKER: &str = "breaker = { window = \"60s\", min_requests = 2, failure_ratio = 0.5, open_for = \"15s\", probes = 1 }\n\
    limits = { requests_per_minute = 60, concurrent = 4 }\n";

/// A gateway before `main`, which is limited and has a price, and a provider that is not active.
async fn before(main: &Upstream) -> Gateway {
    let toml = format!(
        "[cache]\nenabled = false\n{}{BREAKER}{}price = {{ input = 1.0, output = 2.0 }}\n\
         [[providers]]\nname = \"away\"\nkind = \"anthropic\"\napi_key_env = \"NO_SUCH_KEY\"\n",
        provider("main", main),
        model("gpt-test", &["main/gpt-test"]),
    );
    Setup::new(&toml).start().await
}

async fn providers(gateway: &Gateway) -> Vec<Value> {
    let reply = gateway.get(PATH).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.text().contains(KEY));
    reply.json()["providers"].as_array().unwrap().clone()
}

async fn test(gateway: &Gateway, name: &str, body: &Value) -> (u16, Value) {
    let path = format!("{PATH}/{name}/test");
    let reply = gateway
        .request("POST", &path, body.to_string())
        .send()
        .await;
    (reply.status, reply.json())
}

async fn ask(gateway: &Gateway) -> u16 {
    gateway
        .ask(&asking("What do crabs eat?"))
        .send()
        .await
        .status
}

#[tokio::test]
async fn calls_errors_limits_and_changes_are_told() {
    let main = Upstream::start().await;
    let gateway = before(&main).await;
    let [fresh, away] = &providers(&gateway).await[..] else {
        panic!("two are configured");
    };
    assert_eq!(
        (&fresh["name"], &fresh["active"], &fresh["reason"]),
        (&json!("main"), &json!(true), &Value::Null)
    );
    assert_eq!(
        (&fresh["kind"], &fresh["base_url"]),
        (&json!("openai"), &json!(main.base_url()))
    );
    assert_eq!(fresh["keys"], json!({"configured": 1, "put_aside": 0}));
    assert_eq!(
        (&fresh["attempts"], &fresh["latency_ms"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(fresh["models"][0]["model"], "gpt-test");
    assert_eq!(fresh["models"][0]["breaker"]["state"], "closed");
    assert_eq!(
        (&away["active"], &away["kind"]),
        (&json!(false), &json!("anthropic"))
    );
    assert!(
        away["reason"].as_str().unwrap().contains("NO_SUCH_KEY"),
        "{away}"
    );
    let listed = gateway.get("/admin/api/breakers").send().await.json();
    assert_eq!(listed["total"], 0, "looking makes no target");

    assert_eq!(ask(&gateway).await, 200);
    for _ in 0..2 {
        main.script(Answer::error(500, "down"));
        ask(&gateway).await;
    }
    let main_now = &providers(&gateway).await[0];
    assert_eq!(
        (&main_now["attempts"], &main_now["errors"]),
        (&json!(3), &json!({"server_error": 2}))
    );
    assert_eq!(main_now["latency_ms"]["count"], 1);
    let limits = json!([
        {"what": "requests", "limit": 60, "left": 57},
        {"what": "concurrent", "limit": 4, "left": 4},
    ]);
    assert_eq!(main_now["limits"], limits);
    let tokens = main_now["tokens"]["input"].as_u64().unwrap();
    assert!(
        tokens > 0 && main_now["usd"].as_f64().unwrap() > 0.0,
        "{main_now}"
    );
    let only = &main_now["models"][0];
    assert_eq!(
        (&only["breaker"]["state"], &only["limits"]),
        (&json!("open"), &json!([]))
    );
    let now = gateway.clock.unix_seconds();
    assert_eq!(
        only["history"],
        json!([{"at": now, "from": "closed", "to": "open"}])
    );

    gateway.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&gateway).await, 200);
    let history = providers(&gateway).await[0]["models"][0]["history"].clone();
    let states: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["to"])
        .collect();
    assert_eq!(states, ["open", "half_open", "closed"]);
}

#[tokio::test]
async fn a_test_is_one_real_call_past_cache_and_breaker() {
    let main = Upstream::start().await;
    let gateway = before(&main).await;
    let wish = json!({"provider": "main", "model": "gpt-test", "state": "open"});
    gateway
        .request("POST", "/admin/api/breakers", wish.to_string())
        .send()
        .await;
    for calls in 1..=2 {
        let (status, told) = test(&gateway, "main", &json!({})).await;
        assert_eq!(
            (status, &told["ok"], &told["error"]),
            (200, &json!(true), &Value::Null),
            "{told}"
        );
        assert_eq!(
            (&told["provider"], &told["model"]),
            (&json!("main"), &json!("gpt-test"))
        );
        assert_eq!(told["said"], format!("answer {calls}"));
        assert!(
            told["usd"].as_f64().unwrap() > 0.0 && told["latency_ms"].is_number(),
            "{told}"
        );
        assert_eq!(main.calls(), calls);
    }
    let requests = &gateway.stats().await["requests"];
    assert!(requests["billed_usd"].as_f64().unwrap() > 0.0, "{requests}");
    assert_eq!(
        (&requests["miss"], &requests["failed"]),
        (&json!(0), &json!(0)),
        "nobody's request"
    );
    let told = &providers(&gateway).await[0];
    assert_eq!(
        (&told["attempts"], &told["limits"][0]["left"]),
        (&json!(2), &json!(60))
    );
    assert_eq!(told["models"][0]["breaker"]["state"], "open");

    main.script(Answer::error(
        400,
        "use 'max_completion_tokens' instead of 'max_tokens'",
    ));
    let (_, told) = test(&gateway, "main", &json!({"model": "other"})).await;
    assert_eq!(
        (&told["ok"], &told["model"], main.calls()),
        (&json!(true), &json!("other"), 4)
    );
}

#[tokio::test]
async fn a_test_tells_what_is_wrong_and_no_key() {
    let main = Upstream::start().await;
    let gateway = before(&main).await;
    main.script(Answer::error(500, &format!("no luck with {KEY}")));
    let (status, told) = test(&gateway, "main", &json!({"model": null})).await;
    assert_eq!(
        (status, &told["ok"], &told["said"]),
        (200, &json!(false), &Value::Null)
    );
    let error = told["error"].as_str().unwrap();
    assert!(
        error.contains("500") && error.contains("no luck") && !error.contains(KEY),
        "{error}"
    );
    for (name, body, param, says) in [
        ("mian", json!({}), "provider", "did you mean `main`?"),
        ("away", json!({}), "provider", "not active"),
        ("main", json!({"model": "a?b"}), "model", "visible ASCII"),
    ] {
        let (status, told) = test(&gateway, name, &body).await;
        assert_eq!(
            (status, &told["error"]["param"]),
            (400, &json!(param)),
            "{told}"
        );
        assert!(
            told["error"]["message"].as_str().unwrap().contains(says),
            "{told}"
        );
    }
    let (status, _) = test(&gateway, "main", &json!({"modle": "m"})).await;
    assert_eq!((status, main.calls()), (400, 1));
}

#[tokio::test]
async fn who_is_charged_for_a_fresh_answer_is_told_so() {
    let upstream = Upstream::start().await;
    let more = "[cache]\nttl = \"60s\"\nstale_while_revalidate = \"30s\"\n\
        [[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n";
    let gateway = Gateway::setup(&upstream, more).start().await;
    let body = asking("What do crabs eat?");
    let alice = async || {
        gateway.app.settle().await;
        gateway.get("/admin/api/clients").send().await.json()["clients"][0].clone()
    };
    gateway.ask(&body).key("sk-alice_key").send().await;
    let once = alice().await["billed_usd"].as_f64().unwrap();
    gateway.clock.advance(Duration::from_secs(75));
    let stale = gateway.ask(&body).key("sk-alice_key").send().await;
    assert_eq!(stale.way(), "stale");
    let alice = alice().await;
    assert_eq!(
        (alice["billed_usd"].as_f64().unwrap(), upstream.calls()),
        (2.0 * once, 2)
    );
    assert_eq!(
        alice["requests"],
        json!({"hits": 1, "misses": 1, "bypasses": 0, "failed": 0})
    );
}

#[tokio::test]
async fn what_each_client_asked_is_told() {
    let upstream = Upstream::start().await;
    let clients = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n[[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\n";
    let gateway = Gateway::setup(&upstream, clients).start().await;
    let body = asking("What do crabs eat?");
    for (body, times) in [
        (body.clone(), 3),
        (with(body, json!({"model": "nobody"})), 1),
    ] {
        for _ in 0..times {
            gateway.ask(&body).key("sk-alice_key").send().await;
        }
    }
    let listed = gateway.get("/admin/api/clients").send().await.json();
    let [alice, bob] = &listed["clients"].as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    let expected = json!({"hits": 2, "misses": 1, "bypasses": 0, "failed": 1});
    assert_eq!(alice["requests"], expected);
    let (billed, saved) = (
        alice["billed_usd"].as_f64().unwrap(),
        alice["saved_usd"].as_f64().unwrap(),
    );
    assert!(
        billed > 0.0 && (saved - 2.0 * billed).abs() < 1e-9,
        "{alice}"
    );
    assert!(alice["tokens"]["output"].as_u64().unwrap() > 0);
    assert_eq!(alice["last_seen"], gateway.clock.unix_seconds());
    assert_eq!(
        (&bob["last_seen"], &bob["requests"]["misses"]),
        (&Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn a_test_that_is_asked_for_wrongly_is_no_call() {
    let main = Upstream::start().await;
    let gateway = before(&main).await;
    for (name, body) in [
        ("%ff", "{}"),
        ("main", "[]"),
        ("main", "[\"gpt-test\"]"),
        ("main", "7"),
    ] {
        let path = format!("{PATH}/{name}/test");
        let reply = gateway.request("POST", &path, body).send().await;
        assert_eq!(reply.status, 400, "{name} {body}");
        assert_eq!(
            reply.error()["type"],
            "invalid_request_error",
            "{name} {body}"
        );
    }
    assert_eq!(main.calls(), 0);
}

#[tokio::test]
async fn models_that_nobody_asked_for_are_shown_however_many_are_configured() {
    let main = Upstream::start().await;
    let targets: Vec<String> = (0..60).map(|number| format!("main/m{number}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let toml = provider("main", &main) + "discover = true\n" + &model("all", &targets);
    let gateway = Setup::new(&toml).start().await;
    let shown = &providers(&gateway).await[0];
    let models = shown["models"].as_array().unwrap();
    assert_eq!((models.len(), &shown["discovered"]), (61, &json!(1)));
    assert!(models.iter().any(|model| model["model"] == "found-model"));
}
