//! A process that is killed at any time.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use super::*;

const DIRECTORY: &str = "REFRAIN_TEST_CRASH_DIRECTORY";
/// Keys of the child: each is put and removed in turns.
const KEYS: u64 = 97;
/// So many rounds are between two flushes.
const FLUSH: u64 = 13;

/// What round `round` does to its key; `None` is a removal.
fn step(round: u64) -> (Key, Option<Record>) {
    let number = round % KEYS;
    let put = (round / KEYS + number) % 3 != 2;
    let record = Record {
        uses: round,
        written: format!("answer {round} {}", "x".repeat((round % 7 * 900) as usize)).into(),
        ..record(number)
    };
    (key(number), put.then_some(record))
}

/// The child: changes without end, and says after each flush which round is durable. A test so
/// that the test program can be its own child; without the variable it does nothing.
#[test]
fn child_of_the_crash_test() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent speaks to its child"
    )]
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let (disk, loaded) = open(Path::new(&directory));
    let last = loaded.map(|record| record.uses).max().unwrap_or(0);
    // The first turn goes unsaid, so that every key is of this run or gone.
    let mut round = (last / KEYS + 1) * KEYS;
    let first_said = round + KEYS;
    loop {
        match step(round) {
            (_, Some(record)) => disk.put(record),
            (key, None) => disk.remove(key),
        }
        if round.is_multiple_of(FLUSH) && round >= first_said {
            disk.flush().unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\ndurable {round}").unwrap();
            out.flush().unwrap();
        }
        round += 1;
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn killed_at_any_point_it_keeps_what_was_durable() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..20 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "cache::disk::tests::crash::child_of_the_crash_test",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.unwrap());
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut durable =
            lines.filter_map(|line| line.unwrap().strip_prefix("durable ")?.parse().ok());
        let wanted = random.usize(1..25);
        let seen: u64 = durable.by_ref().take(wanted).last().unwrap();
        // Somewhere in the rounds after it.
        for turn in 0..random.u32(0..200_000) {
            std::hint::black_box(turn);
        }
        child.0.kill().unwrap();
        // What it said before it died counts as well.
        let seen: u64 = durable.last().unwrap_or(seen);
        drop(child);

        let (_disk, mut loaded) = open(directory.path());
        assert_eq!(loaded.set_aside(), None);
        let held: BTreeMap<Key, Record> = loaded
            .by_ref()
            .map(|record| (record.fingerprint, record))
            .collect();
        assert_eq!(loaded.damaged(), 0);
        // All changes up to some round between the one that was said to be durable and the one that
        // the child can have been at, and none after it.
        let turn = |until: u64| {
            let steps = (until + 1 - KEYS..=until).map(step);
            let put = steps.filter_map(|(key, record)| Some((key, record?)));
            put.collect::<BTreeMap<_, _>>()
        };
        assert!(
            (seen..=seen + 2 * FLUSH).any(|until| turn(until) == held),
            "not what any round after {seen} left"
        );
    }
}
