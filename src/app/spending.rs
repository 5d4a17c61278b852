//! What clients have spent, across restarts: a small file in the data directory.
//!
//! It is written as a whole, aside, and renamed, at most once a second. So a process that is killed forgets at most its last second,
//! and never all. A file that can't be understood stops the start: budgets would begin anew without anybody having
//! said so.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{BuildError, small_file};
use crate::{
    config::Cache,
    gateway::account::Accounts,
    ident::ClientName,
    policy::spend::{NanoUsd, Spend, Spent},
};

/// The name of the file.
const FILE: &str = "spend.json";
/// The name of what is locked beside it.
const LOCK: &str = "spend.lock";
/// The format that is written, and the only one that is read.
const VERSION: u32 = 1;
/// How often what was spent is saved.
const TICK: Duration = Duration::from_secs(1);
/// The longest file that is read, in bytes: that of some 500,000 clients.
const LONGEST: u64 = 64 << 20;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    version: u32,
    clients: BTreeMap<String, Page>,
}

/// What one client has spent, in billionths of a dollar.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    day: String,
    day_spent_nano_usd: u64,
    month: String,
    month_spent_nano_usd: u64,
}

/// Saves what clients have spent.
#[derive(Debug, Clone)]
pub(super) struct Bookkeeper {
    accounts: Arc<Accounts>,
    /// `None` if nothing outlives the process.
    file: Option<Arc<SavedAs>>,
}

#[derive(Debug)]
struct SavedAs {
    path: PathBuf,
    /// Held where the cache, which is off, does not hold the directory: two that write would forget each other's sums.
    _lock: Option<File>,
    /// The changes that the file has seen; locked while it is written.
    changes: Mutex<u64>,
}

/// Takes over what was spent before the start. Blocks.
pub(super) fn restore(cache: &Cache, accounts: &Arc<Accounts>) -> Result<Bookkeeper, BuildError> {
    let Some(directory) = &cache.data_dir else {
        return Ok(Bookkeeper {
            accounts: Arc::clone(accounts),
            file: None,
        });
    };
    let path = directory.join(FILE);
    let failed = |why| BuildError::Spending {
        path: path.clone(),
        why,
    };
    let lock = if cache.enabled {
        None
    } else {
        Some(lock(directory).map_err(failed)?)
    };
    let read = read(&path).map_err(failed)?;
    for (name, spend) in read {
        accounts.restore(&name, spend);
    }
    let changes = Mutex::new(accounts.changes());
    Ok(Bookkeeper {
        accounts: Arc::clone(accounts),
        file: Some(Arc::new(SavedAs {
            path,
            _lock: lock,
            changes,
        })),
    })
}

impl Bookkeeper {
    /// Saves what is spent, and shows it in the metrics, for as long as the app.
    pub(super) fn keep_books(&self, chores: &mut JoinSet<()>) {
        let keeper = self.clone();
        chores.spawn(async move {
            let mut is_well = true;
            loop {
                tokio::time::sleep(TICK).await;
                keeper.accounts.show();
                let saved = keeper.save().await;
                if let (true, Err(error)) = (is_well, &saved) {
                    tracing::error!(%error, "what clients spend can't be saved; a restart would forget it");
                } else if !is_well && saved.is_ok() {
                    tracing::info!("what clients spend is saved again");
                }
                is_well = saved.is_ok();
            }
        });
    }

    /// Saves the last of it.
    pub(super) async fn finish(self) {
        if let Err(error) = self.save().await {
            tracing::error!(%error, "what clients have spent could not be saved");
        }
    }

    async fn save(&self) -> io::Result<()> {
        let Some(file) = self.file.clone() else {
            return Ok(());
        };
        let accounts = Arc::clone(&self.accounts);
        let saved = tokio::task::spawn_blocking(move || file.follow(&accounts));
        saved.await.map_err(io::Error::other)?
    }
}

