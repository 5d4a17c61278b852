//! The file: opened or set aside, changed a batch at a time, unlinked when it can't be trusted.
//!
//! It knows redb and nothing of threads. Whatever a file holds, opening it gives a usable one, a
//! fresh one or an error; redb's panics over hostile files are caught. Invariant: one process has a
//! directory, by a lock of our own that outlives any exchange of the file.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, TableHandle, backends::FileBackend,
};

use super::{
    backlog::{Batch, Change},
    failure::{Failure, OpenError, SetAside, caught},
    stored::{Key, Kind, Stored, decode, encode, seal, unseal},
};

/// How many files that were set aside are kept.
const KEPT_ASIDE: usize = 3;

/// The layout of the tables below; a file of another one is set aside.
const SCHEMA: u64 = 1;
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const ABOUT_SCHEMA: &str = "schema";
/// Bytes of all values of the entries.
const ABOUT_LIVE: &str = "live";

/// redb's own cache. Writes touch the branches of one tree; answers come from memory.
const PAGES: usize = 16 << 20;

/// Makes a database of a file; tests put a failing disk between.
pub(super) type Attach = Arc<dyn Fn(File) -> Result<Database, DatabaseError> + Send + Sync>;

/// The way that is used outside tests.
pub(super) fn attach() -> Attach {
    Arc::new(|file| database(FileBackend::new(file)?))
}

/// A database on this storage.
pub(super) fn database(storage: impl redb::StorageBackend) -> Result<Database, DatabaseError> {
    Builder::new()
        .set_cache_size(PAGES)
        .create_with_backend(storage)
}

/// What opening a directory came to.
#[derive(Debug)]
pub(super) struct Opened {
    /// The file, unless there is no room for one.
    pub(super) file: Result<DataFile, Failure>,
    /// The file that was there before, if it could not be used.
    pub(super) set_aside: Option<SetAside>,
}

/// A directory that this process has for itself.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    kind: Kind,
    attach: Attach_,
    lock: File,
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing it would leave the lock to a child that is being started and has a copy of it.
        let _gone_with_the_process = self.lock.unlock();
    }
}

/// [`Attach`] that can be printed.
struct Attach_(Attach);

impl std::fmt::Debug for Attach_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attach")
    }
}

impl Directory {
    /// Makes the directory, for its owner only, if it is not there, and locks it.
    pub(super) fn open(path: &Path, kind: Kind, attach: Attach) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        make_directory(path).map_err(failed)?;
        let lock = private()
            .open(path.join(format!("{}.lock", kind.name)))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                kind,
                attach: Attach_(attach),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Where the file is.
    fn at(&self) -> PathBuf {
        self.path.join(format!("{}.redb", self.kind.name))
    }

