//! Prompts made to be taken for others, and answers made to be kept: never a wrong hit, never a
//! failure of the gateway.

use serde_json::json;

mod answers;
mod controls;

use crate::support::{angles::Angles, asking, gateway::Gateway, streaming, upstream::Upstream};

const QUESTION: &str = "What do crabs eat?";

/// A plain threshold that equal vectors always pass, and no calls but those that clients make.
const AT_90: &str = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\n";

/// Pairs of which the first is kept and the second must not be answered by it, though their vectors
/// are equal.
const PAIRS: [(&str, &str); 48] = [
    ("what is vitamin a good for", "what is vitamin b good for"),
    ("what is hepatitis B like", "what is hepatitis A like"),
    ("solve it for x there", "solve it for there"),
    ("say \"\"yes\"\" there", "say \"\"no\"\" there"),
    ("is it safe to swim here", "is it not safe to swim here"),
    ("is it safe to swim here", "isn't it safe to swim here"),
    ("is it safe to swim here", "is it unsafe to swim here"),
    (
        "is it safe to swim here",
        "is it n\u{43e}t safe to swim here",
    ),
    (
        "is it safe to swim here",
        "is it n\u{336}o\u{336}t\u{336} safe to swim here",
    ),
    (
        "is it safe to swim here",
        "is it no\u{200b}t safe to swim here",
    ),
    (
        "is it safe to swim here",
        "is it \u{ff4e}\u{ff4f}\u{ff54} safe to swim here",
    ),
    (
        "is it safe to swim here",
        "is it \u{1d427}\u{1d428}\u{1d42d} safe to swim here",
    ),
    (
        "is it safe to swim here",
        "is it \u{202e}ton\u{202c} safe to swim here",
    ),
    ("take 15 drops of it", "take 50 drops of it"),
    ("take 15 drops of it", "take \u{ff11}\u{ff16} drops of it"),
    ("take 15 drops of it", "take \u{661}\u{665} drops of it"),
    ("take 15 drops of it", "take 1\u{336}5 drops of it"),
    ("take 15 drops of it", "take 1.5 drops of it"),
    ("take 15 drops of it", "take \u{2212}15 drops of it"),
    ("what is 102 in words", "what is 10\u{b2} in words"),
    ("add 2 cups of milk", "add 2\u{bd} cups of milk"),
    ("log in to paypal", "log in to p\u{430}ypal"),
    ("log in to paypal", "log in to paypa1"),
    (
        "log in to paypal",
        "log in to \u{440}\u{430}\u{443}\u{440}\u{430}l",
    ),
    (
        "what does \u{1f44d} mean here",
        "what does \u{1f44e} mean here",
    ),
    (
        "what does \u{2191} mean here",
        "what does \u{2193} mean here",
    ),
    ("what does * match there", "what does # match there"),
    ("is x \u{2264} y here", "is x \u{2265} y here"),
    (
        "translate \"bank\" for them",
        "translate \"bench\" for them",
    ),
    (
        "translate \u{201e}bank\u{201c} for them",
        "translate \u{201e}bench\u{201c} for them",
    ),
    (
        "translate \u{ab}bank\u{bb} for them",
        "translate \u{ab}bench\u{bb} for them",
    ),
    (
        "translate \u{300c}bank\u{300d} for them",
        "translate \u{300c}bench\u{300d} for them",
    ),
    (
        "replace \"a\" with \"b\" there",
        "replace \"b\" with \"a\" there",
    ),
    ("run `rm -i a` there", "run `rm -f a` there"),
    ("run ``a`` there", "run ``b`` there"),
    ("say \"yes\" or 'no' there", "say \"no\" or 'yes' there"),
    ("send it from Ann to Ben", "send it from Ben to Ann"),
    ("should they trust us", "should we trust them"),
    ("can we park there", "must we park there"),
    ("who is the pope", "who was the pope"),
    ("what is M\u{fc}ller known for", "what is Moller known for"),
    ("is resume a verb", "is r\u{e9}sum\u{e9} a verb"),
    ("how do I turn it on", "how do I turn it off"),
    ("list fish with bones", "list fish without bones"),
    ("answer the riddle", "answer the riddle in French"),
    ("how long is the Rhine", "how long is the Rh\u{f4}ne"),
    (
        "ask for a room for 2 at 5 pm",
        "ask for a room for 5 at 2 pm",
    ),
    ("is the door open", "is the \u{202e}door open"),
];

fn in_namespace(number: usize) -> String {
    format!("pair-{number}")
}

