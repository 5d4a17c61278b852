//! The cache of vectors, item by item.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn an_equal_item_is_asked_for_once_whatever_the_encoding() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    // As they are written by 32-bit, by 64-bit and by careless programs.
    for (place, number) in ["0.1", "0.10000000149011612", "16777217", "1"]
        .iter()
        .enumerate()
    {
        upstream.script(Answer::raw(
            "application/json",
            format!(r#"{{"object":"list","data":[{{"embedding":[{number}],"index":0}}],"model":"e","usage":{{"prompt_tokens":4}}}}"#),
        ));
        let text = format!("number {place}");
        let plain = json!({"model": "house-embedder", "input": text});
        let encoded =
            json!({"model": "house-embedder", "input": [text], "encoding_format": "base64"});
        let first = ask(&gateway, &plain).await;
        assert_eq!(
            (first.way(), first.header("x-refrain-cache-items")),
            ("miss", "0/1")
        );
        assert_eq!(first.header("cache-status"), "refrain; fwd=miss; stored");
        let again = ask(&gateway, &plain).await;
        assert_eq!(numbers(&again), numbers(&first), "{number}");
        assert_eq!(
            (again.way(), again.header("x-refrain-cache-items")),
            ("exact", "1/1")
        );
        assert_eq!(again.header("cache-status"), "refrain; hit; detail=exact");
        assert_eq!(again.header("x-refrain-saved-usd"), "0.00000200");
        assert_eq!(again.header("x-refrain-cost-usd"), "");
        assert_eq!(again.header("x-refrain-model"), "gpt-test");
        assert_eq!(
            again.json()["usage"],
            json!({"prompt_tokens": 4, "total_tokens": 4})
        );
        let encoded = ask(&gateway, &encoded).await;
        let narrow = f64::from(numbers(&first)[0] as f32);
        assert_eq!(numbers(&encoded), [narrow], "{number}");
    }
    assert_eq!(upstream.calls(), 4);
    gateway.app.settle().await;
    let first = gateway.get("/admin/api/requests/1").send().await.json();
    assert_eq!(first["steps"][0]["outcome"], "ok");
    let stats = gateway.stats().await;
    assert_eq!(stats["requests"]["billed_tokens"], 16);
    assert_eq!(stats["requests"]["saved_tokens"], 32);
}

