//! Sizes and durations as people write them: `"10MiB"`, `"24h"`.
//!
//! It reads and prints text; which sizes a setting accepts is decided where the setting is read.
//! Invariant: the printed form reads back as the same value.

use std::{fmt, time::Duration};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

const KIB: u64 = 1024;
const MIB: u64 = KIB * 1024;
const GIB: u64 = MIB * 1024;

impl ByteSize {
    /// A size of `bytes`.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of `kib` × 1024 bytes.
    #[must_use]
    pub const fn kib(kib: u64) -> Self {
        Self(kib.saturating_mul(KIB))
    }

    /// A size of `mib` × 1024 × 1024 bytes.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib.saturating_mul(MIB))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory, the largest one if it does not fit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads `10MiB`, `64 KB`, `100 bytes` or a plain number of bytes; case does not matter.
    ///
    /// A bare `K`, `M` or `G` is refused: it means 1000 to some and 1024 to others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" | "byte" | "bytes" => 1,
            "kib" => KIB,
            "mib" => MIB,
            "gib" => GIB,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

/// Reads `250ms`, `30s`, `1h 30m`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Writes a duration as [`parse_duration`] reads it, in one unit where that is exact: `24h`, not
/// `1day`.
pub(crate) fn show_duration(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let seconds = duration.as_secs();
    if duration.is_zero() || duration.subsec_nanos() != 0 {
        return humantime::format_duration(duration).to_string();
    }
    if seconds.is_multiple_of(HOUR) {
        format!("{}h", seconds / HOUR)
    } else if seconds.is_multiple_of(MINUTE) && seconds > MINUTE {
        format!("{}m", seconds / MINUTE)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text, expect| assert_eq!(ByteSize::parse(text).map(ByteSize::get), expect);
        check("10MiB", Some(10 * MIB));
        check("1 GiB", Some(GIB));
        check("64kb", Some(64_000));
        check("100 bytes", Some(100));
        check("100", Some(100));
        check("10M", None);
        check("1.5MiB", None);
        check("-1", None);
        check("", None);
        check("MiB", None);
        check("99999999999999GiB", None);
    }

    #[test]
    fn a_printed_size_reads_back() {
        for size in [0, 1, KIB, 1500, 10 * MIB, GIB + 1] {
            let size = ByteSize::bytes(size);
            assert_eq!(ByteSize::parse(&size.to_string()), Some(size));
        }
    }

    #[test]
    fn a_printed_duration_reads_back() {
        let check = |millis, expect| {
            let duration = Duration::from_millis(millis);
            assert_eq!(show_duration(duration), expect);
            assert_eq!(parse_duration(expect), Some(duration));
        };
        check(0, "0s");
        check(250, "250ms");
        check(1_500, "1s 500ms");
        check(60_000, "60s");
        check(90_000, "90s");
        check(600_000, "10m");
        check(86_400_000, "24h");
    }
}
