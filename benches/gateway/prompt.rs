//! Request bodies: new ones, the same one, and one question in thousands of wordings.
//!
//! No two bodies of one run are equal except where a phase asks for that. The paraphrases differ
//! from [`QUESTION`] in an article or "human", so that none is the same to the second exact key, and
//! otherwise in manners: greeting, way of asking, thanks. With all-MiniLM-L6-v2, quantised, their
//! cosine to it is about 0.95 in the median, at 14 to 25 word pieces; no number, negation, name or
//! antonym differs.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::phase::Phase;

/// How the user message of a phase comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Twelve words, never the same.
    Unique,
    /// Twelve words, always the same.
    Same,
    /// 100 KB that open with words never the same.
    Long,
    /// 100 KB, always the same.
    SameLong,
    /// A conversation of so many messages of 4 KB, each of which opens with words never the same.
    Turns(usize),
    /// [`QUESTION`] in other words.
    Paraphrase,
    /// Twelve words, never the same, beside cached ones with which they could be confused.
    Unlike,
}

/// The question that the paraphrases are about, and that is in the cache when they are asked.
const QUESTION: &str = "Hi, can you explain how the heart pumps blood through the body, please?";

const GREETINGS: [&str; 12] = [
    "",
    "hi, ",
    "hello, ",
    "hey, ",
    "hi there, ",
    "hello there, ",
    "ok, ",
    "greetings, ",
    "hello! ",
    "hi! ",
    "hi again, ",
    "hello again, ",
];
const REQUESTS: [&str; 12] = [
    "please explain",
    "could you please explain",
    "could you explain",
    "can you explain",
    "can you please explain",
    "please tell me",
    "could you tell me",
    "can you tell me",
    "could you please tell me",
    "can you please tell me",
    "kindly explain",
    "explain",
];
const HEARTS: [&str; 3] = ["a human heart", "a heart", "the human heart"];
const BLOODS: [&str; 2] = ["blood", "the blood"];
const BODIES: [&str; 2] = ["the body", "the human body"];
const ENDINGS: [&str; 16] = [
    " please",
    ", please",
    ", please.",
    ", please?",
    ", thanks",
    ", thank you",
    "?",
    "? Thanks",
    "? Thank you",
    ". Thank you",
    "? Please",
    "? Thx",
    "? Many thanks",
    "? Thanks!",
    "? Thank you!",
    ", thanks!",
];

/// Wordings of [`QUESTION`] there are.
const WORDINGS: u64 = 12 * 12 * 3 * 2 * 2 * 16;
/// Prime and no divisor of [`WORDINGS`], so multiples of it go through all wordings, well mixed.
const STRIDE: u64 = 10_007;

/// Plain words, one word piece each for the most part, none of which makes a prompt look volatile.
const WORDS: &str = "apple anchor arrow basket beach bell bird blanket boat bone book bottle \
    bottom branch bread brick bridge brush bucket butter button cabin camel candle canvas carpet \
    castle cattle chain chair chalk cheese cherry circle clay cliff cloth cloud coal coat coffee \
    coin copper coral corn cotton cousin crane cream crown curtain desert diamond dragon drum dust \
    eagle engine fabric falcon feather fence field finger flag flame flour flute forest fox frame \
    garden garlic ghost glass glove gold grain grape grass guitar hammer harbor hat hill honey \
    horn horse island ivory jacket jewel kettle kitchen knife ladder lake lamp leather lemon \
    library lion marble mask meadow metal mirror monkey mountain mouse nail needle nest oak ocean \
    olive onion orange orchid oven owl palace paper pearl pepper piano pillow pipe planet pocket";
const LONG_BYTES: usize = 100_000;
const TURN_BYTES: usize = 4_000;

static LIST: LazyLock<Vec<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| lines(LONG_BYTES));
static TURN: LazyLock<Vec<u8>> = LazyLock::new(|| lines(TURN_BYTES));

/// So many bytes in lines of ten words, as they stand in JSON.
fn lines(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 128);
    for line in 0.. {
        text.extend_from_slice(b"\\n");
        words(u64::MAX - line, 10, &mut text);
        if text.len() >= bytes {
            break;
        }
    }
    text
}

/// Hands out prompts, each once.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    unique: AtomicU64,
    wordings: AtomicU64,
}

