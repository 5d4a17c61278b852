use proptest::prelude::*;

use super::*;
use crate::policy::veto::veto;

fn same(texts: &[&str], expected: &str) {
    for text in texts {
        assert_eq!(surface(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_any_reader_takes_for_one_question_has_one_form() {
    same(
        &[
            "What is the capital of France?",
            "what's the capital of france",
            "  What  is the capital\tof France ?? ",
            "Hi, what is the capital of France?",
            "What is the capital of France, please?",
            "what is the capital of France? Thanks!",
        ],
        "what is the capital of france",
    );
    same(
        &[
            "how to reverse a string",
            "Please tell me how to reverse a string.",
            "Could you please tell me how to reverse a string? Thank you!",
            "Hello! Can you tell me how to reverse a string",
        ],
        "how to reverse a string",
    );
    same(&["List five reasons", "list 5 reasons."], "list 5 reasons");
    same(
        &["list twenty-five reasons", "list 25 reasons"],
        "list 25 reasons",
    );
    same(
        &["why can't I log in", "why cannot i log in?"],
        "why can not i log in",
    );
}

#[test]
fn where_a_capital_may_carry_meaning_it_stays() {
    for (a, b) in [
        ("how do I polish it", "how do I Polish it"),
        ("what about us in war", "what about US in war"),
        ("does it matter here", "does IT matter here"),
        ("what is a march", "what is a March"),
        ("how big is a turkey", "how big is a Turkey"),
        ("who may come", "who May come"),
        ("what is c", "what is C"),
        ("what is an ion", "what is an ION"),
    ] {
        assert_ne!(surface(a), surface(b), "{a} | {b}");
        assert!(surface(a).is_some() && surface(b).is_some(), "{a} | {b}");
    }
}

#[test]
fn what_must_not_be_touched_has_no_form() {
    for text in [
        "what does `ls` do",
        "what is max_len",
        "translate \"bank\"",
        "translate 'bank' now",
        "what is 5 > 3",
        "Какая столица Франции?",
        "turn o\u{200b}ff the light",
        "WHAT DO THEY WANT FROM US",
        "hello",
        "please",
        "",
        "line one\nline two",
        "2 + 2",
    ] {
        assert_eq!(surface(text), None, "{text}");
    }
}

#[test]
fn politeness_goes_only_if_a_whole_request_stays() {
    for (text, form) in [
        // "Can you swim?" is no request to swim.
        ("Can you swim well?", "can you swim well"),
        ("Tell me about France", "tell me about france"),
        ("Hey Jude lyrics", "hey jude lyrics"),
        ("How do you say thank you?", "how do you say thank you"),
        (
            "What does it mean to say please",
            "what does it mean to say please",
        ),
        (
            "What is the German word for please",
            "what is the German word for please",
        ),
        ("please me", "please me"),
        // A statement and a question differ in their mark alone.
        ("You are a robot?", "you are a robot?"),
        ("You are a robot.", "you are a robot"),
        // The factorial of five.
        ("What is 5!", "what is 5!"),
    ] {
        assert_eq!(surface(text).as_deref(), Some(form), "{text}");
    }
}

/// Pairs that ask different things and differ in what is usually nothing.
#[test]
fn what_asks_something_else_has_another_form() {
    for (one, other) in [
        ("how do I write thank you", "how do I write"),
        ("how do I send thanks", "how do I send"),
        ("how to give thanks", "how to give"),
        ("who gave many thanks", "who gave"),
        ("whom should I please", "whom should I"),
        ("do they ever please", "do they ever"),
        ("play Please Please Please", "play Please"),
        ("write it thanks", "write it"),
        ("sort these: cat, hat, please", "sort these: cat, hat"),
        ("question what you read", "what you read"),
        ("well is dry", "is dry"),
        ("sorry is a word?", "is a word?"),
        ("please is a verb?", "is a verb?"),
        ("hello play by Adele", "play by Adele"),
        ("tell me when to stop", "when to stop"),
        ("let me know when he comes home", "when he comes home"),
        ("what is n!", "what is n"),
        ("what is 5!", "what is 5"),
        ("what is 10²", "what is 102"),
        ("what is x²", "what is x2"),
        ("is 2½ enough", "is 21⁄2 enough"),
        ("what is A in music", "what is a in music"),
        ("what does cant mean", "what does can't mean"),
        ("what does won't mean", "what does will not mean"),
        ("how do you spell 25", "how do you spell twenty-five"),
        ("his wont is to walk", "his won't is to walk"),
        ("who are the Doors", "who are the doors"),
        ("explain The Police", "explain the police"),
        ("what is the Gap", "what is the gap"),
        ("explain Genesis", "explain genesis"),
        ("its colour is red", "it's colour is red"),
        ("were here now", "we're here now"),
        ("I'd gone there", "I would gone there"),
        ("who's been here", "who is been where"),
        ("is one a prime", "is 1 a prime"),
        ("what does 👍 mean", "what does 👎 mean"),
        ("is it nоt safe", "is it safe"),
        ("is it n\u{336}o\u{336}t\u{336} safe", "is it not safe"),
        ("what is -5", "what is 5"),
        ("what is 5%", "what is 5"),
        ("let's eat, grandma", "let's eat grandma"),
    ] {
        let (a, b) = (surface(one), surface(other));
        assert!(a.is_none() || a != b, "{one} | {other}: {a:?}");
    }
}

/// A question and two dresses for it.
fn dressed() -> impl Strategy<Value = (String, String)> {
    let question = proptest::sample::select(
        &[
            "how many moons does jupiter have",
            "what is the boiling point of water",
            "why can not i open twenty five files",
            "where do penguins live",
            "which city has the most bridges",
            "write a poem about 7 rivers",
        ][..],
    );
    let dress = || {
        (
            proptest::sample::select(&["", "please ", "Hi, ", "ok, so ", "Could you please "][..]),
            any::<bool>(),
            proptest::sample::select(&["", "?", ".", ", please", ", thanks!", "  "][..]),
        )
    };
    (question, dress(), dress()).prop_map(|(question, one, two)| {
        let put_on = |(before, capital, behind): (&str, bool, &str)| {
            let mut question = question.to_owned();
            if capital {
                question = question
                    .replace("can not", "can't")
                    .replace("what is", "what's")
                    .replace("twenty five", "25");
                question = format!("{}{}", question[..1].to_uppercase(), &question[1..]);
            }
            format!("{before}{question}{behind}")
        };
        (put_on(one), put_on(two))
    })
}

proptest! {
    #[test]
    fn a_form_is_its_own_form(text in "[A-Za-z,.?!' 0-9-]{0,60}") {
        if let Some(form) = surface(&text) {
            prop_assert_eq!(surface(&form), Some(form.clone()));
        }
    }

    #[test]
    fn any_text_can_be_asked_for_its_form(text in any::<String>()) {
        let form = surface(&text);
        prop_assert!(form.is_none_or(|form| !form.is_empty()));
    }

    #[test]
    fn no_veto_stands_between_texts_of_one_form((a, b) in dressed()) {
        prop_assert_eq!(surface(&a), surface(&b));
        prop_assert!(surface(&a).is_some());
        prop_assert_eq!(veto(&Wording::of(&a), &Wording::of(&b)), None);
    }
}
