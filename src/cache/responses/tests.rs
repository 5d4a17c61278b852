use std::{collections::HashMap, fs, thread};

use proptest::prelude::*;

use super::*;
use crate::policy::identity::ScopeKind;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Bounds = Bounds {
    bytes: 1 << 20,
    ttl: Duration::from_secs(30 * 24 * 60 * 60),
};

fn scope(name: &str) -> Scope {
    Scope::new(&[7; 32], ScopeKind::Key, name.as_bytes())
}

fn kept(text: &str) -> KeptResponse {
    KeptResponse {
        response: Bytes::from(format!("{{\"object\":\"response\",\"said\":\"{text}\"}}")),
        input: Bytes::from_static(b"[]"),
        provider: None,
    }
}

fn sized(bytes: usize) -> KeptResponse {
    KeptResponse {
        response: vec![b'x'; bytes].into(),
        ..kept("")
    }
}

fn store(bounds: Bounds) -> (Responses, Clock) {
    let clock = Clock::manual();
    (Responses::new(bounds, clock.clone()), clock)
}

fn open(directory: &Path, clock: &Clock) -> Responses {
    Responses::open(directory, MONTH, clock.clone()).unwrap()
}

#[test]
fn a_response_is_there_until_it_is_deleted() {
    let (store, _) = store(MONTH);
    assert!(store.is_empty() && store.get(scope("a"), "resp_1").is_none());
    let one = KeptResponse {
        provider: Some(ProviderName::new("openai").unwrap()),
        ..kept("one")
    };
    store.put(scope("a"), "resp_1", one.clone());
    assert_eq!(*store.get(scope("a"), "resp_1").unwrap(), one);
    assert!(!store.delete(scope("a"), "resp_2"));
    assert!(store.delete(scope("a"), "resp_1"));
    assert!(!store.delete(scope("a"), "resp_1"));
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[test]
fn another_scope_neither_sees_nor_deletes_nor_replaces_it() {
    let (store, _) = store(MONTH);
    store.put(scope("a"), "resp_1", kept("a's"));
    assert!(store.get(scope("b"), "resp_1").is_none());
    assert!(!store.delete(scope("b"), "resp_1"));
    store.put(scope("b"), "resp_1", kept("b's"));
    assert_eq!(*store.get(scope("a"), "resp_1").unwrap(), kept("a's"));
    assert_eq!(store.len(), 2);
}

#[test]
fn whatever_is_an_id_leads_to_its_own_response_only() {
    let (store, _) = store(MONTH);
    let long = "x".repeat(1 << 20);
    let ids = ["", "\0", "résp_ß", "resp_1 ", "../secret", &long];
    for (number, id) in ids.iter().enumerate() {
        store.put(scope("a"), id, kept(&number.to_string()));
    }
    for (number, id) in ids.iter().enumerate() {
        let found = store.get(scope("a"), id).unwrap();
        assert_eq!(*found, kept(&number.to_string()), "{number}");
    }
    assert!(store.bytes() < 10_000, "ids take no memory");
}

#[test]
fn the_oldest_go_first_and_a_replaced_one_is_young() {
    let (store, _) = store(Bounds {
        bytes: 40_000,
        ..MONTH
    });
    for id in ["1", "2", "3"] {
        store.put(scope("a"), id, sized(10_000));
    }
    store.put(scope("a"), "1", sized(10_001));
    assert!(
        store.get(scope("a"), "2").is_some(),
        "asking makes nothing younger"
    );
    store.put(scope("a"), "4", sized(10_000));
    let left = |id| store.get(scope("a"), id).is_some();
    assert_eq!(["1", "2", "3", "4"].map(left), [true, false, true, true]);
    // One that needs the room of two.
    store.put(scope("a"), "5", sized(20_000));
    assert_eq!(["1", "3", "4", "5"].map(left), [false, false, true, true]);
}

#[test]
fn one_that_is_too_large_is_not_kept_and_takes_nothing_else_along() {
    let (store, _) = store(Bounds {
        bytes: 20_000,
        ..MONTH
    });
    store.put(scope("a"), "1", kept("one"));
    store.put(scope("a"), "2", kept("two"));
    store.put(scope("a"), "2", sized(20_000));
    assert!(store.get(scope("a"), "1").is_some());
    let old = store.get(scope("a"), "2");
    assert!(old.is_none(), "the older one of this id would be wrong");
}

#[test]
fn what_is_too_old_is_gone() {
    let (store, clock) = store(Bounds { ttl: DAY, ..MONTH });
    store.put(scope("a"), "1", kept("one"));
    clock.advance(DAY / 2);
    store.put(scope("a"), "2", kept("two"));
    clock.advance(DAY / 2 - Duration::from_millis(1));
    assert!(store.get(scope("a"), "1").is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.get(scope("a"), "1").is_none());
    assert!(!store.delete(scope("a"), "1"));
    assert_eq!(store.len(), 1);
    clock.advance(DAY);
    store.sweep();
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[test]
fn a_part_of_a_large_buffer_does_not_keep_the_rest() {
    let (store, _) = store(MONTH);
    let buffer = Bytes::from(vec![b'x'; 1 << 19]);
    let part = KeptResponse {
        response: buffer.slice(..10),
        ..kept("")
    };
    store.put(scope("a"), "1", part);
    assert!(buffer.is_unique());
}

#[test]
fn it_is_there_again_after_a_restart() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let store = open(directory.path(), &clock);
    let theirs = KeptResponse {
        provider: Some(ProviderName::new("openai").unwrap()),
        ..kept("theirs")
    };
    store.put(scope("a"), "theirs", theirs.clone());
    store.put(scope("a"), "gone", kept("gone"));
    store.put(scope("a"), "changed", kept("before"));
    assert!(store.delete(scope("a"), "gone"));
    store.put(scope("a"), "changed", kept("after"));
    drop(store);

    let store = open(directory.path(), &clock);
    assert_eq!(*store.get(scope("a"), "theirs").unwrap(), theirs);
    assert_eq!(*store.get(scope("a"), "changed").unwrap(), kept("after"));
    assert!(store.get(scope("a"), "gone").is_none());
    assert!(store.get(scope("b"), "theirs").is_none());
    drop(store);

    clock.advance(MONTH.ttl);
    assert!(open(directory.path(), &clock).is_empty());
    assert!(
        open(directory.path(), &Clock::manual()).is_empty(),
        "on disk, too"
    );
}

#[test]
fn a_restart_keeps_the_order_and_the_bounds() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let store = open(directory.path(), &clock);
    for number in 0..10 {
        store.put(scope("a"), &number.to_string(), sized(10_000));
    }
    store.put(scope("a"), "0", sized(10_000));
    drop(store);
    let less = Bounds {
        bytes: 35_000,
        ..MONTH
    };
    let left = |store: &Responses| {
        let ids = (0..11).filter(|id| store.get(scope("a"), &id.to_string()).is_some());
        ids.collect::<Vec<u32>>()
    };
    let store = Responses::open(directory.path(), less, clock.clone()).unwrap();
    assert_eq!(left(&store), [0, 8, 9]);
    store.put(scope("a"), "10", sized(10_000));
    assert_eq!(left(&store), [0, 9, 10]);
    drop(store);
    assert_eq!(
        left(&open(directory.path(), &clock)),
        [0, 9, 10],
        "on disk, too"
    );
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_stay_longer() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    clock.advance(10 * MONTH.ttl);
    let store = open(directory.path(), &clock);
    store.put(scope("a"), "1", kept("one"));
    drop(store);
    let clock = Clock::manual();
    let store = open(directory.path(), &clock);
    assert!(store.get(scope("a"), "1").is_some());
    clock.advance(MONTH.ttl);
    assert!(store.get(scope("a"), "1").is_none());
}

