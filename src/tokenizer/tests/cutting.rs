//! Cuts keep to their budget, to borders of characters and to clusters.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::{MODELS, family};
use crate::{policy::truncate::Counter, units::Tokens};

const PROSE: &str = "The ferry leaves at 07:15, so we packed the night before; nobody's forecast was right. \
    Wir fuhren trotzdem. 昨天晚上我们沿着河边散步。 เมื่อวานนี้เราไปเดินเล่น 🎉🎉 👩‍👩‍👧‍👦\n\n   let x = totals[\"a\"] + 0x1F;\n";

fn check(text: &str, most: u64) {
    for model in MODELS {
        let family = family(model);
        let most = Tokens(most);
        let (end, start) = (family.beginning(text, most), family.end(text, most));
        assert!(text.is_char_boundary(end) && text.is_char_boundary(start));
        assert!(
            family.count(&text[..end]) <= most,
            "{model} {most:?} {text:?}"
        );
        assert!(
            family.count(&text[start..]) <= most,
            "{model} {most:?} {text:?}"
        );
        if family.count(text) <= most {
            assert_eq!((end, start), (text.len(), 0), "{model} {most:?} {text:?}");
        }
    }
}

#[test]
fn little_is_left_unused() {
    let text = PROSE.repeat(40);
    for model in MODELS {
        let family = family(model);
        for most in [10, 100, 1000] {
            let beginning = family.count(&text[..family.beginning(&text, Tokens(most))]);
            let end = family.count(&text[family.end(&text, Tokens(most))..]);
            // An emoji of a family is 18 tokens, and is not cut; in a near count they are more.
            let unused = if family.is_exact() { 20 } else { 45 };
            assert!(
                beginning.0 + unused >= most,
                "{model}: {beginning:?} of {most}"
            );
            assert!(end.0 + unused >= most, "{model}: {end:?} of {most}");
        }
    }
}

#[test]
fn clusters_stay_whole() {
    let text = "👩‍👩‍👧‍👦 e\u{301}\u{302} 🇨🇭🇧🇷 नि क्षि \r\n".repeat(3);
    let borders: Vec<usize> = text
        .grapheme_indices(true)
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    for most in 0..80 {
        let family = family("gpt-4o");
        assert!(
            borders.contains(&family.beginning(&text, Tokens(most))),
            "{most}"
        );
        assert!(borders.contains(&family.end(&text, Tokens(most))), "{most}");
    }
}

#[test]
fn long_texts_of_one_piece_are_cut() {
    for piece in ["a", " ", "ก", "\u{301}", "🇨🇭", "-"] {
        check(&piece.repeat(20_000), 300);
    }
}

proptest! {
    #[test]
    fn what_is_cut_fits(text in "(\\PC|[ -~]|\\s|\\p{M}|[a-z]{1,9}| |[0-9]){0,120}", most in 0_u64..120) {
        check(&text, most);
    }

    #[test]
    fn spaces_and_short_forms_too(text in "['stlm \n\t\u{3000}a-c.]{0,60}", most in 0_u64..30) {
        check(&text, most);
    }
}
