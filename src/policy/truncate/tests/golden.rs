//! One conversation for each step. A word is a token; texts are of numbered words.

use super::{counters::Words, *};

/// Words with numbers, such as `log1 log2 log3`.
fn text(word: &str, count: u64) -> String {
    let words: Vec<String> = (1..=count)
        .map(|number| format!("{word}{number}"))
        .collect();
    words.join(" ")
}

fn say(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

fn calls(ids: &[&str]) -> Value {
    let calls = ids.iter().map(
        |id| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": "{}"}}),
    );
    json!({"role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>()})
}

fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

/// A run of numbered words as its first and its last.
fn abridged(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let stem = |word: &str| {
        word.trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned()
    };
    let is_numbered = |word: &str| stem(word).len() < word.len() && !stem(word).is_empty();
    let runs = words.chunk_by(|one, other| is_numbered(one) && stem(one) == stem(other));
    let runs = runs.map(|run| match run {
        [first, .., last] => format!("{first}..{last}"),
        _ => run.concat(),
    });
    runs.collect::<Vec<_>>().join(" ")
}

fn shown(message: &Value) -> String {
    let mut shown = format!("{}:", message["role"].as_str().unwrap());
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        shown += &format!(" calls {}", call["id"].as_str().unwrap());
    }
    if let Some(id) = message["tool_call_id"].as_str() {
        shown += &format!(" for {id}:");
    }
    let alone = message["content"].as_str();
    let parts = message["content"].as_array().into_iter().flatten();
    let texts = parts.map(|part| part["text"].as_str().unwrap_or("(an image)"));
    for text in alone.into_iter().chain(texts) {
        shown += &format!(" {}", abridged(text));
    }
    shown
}

fn report(messages: &[Value], budget: u64) -> String {
    let list = |messages: &[Value]| -> String {
        messages
            .iter()
            .map(|message| format!("  {}\n", shown(message)))
            .collect()
    };
    let came = list(messages);
    match fitted(messages, budget, &Words) {
        Ok(Fitted {
            before,
            after,
            cuts,
        }) => {
            let left = list(request(messages).shortened(&cuts).messages());
            let (Tokens(before), Tokens(after)) = (before, after);
            format!("{before} tokens:\n{came}room for {budget}, {after} are left:\n{left}")
        }
        Err(error) => format!("{came}{error}"),
    }
}

#[test]
fn fits_already() {
    let messages = [say("system", "Be brief."), say("user", "Hello")];
    insta::assert_snapshot!(report(&messages, 18));
}

/// The oldest output goes down to 200 tokens, the next as far as it must, the last is not touched.
#[test]
fn step_1_outputs_of_tools() {
    let messages = [
        say("system", "Be brief."),
        say("user", "Why does the build fail?"),
        calls(&["c1", "c2"]),
        result("c1", &text("log", 1000)),
        result("c2", &text("diff", 600)),
        calls(&["c3"]),
        result("c3", &text("line", 400)),
    ];
    insta::assert_snapshot!(report(&messages, 1200));
}

/// Two turns go, since outputs of 200 tokens each would not do; the output that is left is then cut
/// only as far as it must.
#[test]
fn step_2_oldest_turns() {
    let messages = [
        say("system", "Be brief."),
        say("assistant", "How can I help?"),
        say("user", &text("first", 300)),
        calls(&["c1"]),
        result("c1", &text("log", 1000)),
        say("assistant", &text("reply", 100)),
        say("system", "The user is in a hurry."),
        say("user", &text("second", 200)),
        calls(&["c2"]),
        result("c2", &text("diff", 600)),
        say("assistant", &text("answer", 100)),
        say("user", "And now?"),
    ];
    insta::assert_snapshot!(report(&messages, 700));
}

/// An agent at work: the question stays and the last exchange, exchanges between them go whole.
#[test]
fn step_2_oldest_exchanges() {
    let messages = [
        say("system", "You are an agent."),
        say("user", "Hello"),
        say("assistant", "Hello, what is to be done?"),
        say("user", "Find the bug."),
        calls(&["c1", "c2"]),
        result("c2", &text("grep", 150)),
        result("c1", &text("file", 150)),
        calls(&["c3"]),
        result("c3", &text("test", 150)),
        calls(&["c4"]),
        result("c4", &text("diff", 150)),
    ];
    insta::assert_snapshot!(report(&messages, 380));
}

/// Outputs of what has to stay go down to 50 tokens.
#[test]
fn step_3_outputs_that_are_left() {
    let messages = [
        say("system", "You are an agent."),
        say("user", "Read these."),
        say("assistant", "I shall."),
        say("user", "Do."),
        calls(&["c1", "c2", "c3"]),
        result("c1", &text("one", 500)),
        result("c2", &text("two", 500)),
        result("c3", &text("three", 500)),
    ];
    insta::assert_snapshot!(report(&messages, 350));
}

/// The page is the longest text, and cutting it does; an image can't be cut.
#[test]
fn step_4_the_longest_text() {
    let messages = [
        say("system", "You proofread."),
        json!({"role": "user", "name": "ann", "content": [
            {"type": "text", "text": text("ask", 80)},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "text", "text": text("page", 5000)},
        ]}),
        say("assistant", &text("draft", 90)),
    ];
    insta::assert_snapshot!(report(&messages, 1000));
}

/// Even cut to their ends, the texts are too long.
#[test]
fn too_long() {
    let messages = [
        say("system", &text("rule", 500)),
        say("user", &text("page", 5000)),
    ];
    insta::assert_snapshot!(report(&messages, 500));
}
