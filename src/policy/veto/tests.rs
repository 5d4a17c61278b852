use super::*;

mod laws;
mod pairs;
mod small_words;

fn check(a: &str, b: &str) -> Option<Veto> {
    let (a, b) = (Wording::of(a), Wording::of(b));
    assert_eq!(
        veto(&a, &b),
        veto(&b, &a),
        "a veto has no direction: {a:?} | {b:?}"
    );
    veto(&a, &b)
}

fn all_are(expected: Veto, pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        assert_eq!(check(a, b), Some(expected), "{a} | {b}");
    }
}

fn all_pass(pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        assert_eq!(check(a, b), None, "{a} | {b}");
    }
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<&str> = Veto::ALL.iter().map(|veto| veto.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Veto::ALL.len());
    assert!(names.iter().all(|name| name.starts_with("veto_")));
}

#[test]
fn everyday_paraphrases_pass() {
    all_pass(&[
        (
            "How many planets are there in the solar system?",
            "how many planets are in our solar system",
        ),
        ("What's the capital of France?", "what is france's capital"),
        (
            "What's the capital of France?",
            "what is the capital of france",
        ),
        (
            "how do I reverse a string",
            "Please tell me how to reverse a string",
        ),
        ("I can't log in", "I cannot log in"),
        ("I can't log in", "I can not login"),
        (
            "Which planet is the largest?",
            "Which is the largest planet?",
        ),
        (
            "difference between tcp and udp",
            "difference between udp and tcp",
        ),
        (
            "In Python, how do I sort a list?",
            "How do I sort a list in Python?",
        ),
        ("how do I resset my password", "how do I reset my password"),
        ("Write a title for it.", "Suggest a title for it."),
        ("is new york city expensive", "Is NYC expensive?"),
        ("what is an e-mail", "what is an email"),
        ("my adress has changed", "my address has changed"),
    ]);
}

#[test]
fn numbers() {
    all_are(
        Veto::Numbers,
        &[
            ("what is 15 % of 80", "what is 50 % of 80"),
            ("meet at 5 pm", "meet at 5 am"),
            ("list two reasons", "list three reasons"),
            ("list one reason", "list two reasons"),
            ("is it 3 hours", "is it three hours or 4"),
            ("compute 5 - 3", "compute 3 - 5"),
            ("from 5 to 3 metres", "from 3 to 5 metres"),
            ("run 5 miles", "run 5 km"),
            ("what is 10²", "what is 102"),
            ("add 2½ cups", "add 21⁄2 cups"),
            ("what is 8 divided by 2", "what is 2 divided by 8"),
            ("pay $5", "pay 5 euros"),
            ("type 1 diabetes", "type 2 diabetes"),
            ("the first president", "the second president"),
            ("python 3.1", "python 3.10"),
            ("on 2024-01-05", "on 2024-05-01"),
            ("take 0.5 mg", "take 5 mg"),
            ("twenty five people", "twenty six people"),
            ("world war II", "world war III"),
            ("is -5 an integer", "is 5 an integer"),
        ],
    );
    all_pass(&[
        ("list 3 reasons", "list three reasons"),
        ("list 1 reason", "list one reason"),
        ("population of 1,000 people", "population of 1000 people"),
        ("run 5 km", "run five kilometers"),
        ("run 5km", "run 5 kilometres"),
        ("meet at 5 pm", "meet at 5:00 p.m."),
        ("meet at 5pm", "meet at 17:00"),
        ("the 21st century", "the twenty-first century"),
        ("twenty five people", "25 people"),
        ("two thousand five hundred people", "2,500 people"),
        ("pay $5", "pay 5 dollars"),
        ("10% off", "10 percent off"),
        ("5k followers", "5000 followers"),
        ("5 million people", "5,000,000 people"),
        ("one million people", "1 million people"),
        ("which one is the best", "which is the best"),
        ("add 3 and 5", "add 5 and 3"),
    ]);
}

