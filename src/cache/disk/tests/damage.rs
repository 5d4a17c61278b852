//! Files that were damaged or never were ours.

use std::path::PathBuf;

use super::*;

fn file(directory: &Path) -> PathBuf {
    directory.join("cache.redb")
}

fn aside(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains("corrupt")).collect();
    names.sort();
    names
}

/// Whatever `content` is: it opens, gives only what was put, and works from then on.
fn check(content: &[u8]) -> (usize, bool) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), content).unwrap();
    let (disk, mut loaded) = open(directory.path());
    let mut found = 0;
    for one in loaded.by_ref() {
        assert_eq!(one, record(one.usage.unwrap().0), "never another answer");
        found += 1;
    }
    disk.put(record(1_000));
    if disk.flush().is_ok() {
        disk.put(record(1_001));
    }
    let unsaved = disk.take_unsaved() == Unsaved::Everything;
    let recognised = loaded.set_aside().is_some()
        || loaded.damaged() > 0
        || unsaved
        || disk.state().failures > 0;
    drop((disk, loaded));
    let (disk, loaded) = open(directory.path());
    assert!(
        loaded
            .map(|one| assert_eq!(one, record(one.usage.unwrap().0)))
            .count()
            > 0
            || unsaved
    );
    disk.put(record(1_002));
    let _either = disk.flush();
    (found, recognised)
}

fn sound(records: u64) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = open(directory.path());
    (0..records).for_each(|number| disk.put(record(number)));
    disk.put_meta("learning", "x");
    drop(disk);
    fs::read(file(directory.path())).unwrap()
}

#[test]
fn foreign_files_are_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = [b"SQLite format 3\0".as_slice(), &[7; 8_000]].concat();
    let text = "a shopping list\n".repeat(500).into_bytes();
    for (number, content) in [&sqlite, &text, &vec![0; 100_000], &vec![0xff; 4_096]]
        .into_iter()
        .enumerate()
    {
        fs::write(file(directory.path()), content).unwrap();
        let (disk, loaded) = open(directory.path());
        let moved = loaded.set_aside().unwrap().clone();
        assert_eq!(
            &fs::read(&moved.path).unwrap(),
            content,
            "it is kept as it was"
        );
        assert!(
            moved
                .path
                .ends_with(format!("cache.redb.corrupt-{}", number + 1))
        );
        assert!(!moved.why.is_empty());
        assert_eq!(loaded.count(), 0);
        disk.put(record(1));
        disk.flush().unwrap();
    }
    let kept = [
        "cache.redb.corrupt-2",
        "cache.redb.corrupt-3",
        "cache.redb.corrupt-4",
    ];
    assert_eq!(aside(directory.path()), kept, "the newest three");
}

#[test]
fn another_programs_database_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("theirs");
    let database = redb::Database::create(file(directory.path())).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(table).unwrap().insert(1, 1).unwrap();
    write.commit().unwrap();
    drop(database);
    let (_disk, loaded) = open(directory.path());
    assert!(loaded.set_aside().unwrap().why.contains("not a cache"));
}

#[test]
fn another_schema_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let table: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("about");
    let database = redb::Database::open(file(directory.path())).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(table)
        .unwrap()
        .insert("schema", 99)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let (_disk, loaded) = open(directory.path());
    assert!(loaded.set_aside().unwrap().why.contains("layout 99"));
}

#[test]
fn an_empty_file_is_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), b"").unwrap();
    let (_disk, loaded) = open(directory.path());
    assert_eq!(loaded.set_aside(), None);
}

#[test]
fn a_damaged_record_is_skipped_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), sound(50)).unwrap();
    let mut content = fs::read(file(directory.path())).unwrap();
    let answer = b"It is 17 metres high";
    let found = content
        .windows(answer.len())
        .position(|window| window == answer);
    content[found.unwrap() + 6] ^= 1;
    fs::write(file(directory.path()), content).unwrap();
    let (disk, mut loaded) = open(directory.path());
    assert_eq!(
        loaded
            .by_ref()
            .filter(|one| one.fingerprint != key(17))
            .count(),
        49
    );
    assert_eq!(loaded.damaged(), 1);
    // What is written meanwhile stays.
    disk.put(record(60));
    drop((disk, loaded));
    let (_disk, mut loaded) = open(directory.path());
    assert_eq!((loaded.by_ref().count(), loaded.damaged()), (50, 0));
}

#[test]
fn truncated_files_do_no_harm() {
    let whole = sound(300);
    for part in 0..24 {
        check(&whole[..whole.len() * part / 24]);
    }
    for length in [1, 9, 64, 319, 320, 4_095, 4_096, 4_097, 8_192] {
        check(&whole[..length]);
    }
}

#[test]
fn flipped_bits_and_zeroed_pages_do_no_harm() {
    let whole = sound(300);
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut recognised, mut records) = (0, 0);
    const ROUNDS: usize = 400;
    for round in 0..ROUNDS {
        let mut content = whole.clone();
        match round % 8 {
            // The head of the file and the first pages have all that leads to the rest.
            0 | 1 => content[random.usize(..512)] ^= 1 << random.u8(..8),
            2 => content[random.usize(..4_096 * 8)] ^= 1 << random.u8(..8),
            3 => (0..20).for_each(|_| content[random.usize(..used)] = random.u8(..)),
            4 => {
                let page = random.usize(..=used / 4_096) * 4_096;
                content[page..page + 4_096].fill(0);
            }
            5 => {
                let (from, to) = (random.usize(..=used / 4_096), random.usize(..=used / 4_096));
                content.copy_within(from * 4_096..(from + 1) * 4_096, to * 4_096);
            }
            6 => {
                // The beginning of a page says what it is and where its parts are.
                let page = random.usize(..=used / 4_096) * 4_096;
                content[page + random.usize(..64)] = random.u8(..);
            }
            _ => content[random.usize(..used)] ^= 1 << random.u8(..8),
        }
        let (found, noticed) = check(&content);
        records += found;
        recognised += usize::from(noticed);
    }
    println!(
        "{recognised} of {ROUNDS} recognised, {} records each",
        records / ROUNDS
    );
    assert!(recognised > ROUNDS / 20 && records > 0);
}