impl SavedAs {
    /// Writes the file, if anything has changed.
    fn follow(&self, accounts: &Accounts) -> io::Result<()> {
        let mut saved = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the sums: what changes in between is written twice rather than never.
        let changes = accounts.changes();
        if *saved == changes {
            return Ok(());
        }
        write(&self.path, &accounts.spent())?;
        *saved = changes;
        Ok(())
    }
}

/// Keeps other gateways out of the directory, until the file that is given back is closed.
fn lock(directory: &Path) -> Result<File, String> {
    let opened = fs::create_dir_all(directory).and_then(|()| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        options.open(directory.join(LOCK))
    });
    let file = opened.map_err(|error| error.to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err("another gateway uses this directory".to_owned()),
        Err(TryLockError::Error(error)) => Err(error.to_string()),
    }
}

/// What the file says; nothing, if there is none.
fn read(path: &Path) -> Result<Vec<(ClientName, Spend)>, String> {
    let text = small_file::read(path, LONGEST).map_err(|error| error.to_string())?;
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let book: Book = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if book.version != VERSION {
        return Err(format!("its version is {}, not {VERSION}", book.version));
    }
    let pages = book.clients.into_iter().map(|(name, page)| {
        let client = ClientName::new(&name).map_err(|invalid| invalid.to_string())?;
        let is_one_month = page.day.get(..7) == Some(&*page.month);
        let spend = Spend::of(&Spent {
            date: page.day,
            day: NanoUsd(page.day_spent_nano_usd),
            month: NanoUsd(page.month_spent_nano_usd),
        });
        let spend = spend.filter(|_| is_one_month);
        Ok((client, spend.ok_or(format!("`{name}` has no valid date"))?))
    });
    pages.collect()
}

