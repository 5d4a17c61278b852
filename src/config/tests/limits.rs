//! `limits` and `model_limits`.

use insta::assert_snapshot;

use super::{config, notices, problems};
use crate::policy::limit::Limits;

const PROVIDER: &str = "[[providers]]\nname = \"a\"\nkind = \"demo\"\n";

fn wrong(settings: &str) -> String {
    problems(&format!("{PROVIDER}{settings}\n"), &[])
}

fn limits(requests: u32, tokens: u64, concurrent: u32) -> Limits {
    Limits {
        requests_per_minute: requests.try_into().ok(),
        tokens_per_minute: tokens.try_into().ok(),
        concurrent: concurrent.try_into().ok(),
    }
}

#[test]
fn the_first_entry_that_fits_a_model_counts() {
    let text = r#"limits = { requests_per_minute = 500, tokens_per_minute = 1_000_000_000_000 }
model_limits = [
    { models = "gpt-4o-mini", concurrent = 3 },
    { models = ["gpt-4o*", "o3"], requests_per_minute = 500, tokens_per_minute = 9 },
]"#;
    let provider = config(&format!("{PROVIDER}{text}\n"), &[])
        .providers
        .remove(0);
    let of = |model: &str| provider.limits.of_model(model);
    assert_eq!(provider.limits.all, limits(500, 1_000_000_000_000, 0));
    assert_eq!(of("gpt-4o-mini"), limits(0, 0, 3));
    assert_eq!(of("gpt-4o"), limits(500, 9, 0));
    assert_eq!(of("o3"), limits(500, 9, 0));
    assert!(of("o3-mini").is_empty());
    assert_eq!(notices(&format!("{PROVIDER}{text}\n")), "");
}

#[test]
fn limits_of_models_that_can_not_count() {
    let text = r#"limits = { requests_per_minute = 500, concurrent = 10 }
model_limits = [
    { models = "gpt-*", requests_per_minute = 501, tokens_per_minute = 7, concurrent = 11 },
    { models = ["gpt-4o", "o3"], requests_per_minute = 5 },
    { models = "gpt-4*", concurrent = 5 },
    { models = "o3", concurrent = 5 },
    { models = [], concurrent = 5 },
    { models = "o4" },
    { concurrent = 5 },
    { models = "a*b", concurrent = 0 },
    {},
]"#;
    assert_snapshot!(wrong(text), @r#"
    providers.toml:6:47: `providers.model_limits.requests_per_minute`: must be at most what `limits` has for all models together, which is 500, found 501
    providers.toml:6:88: `providers.model_limits.concurrent`: must be at most what `limits` has for all models together, which is 10, found 11
    providers.toml:7:17: `providers.model_limits.models`: `gpt-4o` never counts here: the first entry that fits a model does, and `gpt-*` (line 6) fits before
    providers.toml:8:16: `providers.model_limits.models`: `gpt-4*` never counts here: the first entry that fits a model does, and `gpt-*` (line 6) fits before
    providers.toml:9:16: `providers.model_limits.models`: `o3` never counts here: the first entry that fits a model does, and `o3` (line 7) fits before
    providers.toml:10:16: `providers.model_limits.models`: no model would be limited; write for example `models = "gpt-4o*"`
    providers.toml:11:5: `providers.model_limits.requests_per_minute`: sets no limit; write for example `model_limits = [{ models = "gpt-4o*", requests_per_minute = 100 }]`
    providers.toml:12:5: `providers.model_limits.models`: missing; write for example `models = "gpt-4o*"`
    providers.toml:13:16: `providers.model_limits.models`: a pattern has one `*`, at its end (for example `gpt-*`)
    providers.toml:13:36: `providers.model_limits.concurrent`: must be at least 1 and at most 1000000, found 0
    providers.toml:14:5: `providers.model_limits.models`: missing; write for example `models = "gpt-4o*"`
    providers.toml:14:5: `providers.model_limits.requests_per_minute`: sets no limit; write for example `model_limits = [{ models = "gpt-4o*", requests_per_minute = 100 }]`
    12 problems
    "#);
}

#[test]
fn a_client_asks_no_more_at_once_than_the_gateway_takes() {
    let client = "[[clients]]\nname = \"c\"\nkey_env = \"C\"\n";
    let text = format!(
        "{client}limits = {{ requests_per_minute = 60, tokens_per_minute = 1, concurrent = 4096 }}\n"
    );
    let c = config(&text, &[("C", "c")]).clients.remove(0);
    assert_eq!(c.limits, limits(60, 1, 4096));
    let text = format!("[server]\nmax_in_flight = 10\n{client}limits = {{ concurrent = 11 }}\n");
    assert_snapshot!(problems(&text, &[("C", "c")]), @r#"
    providers.toml:6:25: `clients.limits.concurrent`: must be at most `server.max_in_flight`, which is 10, found 11
    1 problem
    "#);
    // What is not written does not make a file wrong, and is not raised for one client either.
    let digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    let text = format!(
        "[[clients]]\nname = \"c\"\nkey_sha256 = \"{digest}\"\nlimits = {{ concurrent = 5000 }}\n"
    );
    assert_snapshot!(notices(&text), @"providers.toml:4:25: `clients.limits.concurrent`: the gateway as a whole takes 4096 at a time; write `server.max_in_flight` for more");
}

#[test]
fn limits_of_clients_that_can_not_be() {
    let client = "[[clients]]\nname = \"c\"\nkey_env = \"C\"\n";
    let text = format!(
        "{client}limits = {{ requests_per_minute = 0, tokens_per_minute = 0.5, concurrent = -1, max_wait = \"1s\" }}\n"
    );
    assert_snapshot!(problems(&text, &[("C", "c")]), @r#"
    providers.toml:4:34: `clients.limits.requests_per_minute`: must be at least 1 and at most 1000000000, found 0
    providers.toml:4:57: `clients.limits.tokens_per_minute`: expected a whole number, found 0.5
    providers.toml:4:75: `clients.limits.concurrent`: must be at least 1 and at most 1000000, found -1
    providers.toml:4:79: `clients.limits.max_wait`: unknown key (there are: requests_per_minute, tokens_per_minute, concurrent)
    4 problems
    "#);
    assert_snapshot!(problems(&format!("{client}limits = {{}}\n"), &[("C", "c")]), @r#"
    providers.toml:4:10: `clients.limits`: sets nothing; write for example `limits = { requests_per_minute = 500 }`
    1 problem
    "#);
}
