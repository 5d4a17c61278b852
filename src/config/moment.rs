//! Points in time as people write them: `2027-01-31`, `2027-01-31T12:00:00Z`.
//!
//! It reads and prints; whether a time is past is decided where the present is known. Invariant: a time that was
//! read lies in the years 1970 to 9999.

use std::time::{Duration, UNIX_EPOCH};

use toml::value::{Datetime, Offset};

use super::problem::quoted;
use crate::clock::UnixMillis;

/// What is to be written, for messages.
pub(crate) const EXPECTED: &str =
    "a date or a time, for example \"2027-01-31\" or \"2027-01-31T12:00:00Z\"";

/// The end of the year 9999, beyond which RFC 3339 can't write.
const LAST: i64 = 253_402_300_799_999;

/// Reads a date (it begins at midnight UTC), or a time of RFC 3339; an error says what to write instead.
pub(crate) fn parse(text: &str) -> Result<UnixMillis, String> {
    let written = text.trim().parse::<Datetime>();
    let written = written.map_err(|_| format!("not {EXPECTED}: {}", quoted(text)))?;
    of(&written)
}

/// What a date of TOML means; an error says what to write instead.
pub(crate) fn of(written: &Datetime) -> Result<UnixMillis, String> {
    let text = quoted(&written.to_string());
    let Some(date) = written.date else {
        return Err(format!("not {EXPECTED}: {text}"));
    };
    let minutes = match (written.time, written.offset) {
        (None, _) | (_, Some(Offset::Z)) => 0,
        (_, Some(Offset::Custom { minutes })) => i64::from(minutes),
        (Some(_), None) => {
            return Err(format!(
                "says no time zone: {text} (write `Z` at its end for UTC)"
            ));
        }
    };
    if date.year < 1970 {
        return Ok(UnixMillis(0));
    }
    let (hour, minute, second, nanosecond) = written.time.map_or((0, 0, 0, 0), |time| {
        let nanosecond = time.nanosecond.unwrap_or(0);
        (time.hour, time.minute, time.second.unwrap_or(0), nanosecond)
    });
    let local = format!("{date}T{hour:02}:{minute:02}:{second:02}.{nanosecond:09}Z");
    let local = humantime::parse_rfc3339(&local)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .ok_or_else(|| format!("not {EXPECTED}: {text}"))?;
    let utc = (local - minutes * 60_000).clamp(0, LAST);
    Ok(UnixMillis(utc.unsigned_abs()))
}

/// Writes a time as RFC 3339 has it, in UTC, to the second.
pub(crate) fn show(time: UnixMillis) -> String {
    let last = LAST.unsigned_abs();
    let since = Duration::from_millis(time.0.min(last));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        let check = |text: &str, expect: &str| {
            let read = parse(text).unwrap();
            assert_eq!(show(read), expect, "{text}");
            assert_eq!(parse(&show(read)).unwrap().0 / 1000, read.0 / 1000);
        };
        check("2027-01-31", "2027-01-31T00:00:00Z");
        check("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z");
        check("2027-01-31 12:00:00Z", "2027-01-31T12:00:00Z");
        check("2027-01-31T12:00:00.5+02:00", "2027-01-31T10:00:00Z");
        check("2027-01-31T23:30:00-01:00", "2027-02-01T00:30:00Z");
        check("2028-02-29", "2028-02-29T00:00:00Z");
        check("1969-07-20", "1970-01-01T00:00:00Z");
        check("1970-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z");
        check("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z");
        assert_eq!(show(UnixMillis(u64::MAX)), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "tomorrow",
            "31.01.2027",
            "2027-02-29",
            "2027-13-01",
            "2027-01-31T25:00:00Z",
            "2027-01-31T12:00:00",
            "12:00:00",
            "1799999999",
            "20270131",
            "2027-01-31T12:00:00+25:00",
            "２０２７-01-31",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
        let no_zone = parse("2027-01-31T12:00:00").unwrap_err();
        assert!(no_zone.contains("`Z`"), "{no_zone}");
    }
}
