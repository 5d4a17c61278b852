//! `[responses]`.

use std::time::Duration;

use super::{config, problems};

#[test]
fn responses_are_kept_unless_told_otherwise() {
    let responses = config("", &[]).responses;
    assert!(responses.store);
    assert_eq!(responses.ttl, Duration::from_secs(30 * 24 * 60 * 60));
    assert_eq!(responses.max_bytes.to_string(), "64MiB");
}

#[test]
fn everything_can_be_set() {
    let text = "[responses]\nstore = true\nttl = \"90m\"\nmax_bytes = \"1MiB\"\n";
    let responses = config(text, &[("REFRAIN_RESPONSES__STORE", "false")]).responses;
    assert!(!responses.store);
    assert_eq!(responses.ttl, Duration::from_secs(90 * 60));
    assert_eq!(responses.max_bytes.get(), 1 << 20);
}

#[test]
fn values_of_responses() {
    let text = "[responses]\nstore = \"disk\"\nttl = \"0s\"\nmax_bytes = \"1KiB\"\nmax_age = 1\n";
    insta::assert_snapshot!(problems(text, &[]));
    let text = "[responses]\nttl = \"400d\"\nmax_bytes = 5\n";
    insta::assert_snapshot!(problems(text, &[]));
}