#[test]
fn negation() {
    all_are(
        Veto::Negation,
        &[
            ("is aspirin safe for dogs", "isn't aspirin safe for dogs"),
            ("food with nuts", "food containing no nuts"),
            ("things to worry about", "things not to worry about"),
        ],
    );
    all_pass(&[("why won't it start", "why will it not start")]);
    // Of little matter in common, a "not" says nothing.
    all_pass(&[(
        "why is my payment declined",
        "my card is not working at shops",
    )]);
}

#[test]
fn opposites() {
    all_are(
        Veto::Opposites,
        &[
            ("turn on dark mode", "turn off dark mode"),
            ("enabling two-factor login", "disabling two-factor login"),
            ("sort the list ascending", "sort the list descending"),
            ("what to eat before a run", "what to eat after a run"),
            ("shops open on Monday", "shops open on Tuesday"),
            ("who is the president", "who was the president"),
            ("would he reject her", "would she reject him"),
            ("how much do cats eat", "how many do cats eat"),
            ("I bought a car", "I sold a car"),
            ("is hypertension dangerous", "is hypotension dangerous"),
            ("how are trainers paid", "how are trainees paid"),
            ("is that constitutional", "is that unconstitutional"),
            ("a harmless spider bite", "a harmful spider bite"),
        ],
    );
    // Two spellings of one member are not opposites.
    all_pass(&[("yearly report", "annual report")]);
}

#[test]
fn quotes() {
    all_are(
        Veto::Quotes,
        &[
            ("translate \"bank\"", "translate \"bench\""),
            ("translate 'bank' please", "translate 'bench' please"),
            ("translate “bank”", "translate “bench”"),
            ("translate «bank»", "translate «bench»"),
            ("say \"yes\" and \"no\"", "say \"yes\" and \"yes\""),
            ("replace \"a\" with \"b\"", "replace \"b\" with \"a\""),
        ],
    );
    all_pass(&[
        ("translate “bank”", "translate \"bank\""),
        ("compare \"a\" and \"b\"", "compare \"b\" and \"a\""),
        (
            "the students' books aren't here",
            "the students' books are not here",
        ),
    ]);
}

#[test]
fn code() {
    all_are(
        Veto::Code,
        &[
            ("what does `ls -l` do", "what does `ls -a` do"),
            ("what is max_len", "what is min_len"),
            ("is x > y", "is x < y"),
            ("is a == b", "is a != b"),
            ("what is 5 + 3", "what is 5 - 3"),
            ("git push --force", "git push"),
            ("copy with cp -r", "copy with cp -R"),
            ("open /etc/hosts now", "open /etc/passwd now"),
            // Encoders have one piece for all of them: the vectors are equal.
            ("what does 👍 mean", "what does 👎 mean"),
            ("is x ≤ y true", "is x ≥ y true"),
            (
                "what does * match in a regex",
                "what does # match in a regex",
            ),
            ("what does * match in a regex", "what does match in a regex"),
            ("why is i++ slow", "why is ++i slow"),
        ],
    );
    all_pass(&[
        ("explain `x` please", "please explain `x`"),
        ("git and/or svn", "git and/or svn?"),
        ("how are you ?", "how are you - today"),
    ]);
}

#[test]
fn script() {
    assert_eq!(check("ok Москва", "ok Moscow"), Some(Veto::Script));
    assert_eq!(check("Menu of the café", "menu of the café"), None);
}

#[test]
fn names() {
    all_are(
        Veto::Names,
        &[
            ("how tall is Anna", "how tall is Robert"),
            (
                "who founded IBM and when",
                "which year did SAP start and who founded it",
            ),
            ("is Zagreb far", "tell me if Ljubljana is far"),
        ],
    );
    all_pass(&[
        ("who founded Ljubljana", "who founded ljubljana"),
        ("how tall is Robert", "how tall is Robrt"),
        ("Tell me about Anna", "tell me about anna"),
    ]);
}

