//! How much the guards see and how much they let pass, on pairs of our own.

use super::check;

fn fields(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect())
}

#[test]
fn of_hostile_pairs_no_more_than_six_in_a_hundred_pass() {
    let mut passed = Vec::new();
    let mut all = 0;
    for pair in fields(include_str!("hostile.txt")) {
        let [kind, one, other] = *pair else {
            panic!("{pair:?}")
        };
        all += 1;
        if check(one, other).is_none() {
            passed.push(format!("{kind}: {one} | {other}"));
        }
    }
    assert!(all >= 240, "{all}");
    assert!(
        passed.len() * 100 <= all * 6,
        "{} of {all}: {passed:#?}",
        passed.len()
    );
}

#[test]
fn of_everyday_paraphrases_no_more_than_four_in_a_hundred_are_vetoed() {
    let mut vetoed = Vec::new();
    let mut all = 0;
    for pair in fields(include_str!("paraphrases.txt")) {
        let [one, other] = *pair else {
            panic!("{pair:?}")
        };
        all += 1;
        if let Some(veto) = check(one, other) {
            vetoed.push(format!("{veto:?}: {one} | {other}"));
        }
    }
    assert!(all >= 60, "{all}");
    assert!(
        vetoed.len() * 100 <= all * 4,
        "{} of {all}: {vetoed:#?}",
        vetoed.len()
    );
}
