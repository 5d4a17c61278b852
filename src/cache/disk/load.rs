//! What a file held when it was opened, one record at a time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    failure::SetAside,
    file::Records,
    record::Record,
    shared::Shared,
    stored::{Damaged, Key, Stored, decode},
};

/// A key, and what it has.
type Row<R> = (Key, Result<R, Damaged>);

/// The records of a file. It is read while it is iterated, as it was when it was opened; newer
/// changes go on beside it.
///
/// A damaged record is skipped and deleted. If the order or number of records shows that the file
/// itself is damaged, the iteration ends early, the file is set aside, and
/// [`super::Disk::take_unsaved`] asks for everything.
pub struct Loaded<R: Stored = Record> {
    records: Option<Records>,
    expected: u64,
    seen: u64,
    damaged: u64,
    last: Option<Key>,
    set_aside: Option<SetAside>,
    shared: Arc<Shared<R>>,
}

impl<R: Stored> Loaded<R> {
    pub(super) fn new(
        records: Option<(Records, u64)>,
        set_aside: Option<SetAside>,
        shared: Arc<Shared<R>>,
    ) -> Self {
        let (records, expected) = records.map_or((None, 0), |(records, n)| (Some(records), n));
        Self {
            records,
            expected,
            seen: 0,
            damaged: 0,
            last: None,
            set_aside,
            shared,
        }
    }

    /// How many records the file says that it has.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// How many damaged records were skipped so far.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The file that could not be used, if there was one.
    #[must_use]
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.set_aside.as_ref()
    }

    /// The next row; `Err` if the file is damaged beyond a record.
    fn row(&mut self) -> Result<Option<Row<R>>, Damaged> {
        let Some(records) = &mut self.records else {
            return Ok(None);
        };
        let row = catch_unwind(AssertUnwindSafe(|| {
            let row = records.next()?;
            Some(row.map(|(key, value)| {
                let key = key.value();
                (key, decode(&key, value.value()))
            }))
        }));
        match row {
            Ok(None) if self.seen == self.expected => Ok(None),
            Ok(Some(Ok((key, record)))) => {
                self.seen += 1;
                let ascends = self.last.is_none_or(|last| last < key);
                self.last = Some(key);
                let expected = ascends && self.seen <= self.expected;
                expected.then_some(Some((key, record))).ok_or(Damaged)
            }
            Ok(None | Some(Err(_))) | Err(_) => Err(Damaged),
        }
    }
}

impl<R: Stored> Iterator for Loaded<R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        loop {
            match self.row() {
                Ok(Some((_, Ok(record)))) => return Some(record),
                Ok(Some((key, Err(Damaged)))) => {
                    self.damaged += 1;
                    self.shared.prune(key);
                }
                end @ (Ok(None) | Err(Damaged)) => {
                    // Dropped, it lets pages be used again that were held back for it.
                    self.records.take()?;
                    if end.is_err() {
                        self.shared.renew();
                    } else if self.damaged > 0 {
                        let records = self.damaged;
                        let title = R::KIND.title;
                        tracing::warn!(records, "deleted damaged records of {title}");
                    }
                    return None;
                }
            }
        }
    }
}

impl<R: Stored> std::fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("expected", &self.expected)
            .field("seen", &self.seen)
            .field("damaged", &self.damaged)
            .field("set_aside", &self.set_aside)
            .finish_non_exhaustive()
    }
}
