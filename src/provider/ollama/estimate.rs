//! How many tokens a text may have, without a tokenizer: models on Ollama have dozens.
//!
//! [`most`] is meant to be too high rather than too low, so that a context window made for it fits;
//! [`least`] too low rather than too high, so that a prompt that does not fit by it surely does not.
//! Both take one pass. Measured against o200k_base in the tests.

/// What a character adds to [`most`], in sixths of a token.
///
/// | characters | tokens each | why |
/// |---|---|---|
/// | ASCII lower case | 1/3, at least one a word | words of four letters are one token, rare ones three |
/// | ASCII upper case, digits, punctuation, line ends | 1 | older vocabularies split them singly |
/// | spaces | the first is part of a word; 1/4 of a run | runs are merged, by some up to 16 |
/// | Latin, Greek, Cyrillic, Hebrew, Arabic | 1 | a letter that is no part of a known word |
/// | Han, kana, Hangul, Indic scripts, Thai | 1 1/2 | one to two, the less usual the more |
/// | everything else | its bytes in UTF-8 | bytes are what every vocabulary falls back to |
fn weight(c: char) -> u64 {
    match u32::from(c) {
        0xC0..=0x6FF | 0x1E00..=0x1EFF => 6,
        0x900..=0xEFF | 0x3000..=0x9FFF | 0xAC00..=0xD7FF | 0xFF00..=0xFFEF => 9,
        _ => 6 * c.len_utf8() as u64,
    }
}

/// More tokens than `text` has, in any usual vocabulary.
pub(super) fn most(text: &str) -> u64 {
    let mut sixths = 0;
    let (mut word, mut spaces) = (0_u64, 0_u64);
    for c in text.chars() {
        if c.is_ascii_lowercase() {
            word += 1;
        } else {
            sixths += 6 * std::mem::take(&mut word).div_ceil(3);
        }
        if c == ' ' {
            spaces += 1;
        } else {
            sixths += 6 * spaces_as_tokens(std::mem::take(&mut spaces));
        }
        if !(c.is_ascii_lowercase() || c == ' ') {
            sixths += weight(c);
        }
    }
    sixths += 6 * (word.div_ceil(3) + spaces_as_tokens(spaces));
    sixths.div_ceil(6).min(text.len() as u64)
}

fn spaces_as_tokens(run: u64) -> u64 {
    if run > 1 { run.div_ceil(4) } else { 0 }
}

