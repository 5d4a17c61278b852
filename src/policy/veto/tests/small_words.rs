//! Modal verbs, pronouns and prepositions.

use super::*;

#[test]
fn modality() {
    all_are(
        Veto::Modality,
        &[
            ("can I park on the grass", "must I park on the grass"),
            ("do I have to wear a tie", "should I wear a tie"),
            ("am I allowed to sublet", "do I need to sublet"),
        ],
    );
    all_pass(&[
        ("can I freeze rice", "could I freeze rice"),
        ("can you explain tides", "would you explain tides"),
        ("what should I do with rust", "what can I do with rust"),
    ]);
}

#[test]
fn persons() {
    all_are(
        Veto::Persons,
        &[
            ("should I trust you", "should you trust me"),
            ("did she pay me", "did I pay her"),
            ("is it my fault or theirs", "is it your fault or theirs"),
        ],
    );
    all_pass(&[
        ("how do I keep basil fresh", "how do you keep basil fresh"),
        ("can you tell me how I fix it", "how do I fix it"),
    ]);
}

#[test]
fn limits() {
    all_are(
        Veto::Limit,
        &[
            (
                "what is the fastest train",
                "what is the fastest train in Asia",
            ),
            (
                "which is the oldest bridge",
                "which is the oldest bridge in town",
            ),
            ("when do shops close", "when do shops close in Malta"),
        ],
    );
    all_pass(&[
        (
            "what is the tallest tree",
            "what is the tallest tree in the world",
        ),
        ("who was Ada Lovelace", "who was Lovelace"),
        (
            "how do I reset my password",
            "how do I reset my password for good",
        ),
    ]);
}

#[test]
fn letters() {
    all_are(
        Veto::Word,
        &[
            ("what is vitamin a good for", "what is vitamin b good for"),
            ("is plan a cheaper", "is plan b cheaper"),
            ("what is hepatitis B", "what is hepatitis"),
        ],
    );
    all_pass(&[("can u help me move", "can you help me move")]);
}

#[test]
fn what_stands_beside_it_makes_a_word_another() {
    all_are(
        Veto::Numbers,
        &[("weigh 3 apples and 5 pears", "weigh 5 apples and 3 pears")],
    );
    all_are(
        Veto::Order,
        &[("who is older than Bob", "who is Bob older than")],
    );
    all_are(
        Veto::Word,
        &[
            ("translate hello for them", "translate goodbye for them"),
            ("what is foo.bar in there", "what is foo.baz in there"),
        ],
    );
    all_are(
        Veto::Code,
        &[("what is O(n) in there", "what is O(n log n) in there")],
    );
    all_pass(&[
        ("weigh 3 apples and 5 pears", "weigh 5 pears and 3 apples"),
        ("hello, how do I swim", "how do I swim"),
        ("where are the book(s)", "where are the books"),
    ]);
}
