//! Feeds broken requests and answers to the gateway for as long as it is told, and looks for what must never happen.
//!
//!     cargo test --test fuzz -- [NAME…] [--seconds N] [--seed N] [--jobs N] [--input FILE]
//!
//! Each target mutates a corpus of its own (`corpus/NAME`), by the structure of JSON and by bytes. A target is a function of
//! one input; what it finds is told with the seed, and the input is kept so that `NAME --input FILE` shows it again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a program for developers; it stops where something is not as it should be"
)]

mod mutate;
mod parsers;
mod providers;
mod running;
mod streams;
mod surfaces;
mod upstream;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use fastrand::Rng;
use refrain::clock::Clock;

use self::running::Running;

/// How long one input may take before it counts as one that never ends. Far above what any takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is fed, and what is looked for.
#[derive(Clone, Copy)]
struct Target {
    name: &'static str,
    run: fn(&mut Running, &[u8]) -> Result<(), String>,
}

/// One for each parser of requests; then what reads streams, and what reads providers' answers.
const TARGETS: [Target; 8] = [
    Target {
        name: "chat",
        run: surfaces::chat,
    },
    Target {
        name: "responses",
        run: surfaces::responses,
    },
    Target {
        name: "messages",
        run: surfaces::messages,
    },
    Target {
        name: "generate_content",
        run: surfaces::generate_content,
    },
    Target {
        name: "completions",
        run: surfaces::completions,
    },
    Target {
        name: "embeddings",
        run: surfaces::embeddings,
    },
    Target {
        name: "streams",
        run: streams::run,
    },
    Target {
        name: "providers",
        run: providers::run,
    },
];

struct Wanted {
    names: Vec<String>,
    seconds: u64,
    seed: u64,
    jobs: usize,
    input: Option<PathBuf>,
}

impl Wanted {
    fn read() -> Self {
        let mut wanted = Self {
            names: Vec::new(),
            seconds: 1,
            seed: fastrand::u64(..),
            jobs: thread::available_parallelism().map_or(1, usize::from),
            input: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let number = |words: &mut dyn Iterator<Item = String>| {
                let text = words.next().unwrap_or_default();
                (text.parse()).unwrap_or_else(|_| panic!("{word} wants a number, not {text:?}"))
            };
            match &*word {
                "--seconds" => wanted.seconds = number(&mut words),
                "--seed" => wanted.seed = number(&mut words),
                "--jobs" => wanted.jobs = number(&mut words).max(1) as usize,
                "--input" => wanted.input = words.next().map(PathBuf::from),
                // What other test programs are told as well.
                _ if word.starts_with('-') => {}
                _ => wanted.names.push(word),
            }
        }
        wanted
    }

    /// The targets that are named; as elsewhere, by a part of their name.
    fn targets(&self) -> VecDeque<Target> {
        let is_wanted = |target: &Target| {
            let mut names = self.names.iter();
            self.names.is_empty() || names.any(|name| target.name.contains(name))
        };
        TARGETS.into_iter().filter(is_wanted).collect()
    }
}

fn main() {
    let wanted = Wanted::read();
    let targets = wanted.targets();
    println!("\nrunning {} tests", targets.len());
    let (jobs, queue) = (wanted.jobs.min(targets.len()), Mutex::new(targets));
    let (passed, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(target) = next else { break };
                    let outcome = watched(target, &wanted);
                    let (word, count) = match &outcome {
                        Ok(_) => ("ok", &passed),
                        Err(_) => ("FAILED", &failed),
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    let told = outcome.unwrap_or_else(|why| why);
                    println!("test fuzz::{} ... {word} ({told})", target.name);
                }
            });
        }
    });
    let (passed, failed) = (passed.into_inner(), failed.into_inner());
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out\n"
    );
    if failed > 0 {
        std::process::exit(1);
    }
}

/// Runs a target and sees that it goes on.
fn watched(target: Target, wanted: &Wanted) -> Result<String, String> {
    let state = State::default();
    let clock = Clock::system();
    thread::scope(|scope| {
        let worker = scope.spawn(|| fuzz(target, wanted, &state));
        let (mut seen, mut since) = (0, clock.now());
        while !worker.is_finished() {
            thread::sleep(Duration::from_millis(20));
            let count = state.count.load(Ordering::Relaxed);
            if count != seen {
                (seen, since) = (count, clock.now());
            } else if clock.now().since(since) > PATIENCE {
                println!(
                    "test fuzz::{} ... FAILED ({})",
                    target.name,
                    state.found(target, wanted, "an input takes forever")
                );
                // There is no other way to end a thread.
                std::process::exit(1);
            }
        }
        worker
            .join()
            .unwrap_or_else(|_| Err(state.found(target, wanted, "a panic, see above")))
    })
}

/// How far a target is.
#[derive(Default)]
struct State {
    count: AtomicU64,
    /// The input that is being looked at.
    input: Mutex<Vec<u8>>,
}

impl State {
    /// Keeps the input that showed something; says what and where.
    fn found(&self, target: Target, wanted: &Wanted, why: &str) -> String {
        let input = self
            .input
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        let name = format!("{}-{:016x}", target.name, hash(&input));
        let path = folder.join(name);
        let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &*input));
        let shown: String = String::from_utf8_lossy(&input).chars().take(1500).collect();
        let kept = kept.map_or_else(|error| error.to_string(), |()| path.display().to_string());
        format!(
            "{why}\n    seed {}, input {}, kept as {kept}:\n    {shown}\n",
            wanted.seed,
            self.count.load(Ordering::Relaxed)
        )
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let [first, ..] = *blake3::hash(bytes).as_bytes().as_chunks::<8>().0 else {
        return 0;
    };
    u64::from_le_bytes(first)
}

fn fuzz(target: Target, wanted: &Wanted, state: &State) -> Result<String, String> {
    let mut running = Running::start();
    if let Some(path) = &wanted.input {
        let input = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        state.input.lock().unwrap().clone_from(&input);
        let looked = (target.run)(&mut running, &input);
        return looked.map(|()| "nothing found".to_owned());
    }
    let corpus = corpus(target.name);
    let clock = Clock::system();
    let began = clock.now();
    let mut rng = Rng::with_seed(wanted.seed ^ hash(target.name.as_bytes()));
    let mut look = |input: Vec<u8>| {
        state.input.lock().unwrap().clone_from(&input);
        let looked = (target.run)(&mut running, &input);
        state.count.fetch_add(1, Ordering::Relaxed);
        looked.map_err(|why| state.found(target, wanted, &why))
    };
    // As they are, first: what is no input of the kind finds nothing.
    for input in &corpus {
        look(input.clone())?;
    }
    while clock.now().since(began) < Duration::from_secs(wanted.seconds) {
        let input = mutate::mutate(&mut rng, &corpus);
        look(input)?;
    }
    let count = state.count.load(Ordering::Relaxed);
    Ok(format!(
        "{count} inputs in {} s, seed {}",
        wanted.seconds, wanted.seed
    ))
}

/// The inputs that others are made of: files, of which one of JSON lines holds several.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut corpus = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            let lines = bytes.split(|byte| *byte == b'\n');
            corpus.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        } else {
            corpus.push(bytes);
        }
    }
    assert!(corpus.len() >= 2, "{} has too little", folder.display());
    corpus
}