    /// Opens the file that is there, or a fresh one in its place.
    pub(super) fn file(&self, compact_above: u64) -> Result<Opened, OpenError> {
        let failed = |source| OpenError::Io {
            path: self.at(),
            source,
        };
        let why = match caught(|| self.try_file(compact_above)) {
            Ok(Ok(file)) => {
                return Ok(Opened {
                    file: Ok(file),
                    set_aside: None,
                });
            }
            Ok(Err(why)) => why,
            Err(Failure::Storage(redb::Error::DatabaseAlreadyOpen)) => {
                return Err(OpenError::InUse(self.at()));
            }
            Err(Failure::Storage(redb::Error::Io(error)) | Failure::Io(error))
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                return Err(failed(error));
            }
            Err(failure) if failure.reason() == "full" => {
                self.unlink().map_err(failed)?;
                return Ok(Opened {
                    file: Err(failure),
                    set_aside: None,
                });
            }
            Err(failure) => failure.to_string(),
        };
        let set_aside = self.set_aside(why).map_err(failed)?;
        Ok(Opened {
            file: self.fresh(),
            set_aside: Some(set_aside),
        })
    }

    /// A new file in place of whatever is there.
    pub(super) fn fresh(&self) -> Result<DataFile, Failure> {
        self.unlink()?;
        let file = caught(|| Ok(self.try_file(u64::MAX)?.map_err(io::Error::other)?))?;
        // So that the name survives a power cut as the content does.
        File::open(&self.path)?.sync_all()?;
        Ok(file)
    }

    /// Removes the file. It works on a full disk; where it doesn't, an empty file does as well.
    pub(super) fn unlink(&self) -> io::Result<()> {
        let path = self.at();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                OpenOptions::new().write(true).open(&path)?.set_len(0)
            }
            _ => Ok(()),
        }
    }

    /// Renames the file, and removes the oldest ones that were renamed before.
    pub(super) fn set_aside(&self, why: String) -> io::Result<SetAside> {
        let aside = format!("{}.redb.corrupt-", self.kind.name);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&*aside));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let named = |number| self.path.join(format!("{aside}{number}"));
        for old in numbers.iter().rev().skip(KEPT_ASIDE - 1) {
            fs::remove_file(named(*old))?;
        }
        let path = named(next);
        fs::rename(self.at(), &path)?;
        Ok(SetAside { path, why })
    }

    /// The file, or what is wrong with what is there.
    fn try_file(&self, compact_above: u64) -> Result<Result<DataFile, String>, Failure> {
        let path = self.at();
        let open = || -> Result<Database, Failure> {
            Ok((self.attach.0)(private().open(&path)?).map_err(redb::Error::from)?)
        };
        let mut database = open()?;
        let live = match read_about(&database, self.kind)? {
            About::Empty => {
                lay_out(&database, self.kind)?;
                0
            }
            About::Foreign => {
                return Ok(Err(format!(
                    "it is not a {} file of this program",
                    self.kind.name
                )));
            }
            About::Schema(SCHEMA, live) => live,
            About::Schema(other, _) => {
                return Ok(Err(format!(
                    "it has layout {other}, this version reads {SCHEMA}"
                )));
            }
        };
        // A file without a free page has about twice the bytes of its values, and one that grew by
        // large commits five times. Only below that is so little left that moving it is quick.
        let length = fs::metadata(&path)?.len();
        if length > compact_above && length / 8 > live && database.compact().is_err() {
            drop(database);
            database = open()?;
        }
        Ok(Ok(DataFile {
            database,
            kind: self.kind,
            path,
            live,
        }))
    }
}

/// What a database says of itself.
enum About {
    Empty,
    Foreign,
    Schema(u64, u64),
}

fn read_about(database: &Database, kind: Kind) -> Result<About, redb::Error> {
    let read = database.begin_read()?;
    let mut names: Vec<String> = read
        .list_tables()?
        .map(|table| table.name().to_owned())
        .collect();
    names.sort_unstable();
    if names.is_empty() {
        return Ok(About::Empty);
    }
    let mut ours = [ABOUT.name(), kind.table, META.name()];
    ours.sort_unstable();
    if names != ours {
        return Ok(About::Foreign);
    }
    let about = read.open_table(ABOUT)?;
    let number = |name| -> Result<Option<u64>, redb::Error> {
        Ok(about.get(name)?.map(|value| value.value()))
    };
    Ok(match number(ABOUT_SCHEMA)? {
        Some(schema) => About::Schema(schema, number(ABOUT_LIVE)?.unwrap_or(0)),
        None => About::Foreign,
    })
}

/// The table of the entries, by key.
fn entries(kind: Kind) -> TableDefinition<'static, Key, &'static [u8]> {
    TableDefinition::new(kind.table)
}

fn lay_out(database: &Database, kind: Kind) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(entries(kind))?;
    write.open_table(META)?;
    write.open_table(ABOUT)?.insert(ABOUT_SCHEMA, SCHEMA)?;
    write.commit()?;
    Ok(())
}

