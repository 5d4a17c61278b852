//! `[endpoints]` with its providers.
//!
//! Invariant: each provider that is named is there, and speaks OpenAI's interface.

use crate::config::{
    endpoints::{Endpoint, Endpoints},
    file::{EndpointEntry, EndpointsEntry, ProviderEntry},
    problem::{Findings, quoted},
    provider::ProviderKind,
    suggest,
};

/// Without those of which a problem was noted.
pub(super) fn resolve(
    entry: &EndpointsEntry<'_>,
    providers: &[ProviderEntry<'_>],
    findings: &mut Findings<'_>,
) -> Endpoints {
    let mut of = |entry: &Option<EndpointEntry<'_>>| endpoint(entry.as_ref()?, providers, findings);
    Endpoints {
        moderations: of(&entry.moderations),
        audio: of(&entry.audio),
        images: of(&entry.images),
        rerank: of(&entry.rerank),
    }
}

fn endpoint(
    entry: &EndpointEntry<'_>,
    providers: &[ProviderEntry<'_>],
    findings: &mut Findings<'_>,
) -> Option<Endpoint> {
    let written = entry.provider?;
    let named = |provider: &&ProviderEntry<'_>| {
        let name = provider.written_name;
        name.is_some_and(|name| name.value == written.value)
    };
    let key = format!("endpoints.{}", entry.key);
    let Some(provider) = providers.iter().find(named) else {
        let names: Vec<&str> = (providers.iter())
            .filter_map(|provider| Some(provider.written_name?.value))
            .collect();
        let hint = if names.is_empty() {
            "; there are no `[[providers]]`".to_owned()
        } else {
            suggest::hint(written.value, &names)
        };
        let message = format!("unknown provider {}{hint}", quoted(written.value));
        findings.problem(written.origin, key, message);
        return None;
    };
    if let Some(kind) = provider.kind.filter(|kind| *kind != ProviderKind::OpenAi) {
        let message = format!(
            "the provider {} is of kind \"{}\"; only servers with OpenAI's interface, of kind \"openai\", \
             are asked for this",
            quoted(written.value),
            kind.as_str(),
        );
        findings.problem(written.origin, key, message);
        return None;
    }
    Some(Endpoint {
        provider: provider.name.clone()?,
        path: entry.path.clone(),
        price: entry.price,
    })
}