#[tokio::test]
async fn a_batch_with_one_new_text_pays_for_one() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.script(vectors(&[1.0, 2.0], 30));
    let body = |input: Value| json!({"model": "house-embedder", "input": input});
    let first = ask(&gateway, &body(json!(["one", "three times as long"]))).await;
    assert_eq!(numbers(&first), [1.0, 2.0]);
    upstream.script(vectors(&[3.0], 5));
    let mixed = ask(
        &gateway,
        &body(json!(["three times as long", "new", "one", "new"])),
    )
    .await;
    assert_eq!(numbers(&mixed), [2.0, 3.0, 1.0, 3.0]);
    assert_eq!(
        upstream.received()[1].json(),
        json!({"model": "gpt-test", "input": ["new"]})
    );
    assert_eq!(
        (mixed.way(), mixed.header("x-refrain-cache-items")),
        ("miss", "2/4")
    );
    // 3 and 19 bytes share 30 tokens; the new one is there twice and paid once.
    assert_eq!(mixed.json()["usage"]["prompt_tokens"], 30 + 5 + 5);
    assert_eq!(mixed.header("x-refrain-cost-usd"), "0.00000250");
    assert_eq!(mixed.header("x-refrain-saved-usd"), "0.00001500");
    assert_eq!(mixed.json()["model"], "e-1");
    let shares = |reply: &Reply| reply.json()["usage"]["prompt_tokens"].as_u64().unwrap();
    let (one, three) = (
        ask(&gateway, &body(json!("one"))).await,
        ask(&gateway, &body(json!(["three times as long"]))).await,
    );
    assert_eq!((shares(&one), shares(&three)), (4, 26));
    assert_eq!(gateway.stats().await["requests"]["billed_tokens"], 35);
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn what_shapes_a_vector_has_to_be_equal() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.mood(|number| vectors(&[number as f64], 1));
    let different = [
        json!({"input": "a"}),
        json!({"input": "A"}),
        json!({"input": [97]}),
        json!({"input": "a", "dimensions": 1}),
        json!({"input": "a", "input_type": "query"}),
        json!({"input": "a", "refrain": {"namespace": "n"}}),
    ];
    for fields in &different {
        let mut body = json!({"model": "gpt-test"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        let (first, again) = (ask(&gateway, &body).await, ask(&gateway, &body).await);
        assert_eq!((first.way(), again.way()), ("miss", "exact"), "{fields}");
        assert_eq!(numbers(&first), numbers(&again));
    }
    assert_eq!(upstream.calls(), different.len());
    // Another name of the same model, and who asks for whom, make no difference.
    for body in [
        json!({"model": "house-embedder", "input": ["a"], "user": "u"}),
        json!({"model": "main/gpt-test", "input": [[97]]}),
    ] {
        assert_eq!(ask(&gateway, &body).await.way(), "exact", "{body}");
    }
}

#[tokio::test]
async fn controls_are_honoured_as_for_chats() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.mood(|number| vectors(&[number as f64], 1));
    let with = async |name: &str, value: &str, input: &str| {
        let body = json!({"model": "gpt-test", "input": input}).to_string();
        let ask = gateway.request("POST", "/v1/embeddings", body);
        ask.header(name, value).send().await
    };
    let missing = with("cache-control", "only-if-cached", "a").await;
    assert_eq!(
        (missing.status, missing.header("x-refrain-cache-items")),
        (504, "0/1")
    );
    assert_eq!(with("cache-control", "no-store", "a").await.way(), "miss");
    assert_eq!(with("x-refrain-cache-ttl", "0", "a").await.way(), "miss");
    let first = with("x-refrain-cache-ttl", "60", "a").await;
    assert_eq!((first.way(), upstream.calls()), ("miss", 3));
    assert_eq!(
        with("cache-control", "only-if-cached", "a").await.way(),
        "exact"
    );
    let fresh = with("cache-control", "no-cache", "a").await;
    assert_eq!(
        (fresh.way(), fresh.header("x-refrain-cache-reason")),
        ("miss", "no_cache")
    );
    assert_eq!(numbers(&with("x", "y", "a").await), numbers(&fresh));
    let neither = with("cache-control", "no-cache, no-store", "a").await;
    assert_eq!(
        (neither.way(), neither.header("x-refrain-cache-reason")),
        ("bypass", "opt_out")
    );
    assert_eq!(neither.header("x-refrain-cache-items"), "");
    let calls = upstream.calls();
    with("x-refrain-cache-ttl", "60", "b").await;
    gateway.clock.advance(Duration::from_secs(30));
    let old = with("cache-control", "max-age=30", "b").await;
    assert_eq!((old.way(), old.header("age")), ("exact", "30"));
    assert_eq!(
        with("cache-control", "max-age=29, no-store", "b")
            .await
            .way(),
        "miss"
    );
    gateway.clock.advance(Duration::from_secs(30));
    assert_eq!(
        with("cache-control", "max-stale=100", "b").await.way(),
        "miss"
    );
    assert_eq!(upstream.calls(), calls + 3);
}

#[tokio::test]
async fn settings_are_honoured_as_for_chats() {
    let cases = [
        ("[cache]\nenabled = false\n", "bypass", 2),
        ("[cache]\nmode = \"shadow\"\n", "miss", 2),
        ("[cache]\nmax_embedding_bytes = \"0B\"\n", "miss", 2),
        ("[cache]\nttl = \"1h\"\n", "exact", 1),
    ];
    for (more, way, calls) in cases {
        let upstream = upstream().await;
        let gateway = setup(&upstream, more).start().await;
        upstream.mood(|number| vectors(&[number as f64], 1));
        let body = json!({"model": "gpt-test", "input": "a"});
        ask(&gateway, &body).await;
        assert_eq!(
            (ask(&gateway, &body).await.way(), upstream.calls()),
            (way, calls),
            "{more}"
        );
        let shadow = gateway.stats().await["requests"]["would_hit"]["exact"].clone();
        assert_eq!(shadow, u64::from(more.contains("shadow")), "{more}");
    }
    let upstream = upstream().await;
    let never = model("never", &["main/e"]) + "cache = false\n";
    let gateway = setup(&upstream, &never).start().await;
    upstream.mood(|number| vectors(&[number as f64], 1));
    let body = json!({"model": "never", "input": "a"});
    assert_eq!(ask(&gateway, &body).await.way(), "bypass");
    assert_eq!(
        ask(&gateway, &body).await.header("x-refrain-cache-reason"),
        "disabled"
    );
}

