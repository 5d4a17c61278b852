use proptest::prelude::*;

use super::{Judgement::*, *};

fn judge(fresh: &str, kept: &str, cosine: Option<f32>) -> Judgement {
    let said = |text| Said::new(text, Some("stop"));
    let judgement = same_answer(said(fresh), said(kept), cosine);
    let other_way = same_answer(said(kept), said(fresh), cosine);
    assert_eq!(judgement, other_way, "{fresh} / {kept}");
    judgement
}

#[test]
fn equal_texts_are_the_same_without_a_cosine() {
    assert_eq!(judge("Eight.", "eight", None), Same);
    assert_eq!(judge("**Canberra**  is it.", "Canberra is it", None), Same);
    assert_eq!(judge("Canberra", "Sydney", None), Unsure);
    assert_eq!(judge("", "", None), Unsure);
    let long = "word ".repeat(1000);
    assert_eq!(judge(&format!("{long}a"), &format!("{long}b"), None), Same);
}

#[test]
fn the_cosine_decides_where_nothing_else_differs() {
    let (a, b) = (
        "Water boils when it is hot enough.",
        "Water boils as soon as it is hot enough.",
    );
    assert_eq!(
        judge(
            "Water boils at 100 degrees.",
            "At 100 degrees water boils!",
            Some(0.95)
        ),
        judge(a, b, Some(0.95))
    );
    assert_eq!(judge(a, b, Some(0.85)), Unsure);
    assert_eq!(judge(a, b, Some(0.5)), Different);
    assert_eq!(judge(a, b, Some(f32::NAN)), Unsure);
    let long = "Plants turn light into sugar, and they need water and air to do so. ".repeat(5);
    let other = long.replace("sugar", "glucose");
    assert_eq!(judge(&long, &other, Some(0.95)), Same);
    assert_eq!(judge(&long, &other, None), Unsure);
}

#[test]
fn numbers_tell_answers_apart_however_near_they_are() {
    assert_eq!(
        judge("It has 8 planets.", "It has 9 planets.", Some(0.99)),
        Different
    );
    assert_eq!(
        judge(
            "It was founded in 1901.",
            "Founded in 1901 by 3 men.",
            Some(0.95)
        ),
        Unsure
    );
    let filler = " and much more that can be said of it at any length that one may like".repeat(5);
    let long = |numbers: &str| format!("{numbers}{filler}");
    assert_eq!(
        judge(&long("3, 5, 7"), &long("2, 4, 6"), Some(0.99)),
        Different
    );
    assert_eq!(judge(&long("3"), &long("2"), Some(0.99)), Unsure);
}

#[test]
fn yes_and_no_are_opposed() {
    assert_eq!(
        judge("Yes, they can.", "No, they can't.", Some(0.95)),
        Different
    );
    assert_eq!(
        judge("**No**: it floats.", "Yes it sinks.", Some(0.95)),
        Different
    );
    assert_eq!(judge("False.", "True", Some(0.95)), Different);
    assert_eq!(polarity("No problem, here it is."), None);
    assert_eq!(polarity("Nothing."), None);
    assert_eq!(polarity("\"Yes\""), Some(true));
}

#[test]
fn code_must_be_equal_to_be_the_same() {
    let code =
        |language: &str, body: &str| format!("Here it is:\n\n```{language}\n{body}\n```\nDone.");
    let python = code("python", "print(sum(x))");
    let spaced = code("python", "print(sum(x))   \n").replace("Done", "Ready");
    assert_eq!(judge(&python, &spaced, Some(0.97)), Same);
    assert_eq!(
        judge(&python, &code("python", "print(max(x))"), Some(0.97)),
        Unsure
    );
    assert_eq!(
        judge(&python, &code("rust", "dbg!(x)"), Some(0.97)),
        Different
    );
    assert_eq!(judge(&python, "Use sum.", Some(0.97)), Unsure);
    assert_eq!(
        judge(&code("", "A"), &code("", "a"), Some(0.9)),
        Unsure,
        "case matters in code"
    );
}

#[test]
fn a_refusal_is_not_an_answer_and_an_error_no_evidence() {
    let refusal = "I\u{2019}m sorry, but I can't help with that.";
    assert_eq!(judge(refusal, "Mix flour and water.", Some(0.9)), Different);
    assert_eq!(
        judge(refusal, "As an AI, I have no opinion.", Some(0.7)),
        Unsure
    );
    assert_eq!(
        judge("Internal server error", "Mix flour and water.", Some(0.1)),
        Unsure
    );
}

#[test]
fn a_cut_answer_is_no_evidence() {
    let (cut, whole) = (
        Said::new("The 8 plan", Some("length")),
        Said::new("It has 9.", Some("stop")),
    );
    assert_eq!(same_answer(cut, whole, Some(0.1)), Unsure);
    assert_eq!(
        same_answer(whole, Said::new("It is big.", None), Some(0.1)),
        Unsure
    );
}

#[test]
fn a_word_and_a_sentence_about_it_are_not_different() {
    let sentence = "The capital of Australia is Canberra.";
    assert_eq!(judge("Canberra", sentence, Some(0.6)), Unsure);
    assert_eq!(judge("Sydney", sentence, Some(0.6)), Different);
}

proptest! {
    #[test]
    fn it_is_symmetric_and_never_tells_a_text_from_itself(
        a in "(yes|no|I'm sorry, I|[0-9]{0,3}|\\PC{0,8}|```|\n){0,6}",
        b in "(yes|no|I'm sorry, I|[0-9]{0,3}|\\PC{0,8}|```|\n){0,6}",
        cosine in proptest::option::of(proptest::num::f32::ANY),
    ) {
        judge(&a, &b, cosine);
        prop_assert_ne!(judge(&a, &a, cosine), Different);
    }
}

#[test]
fn an_identifier_tells_nothing() {
    let with = |id: &str| format!("Your request {id} is filed.");
    let (a, b) = (with("4f9c02be77aa1d30"), with("0b1e93cd55ef2a68"));
    assert_eq!(judge(&a, &b, None), Unsure);
    assert_eq!(judge(&a, &b, Some(0.3)), Unsure);
    assert_eq!(judge(&a, &a, None), Same);
    assert_eq!(
        judge("It costs 45 euros.", "It costs 54 euros.", None),
        Different
    );
}