fn write(path: &Path, spent: &[(ClientName, Spent)]) -> io::Result<()> {
    let pages = spent.iter().map(|(name, spent)| {
        let page = Page {
            day: spent.date.clone(),
            day_spent_nano_usd: spent.day.0,
            month: spent.date.chars().take(7).collect(),
            month_spent_nano_usd: spent.month.0,
        };
        (name.to_string(), page)
    });
    let book = Book {
        version: VERSION,
        clients: pages.collect(),
    };
    let mut text = serde_json::to_vec_pretty(&book)?;
    text.push(b'\n');
    small_file::replace(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock, UnixMillis},
        config::{AllowedModels, CacheOverrides, Client, KeyDigest},
        gateway::account::Account,
        policy::limit::Limits,
        units::{Tokens, Usd},
    };

    struct Books {
        directory: tempfile::TempDir,
        clock: Clock,
    }

    impl Books {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                clock: Clock::manual(),
            }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("data").join(FILE)
        }

        fn accounts(&self) -> (Arc<Accounts>, SavedAs) {
            let accounts = Arc::new(Accounts::new(self.clock.clone()));
            for (name, spend) in read(&self.path()).unwrap() {
                accounts.restore(&name, spend);
            }
            let changes = Mutex::new(accounts.changes());
            let path = self.path();
            (
                accounts,
                SavedAs {
                    path,
                    _lock: None,
                    changes,
                },
            )
        }
    }

    fn spend(account: &Arc<Account>, amount: f64) {
        let mut reservation = account.reserve(Tokens(0), None).unwrap();
        reservation.settle(Tokens(0), Usd::new(amount));
    }

    fn web(accounts: &Accounts) -> Arc<Account> {
        accounts.of(&Client {
            name: ClientName::new("web").unwrap(),
            key: KeyDigest::of("rk-web"),
            key_env: None,
            namespace: None,
            allowed_models: AllowedModels::All,
            cache: CacheOverrides::default(),
            max_input_tokens: None,
            on_overflow: None,
            limits: Limits::default(),
            budget: None,
            expires: None,
        })
    }

    #[test]
    fn what_is_spent_is_read_again() {
        let books = Books::new();
        let (accounts, saved_as) = books.accounts();
        saved_as.follow(&accounts).unwrap();
        assert!(!books.path().exists(), "nothing is spent yet");
        spend(&web(&accounts), 1.5);
        saved_as.follow(&accounts).unwrap();

        let (again, saved_as) = books.accounts();
        let spent = web(&again).spent();
        assert_eq!((spent.day.dollars(), spent.month.dollars()), (1.5, 1.5));
        // A new day.
        books.clock.advance(Duration::from_secs(24 * 60 * 60));
        spend(&web(&again), 0.25);
        saved_as.follow(&again).unwrap();
        let spent = web(&books.accounts().0).spent();
        assert_eq!((spent.day.dollars(), spent.month.dollars()), (0.25, 1.75));
        let files: Vec<_> = fs::read_dir(books.path().parent().unwrap())
            .unwrap()
            .collect();
        assert_eq!(files.len(), 1, "nothing is left aside");
    }

    #[test]
    fn the_file_is_what_it_is_said_to_be() {
        let books = Books::new();
        let (accounts, saved_as) = books.accounts();
        spend(&web(&accounts), 0.000_000_15);
        saved_as.follow(&accounts).unwrap();
        let text = fs::read_to_string(books.path()).unwrap();
        let page = "{\"version\":1,\"clients\":{\"web\":{\"day\":\"2023-11-14\",\"day_spent_nano_usd\":150,\
                    \"month\":\"2023-11\",\"month_spent_nano_usd\":150}}}";
        assert_eq!(text.split_whitespace().collect::<String>(), page);
    }

    #[test]
    fn nothing_is_written_that_has_not_changed() {
        let books = Books::new();
        let (accounts, saved_as) = books.accounts();
        spend(&web(&accounts), 1.0);
        saved_as.follow(&accounts).unwrap();
        fs::remove_file(books.path()).unwrap();
        saved_as.follow(&accounts).unwrap();
        assert!(!books.path().exists());
        spend(&web(&accounts), 1.0);
        saved_as.follow(&accounts).unwrap();
        assert!(books.path().exists());
    }

    #[test]
    fn a_file_that_is_not_understood_is_no_new_beginning() {
        let page = |day: &str, month: &str, spent: &str| {
            format!(
                "{{\"version\":1,\"clients\":{{\"web\":{{\"day\":\"{day}\",\"day_spent_nano_usd\":{spent},\
                 \"month\":\"{month}\",\"month_spent_nano_usd\":1}}}}}}"
            )
        };
        let books = Books::new();
        fs::create_dir_all(books.path().parent().unwrap()).unwrap();
        let is_read = |text: &[u8]| {
            fs::write(books.path(), text).unwrap();
            read(&books.path()).is_ok()
        };
        assert!(is_read(page("2026-11-21", "2026-11", "1").as_bytes()));
        for broken in [
            String::new(),
            "{}".to_owned(),
            "{\"version\":2,\"clients\":{}}".to_owned(),
            "{\"version\":1,\"clients\":{\"a b\":{}}}".to_owned(),
            page("2026-11-31", "2026-11", "1"),
            page("2026-11-21", "2026-10", "1"),
            page("é026-11-2", "é026-11", "1"),
            page("2026-11-21", "2026-11", "-1"),
            page("2026-11-21", "2026-11", "1.5"),
            page("2026-11-21", "2026-11", "99999999999999999999"),
            page("2026-11-21", "2026-11", "1").replace("\"version\"", "\"x\":1,\"version\""),
        ] {
            assert!(!is_read(broken.as_bytes()), "{broken}");
        }
        assert!(!is_read(b"\xff\xfe"));
        fs::remove_file(books.path()).unwrap();
        fs::create_dir(books.path()).unwrap();
        assert!(read(&books.path()).is_err(), "a directory");
    }

    #[test]
    fn last_months_spending_is_no_longer_kept() {
        let books = Books::new();
        let (accounts, saved_as) = books.accounts();
        spend(&web(&accounts), 1.0);
        books.clock.advance(Duration::from_secs(40 * 24 * 60 * 60));
        saved_as.follow(&accounts).unwrap();
        assert!(books.accounts().0.spent().is_empty());
        assert!(books.clock.unix() > UnixMillis(0));
    }
}
