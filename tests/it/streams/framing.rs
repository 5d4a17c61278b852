//! Streams whose events begin or end in an unusual way, and streams that never come to a word.

use serde_json::json;

use crate::support::{
    answer::{Answer, event, events_of},
    anthropic::{self, Anthropic},
    asking,
    gateway::{Gateway, Setup, model},
    gemini::{self, Gemini},
    streaming,
    upstream::Upstream,
};

const QUESTION: &str = "What do crabs eat?";
const SAID: &str = "Algae and worms";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A gateway whose model `gpt-test` is Claude.
async fn before_claude(claude: &Anthropic) -> Gateway {
    let model = model("gpt-test", &["claude/claude-sonnet-4-5"]);
    Setup::new(&(claude.provider("") + &model)).start().await
}

/// A gateway whose model `gpt-test` is Gemini.
async fn before_gemini(google: &Gemini) -> Gateway {
    let model = model("gpt-test", &["google/gemini-2.5-flash"]);
    Setup::new(&(google.section("google") + &model))
        .start()
        .await
}

/// `SAID` as Gemini streams it: in two events.
fn gemini_stream() -> String {
    let part = |text: &str| json!([{"text": text}]);
    gemini::stream(&[
        gemini::response(&part("Algae "), None),
        gemini::response(&part("and worms"), Some("STOP")),
    ])
}

/// `SAID` as Claude streams it.
fn claude_stream() -> String {
    anthropic::events_of(&json!([{"type": "text", "text": SAID}]), "end_turn").concat()
}

/// The answer is whole in each form, told by a call and by the cache.
async fn assert_is_whole(gateway: &Gateway, about: &str) {
    let first = gateway.ask(&streaming(QUESTION)).send().await;
    let text = first.text();
    assert_eq!((first.status, first.said().as_str()), (200, SAID), "{text}");
    assert!(first.is_done(), "{about:?}: {text}");
    assert!(text.starts_with("data: ") && text.ends_with("\n\n"));
    gateway.app.settle().await;
    for body in [asking(QUESTION), streaming(QUESTION)] {
        let kept = gateway.ask(&body).send().await;
        assert_eq!(
            (kept.way(), kept.said().as_str()),
            ("exact", SAID),
            "{about:?}"
        );
    }
}

/// What a stream may end in, where the empty line is due.
const ENDS: [&str; 4] = ["", "\n", "\r\n", "\r"];

#[tokio::test]
async fn a_byte_order_mark_takes_no_event_with_it() {
    let upstream = Upstream::start().await;
    upstream.script(Answer::events(
        BYTE_ORDER_MARK.to_owned() + &events_of(SAID),
    ));
    let gateway = Gateway::before(&upstream).await;
    assert_is_whole(&gateway, "openai").await;

    let google = Gemini::start().await;
    google.script(Answer::events(
        BYTE_ORDER_MARK.to_owned() + &gemini_stream(),
    ));
    assert_is_whole(&before_gemini(&google).await, "gemini").await;

    let claude = Anthropic::start().await;
    claude.script(Answer::events(
        BYTE_ORDER_MARK.to_owned() + &claude_stream(),
    ));
    assert_is_whole(&before_claude(&claude).await, "anthropic").await;
}

#[tokio::test]
async fn a_byte_order_mark_in_pieces() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    for byte in BYTE_ORDER_MARK.bytes() {
        steps.send(vec![byte]);
    }
    steps.send(events_of(SAID));
    drop(steps);
    assert_is_whole(&gateway, "openai").await;
}

#[tokio::test]
async fn a_last_event_without_its_empty_line_is_one() {
    for end in ENDS {
        let upstream = Upstream::start().await;
        upstream.script(Answer::events(events_of(SAID).trim_end().to_owned() + end));
        assert_is_whole(&Gateway::before(&upstream).await, end).await;

        // Without `[DONE]` too: the finish reason is in the last event.
        let upstream = Upstream::start().await;
        let stream = events_of(SAID).replace("data: [DONE]\n\n", "");
        upstream.script(Answer::events(stream.trim_end().to_owned() + end));
        assert_is_whole(&Gateway::before(&upstream).await, end).await;

        let google = Gemini::start().await;
        google.script(Answer::events(gemini_stream().trim_end().to_owned() + end));
        assert_is_whole(&before_gemini(&google).await, end).await;

        let claude = Anthropic::start().await;
        claude.script(Answer::events(claude_stream().trim_end().to_owned() + end));
        assert_is_whole(&before_claude(&claude).await, end).await;
    }
}

#[tokio::test]
async fn a_last_event_that_is_cut_is_none() {
    for (stream, native) in [(gemini_stream(), true), (claude_stream(), false)] {
        let cut = stream.trim_end().strip_suffix('}').unwrap().to_owned();
        let (google, claude) = (Gemini::start().await, Anthropic::start().await);
        let gateway = if native {
            google.script(Answer::events(cut));
            before_gemini(&google).await
        } else {
            claude.script(Answer::events(cut));
            before_claude(&claude).await
        };
        let reply = gateway.ask(&streaming(QUESTION)).send().await;
        let error = reply.chunks().last().unwrap()["error"]["code"].clone();
        assert_eq!((error, reply.is_done()), (json!("upstream_error"), false));
    }
}

/// Claude's stream with so many bytes, or a few more, that tell tokens and no word before the first.
fn silent(bytes: usize) -> String {
    let count = |tokens: usize| {
        event(&json!({
            "type": "message_delta", "delta": {}, "usage": {"output_tokens": tokens},
        }))
    };
    let stream = claude_stream();
    let (head, rest) = stream.split_once("\n\n").unwrap();
    let counts = count(1).repeat(bytes / count(1).len() + 1);
    format!("{head}\n\n{counts}{}{rest}", count(3))
}

#[tokio::test]
async fn a_stream_that_never_comes_to_a_word_is_given_up() {
    let claude = Anthropic::start().await;
    let gateway = before_claude(&claude).await;
    claude.script(Answer::events(silent(1 << 19)));
    let reply = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!((reply.status, reply.said().as_str()), (200, SAID));
    for padding in [
        silent(2 << 20),
        silent(0).replacen("\n\n", &pings(2 << 20), 1),
    ] {
        claude.script(Answer::events(padding));
        let body = streaming("What do lobsters eat?");
        let reply = gateway.ask(&body).send().await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (502, &json!("upstream_error"))
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("1048576 bytes"), "{message}");
    }
}

/// An end of an event, and so many bytes of pings and comments.
fn pings(bytes: usize) -> String {
    let ping = event(&json!({"type": "ping"})) + ": still here\n\n";
    "\n\n".to_owned() + &ping.repeat(bytes / ping.len())
}
