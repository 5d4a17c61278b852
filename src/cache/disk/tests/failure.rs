//! A disk that is full for a while.

use std::sync::atomic::AtomicI64;

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::*;

/// A file on a disk with so many bytes left.
#[derive(Debug)]
struct Small {
    file: FileBackend,
    left: Arc<AtomicI64>,
}

impl Small {
    fn spend(&self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).unwrap();
        let before = self.left.fetch_sub(bytes, Ordering::SeqCst);
        if before < bytes {
            self.left.store(0, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Small {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend(1)?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.spend(1)?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend(data.len() as u64)?;
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
    fn unlock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

const PLENTY: i64 = i64::MAX / 2;

fn small(directory: &Path, left: &Arc<AtomicI64>) -> (Disk, Loaded) {
    let left = Arc::clone(left);
    let options = Options {
        retry: Duration::from_millis(1),
        ..Options::default()
    };
    let attach: Attach = Arc::new(move |file| {
        file::database(Small {
            file: FileBackend::new(file)?,
            left: Arc::clone(&left),
        })
    });
    Disk::open_with(directory, &Clock::system(), &options, attach).unwrap()
}

fn memory_only(state: &State) -> bool {
    matches!(state.mode, Mode::MemoryOnly { .. })
}

#[test]
fn a_full_disk_is_memory_only_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    // At whatever byte it is full.
    for room in (0..40).map(|step| step * step * 400) {
        let left = Arc::new(AtomicI64::new(PLENTY));
        let (disk, _) = small(directory.path(), &left);
        disk.clear();
        disk.put_meta("learning", "first");
        (0..50).for_each(|number| disk.put(record(number)));
        disk.flush().unwrap();
        left.store(room, Ordering::SeqCst);
        let mut number = 50;
        while disk.flush().is_ok() {
            disk.put(record(number));
            disk.remove(key(number - 50));
            number += 1;
        }
        let state = disk.0.shared.wait_for(|state| state.failures > 0);
        assert!(state.failures > 0);
        disk.put_meta("learning", "second");
        disk.remove(key(49));
        if memory_only(&disk.state()) {
            assert!(
                !directory.path().join("cache.redb").exists() || left.load(Ordering::SeqCst) == 0
            );
        }

        left.store(PLENTY, Ordering::SeqCst);
        disk.0.shared.wait_for(|state| state.mode == Mode::Serving);
        while disk.take_unsaved() != Unsaved::Everything {
            disk.0.shared.wait_for(|state| state.mode == Mode::Serving);
        }
        assert!(disk.put_blocking(record(1)));
        disk.flush().unwrap();
        drop(disk);
        assert_eq!(
            held(directory.path()),
            BTreeMap::from([(key(1), record(1))])
        );
        let (disk, _) = open(directory.path());
        assert_eq!(disk.meta("learning").as_deref(), Some(&b"second"[..]));
    }
}

#[test]
fn a_start_on_a_full_disk_is_memory_only() {
    let directory = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicI64::new(100));
    let (disk, loaded) = small(directory.path(), &left);
    assert_eq!(loaded.set_aside(), None);
    assert_eq!(loaded.count(), 0);
    disk.0.shared.wait_for(memory_only);
    disk.put(record(1));
    assert_eq!(disk.flush(), Err(NotDurable));
    assert!(!disk.put_blocking(record(1)));
    assert_eq!(disk.take_unsaved(), Unsaved::Nothing);
    left.store(PLENTY, Ordering::SeqCst);
    disk.0.shared.wait_for(|state| state.mode == Mode::Serving);
    assert_eq!(disk.take_unsaved(), Unsaved::Everything);
}

#[test]
fn closing_a_full_disk_ends() {
    let directory = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicI64::new(PLENTY));
    let (disk, _) = small(directory.path(), &left);
    disk.put(record(1));
    disk.flush().unwrap();
    left.store(0, Ordering::SeqCst);
    disk.remove(key(1));
    drop(disk);
    assert!(
        held(directory.path()).is_empty(),
        "what was removed does not come back"
    );
}