#[tokio::test]
async fn clients_see_their_own_vectors_only() {
    let upstream = upstream().await;
    let clients = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n\
                   [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\n";
    let gateway = setup(&upstream, clients).start().await;
    upstream.mood(|number| vectors(&[number as f64], 1));
    let body = json!({"model": "gpt-test", "input": "a"}).to_string();
    let ask = async |key: &str| {
        let ask = gateway.request("POST", "/v1/embeddings", body.clone());
        ask.key(key).send().await.way().to_owned()
    };
    assert_eq!(ask("sk-alice_key").await, "miss");
    assert_eq!(ask("sk-bob_key").await, "miss");
    assert_eq!(ask("sk-alice_key").await, "exact");
}

#[tokio::test]
async fn a_purge_and_a_new_generation_forget_them() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.mood(|number| vectors(&[number as f64], 1));
    let body = json!({"model": "gpt-test", "input": "a", "refrain": {"tags": ["docs"]}});
    let change = async |path: &str, body: Value| {
        let path = format!("/admin/api/cache/{path}");
        gateway
            .request("POST", &path, body.to_string())
            .send()
            .await
    };
    assert_eq!(ask(&gateway, &body).await.way(), "miss");
    for (path, selector, way) in [
        ("purge", json!({"tag": "other"}), "exact"),
        (
            "purge",
            json!({"everything": true, "dry_run": true}),
            "exact",
        ),
        ("purge", json!({"everything": true}), "miss"),
        ("purge", json!({"tag": "docs"}), "miss"),
        ("purge", json!({"model": "gpt-test"}), "miss"),
        ("generation", json!({}), "miss"),
    ] {
        let changed = change(path, selector.clone()).await;
        assert_eq!(changed.status, 200, "{path} {}", changed.text());
        assert_eq!(ask(&gateway, &body).await.way(), way, "{path} {selector}");
    }
}

#[tokio::test]
async fn what_is_purged_while_it_is_asked_for_is_not_kept() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    let (held, hold) = vectors(&[1.0], 1).held();
    upstream.script(held);
    let body = json!({"model": "gpt-test", "input": "a"});
    let asking = ask(&gateway, &body);
    let purging = async {
        upstream.arrived(1).await;
        let everything = json!({"everything": true}).to_string();
        let purge = gateway.request("POST", "/admin/api/cache/purge", everything);
        assert_eq!(purge.send().await.status, 200);
        hold.release();
    };
    let (first, ()) = tokio::join!(asking, purging);
    assert_eq!(numbers(&first), [1.0]);
    upstream.script(vectors(&[2.0], 1));
    assert_eq!(numbers(&ask(&gateway, &body).await), [2.0]);
}

#[tokio::test]
async fn an_answer_that_can_not_be_cut_is_handed_on_and_not_kept() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    let body = json!({"model": "gpt-test", "input": ["a", "b"]});
    for strange in [
        json!({"data": [{"embedding": [1.0]}]}),
        json!({"data": [{"embedding": {"int8": [1]}}, {"embedding": {"int8": [1]}}]}),
        json!({"data": [{"embedding": [1], "index": 0}, {"embedding": [1], "index": 0}]}),
    ] {
        upstream.script(Answer::json(&strange));
        let reply = ask(&gateway, &body).await;
        assert_eq!((reply.status, reply.json()), (200, strange));
        assert_eq!(reply.header("cache-status"), "refrain; fwd=miss");
    }
    upstream.script(vectors(&[1.0, 2.0], 2));
    assert_eq!(numbers(&ask(&gateway, &body).await), [1.0, 2.0]);
    // Where it would have to be put together with others, it is a failure.
    upstream.script(Answer::json(&json!({"data": [{"embedding": {}}]})));
    let reply = ask(&gateway, &json!({"model": "gpt-test", "input": ["a", "c"]})).await;
    assert_eq!(reply.status, 502);
}

#[tokio::test]
async fn vectors_of_two_models_are_never_mixed() {
    let (first, second) = (upstream().await, upstream().await);
    let config = provider("main", &first)
        + &provider("backup", &second)
        + &model("both", &["main/a", "backup/b"]);
    let gateway = Setup::new(&config).start().await;
    let body = |input: Value| json!({"model": "both", "input": input});
    first.script(vectors(&[1.0], 1));
    ask(&gateway, &body(json!("a"))).await;
    first.script(Answer::error(503, "no capacity"));
    second.script(vectors(&[20.0], 1));
    second.script(vectors(&[10.0, 20.0], 2));
    let reply = ask(&gateway, &body(json!(["a", "b"]))).await;
    assert_eq!(numbers(&reply), [10.0, 20.0]);
    assert_eq!(reply.header("x-refrain-cache-items"), "0/2");
    assert_eq!(second.received()[1].json()["input"], json!(["a", "b"]));
    // What another model made is kept under no name of the first.
    first.script(vectors(&[2.0], 1));
    let reply = ask(&gateway, &body(json!(["a", "b"]))).await;
    assert_eq!(
        (numbers(&reply), reply.header("x-refrain-cache-items")),
        (vec![1.0, 2.0], "1/2")
    );
}
