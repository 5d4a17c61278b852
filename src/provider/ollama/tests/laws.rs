//! A stream says what the whole answer says, there and back loses nothing, and nothing panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Asking, answer, lines, saying, told, told_whole};
use crate::provider::{dialect::Reader, ollama::reader::Lines};

/// What a model said: thoughts, text, calls (id, tool, arguments).
#[derive(Debug, Clone)]
struct Spoken {
    thinking: String,
    content: String,
    calls: Vec<(String, String, Value)>,
}

fn spoken() -> impl Strategy<Value = Spoken> {
    let arguments = prop_oneof![
        Just(json!({})),
        ("[a-z]{1,4}", any::<String>()).prop_map(|(key, text)| json!({key: text})),
        any::<i64>().prop_map(|number| json!({"n": number, "list": [1, null, {"deep": true}]})),
    ];
    let text = prop_oneof![Just(String::new()), "\\PC{1,30}", any::<String>()];
    let call = ("[a-z]{1,8}", arguments);
    (text.clone(), text, prop::collection::vec(call, 0..4)).prop_map(
        |(thinking, content, calls)| {
            let numbered = calls.into_iter().enumerate();
            Spoken {
                thinking,
                content,
                calls: numbered
                    .map(|(number, (name, arguments))| (format!("call_{number}"), name, arguments))
                    .collect(),
            }
        },
    )
}

impl Spoken {
    fn calls(&self) -> Vec<Value> {
        let calls = self.calls.iter();
        calls
            .map(|(id, name, arguments)| {
                json!({"id": id, "function": {"name": name, "arguments": arguments}})
            })
            .collect()
    }

    fn whole(&self) -> Value {
        json!({
            "model": "m", "done": true, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 7,
            "message": {
                "role": "assistant", "content": self.content, "thinking": self.thinking,
                "tool_calls": self.calls(),
            },
        })
    }

    /// The same in lines of a few characters each, and of so many calls.
    fn streamed(&self, piece: usize, calls: usize) -> String {
        let line = |message: Value| json!({"model": "m", "message": message, "done": false});
        let pieces = |text: &str| -> Vec<String> {
            let chars: Vec<char> = text.chars().collect();
            chars
                .chunks(piece)
                .map(|piece| piece.iter().collect())
                .collect()
        };
        let mut all = Vec::new();
        for text in pieces(&self.thinking) {
            all.push(line(
                json!({"role": "assistant", "content": "", "thinking": text}),
            ));
        }
        for text in pieces(&self.content) {
            all.push(line(json!({"role": "assistant", "content": text})));
        }
        for calls in self.calls().chunks(calls) {
            all.push(line(
                json!({"role": "assistant", "content": "", "tool_calls": calls}),
            ));
        }
        all.push(json!({
            "model": "m", "message": {"role": "assistant", "content": ""}, "done": true,
            "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 7,
        }));
        lines(&all)
    }
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_answer_says(
        spoken in spoken(), piece in 1_usize..9, calls in 1_usize..4,
        cuts in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let whole = answer(told_whole(&spoken.whole()).unwrap()).1;
        let streamed = spoken.streamed(piece, calls);
        let mut runs: Vec<String> = vec![String::new()];
        let mut cuts = cuts.into_iter().chain(std::iter::repeat(false));
        for line in streamed.split_inclusive('\n') {
            if cuts.next() == Some(true) {
                runs.push(String::new());
            }
            runs.last_mut().unwrap().push_str(line);
        }
        let told = told(runs.iter().map(String::as_bytes)).unwrap();
        prop_assert_eq!(answer(told).1, whole);
    }

    #[test]
    fn there_and_back_nothing_is_lost(spoken in spoken()) {
        let (_, json) = answer(told_whole(&spoken.whole()).unwrap());
        let message = json["choices"][0]["message"].clone();
        let mut messages = vec![json!({"role": "user", "content": "?"}), message];
        for (id, _, _) in &spoken.calls {
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "ok"}));
        }
        let sent = Asking::default().sent(&saying(json!(messages)));
        let silent = spoken.thinking.is_empty() && spoken.content.is_empty() && spoken.calls.is_empty();
        if !silent {
            let back = &sent["messages"][1];
            prop_assert_eq!(back["content"].as_str().unwrap(), &spoken.content);
            prop_assert_eq!(back["thinking"].as_str().unwrap_or_default(), &spoken.thinking);
            let calls = back["tool_calls"].as_array().cloned().unwrap_or_default();
            prop_assert_eq!(calls, spoken.calls());
        }
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _told = told([bytes.as_slice()]);
        let _whole = Lines::default().whole(&bytes, &mut Vec::new());
    }

    #[test]
    fn json_never_panics(
        content in any_json(), thinking in any_json(), calls in any_json(), logprobs in any_json(),
        counts in any_json(), done in any_json(), reason in any_json(), error in any_json(),
    ) {
        let line = json!({
            "message": {"content": content, "thinking": thinking, "tool_calls": calls}, "done": done,
            "done_reason": reason, "logprobs": logprobs, "prompt_eval_count": counts, "error": error,
        });
        if let Ok(told) = told([line.to_string().as_bytes()]) {
            let _answer = answer(told);
        }
        let _told = told([line.to_string().get(..9).unwrap_or_default().as_bytes()]);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!([])),
        Just(json!([{"function": {"name": "f", "arguments": [1]}}])),
        Just(
            json!([{"token": "t", "logprob": -1e308, "top_logprobs": [{"token": "", "logprob": 0}]}])
        ),
        Just(json!({"message": "m"})),
    ]
}
