//! What the headers of an answer say about a provider's limits.
//!
//! Sources: RFC 9110 §10.2.3; <https://platform.openai.com/docs/guides/rate-limits>,
//! <https://platform.claude.com/docs/en/api/rate-limits> (seen 2026-11). Servers with OpenAI's interface
//! mostly have OpenAI's headers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The longest wait that a provider can ask for, in seconds.
const LONGEST_WAIT: f64 = 86_400.0;

/// Headers that say how much is left and how long it takes until the limit is full again, a duration of Go.
const OPENAI: [(&str, &str); 2] = [
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
];
/// The same with the time at which it is (RFC 3339).
const ANTHROPIC: [(&str, &str); 4] = [
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// OpenAI's `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110 §10.2.3): the first of
/// them that is a time.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| text(headers, name)?.parse::<f64>().ok();
    let milliseconds = number("retry-after-ms").and_then(|ms| wait(ms / 1000.0));
    let seconds = || wait(number(header::RETRY_AFTER.as_str())?);
    let date = || wait(until_date(headers)?.as_secs_f64());
    milliseconds.or_else(seconds).or_else(date)
}

fn until_date(headers: &HeaderMap) -> Option<Duration> {
    let until = text(headers, header::RETRY_AFTER.as_str())?;
    until_time(headers, httpdate::parse_http_date(until).ok()?)
}

