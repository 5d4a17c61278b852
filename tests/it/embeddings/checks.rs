//! What is refused, and how.

use super::*;

#[tokio::test]
async fn what_can_not_be_embedded_is_refused_before_anybody_is_asked() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    for (fields, param) in [
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": ["a", ""]}), "input[1]"),
        (json!({"input": ["a", 1]}), "input[1]"),
        (json!({"input": [1, "a"]}), "input[1]"),
        (json!({"input": [[1], []]}), "input[1]"),
        (json!({"input": vec!["a"; 2049]}), "input"),
        (json!({"input": [-1]}), "input[0]"),
        (json!({"input": [7, 0.5]}), "input[1]"),
        (json!({"input": [[2_147_483_648_u64]]}), "input[0][0]"),
        (
            json!({"input": "a", "encoding_format": "hex"}),
            "encoding_format",
        ),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "model": null}), "model"),
        (json!({"input": "a", "refrain": {"ttl": -1}}), "refrain.ttl"),
    ] {
        let mut body = json!({"model": "gpt-test"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        let reply = ask(&gateway, &body).await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param)),
            "{fields}"
        );
    }
    for body in ["", "[]", "{", "\u{fffd}"] {
        let reply = gateway.request("POST", "/v1/embeddings", body).send().await;
        assert_eq!(reply.status, 400);
    }
    let unknown = ask(&gateway, &json!({"model": "gpt-tset", "input": "a"})).await;
    let error = unknown.error();
    assert_eq!(
        (unknown.status, error["code"].as_str()),
        (404, Some("model_not_found"))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `gpt-test`")
    );
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_provider_without_embeddings_says_so() {
    let config =
        "[[providers]]\nname = \"demo\"\nkind = \"demo\"\n".to_owned() + &model("m", &["demo/m"]);
    let gateway = Setup::new(&config).start().await;
    let reply = ask(&gateway, &json!({"model": "m", "input": "a"})).await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"]),
        (400, &json!("unsupported_parameter"))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("provider `demo` has no embeddings")
    );
    assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
}
