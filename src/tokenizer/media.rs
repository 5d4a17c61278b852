//! What images, sound and files cost.
//!
//! Sources, all seen 2026-11: <https://platform.openai.com/docs/guides/images-vision> for OpenAI,
//! <https://platform.claude.com/docs/en/build-with-claude/vision> for Claude,
//! <https://ai.google.dev/gemini-api/docs/tokens> for Gemini. Where the size or the rule is not known, the
//! count is between the least and the most that is known of any.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::Count;

/// How a model sees images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Vision {
    /// So many tokens for an image, and so many for each tile of 512 by 512 pixels.
    Tiles(u64, u64),
    /// So many hundredths of a token for each patch of 32 by 32 pixels, of which there are 1536 at most.
    Patches(u64),
    /// GPT from 5.2, which sees more patches the later it is, at 1.2 tokens each.
    RecentGpt,
    /// Patches of 28 by 28 pixels, or the area divided by 750; later versions see larger images.
    Claude,
    /// Tiles of 768 by 768 pixels, or a number for each resolution, as the version has it.
    Gemini,
    /// Anything that is not known.
    Unknown,
}

/// How closely a model is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Low,
    High,
    /// As the model chooses.
    Auto,
}

/// Width and height in pixels, neither of them zero.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size(f64, f64);

/// The most that an image of unknown size costs where no rule has a limit: a photo of 12 megapixels at the
/// dearest rule that is known.
const IMAGE: u64 = 16_384;

/// The most patches of 32 by 32 pixels that earlier models see.
const PATCHES: f64 = 1536.0;

/// Files by reference: nobody here knows what is in them. A hundred pages of a PDF.
const FILE: u64 = 50_000;

/// What the page of a PDF costs beside its text, with room for the text of short files.
const PDF: u64 = 8_000;

/// Sound is at most 32 tokens a second (Gemini; OpenAI 10), and at least a kilobyte a second.
const BYTES_OF_SOUND: u64 = 31;

/// The beginnings of images that are read for their size: the second if the first holds too little, as
/// in photos that carry a preview. Bytes of base64, in whole groups of four.
const HEADERS: [usize; 2] = [16 * 1024, 1024 * 1024];

const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Vision {
    /// Of a model of OpenAI's, by its name in lower case.
    pub(super) fn of_openai(name: &str) -> Self {
        let is = |beginning: &str| name.starts_with(beginning);
        let small = |kind: &str| name.contains(kind);
        if is("gpt-4o-mini") {
            Self::Tiles(2833, 5667)
        } else if is("gpt-4.1-mini") || (is("gpt-5-") && small("-mini")) {
            Self::Patches(162)
        } else if is("gpt-4.1-nano") || (is("gpt-5-") && small("-nano")) {
            Self::Patches(246)
        } else if is("o4-mini") {
            Self::Patches(172)
        } else if is("gpt-5.") && !is("gpt-5.1") {
            Self::RecentGpt
        } else if is("gpt-5") {
            Self::Tiles(70, 140)
        } else if is("gpt-4") || is("chatgpt-4o") {
            Self::Tiles(85, 170)
        } else if is("o1") || is("o3") {
            Self::Tiles(75, 150)
        } else if is("computer-use") {
            Self::Tiles(65, 129)
        } else {
            Self::Unknown
        }
    }

    /// What one image costs, of which `url` tells the size if it is a data URL.
    pub(super) fn image(self, url: &str, detail: Option<&str>) -> Count {
        let detail = match detail {
            Some("low") => Detail::Low,
            Some("high") => Detail::High,
            Some(_) | None => Detail::Auto,
        };
        self.sized(size_of(url), detail)
    }

    fn sized(self, size: Option<Size>, detail: Detail) -> Count {
        match (self, size) {
            (Self::Tiles(base, _), _) if detail == Detail::Low => Count::exactly(base),
            (Self::Tiles(base, tile), Some(size)) => {
                let all = base + tile * tiles(size);
                let least = if detail == Detail::High { all } else { base };
                Count::between(least, all)
            }
            // Tiles of the long side, of at most 2048 pixels, by those of the short one, of 768.
            (Self::Tiles(base, tile), None) => Count::between(base, base + 8 * tile),
            (Self::Patches(hundredths), Some(size)) => {
                let all = (hundredths * capped_patches(size)).div_ceil(100);
                // That less detail has fewer patches is nowhere said.
                Count::between(if detail == Detail::Low { 1 } else { all }, all)
            }
            (Self::Patches(hundredths), None) => {
                Count::between(1, (hundredths * whole(PATCHES)).div_ceil(100))
            }
            (Self::RecentGpt, Some(size)) => {
                let least = if detail == Detail::Low {
                    1
                } else {
                    capped_patches(size)
                };
                let all = (120 * whole(grid(size, 32.0))).div_ceil(100);
                Count::between(least.min(all), all.clamp(1, IMAGE))
            }
            (Self::Claude, Some(size)) => {
                let seen = shrunk(size, 1568.0);
                let least = whole(seen.0 * seen.1 / 784.0).clamp(1, 1_500);
                let most = whole(grid(size, 28.0).max(size.0 * size.1 / 750.0)).min(4_784);
                Count::between(least.min(most), most + 4)
            }
            (Self::Claude, None) => Count::between(1, 4_788),
            (Self::Gemini, Some(size)) => {
                Count::between(64, (258 * whole(grid(size, 768.0))).clamp(1_120, IMAGE))
            }
            (Self::Gemini, None) => Count::between(64, IMAGE),
            // Pixtral's patches are of 16 by 16 pixels, with one more for each row.
            (Self::Unknown, Some(size)) => {
                let small = grid(size, 16.0) + (size.1 / 16.0).ceil();
                Count::between(0, whole(small).clamp(6_240, IMAGE))
            }
            (Self::RecentGpt | Self::Unknown, None) => Count::between(0, IMAGE),
        }
    }
}