/// An open file.
pub(super) struct DataFile {
    database: Database,
    kind: Kind,
    path: PathBuf,
    /// Bytes of all values.
    live: u64,
}

impl std::fmt::Debug for DataFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFile")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

/// The records of a file, in the order of their keys.
pub(super) type Records = redb::OwnedRange<Key, &'static [u8]>;

impl DataFile {
    /// Makes a batch durable; on an error the file's state is unknown. `meta` has the small values.
    pub(super) fn commit<R: Stored>(
        &mut self,
        batch: Batch<R>,
        meta: &BTreeMap<String, Bytes>,
    ) -> Result<(), Failure> {
        caught(|| Ok(self.try_commit(batch, meta)?))
    }

    fn try_commit<R: Stored>(
        &mut self,
        batch: Batch<R>,
        meta: &BTreeMap<String, Bytes>,
    ) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        // Without it, opening after a crash reads the whole file.
        write.set_quick_repair(true);
        let mut live = self.live;
        if batch.clear {
            write.delete_table(entries(self.kind))?;
            live = 0;
        }
        {
            let mut entries = write.open_table(entries(self.kind))?;
            let mut changes: Vec<_> = batch.changes.into_iter().collect();
            // Neighbours share pages.
            changes.sort_unstable_by_key(|(key, _)| *key);
            for (key, change) in changes {
                let value = match &change {
                    Change::Put(record) => encode(&**record),
                    Change::Remove => None,
                    Change::Prune => {
                        let held = entries.get(key)?;
                        if held.is_some_and(|held| decode::<R>(&key, held.value()).is_ok()) {
                            continue;
                        }
                        None
                    }
                };
                let old = match &value {
                    Some(value) => entries.insert(key, value.as_slice())?,
                    None => entries.remove(key)?,
                };
                let old = old.map_or(0, |old| old.value().len() as u64);
                let new = value.map_or(0, |value| value.len() as u64);
                live = live.saturating_sub(old).saturating_add(new);
            }
            let mut table = write.open_table(META)?;
            for name in &batch.meta {
                if let Some(value) = meta.get(name) {
                    table.insert(name.as_str(), seal(name.as_bytes(), value).as_slice())?;
                }
            }
            write.open_table(ABOUT)?.insert(ABOUT_LIVE, live)?;
        }
        write.commit()?;
        self.live = live;
        Ok(())
    }

    /// The small values that are intact.
    pub(super) fn meta(&self) -> Result<BTreeMap<String, Bytes>, Failure> {
        caught(|| Ok(self.try_meta()?))
    }

    fn try_meta(&self) -> Result<BTreeMap<String, Bytes>, redb::Error> {
        let table = self.database.begin_read()?.open_table(META)?;
        let mut found = BTreeMap::new();
        for row in table.iter()? {
            let (name, value) = row?;
            let name = name.value();
            match unseal(name.as_bytes(), value.value()) {
                Ok(content) => {
                    found.insert(name.to_owned(), Bytes::copy_from_slice(content));
                }
                Err(_damaged) => {
                    tracing::warn!("a value of {} is damaged; it is left out", self.kind.title)
                }
            }
        }
        Ok(found)
    }

    /// All records as they are now, and how many there should be.
    pub(super) fn records(&self) -> Result<(Records, u64), Failure> {
        caught(|| {
            let read = self.database.begin_read().map_err(redb::Error::from)?;
            let table = read
                .open_table(entries(self.kind))
                .map_err(redb::Error::from)?;
            let count = table.len().map_err(redb::Error::from)?;
            let records = table.range_owned::<Key>(..).map_err(redb::Error::from)?;
            Ok((records, count))
        })
    }

    /// Its length in bytes; 0 if it can't be asked.
    pub(super) fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Closes it, whatever redb makes of that.
    pub(super) fn close(self) {
        let database = self.database;
        let _already_failed = caught(|| {
            drop(database);
            Ok(())
        });
    }
}

/// Options for a file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that only its owner may enter, and those above it.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