/// How long it takes until all limits are full again of which nothing is left; `None` if something is
/// left of all that are told.
pub(super) fn drained(headers: &HeaderMap) -> Option<Duration> {
    let is_nothing = |name| text(headers, name).is_some_and(|left| left == "0");
    let openai = OPENAI.into_iter().filter_map(|(left, reset)| {
        is_nothing(left)
            .then(|| duration(text(headers, reset)?))
            .flatten()
    });
    let anthropic = ANTHROPIC.into_iter().filter_map(|(left, reset)| {
        let time = || humantime::parse_rfc3339_weak(text(headers, reset)?).ok();
        is_nothing(left)
            .then(|| until_time(headers, time()?))
            .flatten()
    });
    openai.chain(anthropic).max()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// How far `until` is from the answer's own `Date`: the provider's clock may differ from the gateway's.
fn until_time(headers: &HeaderMap, until: SystemTime) -> Option<Duration> {
    let now = text(headers, header::DATE.as_str())?;
    let now = httpdate::parse_http_date(now).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// A duration as Go writes it (`20ms`, `6m0s`, `1h2m3.5s`), or a number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return wait(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(find(rest, |c| c != '.' && !c.is_ascii_digit())?);
        let end = find(behind, |c| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = next;
    }
    (!text.is_empty()).then(|| wait(seconds)).flatten()
}

fn find(text: &str, is_it: impl Fn(char) -> bool) -> Option<usize> {
    text.char_indices()
        .find_map(|(at, c)| is_it(c).then_some(at))
}

/// So many seconds, if they are that.
fn wait(seconds: f64) -> Option<Duration> {
    let seconds = Some(seconds).filter(|seconds| seconds.is_finite())?;
    Duration::try_from_secs_f64(seconds.min(LONGEST_WAIT)).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "Fri, 06 Nov 2026 08:00:00 GMT";

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        of.iter()
            .map(|(name, text)| (http::HeaderName::from_static(name), value(text)))
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_milliseconds() {
        let of = |name, value| retry_after(&headers(&[(name, value)]));
        assert_eq!(of("retry-after", "20"), Some(Duration::from_secs(20)));
        assert_eq!(
            of("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(of("retry-after", "-1"), None);
        assert_eq!(of("retry-after", "NaN"), None);
        for (ms, expect) in [
            ("500", 500),
            ("0", 0),
            ("-1", 20_000),
            ("NaN", 20_000),
            ("inf", 20_000),
            ("", 20_000),
            ("20s", 20_000),
            ("\u{e9}", 20_000),
        ] {
            let both = headers(&[("retry-after-ms", ms), ("retry-after", "20")]);
            let found = retry_after(&both).map(|wait| wait.as_millis());
            assert_eq!(found, Some(expect), "{ms}");
        }
        let date = [
            ("retry-after-ms", "-1"),
            ("retry-after", "Fri, 06 Nov 2026 08:00:05 GMT"),
            ("date", NOW),
        ];
        assert_eq!(retry_after(&headers(&date)), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_date_to_retry_after_is_read_against_the_date_of_the_answer() {
        let of = |until, now: Option<&str>| {
            let mut given = vec![("retry-after", until)];
            given.extend(now.map(|now| ("date", now)));
            retry_after(&headers(&given))
        };
        for (until, seconds) in [
            ("Fri, 06 Nov 2026 08:01:30 GMT", 90),
            ("Friday, 06-Nov-26 08:00:05 GMT", 5),
            ("Fri, 06 Nov 2026 08:00:00 GMT", 0),
            ("Fri, 06 Nov 2026 07:59:00 GMT", 0),
            ("Sat, 06 Nov 9999 08:00:00 GMT", 86_400),
        ] {
            assert_eq!(of(until, Some(NOW)), Some(Duration::from_secs(seconds)));
            assert_eq!(of(until, None), None);
            assert_eq!(of(until, Some("today")), None);
        }
        for until in [
            "",
            "soon",
            "Fri, 99 Nov 2026 08:00:00 GMT",
            "2026-11-06T08:00:00Z",
        ] {
            assert_eq!(of(until, Some(NOW)), None, "{until}");
        }
    }

    #[test]
    fn durations_of_go() {
        for (text, expect) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("20ms", Some(20)),
            ("1s", Some(1000)),
            ("6m0s", Some(360_000)),
            ("1h2m", Some(3_720_000)),
            ("2m59.56s", Some(179_560)),
            ("1h0m0.5s", Some(3_600_500)),
            ("1500us", Some(1)),
            ("1500µs", Some(1)),
            ("7000000ns", Some(7)),
            ("7.66", Some(7660)),
            ("999999h", Some(86_400_000)),
            ("", None),
            ("-1s", None),
            ("-1", None),
            ("s", None),
            ("1", Some(1000)),
            ("1x", None),
            ("1.2.3s", None),
            ("1s2", None),
            ("1 s", None),
            ("NaN", None),
            ("inf", None),
        ] {
            let found = duration(text).map(|found| found.as_millis());
            assert_eq!(found, expect, "{text}");
        }
    }

    #[test]
    fn nothing_is_left() {
        let of = |given: &[(&'static str, &str)]| {
            drained(&headers(given)).map(|reset| reset.as_millis())
        };
        let (left, reset) = (
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        );
        assert_eq!(of(&[(left, "0"), (reset, "20s")]), Some(20_000));
        assert_eq!(of(&[(left, "1"), (reset, "20s")]), None);
        assert_eq!(of(&[(left, "0")]), None);
        assert_eq!(of(&[(reset, "20s")]), None);
        assert_eq!(of(&[(left, ""), (reset, "20s")]), None);
        // The longest wait of those that matter.
        let tokens = "x-ratelimit-remaining-tokens";
        let tokens_reset = "x-ratelimit-reset-tokens";
        let both = [
            (left, "0"),
            (reset, "1s"),
            (tokens, "0"),
            (tokens_reset, "6m0s"),
        ];
        assert_eq!(of(&both), Some(360_000));
        for (left, reset) in ANTHROPIC {
            let until = "2026-11-06T08:00:30Z";
            assert_eq!(
                of(&[(left, "0"), (reset, until), ("date", NOW)]),
                Some(30_000)
            );
            assert_eq!(of(&[(left, "9"), (reset, until), ("date", NOW)]), None);
            assert_eq!(of(&[(left, "0"), (reset, until)]), None);
            let past = "2026-11-06T07:00:00Z";
            assert_eq!(of(&[(left, "0"), (reset, past), ("date", NOW)]), Some(0));
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in r"[0-9a-zµ.\-+]{0,30}|\PC{0,30}") {
            if let Some(found) = duration(&text) {
                prop_assert!(found <= Duration::from_secs(86_400));
            }
        }

        #[test]
        fn what_go_writes_is_read(hours in 0_u64..20, minutes in 0_u64..60, ms in 0_u64..60_000) {
            let (seconds, rest) = (ms / 1000, ms % 1000);
            let text = format!("{hours}h{minutes}m{seconds}.{rest:03}s");
            let expect = Duration::from_millis(hours * 3_600_000 + minutes * 60_000 + ms);
            let found = duration(&text).unwrap();
            prop_assert!(found.abs_diff(expect) < Duration::from_micros(1));
        }
    }
}
