//! Our splitting and merging against the crate that has the tables.

use proptest::prelude::*;

use super::family;

fn check(text: &str) {
    let of = |model: &str| usize::try_from(family(model).text(text).most.0).unwrap();
    let o200k = tiktoken_rs::o200k_base_singleton().count_ordinary(text);
    assert_eq!(of("gpt-4o"), o200k, "o200k of {text:?}");
    let cl100k = tiktoken_rs::cl100k_base_singleton().count_ordinary(text);
    assert_eq!(of("gpt-4"), cl100k, "cl100k of {text:?}");
}

#[test]
fn texts_that_have_tripped_others() {
    for text in [
        "",
        " ",
        "\n",
        "<|endoftext|> and <|im_start|>user",
        "don't WE'LL I'M they\u{2019}re 'SAID 'ſ I'ſo it's'll",
        ".\n/.\n//\r\n/x ./\n\n/",
        "HTMLParser fooBAR ABCdef \u{1C5}xY \u{2B0}A A\u{301}B \u{301}ABC \u{301}'s",
        "  \u{3000}\u{A0}x\t\ty \u{85}\u{2028}z   ",
        "a  \n  \n b\r\n\r\n   c\n   ",
        "1234567 1²3½ ٣٤٥٦ Ⅻ 1,234.5",
        "昨日、祖母と竹林を歩いた。カタカナ・ひらがな",
        "नमस्ते दुनिया สวัสดีชาวโลก გამარჯობა",
        "👩‍👩‍👧‍👦🇨🇭❤️ 🙋🏽‍♂️\u{FE0F}\u{200D}",
        "\u{0}\u{7F}\u{FEFF}\u{FFFD}\u{10FFFF}",
        "func(a,b){return a+b;} // ok\n\t\tif x != y && z >= 3 {\n",
    ] {
        check(text);
    }
}

#[test]
fn long_pieces_are_merged_alike() {
    for piece in [
        "a",
        " ",
        "\n",
        "-",
        "ab",
        "=-",
        "ก",
        "漢字",
        "\u{301}",
        "Aa",
        " \u{3000}",
        "🎉",
    ] {
        for times in [60, 190, 700, 3000] {
            check(&piece.repeat(times));
        }
    }
}

#[test]
fn a_megabyte_of_one_letter_takes_no_square_of_time() {
    // A square of 500 000 would not end today.
    assert_eq!(family("gpt-4o").text(&"a".repeat(500_000)).most.0, 62_500);
}

#[test]
fn what_is_remembered_is_of_its_encoding() {
    let text = "Der Überseehafen wurde fünfzehnmal vergrößert. ".repeat(60);
    for _ in 0..2 {
        check(&text);
    }
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn dense_in_what_matters(text in "[a-cA-C'sSTtrevl ſ\n\r\t 0-9/.,!\u{301}\u{3b1}\u{1c5}ʰªʻ漢ภท\u{a0}\u{85}\u{3000}<|>_-]{0,40}") {
        check(&text);
    }

    #[test]
    fn cases_and_marks(text in "[aAxX'sS \u{301}\u{1c5}ʰ\n.]{0,12}") {
        check(&text);
    }

    #[test]
    fn of_all_classes(text in "(\\PC|[ -~]|\\s|\\p{M}|\\p{Lu}|\\p{Lo}|\\p{N}){0,50}") {
        check(&text);
    }

    #[test]
    fn long_words(letters in "[a-z]{150,600}", thai in "[\u{e01}-\u{e3a}]{50,300}", few in "(a|ab|  |\\.){100,500}") {
        check(&letters);
        check(&thai);
        check(&few);
    }
}

#[test]
fn a_piece_longer_than_anybody_writes_costs_a_token_or_two_a_border() {
    let texts = [".".repeat(200_000), "xy".repeat(80_001), "é".repeat(70_000)];
    for text in texts {
        let exact = tiktoken_rs::o200k_base_singleton().count_ordinary(&text) as u64;
        let counted = family("gpt-4o").text(&text).most.0;
        assert!((exact..=exact + 6).contains(&counted), "{counted} {exact}");
    }
}
