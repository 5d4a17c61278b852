//! The whole path with the real model: which wordings of a question are answered from the cache.

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use refrain::embed::fastembed::{EncoderOptions, LocalEncoder};
use serde_json::{Value, json};

use crate::support::{asking, client::Reply, gateway::Gateway, streaming, upstream::Upstream};

/// About 150 words.
const DOCUMENT: &str = "The harbour of Port Ellery was built in 1871 by the Northern Railway, which \
    needed a place to load coal on to ships bound for the south. At first there was one wooden pier, \
    ninety metres long, with a single crane that was worked by horses. After the storm of 1884, in \
    which the pier and eleven ships were lost, the town paid for two breakwaters of granite that still \
    stand today. Coal went through the harbour until 1956, when the last mine in the valley closed and \
    the railway was taken up. For some years the quays were empty. In 1963 a family from the islands \
    brought six fishing boats and opened a small cannery, where forty people worked in the season. It \
    was sold in 1998 and is a museum now. Yachts lie where the colliers used to be, and a ferry leaves \
    for the islands twice a day in summer and on Saturdays in winter.";

async fn gateway(upstream: &Upstream) -> Gateway {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let options = EncoderOptions {
        threads: NonZeroUsize::MIN,
        queue: NonZeroUsize::MIN,
        deadline: Duration::from_secs(30),
    };
    let (model, runtime) = (
        models.join("all-MiniLM-L6-v2"),
        models.join("onnxruntime/libonnxruntime.so"),
    );
    let encoder = LocalEncoder::load(&model, &runtime, options).unwrap();
    Gateway::setup(upstream, "")
        .encoder(Arc::new(encoder))
        .start()
        .await
}

/// How a second request goes after a first one was answered.
async fn after(first: &Value, second: &Value) -> Reply {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    assert_eq!(gateway.ask(first).send().await.way(), "miss");
    gateway.app.settle().await;
    gateway.ask(second).send().await
}

fn about_the_document(question: &str) -> Value {
    asking(&format!("{DOCUMENT}\n\n{question}"))
}

#[tokio::test]
async fn a_paraphrase_is_answered_from_the_cache() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    gateway
        .ask(&asking("How many planets are there in the solar system?"))
        .send()
        .await;
    gateway.app.settle().await;
    for paraphrase in [
        "how many planets are in our solar system",
        "How many planets does the solar system have?",
        "What is the number of planets in the solar system?",
    ] {
        for body in [asking(paraphrase), streaming(paraphrase)] {
            let hit = gateway.ask(&body).send().await;
            assert_eq!(
                (hit.way(), hit.said().as_str()),
                ("semantic", "answer 1"),
                "{paraphrase}"
            );
        }
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn the_opposite_is_not() {
    let reply = after(&asking("turn on dark mode"), &asking("turn off dark mode")).await;
    assert_eq!(
        (reply.way(), reply.header("x-refrain-cache-reason")),
        ("miss", "veto_opposites")
    );
    assert_eq!(reply.said(), "answer 2");
}

#[tokio::test]
async fn another_number_or_name_is_not() {
    for (first, second) in [
        ("What is 15 percent of 80?", "What is 50 percent of 80?"),
        (
            "What is the capital of Australia?",
            "What is the capital of Austria?",
        ),
    ] {
        let reply = after(&asking(first), &asking(second)).await;
        assert_eq!(
            (reply.way(), reply.said().as_str()),
            ("miss", "answer 2"),
            "{second}"
        );
    }
}

#[tokio::test]
async fn the_same_question_under_another_system_prompt_is_not() {
    let ordered = |order: &str, question: &str| {
        let messages =
            json!([{"role": "system", "content": order}, {"role": "user", "content": question}]);
        json!({"model": "gpt-test", "messages": messages})
    };
    let first = ordered(
        "Answer in English.",
        "How many planets are there in the solar system?",
    );
    let other = ordered(
        "Answer in German.",
        "How many planets does the solar system have?",
    );
    let same = ordered(
        "Answer in English.",
        "How many planets does the solar system have?",
    );
    assert_eq!(after(&first, &other).await.way(), "miss");
    assert_eq!(after(&first, &same).await.way(), "semantic");
}

#[tokio::test]
async fn another_question_about_the_same_document_is_not() {
    let first = about_the_document("When was the harbour built?");
    let other = about_the_document("Who opened the cannery?");
    let paraphrase = about_the_document("In which year was the harbour built?");
    assert_eq!(after(&first, &other).await.way(), "miss");
    assert_eq!(after(&first, &paraphrase).await.way(), "semantic");
}
