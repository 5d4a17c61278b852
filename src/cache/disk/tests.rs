use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::embed::{Embedding, EncoderId};

mod crash;
mod damage;
mod failure;

pub(crate) fn key(number: u64) -> Key {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

/// A record whose content follows from its number.
pub(crate) fn record(number: u64) -> Record {
    let direction = (0..8_u8).map(|at| f32::from(at) + number as f32 + 1.0);
    let embedding = Embedding::new(EncoderId::new("test"), direction.collect()).unwrap();
    Record {
        fingerprint: key(number),
        partition: Some(key(number / 10)),
        surface: Some(key(number + 1)),
        context: key(0),
        scope: key(3),
        namespace: "team".to_owned(),
        question: Some(format!("What is the height of tower {number}?")),
        vector: Some(PackedVector::new(&embedding)),
        written: format!("{{\"content\":\"It is {number} metres high.\"}}").into(),
        provider: "demo".to_owned(),
        model: "small".to_owned(),
        asked_model: "small-latest".to_owned(),
        usage: Some((number, 12)),
        counted: None,
        price: Some((0.5, 1.5)),
        stored_unix_ms: 1_700_000_000_000 + number,
        ttl_ms: 86_400_000,
        tags: vec!["towers".to_owned()],
        generation: 1,
        uses: 0,
        has_matter: false,
        prompt: format!("What is the height of tower {number}?"),
        pinned: number % 2 == 1,
        took_ms: Some(1_200 + number),
    }
}

/// A record of the same key with another answer.
fn version(number: u64, answer: &str) -> Record {
    Record {
        written: answer.to_owned().into(),
        ..record(number)
    }
}

fn open(directory: &Path) -> (Disk, Loaded) {
    Disk::<Record>::open(directory, &Clock::system(), &Options::default()).unwrap()
}

fn held(directory: &Path) -> BTreeMap<Key, Record> {
    let (_disk, loaded) = open(directory);
    loaded.map(|record| (record.fingerprint, record)).collect()
}

#[test]
fn what_was_put_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("a").join("b");
    let (disk, loaded) = open(&directory);
    assert_eq!((loaded.expected(), loaded.count()), (0, 0));
    for number in 0..100 {
        disk.put(record(number));
    }
    disk.put_meta("learning", "two");
    disk.put_meta("learning", "three");
    disk.flush().unwrap();
    let state = disk.state();
    assert!(state.file_bytes > 0 && state.queued_bytes == 0 && state.last_commit.is_some());
    disk.remove(key(5));
    disk.put(version(6, "new"));
    disk.put(version(7, "newer"));
    disk.remove(key(7));
    disk.remove(key(8));
    disk.put(version(8, "newest"));
    drop(disk);

    let mut expected: BTreeMap<_, _> = (0..100).map(|n| (key(n), record(n))).collect();
    expected.remove(&key(5));
    expected.remove(&key(7));
    expected.insert(key(6), version(6, "new"));
    expected.insert(key(8), version(8, "newest"));
    assert_eq!(held(&directory), expected);
    let (disk, _) = open(&directory);
    assert_eq!(disk.meta("learning").as_deref(), Some(&b"three"[..]));
    assert_eq!(disk.meta("else"), None);

    disk.clear();
    disk.put(record(500));
    drop(disk);
    assert_eq!(held(&directory), BTreeMap::from([(key(500), record(500))]));
    let (disk, _) = open(&directory);
    assert!(disk.meta("learning").is_some(), "small values stay");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("data");
    drop(open(&directory));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("cache.redb")), 0o600);
}

#[test]
fn a_directory_is_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, loaded) = open(directory.path());
    let again = Disk::<Record>::open(directory.path(), &Clock::system(), &Options::default());
    let error = again.unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)) && error.to_string().contains("another process"));
    let clone = disk.clone();
    drop(disk);
    clone.put(record(1));
    clone.flush().unwrap();
    drop((clone, loaded));
    assert_eq!(held(directory.path()).len(), 1);
}