/// No image costs more than this, whoever sees it: by the tiles of GPT-4o mini.
pub(super) const DEAREST_IMAGE: u64 = 2833 + 8 * 5667;

/// What sound costs, given so many bytes of base64.
pub(super) fn sound(base64: usize) -> Count {
    Count::between(0, 32 + decoded(base64).div_ceil(BYTES_OF_SOUND))
}

/// What a file costs that is given in so many bytes of base64. PDFs are text and images: a token for four
/// bytes; of anything else a token for each byte.
pub(super) fn file(base64: usize, is_pdf: bool) -> Count {
    let bytes = decoded(base64);
    Count::between(0, if is_pdf { PDF + bytes / 4 } else { bytes })
}

/// What a file costs that is elsewhere.
pub(super) fn distant_file() -> Count {
    Count::between(0, FILE)
}

fn decoded(base64: usize) -> u64 {
    (base64 as u64).div_ceil(4) * 3
}

/// The size of the image in a data URL; only its beginning is read.
fn size_of(url: &str) -> Option<Size> {
    let (head, data) = url.split_once(',')?;
    let is_data = head.get(..5)?.eq_ignore_ascii_case("data:");
    if !is_data || !head.to_ascii_lowercase().contains(";base64") {
        return None;
    }
    HEADERS.iter().find_map(|length| {
        let data = data.as_bytes();
        let data = data.get(..(*length).min(data.len() / 4 * 4))?;
        let header = FORGIVING.decode(data).ok()?;
        let size = imagesize::blob_size(&header).ok()?;
        let side = |pixels: usize| {
            u32::try_from(pixels)
                .ok()
                .filter(|side| *side > 0)
                .map(f64::from)
        };
        Some(Size(side(size.width)?, side(size.height)?))
    })
}

/// How many squares of this side it takes to cover an image.
fn grid(size: Size, side: f64) -> f64 {
    // What rounding leaves of a whole number is no further square.
    let squares = |length: f64| (length / side - 1e-9).ceil().max(1.0);
    squares(size.0) * squares(size.1)
}

/// Scaled down so that no side is longer than this.
fn shrunk(size: Size, side: f64) -> Size {
    let factor = (side / size.0.max(size.1)).min(1.0);
    Size(size.0 * factor, size.1 * factor)
}

/// Tiles of 512 pixels, when the image has been fit into 2048 by 2048 pixels and its short side into 768.
fn tiles(size: Size) -> u64 {
    let seen = shrunk(size, 2048.0);
    let factor = (768.0 / seen.0.min(seen.1)).min(1.0);
    whole(grid(Size(seen.0 * factor, seen.1 * factor), 512.0))
}

