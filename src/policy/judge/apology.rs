//! Texts that are answers in form only: errors of an upstream that came with a 200, and refusals.

/// Longer texts explain something.
const LONGEST: usize = 400;

/// How error texts of servers, proxies and providers begin, in lower case.
const OPENINGS: [&str; 44] = [
    "an error has occurred",
    "an error occurred",
    "an internal error occurred",
    "an unexpected error",
    "an unknown error",
    "bad gateway",
    "connection refused",
    "connection reset by peer",
    "connection timed out",
    "context deadline exceeded",
    "failed to generate a response",
    "gateway time-out",
    "gateway timeout",
    "incorrect api key provided",
    "internal error",
    "internal server error",
    "invalid api key",
    "model is overloaded",
    "no available server",
    "no healthy upstream",
    "quota exceeded",
    "rate limit exceeded",
    "rate limit reached",
    "rate limited",
    "read timeout",
    "request failed with status code",
    "request timed out",
    "request timeout",
    "resource exhausted",
    "server error",
    "server overloaded",
    "server is overloaded",
    "server is busy",
    "service is temporarily unavailable",
    "service is unavailable",
    "service temporarily unavailable",
    "service unavailable",
    "something went wrong",
    "temporarily unavailable",
    "the engine is currently overloaded",
    "the model is overloaded",
    "the operation timed out",
    "too many requests",
    "unable to connect to the server",
];

/// More of them, with words between that differ.
const BEGINNINGS: [(&str, &str); 9] = [
    ("the server ", "while processing your request"),
    ("the server ", "overloaded"),
    ("the server ", "temporarily unable"),
    ("the server ", "internal error"),
    ("that model ", "overloaded"),
    ("the service ", "unavailable"),
    ("upstream ", "timeout"),
    ("upstream ", "disconnect"),
    ("you exceeded your ", "quota"),
];

/// Words of a text that explains an error rather than being one.
const EXPLAINS: [&str; 15] = [
    " mean ",
    " means ",
    " meaning ",
    " indicates ",
    " refers to ",
    " is a ",
    " is an ",
    " is the ",
    " occur ",
    " occurs ",
    " happens ",
    " typically ",
    " usually ",
    "for example",
    "```",
];

/// What may stand before an opening.
const PREFIXES: [&str; 18] = [
    "error",
    "code",
    "http",
    "status",
    "fatal",
    "exception",
    "sorry",
    "i'm sorry",
    "we're sorry",
    "we are sorry",
    "i apologize",
    "apologies",
    "oops",
    "uh oh",
    "unfortunately",
    "but",
    "it seems",
    "there was",
];

/// What the title of an error page says.
const TITLES: [&str; 12] = [
    "500 ",
    "502",
    "503",
    "504",
    "bad gateway",
    "service unavailable",
    "gateway time-out",
    "gateway timeout",
    "internal server error",
    "too many requests",
    "attention required",
    "just a moment",
];

/// Whether a text is an upstream's error in place of an answer: "internal server error", "rate limit
/// exceeded", an error page of a proxy.
///
/// Only short texts that open like one and don't explain it. A right answer that reads exactly like an
/// error ("What is the name of status 503?") is taken for one too: it is delivered, but not kept.
#[must_use]
pub fn is_apology(text: &str) -> bool {
    let text = text.trim();
    let beginning: String = text.chars().take(LONGEST + 1).collect();
    let lower = beginning.to_lowercase().replace('\u{2019}', "'");
    if lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<head") {
        return is_error_page(&lower);
    }
    if beginning.len() < text.len() || EXPLAINS.iter().any(|word| lower.contains(word)) {
        return false;
    }
    if lower.starts_with('{') {
        // An error body, passed on as if the model had said it.
        let says = |word: &&str| lower.contains(*word);
        return lower
            .trim_start_matches(['{', ' ', '\n'])
            .starts_with("\"error\"")
            && OPENINGS
                .iter()
                .chain(&["server_error", "rate_limit", "overloaded"])
                .any(says);
    }
    let opening = without_prefixes(&lower);
    let begins = |with: &str| {
        let rest = opening.strip_prefix(with);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    };
    OPENINGS.iter().any(|opening| begins(opening))
        || BEGINNINGS
            .iter()
            .any(|(start, then)| opening.starts_with(start) && opening.contains(then))
}

