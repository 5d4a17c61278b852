//! A kept response as it lies in the file.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    KeptResponse,
    table::{Held, Table},
};
use crate::{
    cache::disk::{Key, Kind, Metrics, Stored},
    clock::UnixMillis,
    ident::ProviderName,
    telemetry::names,
};

/// One kept response, as plain data.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Key,
    /// Its place in the order in which they came.
    pub(super) number: u64,
    pub(super) kept_at: UnixMillis,
    pub(super) response: Bytes,
    pub(super) input: Bytes,
    pub(super) provider: Option<String>,
}

/// Without its content, which is nothing for a log.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("number", &self.number)
            .field("bytes", &(self.response.len() + self.input.len()))
            .finish_non_exhaustive()
    }
}

/// Its form in the file (postcard): number, time in milliseconds since 1970, response, input, provider.
#[derive(Serialize, Deserialize)]
struct Fields(u64, u64, Bytes, Bytes, Option<String>);

impl Row {
    /// What is held under a key.
    pub(super) fn of(table: &Table, key: Key) -> Option<Self> {
        let (number, Held { kept, kept_at }) = table.numbered(&key)?;
        let provider = kept.provider.as_ref();
        Some(Self {
            key,
            number: *number,
            kept_at: *kept_at,
            response: kept.response.clone(),
            input: kept.input.clone(),
            provider: provider.map(|name| name.as_str().to_owned()),
        })
    }

    /// The number, and what is to be held; `None` if the provider's name is none.
    pub(super) fn held(self) -> Option<(u64, Held)> {
        let provider = self.provider.as_deref().map(ProviderName::new);
        let kept = KeptResponse {
            response: self.response,
            input: self.input,
            provider: provider.transpose().ok()?,
        };
        let held = Held {
            kept: Arc::new(kept),
            kept_at: self.kept_at,
        };
        Some((self.number, held))
    }
}

impl Stored for Row {
    const KIND: Kind = Kind {
        name: "responses",
        title: "the file of kept responses",
        table: "responses",
        metrics: Metrics {
            state: names::RESPONSES_DISK_STATE,
            bytes: names::RESPONSES_DISK_BYTES,
            failures: names::RESPONSES_DISK_FAILURES,
            dropped: names::RESPONSES_DISK_DROPPED,
        },
    };

    fn key(&self) -> Key {
        self.key
    }

    fn size(&self) -> usize {
        let provider = self.provider.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.response.len() + self.input.len() + provider
    }

    fn write(&self) -> Option<Vec<u8>> {
        let fields = Fields(
            self.number,
            self.kept_at.0,
            self.response.clone(),
            self.input.clone(),
            self.provider.clone(),
        );
        postcard::to_allocvec(&fields).ok()
    }

    fn read(key: Key, _version: u8, fields: &[u8]) -> Option<Self> {
        let Fields(number, kept_at, response, input, provider) =
            postcard::from_bytes(fields).ok()?;
        Some(Self {
            key,
            number,
            kept_at: UnixMillis(kept_at),
            response,
            input,
            provider,
        })
    }
}
