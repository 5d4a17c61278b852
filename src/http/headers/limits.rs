//! How much is left of a client's limits, in OpenAI's headers, which client libraries read.
//!
//! <https://platform.openai.com/docs/guides/rate-limits> (2026-11): `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, a
//! reset as Go writes durations, such as `6m0s`.

use std::{fmt::Write as _, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::gateway::limiter::{Level, Levels};

/// Writes what there is a limit of, in place of what a provider says about the gateway's own.
pub(in crate::http) fn write(headers: &mut HeaderMap, levels: &Levels) {
    const REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    const TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    for (names, level) in [(REQUESTS, levels.requests), (TOKENS, levels.tokens)] {
        let Some(Level {
            limit,
            remaining,
            reset,
        }) = level
        else {
            continue;
        };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, HeaderValue::from(limit));
        headers.insert(remaining_name, HeaderValue::from(remaining));
        if let Ok(reset) = HeaderValue::from_str(&duration(reset)) {
            headers.insert(reset_name, reset);
        }
    }
}

/// As Go writes it, rounded up to milliseconds.
fn duration(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if hours > 0 || minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    let fraction = format!("{millis:03}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    // Writing to a string does not fail.
    let _written = write!(text, "{seconds}{point}{fraction}s");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_go_writes_them() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (20, "20ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (8640, "8.64s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (90_050, "1m30.05s"),
            (3_600_000, "1h0m0s"),
            (90_061_001, "25h1m1.001s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "1ms");
        assert_eq!(duration(Duration::from_nanos(999_000_001)), "1s");
        assert!(duration(Duration::MAX).ends_with('s'));
    }

    #[test]
    fn only_what_is_limited_is_written() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit-requests", HeaderValue::from_static("9"));
        headers.insert("x-ratelimit-limit-tokens", HeaderValue::from_static("9"));
        let level = Level {
            limit: 60,
            remaining: 59,
            reset: Duration::from_secs(1),
        };
        let levels = Levels {
            requests: Some(level),
            ..Levels::default()
        };
        write(&mut headers, &levels);
        let mut written: Vec<String> = (headers.iter())
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        written.sort_unstable();
        assert_eq!(
            written,
            [
                "x-ratelimit-limit-requests: 60",
                "x-ratelimit-limit-tokens: 9",
                "x-ratelimit-remaining-requests: 59",
                "x-ratelimit-reset-requests: 1s",
            ]
        );
    }
}