#[test]
fn a_path_that_is_no_directory_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let opened = Disk::<Record>::open(file.path(), &Clock::system(), &Options::default());
    assert!(matches!(opened, Err(OpenError::Io { .. })));
}

#[test]
fn what_is_loaded_is_as_it_was_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = open(directory.path());
    (0..50).for_each(|number| disk.put(record(number)));
    drop(disk);
    let (disk, mut loaded) = open(directory.path());
    let first = loaded.next().unwrap();
    disk.clear();
    disk.put(version(1, "new"));
    disk.flush().unwrap();
    assert_eq!(loaded.expected(), 50);
    let rest: Vec<_> = loaded.by_ref().collect();
    assert_eq!((rest.len(), loaded.damaged()), (49, 0));
    assert!(
        rest.iter()
            .chain([&first])
            .all(|one| *one == record(one.usage.unwrap().0))
    );
    assert!(loaded.next().is_none());
    drop((disk, loaded));
    assert_eq!(
        held(directory.path()),
        BTreeMap::from([(key(1), version(1, "new"))])
    );
}

#[test]
fn writes_without_room_are_dropped_and_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        queue_bytes: 200_000,
        ..Options::default()
    };
    let (disk, _) = Disk::<Record>::open(directory.path(), &Clock::system(), &options).unwrap();
    disk.put(version(0, "old"));
    disk.flush().unwrap();
    // Held up by nothing but itself, the thread may or may not keep up; what is true is true.
    for number in (0..2_000).rev() {
        disk.put(record(number));
    }
    disk.flush().unwrap();
    let unsaved = disk.take_unsaved();
    let missing = match &unsaved {
        Unsaved::Nothing => 0,
        Unsaved::Keys(keys) => keys.len() as u64,
        Unsaved::Everything => panic!("{unsaved:?}"),
    };
    assert_eq!(missing, disk.state().dropped);
    assert_eq!(disk.take_unsaved(), Unsaved::Nothing);
    if let Unsaved::Keys(keys) = unsaved {
        for number in (0..2_000).filter(|number| keys.contains(&key(*number))) {
            assert!(disk.put_blocking(record(number)));
        }
    }
    disk.flush().unwrap();
    assert_eq!(disk.state().dropped, missing, "who waits gets room");
    drop(disk);
    let held = held(directory.path());
    assert_eq!(held.len(), 2_000);
    assert_eq!(held[&key(0)], record(0));
}

#[test]
fn many_threads_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = open(directory.path());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads = [0, 1, 2, 3].map(|part: u64| {
            let disk = &disk;
            scope.spawn(move || {
                for number in (part..400).step_by(4) {
                    disk.put(record(number));
                    disk.remove(key(number.wrapping_sub(8)));
                    if number % 50 == part {
                        disk.flush().unwrap();
                    }
                }
            })
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _state = (disk.state(), disk.take_unsaved());
                disk.put_meta("turn", "x");
            }
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    drop(disk);
    let expected: BTreeMap<_, _> = (392..400).map(|n| (key(n), record(n))).collect();
    assert_eq!(held(directory.path()), expected);
}

#[test]
fn a_mostly_empty_file_shrinks_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = open(directory.path());
    let large = "x".repeat(20_000);
    (0..400).for_each(|number| disk.put(version(number, &large)));
    disk.flush().unwrap();
    disk.remove_many((10..400).map(key));
    drop(disk);
    let length = || {
        fs::metadata(directory.path().join("cache.redb"))
            .unwrap()
            .len()
    };
    let before = length();
    let options = Options {
        compact_above: 1 << 20,
        ..Options::default()
    };
    let (disk, loaded) =
        Disk::<Record>::open(directory.path(), &Clock::system(), &options).unwrap();
    assert_eq!(loaded.count(), 10);
    drop(disk);
    assert!(length() < before / 4, "{before} to {}", length());
}