fn is_error_page(page: &str) -> bool {
    let title = page.split_once("<title>").map_or("", |(_, rest)| rest);
    let title = title.split('<').next().unwrap_or("");
    TITLES.iter().any(|error| title.contains(error))
}

/// Without signs, status codes and what else stands before the error itself.
fn without_prefixes(text: &str) -> &str {
    let mut rest = text;
    loop {
        let bare = rest.trim_start_matches(|c: char| !c.is_alphabetic());
        let shorter = PREFIXES.iter().find_map(|prefix| {
            let rest = bare.strip_prefix(prefix)?;
            (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
        });
        match shorter {
            Some(shorter) => rest = shorter,
            None => return bare,
        }
    }
}

/// Whether a model says that it won't or can't answer.
pub(super) fn is_refusal(text: &str) -> bool {
    const OPENINGS: [&str; 14] = [
        "i can't assist",
        "i can't help",
        "i can't provide",
        "i cannot assist",
        "i cannot help",
        "i cannot provide",
        "i'm sorry, but i",
        "i'm sorry, i",
        "i am sorry, but i",
        "sorry, but i can",
        "sorry, i can",
        "i'm unable to",
        "i am unable to",
        "as an ai",
    ];
    let beginning: String = text.chars().take(32).collect();
    let lower = beginning.to_lowercase().replace('\u{2019}', "'");
    OPENINGS.iter().any(|opening| lower.starts_with(opening))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn error_texts_are_no_answers() {
        for error in [
            "internal server error",
            "Internal Server Error\n",
            "Error: 503 Service Unavailable",
            "Error code: 502 - Bad Gateway",
            "Rate limit exceeded. Please try again in 20s.",
            "upstream request timeout",
            "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            "no healthy upstream",
            "An error occurred while processing your request. Please retry, with request id 4f21.",
            "I\u{2019}m sorry, but something went wrong. Please try again later.",
            "The server is currently overloaded with other requests. Sorry about that!",
            "The server had an error while processing your request. Sorry about that!",
            "You exceeded your current quota, please check your plan and billing details.",
            "Too Many Requests",
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>",
            "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>",
            "{\"error\": {\"message\": \"Internal server error\", \"type\": \"server_error\"}}",
        ] {
            assert!(is_apology(error), "{error}");
        }
    }

    #[test]
    fn answers_about_errors_are_answers() {
        let tutorial = "Service unavailable. ".to_owned()
            + &"Retry with backoff, then look at the load of each server. ".repeat(40);
        for answer in [
            "",
            "Canberra.",
            "Service unavailable (503) means that the server can't handle the request right now.",
            "A 500 internal server error is a generic message.",
            "Internal server error is a generic HTTP status for failures of a server.",
            "Rate limit exceeded errors usually go away after a minute.",
            "Use `try!` to catch the error. An error occurred only in the second branch.",
            "Sorry, I can't help with that.",
            "Internal servers erroneously restarted.",
            "<!DOCTYPE html><html><head><title>My garden</title></head><body></body></html>",
            "{\"error\": null, \"result\": 4}",
            "Error handling in Rust rests on `Result`.",
            "429 Too Many Requests:\n```http\nRetry-After: 5\n```",
            "Something goes wrong in act two.",
            &tutorial,
        ] {
            assert!(!is_apology(answer), "{answer}");
        }
    }

    #[test]
    fn the_openings_are_in_lower_case() {
        let all = OPENINGS
            .iter()
            .chain(&EXPLAINS)
            .chain(&PREFIXES)
            .chain(&TITLES);
        for word in all {
            assert_eq!(*word, word.to_lowercase());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            let _ = is_refusal(&text);
            let _ = is_apology(&text);
            let long = format!("a {text} {}", "word ".repeat(100));
            prop_assert!(!is_apology(&long));
        }
    }
}