impl Prompts {
    /// The next body of a phase.
    pub(crate) fn body(&self, phase: &Phase) -> Bytes {
        body(phase, |text| match phase.prompt {
            Prompt::Same | Prompt::SameLong => same(phase.prompt, text),
            Prompt::Unique | Prompt::Unlike => words(self.next(), 12, text),
            Prompt::Long => {
                words(self.next(), 12, text);
                text.extend_from_slice(&LONG);
            }
            Prompt::Turns(turns) => {
                for turn in 0..turns {
                    if turn > 0 {
                        let role = if turn % 2 == 0 { "user" } else { "assistant" };
                        let _ = write!(text, r#""}},{{"role":"{role}","content":""#);
                    }
                    words(self.next(), 12, text);
                    text.extend_from_slice(&TURN);
                }
            }
            Prompt::Paraphrase => wording(self.wordings.fetch_add(1, Ordering::Relaxed), text),
        })
    }

    fn next(&self) -> u64 {
        self.unique.fetch_add(1, Ordering::Relaxed)
    }

    /// Wordings asked so far, when that is more than there are.
    pub(crate) fn worn_out(&self) -> Option<u64> {
        Some(self.wordings.load(Ordering::Relaxed)).filter(|used| *used > WORDINGS)
    }
}

/// The body that must be in the cache before the phase, if the phase needs one.
pub(crate) fn prime(phase: &Phase) -> Option<Bytes> {
    match phase.prompt {
        Prompt::Unique | Prompt::Long | Prompt::Turns(_) => None,
        Prompt::Same | Prompt::SameLong => Some(body(phase, |text| same(phase.prompt, text))),
        Prompt::Paraphrase => Some(body(phase, |text| {
            text.extend_from_slice(QUESTION.as_bytes())
        })),
        Prompt::Unlike => Some(body(phase, |text| words(u64::MAX, 12, text))),
    }
}

/// A chat request; `text` writes the user message as it stands in JSON.
fn body(phase: &Phase, text: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(512);
    // The misses fill a partition of their own, so that the hits are not slowed by their number.
    let system = if phase.prompt == Prompt::Unlike {
        "You are brief."
    } else {
        "You are helpful."
    };
    out.extend_from_slice(br#"{"model":""#);
    out.extend_from_slice(phase.model.as_bytes());
    out.extend_from_slice(br#"","messages":[{"role":"system","content":""#);
    out.extend_from_slice(system.as_bytes());
    out.extend_from_slice(br#""},{"role":"user","content":""#);
    text(&mut out);
    out.extend_from_slice(br#""}],"temperature":0,"top_p":1,"max_tokens":"#);
    // Writing to a vector cannot fail.
    let _ = write!(out, "{}", phase.max_tokens());
    if phase.stream {
        out.extend_from_slice(br#","stream":true,"stream_options":{"include_usage":true}"#);
    }
    out.push(b'}');
    out.into()
}

fn same(prompt: Prompt, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Tell me a story about ");
    words(u64::MAX, 6, out);
    if prompt == Prompt::SameLong {
        out.extend_from_slice(&LONG);
    }
}

/// Words drawn from `seed`, which decides them wholly.
fn words(seed: u64, count: usize, out: &mut Vec<u8>) {
    let mut state = seed;
    for i in 0..count {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(pick(&LIST, &mut splitmix(&mut state)).as_bytes());
    }
}

/// The `n`th wording of [`QUESTION`].
fn wording(n: u64, out: &mut Vec<u8>) {
    let mut rest = n.wrapping_mul(STRIDE) % WORDINGS;
    let start = out.len();
    let greeting = pick(&GREETINGS, &mut rest);
    let (request, heart) = (pick(&REQUESTS, &mut rest), pick(&HEARTS, &mut rest));
    let (blood, body) = (pick(&BLOODS, &mut rest), pick(&BODIES, &mut rest));
    let ending = pick(&ENDINGS, &mut rest);
    let _ = write!(
        out,
        "{greeting}{request} how {heart} pumps {blood} through {body}{ending}"
    );
    if let Some(first) = out.get_mut(start) {
        first.make_ascii_uppercase();
    }
}

/// Takes one element by the remainder of `rest`, and leaves the quotient for the next.
fn pick<'a>(from: &[&'a str], rest: &mut u64) -> &'a str {
    let len = from.len().max(1) as u64;
    let at = usize::try_from(*rest % len).unwrap_or_default();
    *rest /= len;
    from.get(at).copied().unwrap_or_default()
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
