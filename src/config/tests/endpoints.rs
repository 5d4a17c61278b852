//! `[endpoints]`: names of providers, or tables.

use super::{config, problems};
use crate::{
    config::Config,
    wire::operation::{Family, Operation},
};

const PROVIDERS: &str = "[[providers]]\nname = \"main\"\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
    [[providers]]\nname = \"far\"\nkind = \"gemini\"\n";

fn shown(config: &Config) -> Vec<String> {
    let family = |family: Family| {
        let endpoint = config.endpoints.of(family)?;
        let price = endpoint.price.map(|price| price.get());
        let operations = Operation::ALL
            .into_iter()
            .filter(|one| one.family() == family);
        let paths: Vec<String> = operations
            .filter_map(|operation| Some(endpoint.path_of(operation)?.path("m")))
            .collect();
        let name = family.as_str();
        Some(format!("{name}: {} {paths:?} {price:?}", endpoint.provider))
    };
    Family::ALL.into_iter().filter_map(family).collect()
}

#[test]
fn nothing_is_handed_on_unless_it_says_where() {
    assert!(shown(&config(PROVIDERS, &[])).is_empty());
    assert!(shown(&config("[endpoints]\n", &[])).is_empty());
}

#[test]
fn a_name_or_a_table() {
    let text = format!(
        "[endpoints]\nmoderations = \"main\"\naudio = {{ provider = \"main\", path = \"/v2/audio\" }}\n\
         images = {{ provider = \"main\", usd_per_request = 0.04 }}\n\
         rerank = {{ provider = \"main\", path = \"/v2/rerank\", usd_per_request = 0 }}\n{PROVIDERS}"
    );
    insta::assert_snapshot!(shown(&config(&text, &[])).join("\n"), @r#"
    moderations: main [] None
    audio: main ["/v2/audio/speech", "/v2/audio/transcriptions", "/v2/audio/translations"] None
    images: main [] Some(0.04)
    rerank: main ["/v2/rerank"] Some(0.0)
    "#);
}

#[test]
fn problems_are_told_where_they_are() {
    let text = format!(
        "[endpoints]\nmoderations = \"mian\"\naudio = \"far\"\nimages = 7\nrerank = {{ path = \"rerank\" }}\n\
         speech = \"main\"\n{PROVIDERS}"
    );
    insta::assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:2:15: `endpoints.moderations`: unknown provider "mian", did you mean `main`?
    providers.toml:3:9: `endpoints.audio`: the provider "far" is of kind "gemini"; only servers with OpenAI's interface, of kind "openai", are asked for this
    providers.toml:4:10: `endpoints.images`: expected the name of a provider in quotes, or a table with `provider`, found 7
    providers.toml:5:10: `endpoints.rerank.provider`: missing; write for example `provider = "openai"`
    providers.toml:5:19: `endpoints.rerank.path`: not a path: it begins with `/`, has visible ASCII characters without `#` and `\`, no `.` or `..` in it, and no key in its query; `{model}` stands for the model
    providers.toml:6:1: `endpoints.speech`: unknown key (there are: moderations, audio, images, rerank)
    6 problems
    "#);
    let text = format!(
        "[endpoints]\naudio = {{}}\nimages = {{ provider = \"main\", path = \"/a?key=sk-planted\", usd_per_request = -1 }}\n\
         rerank = {{ provider = \"main\", path = \"/a/\", paths = 1 }}\n{PROVIDERS}"
    );
    let problems = problems(&text, &[]);
    assert!(!problems.contains("planted"));
    for expected in [
        "toml:2:9: `endpoints.audio`: sets nothing; write for example `audio = { provider = \"openai\" }`",
        "`endpoints.images.path`: not a path",
        "`endpoints.images.usd_per_request`: must be at least 0 and at most 1000, found -1",
        "`endpoints.rerank.path`: a path does not end with `/`",
        "`endpoints.rerank.paths`: unknown key",
        "5 problems",
    ] {
        assert!(problems.contains(expected), "{expected}\n{problems}");
    }
}

#[test]
fn without_providers() {
    let problems = problems("[endpoints]\naudio = \"openai\"\n", &[]);
    assert!(
        problems.contains(
            "`endpoints.audio`: unknown provider \"openai\"; there are no `[[providers]]`"
        ),
        "{problems}"
    );
}