/// Fewer tokens than `text` has, in any usual vocabulary: a character repeated counts once, one of an
/// East Asian script as 3/8, any other as 1/8.
pub(super) fn least(text: &str) -> u64 {
    let mut eighths = 0;
    let mut before = None;
    for c in text.chars() {
        if before == Some(c) {
            continue;
        }
        before = Some(c);
        eighths += match u32::from(c) {
            0x3000..=0x9FFF | 0xAC00..=0xD7FF => 3,
            _ => 1,
        };
    }
    eighths / 8
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use proptest::prelude::*;

    use super::*;

    /// Texts of many kinds, our own.
    const TEXTS: [(&str, &str); 20] = [
        (
            "english",
            "The harbour was quiet that morning, and nobody noticed the small boat that had come in \
             during the night. Its owner, a retired surveyor, had been charting the islands for eleven \
             years. When they asked her why, she answered that maps were never finished: they were only \
             left alone for a while.",
        ),
        (
            "technical english",
            "To configure the replication factor, set `max_replicas` in the cluster section and restart \
             each broker in turn. Throughput degrades considerably if acknowledgements are required from \
             geographically distributed nodes, since every commit waits for a majority.",
        ),
        (
            "german",
            "Die Donaudampfschifffahrtsgesellschaft veröffentlichte gestern ihre Unternehmenskennzahlen; \
             die Geschäftsführung sprach von außergewöhnlichen Herausforderungen.",
        ),
        (
            "french",
            "L'été dernier, nous avons traversé la forêt à vélo, malgré la chaleur et les moustiques.",
        ),
        (
            "vietnamese",
            "Hôm nay trời đẹp quá, chúng ta hãy cùng nhau đi dạo quanh bờ hồ và uống cà phê.",
        ),
        (
            "polish",
            "Zażółć gęślą jaźń, powiedział nauczyciel, a uczniowie wybuchnęli głośnym śmiechem.",
        ),
        (
            "russian",
            "Вчера вечером мы долго гуляли по набережной и говорили о том, что будет дальше.",
        ),
        ("greek", "Η θάλασσα ήταν ήρεμη και ο ουρανός χωρίς σύννεφα."),
        (
            "hebrew",
            "בבוקר יצאנו לטיול ארוך בהרים וחזרנו רק לפנות ערב.",
        ),
        (
            "arabic",
            "ذهبنا إلى السوق في الصباح الباكر واشترينا الخبز والزيتون.",
        ),
        ("hindi", "आज सुबह हम नदी के किनारे टहलने गए और वहाँ चाय पी।"),
        ("tamil", "இன்று காலை நாங்கள் கடற்கரைக்குச் சென்றோம்."),
        ("thai", "เมื่อวานนี้เราไปเดินเล่นที่ตลาดน้ำและซื้อผลไม้มากมาย"),
        (
            "chinese",
            "昨天晚上我们沿着河边散步,谈论未来的计划,直到路灯全部亮起来。",
        ),
        (
            "japanese",
            "昨日の夜、川沿いを散歩しながら、これからの計画について話し合いました。",
        ),
        (
            "korean",
            "어제 저녁에 우리는 강가를 따라 산책하면서 앞으로의 계획에 대해 이야기했다.",
        ),
        ("amharic", "ትናንት ምሽት በወንዙ ዳር ተራመድን።"),
        ("emoji", "Well done 🎉🎉 👩‍👩‍👧‍👦 see you 🚀 soon 🇨🇭!"),
        (
            "code",
            "fn main() {\n    let mut totals: HashMap<String, Vec<u64>> = HashMap::new();\n    for (i, \
             line) in input.lines().enumerate() {\n        if line.trim().is_empty() { continue; }\n        \
             totals.entry(key_of(line)).or_default().push(i as u64 * 0x1F);\n    }\n\t\tassert_eq!(a[i]->b, \
             !c && d || e);\n}\n",
        ),
        (
            "json",
            r#"{"id":"9f86d081-884c-7d65-9a2f-eaa0c55ad015","items":[{"sku":"AB-1029-X","qty":3,"price":19.95,"tags":["new","sale"]},{"sku":"QQ-77","qty":0,"price":null}],"total":59.85,"at":"2026-03-14T15:09:26.535Z"}"#,
        ),
    ];

    fn real(text: &str) -> u64 {
        tiktoken_rs::o200k_base_singleton()
            .encode_ordinary(text)
            .len() as u64
    }

    #[test]
    fn the_estimates_embrace_the_count() {
        let mut texts = TEXTS.map(|(kind, text)| (kind, text.to_owned())).to_vec();
        let mut bytes = [0; 3000];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        texts.push(("base64", BASE64_STANDARD.encode(bytes)));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        texts.push(("hex", hex));
        texts.push(("digits", "31415926535897932384626433832795".repeat(9)));
        texts.push(("indented", "        deep\n            deeper\n".repeat(40)));
        texts.push(("rules", "-".repeat(500)));
        let mut shown = String::new();
        for (kind, text) in &texts {
            let (least, real, most) = (least(text), real(text), most(text));
            assert!(least <= real, "{kind}: {least} > {real}");
            assert!(real <= most, "{kind}: {real} > {most}");
            if kind.contains("english") {
                assert!(most <= 2 * real, "{kind}: {most} > 2 * {real}");
            }
            shown += &format!("{kind}: {least} <= {real} <= {most}\n");
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!((least(""), most("")), (0, 0));
        assert_eq!((least(" "), most(" ")), (0, 0));
    }

    proptest! {
        #[test]
        fn least_is_no_more_than_most_and_most_no_more_than_the_bytes(text in any::<String>()) {
            prop_assert!(least(&text) <= most(&text).max(1));
            prop_assert!(most(&text) <= text.len() as u64);
        }

        #[test]
        fn a_longer_text_is_estimated_no_shorter(a in "[ -~]{0,60}", b in "[ -~]{0,60}") {
            let both = a.clone() + &b;
            prop_assert!(most(&both) + 1 >= most(&a));
        }
    }
}
