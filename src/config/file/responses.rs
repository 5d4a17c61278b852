//! `[responses]` as written.

use super::values::{Zero, duration, size};
use crate::config::{defaults, quantity::ByteSize, reader::Section, responses::Responses};

pub(super) fn responses(section: &mut Section<'_, '_>) -> Responses {
    let store = section.switch("store");
    let ttl = duration(section, "ttl", Zero::Refused, defaults::RESPONSES_TTL);
    let range = ByteSize::mib(1)..=ByteSize::mib(1024 * 1024);
    let max_bytes = size(section, "max_bytes", &range, defaults::RESPONSES_MAX_BYTES);
    Responses {
        store: store.map_or(defaults::STORE_RESPONSES, |at| at.value),
        ttl,
        max_bytes: max_bytes.map_or(defaults::RESPONSES_MAX_BYTES, |at| at.value),
    }
}