/// Patches of 32 pixels; an image that has too many is scaled down until a whole number of them fits one
/// of its sides.
fn capped_patches(size: Size) -> u64 {
    if grid(size, 32.0) <= PATCHES {
        return whole(grid(size, 32.0));
    }
    let factor = (32.0 * 32.0 * PATCHES / (size.0 * size.1)).sqrt();
    let fit = |length: f64| {
        let patches = length * factor / 32.0;
        patches.floor() / patches
    };
    let factor = factor * fit(size.0).min(fit(size.1));
    let seen = Size(size.0 * factor, size.1 * factor);
    whole(grid(seen, 32.0).clamp(1.0, PATCHES))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and out of range at worst to the largest number"
)]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::units::Tokens;

    const ALL: [Vision; 9] = [
        Vision::Tiles(85, 170),
        Vision::Tiles(2833, 5667),
        Vision::Patches(162),
        Vision::Patches(246),
        Vision::Patches(172),
        Vision::RecentGpt,
        Vision::Claude,
        Vision::Gemini,
        Vision::Unknown,
    ];

    /// The beginning of a PNG of this size.
    fn png(width: u32, height: u32) -> String {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes))
    }

    fn of(model: &str, width: u32, height: u32) -> Count {
        Vision::of_openai(model).image(&png(width, height), Some("high"))
    }

    #[test]
    fn the_examples_of_the_documentation() {
        for (model, width, height, tokens) in [
            ("gpt-4o", 1024, 1024, 765),
            ("gpt-4o", 2048, 4096, 1105),
            ("gpt-4o", 512, 512, 255),
            ("gpt-5", 1024, 1024, 630),
            ("o3", 1024, 1024, 675),
            ("gpt-4o-mini", 128, 64, 8500),
            ("gpt-4.1-mini", 1024, 1024, 1659),
            ("gpt-4.1-mini", 1800, 2400, 2353),
            ("o4-mini", 128, 64, 14),
            ("gpt-5-nano-2025-08-07", 128, 64, 20),
        ] {
            assert_eq!(
                of(model, width, height),
                Count::exactly(tokens),
                "{model} {width}x{height}"
            );
        }
        let low = Vision::of_openai("gpt-4o").image("https://example.com/a.png", Some("low"));
        assert_eq!(low, Count::exactly(85));
    }

    #[test]
    fn what_others_measured_lies_between() {
        // https://huggingface.co/datasets/JOHNISKING/image-token-cost, seen 2026-11, less the prompt of
        // 65 tokens for Claude.
        for (vision, width, height, tokens) in [
            (Vision::Claude, 256, 256, 100),
            (Vision::Claude, 1024, 1024, 1369),
            (Vision::Claude, 1920, 1080, 1560),
            (Vision::Claude, 3840, 2160, 1592),
            (Vision::Claude, 4032, 3024, 3928),
            (Vision::Gemini, 4032, 3024, 1065),
            (Vision::RecentGpt, 1024, 1024, 1229),
            (Vision::RecentGpt, 4032, 3024, 14_364),
            (Vision::RecentGpt, 4032, 3024, 2_942),
        ] {
            let count = vision.image(&png(width, height), None);
            let tokens = Tokens(tokens);
            assert!(
                count.least <= tokens && tokens <= count.most,
                "{vision:?} {width}x{height}: {count:?}"
            );
        }
    }

    #[test]
    fn what_is_no_image_has_no_size() {
        for url in [
            "",
            ",",
            "data:,",
            "data:image/png;base64,",
            "data:image/png;base64,AAAA",
            "data:image/png,x",
            "https://a/b,c",
            "data:image/png;base64,\u{1F600}\u{1F600}",
            "dat\u{e9}:;base64,AAAA",
        ] {
            assert_eq!(size_of(url), None, "{url}");
        }
        assert_eq!(size_of(&png(0, 7)), None);
        assert_eq!(size_of(&png(9, 7)), Some(Size(9.0, 7.0)));
    }

    proptest! {
        #[test]
        fn no_image_is_dearer_than_the_dearest(
            width in any::<u32>(), height in any::<u32>(), small in 1_u32..5000, vision in 0..ALL.len(),
            detail in prop::option::of(prop::sample::select(vec!["low", "high", "auto", "?"])),
        ) {
            for url in [png(width, height), png(small, small / 2 + 1), "https://a/b".to_owned()] {
                let count = ALL[vision].image(&url, detail);
                prop_assert!(count.least <= count.most);
                prop_assert!(count.most <= Tokens(DEAREST_IMAGE));
            }
        }

        #[test]
        fn junk_is_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..4_usize) {
            let magic: [&[u8]; 4] = [b"", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8X", b"GIF89a"];
            let data = [magic[kind], &bytes].concat();
            let _ = size_of(&format!("data:image/png;base64,{}", BASE64_STANDARD.encode(data)));
        }
    }
}
