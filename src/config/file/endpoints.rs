//! `[endpoints]` as written: the name of a provider, or a table with it.
//!
//! Whether there is such a provider is `resolve`'s to say.

use crate::{
    config::{compat::PathTemplate, problem::At, reader::Section},
    units::Usd,
};

/// The most that a request may cost, in US dollars.
const MOST_USD: f64 = 1000.0;

/// `[endpoints]`.
#[derive(Debug)]
pub(crate) struct EndpointsEntry<'t> {
    pub(crate) moderations: Option<EndpointEntry<'t>>,
    pub(crate) audio: Option<EndpointEntry<'t>>,
    pub(crate) images: Option<EndpointEntry<'t>>,
    pub(crate) rerank: Option<EndpointEntry<'t>>,
}

/// One of its keys.
#[derive(Debug)]
pub(crate) struct EndpointEntry<'t> {
    /// `None` if that was noted.
    pub(crate) provider: Option<At<'t, &'t str>>,
    pub(crate) path: Option<PathTemplate>,
    pub(crate) price: Option<Usd>,
    /// The key, for messages.
    pub(crate) key: &'static str,
}

pub(super) fn endpoints<'t>(section: &mut Section<'_, 't>) -> EndpointsEntry<'t> {
    EndpointsEntry {
        moderations: endpoint(section, "moderations"),
        audio: endpoint(section, "audio"),
        images: endpoint(section, "images"),
        rerank: endpoint(section, "rerank"),
    }
}

fn endpoint<'t>(section: &mut Section<'_, 't>, key: &'static str) -> Option<EndpointEntry<'t>> {
    const EXAMPLE: &str = "{ provider = \"openai\" }";
    const PROVIDER: &str = "the name of a provider in quotes, or a table with `provider`";
    if !section.is_table(key) {
        let provider = section.text(key, PROVIDER)?;
        return Some(EndpointEntry {
            provider: Some(provider),
            path: None,
            price: None,
            key,
        });
    }
    let entry = section.filled_table(key, EXAMPLE, |table| {
        let provider = table.text("provider", "the name of a provider in quotes");
        table.require("provider", "\"openai\"");
        EndpointEntry {
            provider,
            path: path(table),
            price: table
                .number("usd_per_request", &(0.0..=MOST_USD))
                .and_then(|at| Usd::new(at.value)),
            key,
        }
    });
    entry.map(|at| at.value)
}

/// A path without an end of its own, so that others can be put behind it.
fn path(table: &mut Section<'_, '_>) -> Option<PathTemplate> {
    const EXPECTED: &str = "expected a path in quotes, for example \"/v2/rerank\"";
    const NO_PATH: &str = "not a path: it begins with `/`, has visible ASCII characters without `#` and `\\`, no `.` \
                           or `..` in it, and no key in its query; `{model}` stands for the model";
    let written = table.hidden_because("path", EXPECTED, |text| {
        if text.ends_with('/') {
            return Err("a path does not end with `/`");
        }
        PathTemplate::parse(text).map_err(|_| NO_PATH)
    });
    written.map(|at| at.value)
}
