//! Benchmark of counting tokens: `cargo bench --bench tokens`.
//!
//! Reports the best of several runs on one thread: the count of prompts of 100 KB and 2 MB that were
//! never seen, the same once it is remembered, the bound that takes no tokenizer, and cuts to 500
//! and to 8000 tokens. The texts are generated, so that nothing repeats but words.

use std::{
    error::Error,
    io::{self, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use refrain::{
    config::ProviderKind,
    policy::truncate::Counter,
    tokenizer::{self, Family},
    units::Tokens,
    wire::{chat::ChatRequest, controls::Controls},
};
use serde_json::json;

/// The allocator of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: u64 = 7;

const ENGLISH: &str = "the ferry leaves a harbour before morning and nobody expected that rain would last through \
    another week although forecasts were right about certificates rotating keys between intervals of \
    publication while clients cached metadata beyond age limits";
const CODE: &str = "fn\u{20}main() let\u{20}mut count: Vec<u64> = self.slots[head] .replace(item); if\u{20}x != y && z \
    { return\u{20}None; } // ok\n \n\u{20}\u{20}\u{20}\u{20} 0x1F, impl<T: Clone> match\u{20}rank => Some(value), ?; \
    .map(|a| a + 1) }\n";
const CHINESE: &str = "每到 周末 爷爷 都会 带我 去 城南 的 旧书 市场 那里 摊主 大多 认识 他 总把 新收来 好书 留到 最后 才 拿 \
    出来 有一次 我们 找到 一本 缺了 封面 地图册 里面 夹着 一封 没有 寄出 的信 ， 。";
const JSON: &str = "{\"id\": 48213, \"name\": \"ferry\"}, [0.25, true, null], \"harbour\": {\"deck\": \"upper\", \
    \"cars\": 17}, \"at\": \"2024-11-03T07:15:00Z\", \"tags\": [\"late\", \"full\"], \"price\": 12.5, {\"error\": \
    {\"code\": \"E1042\", \"retry\": false}},";

/// A text of about so many bytes, another for each seed.
fn text(words: &str, between: &str, bytes: usize, seed: u64) -> String {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = String::with_capacity(bytes + 100);
    while text.len() < bytes {
        text.extend(words.get(random.usize(..words.len())).copied());
        text.push_str(between);
        if random.u8(..) < 8 {
            text.push('\n');
        }
    }
    text
}

/// A conversation of messages of four kilobytes, as agents have them.
fn request(text: &str) -> Result<ChatRequest, Box<dyn Error>> {
    let mut messages = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (message, others) = rest.split_at(rest.ceil_char_boundary(4096));
        messages.push(json!({"role": "user", "content": message}));
        rest = others;
    }
    let body = Bytes::from(json!({"model": "gpt-4o", "messages": messages}).to_string());
    Ok(ChatRequest::parse(body, &mut Controls::default())?)
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let loading = timed(tokenizer::load);
    writeln!(out, "loading both tables: {loading:.0?}\n")?;
    writeln!(
        out,
        "| text | bytes | tokens | count | remembered | bound | 500 first | 500 last | 8000 first | 8000 last |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    let family = Family::of(ProviderKind::OpenAi, "gpt-4o");
    for (kind, words, between) in [
        ("English", ENGLISH, " "),
        ("code", CODE, " "),
        ("Chinese", CHINESE, ""),
        ("JSON", JSON, " "),
    ] {
        for bytes in [100_000, 2_000_000] {
            let mut best = [Duration::MAX; 7];
            let mut tokens = Tokens(0);
            for seed in 0..RUNS {
                let text = text(words, between, bytes, seed);
                let request = request(&text)?;
                let bound = timed(|| tokenizer::bound(&request));
                let count = timed(|| tokenizer::prompt(&request, family));
                let again = timed(|| tokenizer::prompt(&request, family));
                tokens = tokenizer::prompt(&request, family).total().most;
                let runs = [
                    count,
                    again,
                    bound,
                    timed(|| family.beginning(&text, Tokens(500))),
                    timed(|| family.end(&text, Tokens(500))),
                    timed(|| family.beginning(&text, Tokens(8000))),
                    timed(|| family.end(&text, Tokens(8000))),
                ];
                for (best, run) in best.iter_mut().zip(runs) {
                    *best = run.min(*best);
                }
            }
            let cells: Vec<String> = best.iter().map(|best| format!("{best:.2?}")).collect();
            writeln!(
                out,
                "| {kind} | {bytes} | {} | {} |",
                tokens.0,
                cells.join(" | ")
            )?;
        }
    }
    for (kind, piece) in [
        ("one letter", "a"),
        ("spaces", " "),
        ("one Thai letter", "ก"),
    ] {
        let text = piece.repeat(100_000 / piece.len());
        let count = timed(|| family.count(&text));
        let cut = timed(|| family.beginning(&text, Tokens(500)));
        writeln!(
            out,
            "\n100 KB of {kind}: counted in {count:.1?}, cut to 500 tokens in {cut:.1?}"
        )?;
    }
    Ok(())
}