#[tokio::test]
async fn an_equal_vector_is_no_hit_if_the_words_say_otherwise() {
    let texts: Vec<(&str, f32)> = (PAIRS.iter())
        .flat_map(|(first, second)| [(*first, 1.0), (*second, 1.0)])
        .collect();
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(Angles::of(&texts))
        .start()
        .await;
    let mut wrong = Vec::new();
    for (number, (first, second)) in PAIRS.iter().enumerate() {
        for (number, first, second) in
            [(number * 2, first, second), (number * 2 + 1, second, first)]
        {
            let ask = async |text: &str| {
                let ask = gateway.ask(&asking(text));
                ask.header("x-refrain-cache-namespace", &in_namespace(number))
                    .send()
                    .await
            };
            let kept = ask(first).await;
            gateway.app.settle().await;
            let other = ask(second).await;
            assert_eq!(
                (kept.status, other.status),
                (200, 200),
                "{first} | {second}"
            );
            if other.way() != "miss" || other.said() == kept.said() {
                wrong.push(format!("{}: {first} | {second}", other.way()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_the_encoder_cannot_be_trusted_with_says_why_and_is_served() {
    for (text, reason) in [
        ("turn o\u{200b}ff the light", "hidden_characters"),
        ("turn \u{202e}ffo the light", "hidden_characters"),
        ("turn\u{7} off the light", "hidden_characters"),
        ("\u{0}", "hidden_characters"),
        ("log in to p\u{430}ypal", "hidden_characters"),
        ("is it n\u{336}o\u{336}t\u{336} safe", "hidden_characters"),
        ("\u{feff}what is it", "hidden_characters"),
        (
            "\u{41a}\u{430}\u{43a}\u{430}\u{44f} \u{441}\u{442}\u{43e}\u{43b}\u{438}\u{446}\u{430}",
            "not_latin",
        ),
        ("\u{1f600}\u{1f600}\u{1f600}", "not_latin"),
        ("12345 67890", "not_latin"),
        ("???", "not_latin"),
        ("\u{e000}\u{10ffff}", "not_latin"),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::setup(&upstream, AT_90)
            .encoder(Angles::of(&[(QUESTION, 1.0), (text, 1.0)]))
            .start()
            .await;
        gateway.ask(&asking(QUESTION)).send().await;
        gateway.app.settle().await;
        let reply = gateway.ask(&asking(text)).send().await;
        let found = (
            reply.status,
            reply.way(),
            reply.header("x-refrain-cache-reason"),
        );
        assert_eq!(found, (200, "miss", reason), "{text:?}");
        assert_eq!(reply.said(), "answer 2");
        // The very same text is an exact hit all the same.
        assert_eq!(
            gateway.ask(&asking(text)).send().await.way(),
            "exact",
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn prompts_of_any_size_and_shape_are_answered_or_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(Angles::of(&[(QUESTION, 1.0)]))
        .start()
        .await;
    let megabyte = 1 << 20;
    let texts = [
        "a".repeat(megabyte),
        "word ".repeat(megabyte / 5),
        "\n\n".repeat(megabyte / 2) + "why?",
        "```\n".repeat(megabyte / 4),
        "'".repeat(megabyte),
        "`".repeat(megabyte),
        "\"a\" ".repeat(megabyte / 4),
        "a\u{301}".repeat(megabyte / 3),
        "1 ".repeat(megabyte / 2),
        "million ".repeat(megabyte / 8),
        "not ".repeat(megabyte / 4),
        "- ".repeat(megabyte / 2),
        "\u{fdfa}".repeat(megabyte / 3),
        "please ".repeat(40),
        "hi, ".repeat(40) + "what is it?",
        "please tell me ".repeat(12) + "what it is",
        "twenty ".repeat(60),
        "--------".to_owned(),
        "a".to_owned(),
        "\u{1f600}".to_owned(),
    ];
    for text in &texts {
        for body in [asking(text), streaming(text)] {
            let reply = gateway.ask(&body).send().await;
            let start: String = text.chars().take(10).collect();
            assert_eq!(reply.status, 200, "{start:?}: {}", reply.text());
        }
    }
    for text in ["", " ", "\n\t "] {
        let reply = gateway.ask(&asking(text)).send().await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!("messages[0].content")),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn long_prompts_that_differ_in_one_letter_are_two() {
    let document = "The quick brown fox jumps over the lazy dog. ".repeat(60);
    let ask_of = |document: &str| format!("{document}\n\nWho jumps?");
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(Angles::of(&[("Who jumps?", 1.0)]))
        .start()
        .await;
    gateway.ask(&asking(&ask_of(&document))).send().await;
    gateway.app.settle().await;
    for other in [
        document.replacen("fox", "cat", 1),
        document.replacen("fox", "f\u{43e}x", 1),
        document.replacen("fox", "fo\u{200b}x", 1),
        document.replacen(". ", ".  ", 1),
        document.clone() + "\n\nNobody.",
        document.to_uppercase(),
    ] {
        let reply = gateway.ask(&asking(&ask_of(&other))).send().await;
        assert_eq!((reply.status, reply.way()), (200, "miss"));
    }
}