#[test]
fn demands() {
    all_are(
        Veto::Demand,
        &[
            (
                "What is photosynthesis?",
                "What is photosynthesis? Answer in French.",
            ),
            (
                "What is photosynthesis?",
                "Explain photosynthesis step by step",
            ),
            ("Describe gravity", "Describe gravity for a child"),
            ("List the continents", "List the continents as JSON"),
            ("Describe gravity briefly", "Describe gravity in detail"),
        ],
    );
    all_pass(&[("translate it to French", "Translate it into French")]);
}

#[test]
fn modifiers() {
    all_are(
        Veto::Modifier,
        &[
            ("Is Anna an accountant?", "Is Anna becoming an accountant?"),
            ("is it open to members", "is it only open to members"),
        ],
    );
    all_pass(&[("quit the job", "quitting the job")]);
}

#[test]
fn order() {
    all_are(
        Veto::Order,
        &[
            ("flights from rome into oslo", "flights from oslo into rome"),
            ("flights from rome to oslo", "flights to rome from oslo"),
            ("did the dog bite the cat", "did the cat bite the dog"),
            ("is Jill taller than Jack", "is Jack taller than Jill"),
            ("convert json to xml", "convert xml to json"),
            ("Did Anna leave the firm?", "Was Anna left by the firm?"),
            ("Is Anna loyal to Robert?", "Is Robert loyal to Anna?"),
            ("city of the king", "king of the city"),
        ],
    );
    all_pass(&[
        ("Did Anna wash the cat?", "Was the cat washed by Anna?"),
        ("Is Anna married to Robert?", "Is Robert married to Anna?"),
        ("is he a cook and a poet", "is he a poet and a cook"),
        ("flights from rome to oslo", "flights to oslo from rome"),
        ("weather in london", "london weather"),
    ]);
}

#[test]
fn one_word_put_for_another() {
    all_are(
        Veto::Word,
        &[
            (
                "what is the pH of whole milk",
                "what is the fat content of whole milk",
            ),
            (
                "how do I remove paint from glass",
                "how do I remove wax from glass",
            ),
            ("weather in springfield", "weather in san antonio"),
            ("what is entropy", "what is enthalpy"),
        ],
    );
    all_pass(&[
        ("how do I fix a car", "how do I repair a car"),
        (
            "how do I fix a flat tyre",
            "what should I do with a tyre that is flat",
        ),
    ]);
}

/// Sentences with each two words of a group, in the forms that `form` makes of them.
fn each_pair(mut check_pair: impl FnMut(&str, &str)) {
    let lines = include_str!("opposites.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let members: Vec<Vec<String>> = line
            .split(' ')
            .map(|words| {
                words
                    .split('/')
                    .map(|word| word.replace('_', " "))
                    .collect()
            })
            .collect();
        assert!(members.len() >= 2, "{line}");
        for (at, member) in members.iter().enumerate() {
            for other in members.iter().skip(at + 1).flatten() {
                member.iter().for_each(|word| check_pair(word, other));
            }
        }
    }
}

#[test]
fn every_group_of_the_table_vetoes() {
    each_pair(|a, b| {
        let with = |word: &str| format!("report {word} zebras");
        let found = check(&with(a), &with(b));
        assert!(
            matches!(found, Some(Veto::Opposites | Veto::Numbers)),
            "{a} | {b}: {found:?}"
        );
    });
}

#[test]
fn plurals_and_verb_forms_of_the_table_veto() {
    for (a, b) in [
        ("enables", "disabled"),
        ("locking", "unlocked"),
        ("accepted", "declining"),
        ("increases", "decreased"),
        ("cities", "countries"),
        ("dogs", "cats"),
        ("engineers", "scientists"),
        ("sent", "received"),
        ("wives", "husbands"),
        ("children", "adults"),
        ("buying", "sold"),
        ("databases postgres", "databases mysql"),
    ] {
        let with = |word: &str| format!("report {word} there");
        assert_eq!(
            check(&with(a), &with(b)),
            Some(Veto::Opposites),
            "{a} | {b}"
        );
    }
}
