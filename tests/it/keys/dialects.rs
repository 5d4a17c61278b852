//! Providers with dialects and headers of their own: the first key is refused, the second one answers.

use serde_json::json;

use crate::support::{
    anthropic::Anthropic,
    asking,
    gateway::{Gateway, Setup, model},
    gemini::Gemini,
    ollama::Ollama,
    upstream::{KEY, Manners, SECOND_KEY, Upstream},
    with,
};

const BOTH: &str = "api_key_envs = [\"SECOND_UPSTREAM_KEY\", \"UPSTREAM_KEY\"]\n";

/// A gateway before this provider, with a key that it does not know before the one that it does.
async fn before(section: &str, target: &str) -> Gateway {
    let section = section.replace("api_key_env = \"UPSTREAM_KEY\"\n", BOTH);
    assert!(section.contains(BOTH));
    let model = model("gpt-test", &[target]);
    Setup::new(&(section + "\n" + &model)).start().await
}

/// Asks thrice, for streams too.
async fn assert_is_answered(gateway: &Gateway) {
    for stream in [true, false, true] {
        let question = asking(&format!("Do crabs eat algae, {stream}?"));
        let fresh = json!({"stream": stream, "cache": {"no-store": true, "no-cache": true}});
        let reply = gateway.ask(&with(question, fresh)).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.said().starts_with("answer "), "{}", reply.text());
        let all = format!("{:?} {}", reply.headers, reply.text());
        assert!(!all.contains(KEY) && !all.contains(SECOND_KEY), "{all}");
    }
}

#[tokio::test]
async fn gemini() {
    let google = Gemini::start().await;
    let gateway = before(&google.section("google"), "google/gemini-2.5-flash").await;
    assert_is_answered(&gateway).await;
    assert_eq!(google.received().len(), 3);
}

#[tokio::test]
async fn anthropic() {
    let claude = Anthropic::start().await;
    let gateway = before(&claude.provider(""), "claude/claude-sonnet-4-5").await;
    assert_is_answered(&gateway).await;
    let received = claude.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| one.headers["x-api-key"] == KEY));
}

#[tokio::test]
async fn ollama_behind_a_proxy() {
    let ollama = Ollama::with_key().await;
    let base_url = ollama.base_url();
    let section = format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{base_url}\"\n{BOTH}"
    );
    let gateway = before(&section, "local/crab:7b").await;
    assert_is_answered(&gateway).await;
    assert_eq!(ollama.calls(), 3);
}

#[tokio::test]
async fn a_server_with_a_header_of_its_own() {
    let upstream = Upstream::with(Manners {
        key: ("api-key", ""),
        chat: "/v1/chat/completions",
        models: "/v1/models",
    })
    .await;
    let section = format!(
        "[[providers]]\nname = \"azure\"\nkind = \"openai\"\nbase_url = \"{}\"\n{BOTH}\
         api_key_header = \"api-key\"\n",
        upstream.base_url()
    );
    let gateway = before(&section, "azure/gpt-test").await;
    assert_is_answered(&gateway).await;
    assert_eq!(upstream.refused(), [SECOND_KEY]);
}

#[tokio::test]
async fn a_list_of_models() {
    let upstream = Upstream::start().await;
    let section = format!(
        "[[providers]]\nname = \"main\"\nkind = \"openai\"\nbase_url = \"{}\"\n{BOTH}discover = true\n",
        upstream.base_url()
    );
    let gateway = before(&section, "main/gpt-test").await;
    let models = gateway.get("/v1/models").send().await;
    assert!(models.text().contains("found-model"), "{}", models.text());
    assert_is_answered(&gateway).await;
    assert_eq!(upstream.refused(), [SECOND_KEY]);
}