#[test]
fn what_was_durable_survives_a_process_that_is_killed() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let copy = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &clock);
    store.put(scope("a"), "1", kept("one"));
    store.put(scope("a"), "2", kept("two"));
    store.flush().unwrap();
    assert!(store.delete(scope("a"), "2"));
    store.flush().unwrap();
    // As a process leaves its file that has no time to close it.
    let file = "responses.redb";
    fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
    let survived = open(copy.path(), &clock);
    assert_eq!(*survived.get(scope("a"), "1").unwrap(), kept("one"));
    assert_eq!(survived.len(), 1);
}

#[test]
fn a_damaged_file_is_set_aside() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let file = directory.path().join("responses.redb");
    fs::write(&file, "not a database").unwrap();
    let store = open(directory.path(), &clock);
    assert!(store.is_empty());
    store.put(scope("a"), "1", kept("one"));
    store.flush().unwrap();
    drop(store);
    assert_eq!(open(directory.path(), &clock).len(), 1);
    let aside = directory.path().join("responses.redb.corrupt-1");
    assert_eq!(fs::read_to_string(aside).unwrap(), "not a database");
}

#[test]
fn the_caches_file_is_no_file_of_responses() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    drop(Disk::<crate::cache::disk::Record>::open(
        directory.path(),
        &clock,
        &Options::default(),
    ));
    let file = |name: &str| directory.path().join(name);
    fs::rename(file("cache.redb"), file("responses.redb")).unwrap();
    assert!(open(directory.path(), &clock).is_empty());
    assert!(file("responses.redb.corrupt-1").exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    drop(open(directory.path(), &clock));
    for name in ["responses.redb", "responses.lock"] {
        let metadata = fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_directory_is_for_one() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let _store = open(directory.path(), &clock);
    let again = Responses::open(directory.path(), MONTH, clock);
    assert!(matches!(again, Err(OpenError::InUse(_))));
}

#[test]
fn nothing_that_is_kept_is_printed() {
    let (store, _) = store(MONTH);
    store.put(scope("a"), "resp_1", kept("my secret"));
    assert!(!format!("{store:?}").contains("secret"));
}

#[test]
fn many_threads_at_once() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
    let store = open(directory.path(), &clock);
    thread::scope(|threads| {
        for part in 0..4 {
            let store = &store;
            threads.spawn(move || {
                for number in 0..200 {
                    // All of them put and delete the same few.
                    let id = format!("resp_{}", number % 5);
                    store.put(scope("a"), &id, kept(&format!("{part}-{number}")));
                    if number % 3 == part % 3 {
                        let _gone = store.delete(scope("a"), &id);
                    }
                    if number % 50 == 0 {
                        store.save_unsaved();
                    }
                }
            });
        }
    });
    let held = |store: &Responses| {
        let ids = (0..5).map(|id| store.get(scope("a"), &format!("resp_{id}")));
        ids.collect::<Vec<_>>()
    };
    let before = held(&store);
    drop(store);
    assert_eq!(held(&open(directory.path(), &clock)), before);
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8, usize),
    Get(u8, u8),
    Delete(u8, u8),
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_u8, 0..8_u8, 0..9_000_usize).prop_map(|(who, id, size)| Step::Put(who, id, size)),
        2 => (0..3_u8, 0..8_u8).prop_map(|(who, id)| Step::Get(who, id)),
        2 => (0..3_u8, 0..8_u8).prop_map(|(who, id)| Step::Delete(who, id)),
        1 => (0..60_u32).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    /// Against a list that is as simple as can be.
    #[test]
    fn it_gives_what_was_put_last_within_its_bounds(steps in steps()) {
        let bounds = Bounds { bytes: 30_000, ttl: Duration::from_secs(100) };
        let (store, clock) = store(bounds);
        // Oldest first: who, id, size, seconds.
        let mut model: Vec<(u8, u8, usize, u32)> = Vec::new();
        let mut now = 0;
        let own = |who: u8| scope(&who.to_string());
        let empty = {
            let (store, _) = self::store(MONTH);
            store.put(own(0), "1", sized(0));
            store.bytes()
        };
        for step in steps {
            match step {
                Step::Put(who, id, size) => {
                    store.put(own(who), &id.to_string(), sized(size));
                    model.retain(|one| (one.0, one.1) != (who, id));
                    model.push((who, id, size, now));
                }
                Step::Get(who, id) => {
                    let found = store.get(own(who), &id.to_string());
                    let expected = model.iter().find(|one| (one.0, one.1) == (who, id));
                    prop_assert_eq!(
                        found.map(|kept| kept.response.len()),
                        expected.map(|one| one.2)
                    );
                }
                Step::Delete(who, id) => {
                    let was_there = model.iter().any(|one| (one.0, one.1) == (who, id));
                    prop_assert_eq!(store.delete(own(who), &id.to_string()), was_there);
                    model.retain(|one| (one.0, one.1) != (who, id));
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    clock.advance(Duration::from_secs(seconds.into()));
                    model.retain(|one| now - one.3 < 100);
                    store.sweep();
                }
            }
            let weight = |model: &[(u8, u8, usize, u32)]| {
                model.iter().map(|one| empty + one.2 as u64).sum::<u64>()
            };
            while weight(&model) > bounds.bytes {
                model.remove(0);
            }
            prop_assert_eq!(store.bytes(), weight(&model), "exactly counted");
            prop_assert!(store.bytes() <= bounds.bytes);
            let mut by_scope = HashMap::<u8, usize>::new();
            model.iter().for_each(|one| *by_scope.entry(one.0).or_default() += 1);
            prop_assert_eq!(store.len(), by_scope.values().sum::<usize>());
        }
    }
}
