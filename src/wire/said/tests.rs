use proptest::prelude::*;

use super::*;

fn say(said: Said) -> Event {
    Event::Say { choice: 0, said }
}

fn call(name: &str, arguments: &str) -> Event {
    say(Said::Call {
        id: Some(format!("call_{name}")),
        name: name.into(),
        arguments: arguments.into(),
        extra: Map::new(),
    })
}

fn telling(with_usage: bool) -> Telling {
    Telling::new("chatcmpl-made".into(), "asked-for", 9, with_usage)
}

fn told(events: Vec<Event>, with_usage: bool) -> String {
    let mut telling = telling(with_usage);
    for event in events {
        telling.tell(event);
    }
    assert!(telling.is_whole());
    telling.end();
    String::from_utf8(telling.take()).unwrap()
}

#[test]
fn a_stream_has_one_id_its_role_first_and_its_usage_last() {
    let begin = Event::Begin {
        id: Some("msg_1".into()),
        model: Some("claude".into()),
    };
    let late = Event::Begin {
        id: Some("other".into()),
        model: None,
    };
    let counts = Counts {
        prompt: 10,
        completion: 5,
        cached: Some(4),
        cache_written: Some(3),
        reasoning: Some(2),
    };
    insta::assert_snapshot!(told(
        vec![
            begin,
            say(Said::Reasoning("hm".into())),
            say(Said::text("Hel")),
            late,
            say(Said::text("lo")),
            Event::Usage(counts),
            say(Said::Finish(Finish::Stop)),
            say(Said::text("nothing comes behind the end")),
        ],
        true
    ));
}

#[test]
fn calls_are_numbered_and_end_in_tool_calls() {
    insta::assert_snapshot!(told(
        vec![
            call("f", ""),
            say(Said::Arguments("{\"a\":".into())),
            say(Said::Arguments("1}".into())),
            call("g", "{}"),
            say(Said::Finish(Finish::Stop)),
        ],
        false
    ));
}

#[test]
fn a_call_without_an_id_gets_one_that_no_other_has() {
    let nameless = || {
        say(Said::Call {
            id: None,
            name: "f".into(),
            arguments: "{}".into(),
            extra: Map::new(),
        })
    };
    let events = [nameless(), nameless(), say(Said::Finish(Finish::Stop))];
    let (answer, _) = telling(false).whole(events).unwrap();
    let calls = answer.choices[0].message["tool_calls"].as_array().unwrap();
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert!(
        calls
            .iter()
            .all(|call| call["id"].as_str().unwrap().len() > 20)
    );
}

#[test]
fn nothing_said_is_no_answer() {
    assert_eq!(telling(false).whole([]).unwrap_err(), Incomplete::NoEnd);
    let mut unfinished = telling(false);
    assert!(!unfinished.is_whole());
    unfinished.tell(say(Said::text("Al")));
    assert!(!unfinished.is_whole());
}

#[test]
fn counts_add_up() {
    let one = Counts {
        prompt: 1,
        completion: 2,
        cached: Some(1),
        ..Counts::default()
    };
    let two = Counts {
        prompt: u64::MAX,
        completion: 1,
        reasoning: Some(1),
        ..Counts::default()
    };
    assert_eq!(
        one.plus(two),
        Counts {
            prompt: u64::MAX,
            completion: 3,
            cached: Some(1),
            cache_written: None,
            reasoning: Some(1)
        }
    );
}

fn said() -> impl Strategy<Value = Said> {
    let text = "[ -~éß🎉\n\"\\\\]{0,12}";
    prop_oneof![
        text.prop_map(Said::text),
        text.prop_map(Said::Reasoning),
        text.prop_map(Said::Refusal),
        ("[a-z]{1,4}", text).prop_map(|(name, arguments)| Said::Call {
            id: Some(format!("call_{name}")),
            name,
            arguments,
            extra: Map::new()
        }),
        text.prop_map(Said::Arguments),
    ]
}

proptest! {
    #[test]
    fn a_stream_put_together_is_the_whole_answer(
        said in prop::collection::vec((0_u64..3, said()), 0..20),
        choices in 1_u64..4,
    ) {
        let mut events: Vec<Event> = said
            .into_iter()
            .map(|(choice, said)| Event::Say { choice: choice % choices, said })
            .collect();
        events.extend((0..choices).map(|choice| Event::Say { choice, said: Said::Finish(Finish::Stop) }));
        let stream = told(events.clone(), true);
        let (answer, json) = telling(true).whole(events.clone()).unwrap();
        prop_assert_eq!(&assemble(stream.as_bytes()).unwrap(), &answer);
        prop_assert_eq!(Answer::read(&json).unwrap(), answer.clone());
        for choice in &answer.choices {
            let texts: String = events.iter().filter_map(|event| {
                let Event::Say { choice: of, said: Said::Text { text, .. } } = event else {
                    return None;
                };
                (*of == choice.index).then_some(text.as_str())
            }).collect();
            prop_assert_eq!(choice.message["content"].as_str().unwrap_or_default(), texts);
        }
    }
}

#[test]
fn calls_by_the_ten_thousand_are_put_together_in_one_go() {
    let mut events: Vec<Event> = (0..20_000).map(|n| call(&format!("f{n}"), "{}")).collect();
    events.push(say(Said::Finish(Finish::Stop)));
    let (answer, _) = telling(false).whole(events).unwrap();
    let calls = answer.choices[0].message["tool_calls"].as_array().unwrap();
    assert_eq!(
        (calls.len(), &calls[19_999]["function"]["name"]),
        (20_000, &json!("f19999"))
    );
}
