//! From the file as written to the configuration as used.
//!
//! It joins what stands in different places: names with what they name, keys with the environment,
//! the address with who may reach it. It reads no text of the file. Invariant: what cannot be
//! resolved is noted as a problem, so a [`Config`] without problems is consistent.

mod clients;
mod models;
mod providers;
mod secrets;

use std::path::Path;

use self::secrets::Lookup;
use super::{
    Config, Sources,
    file::{File, ServerEntry},
    problem::Findings,
    settings::{Admin, Embedding},
};

/// Resolves a file; `None` only if a problem was noted.
pub(crate) fn resolve<'t>(
    file: File<'t>,
    sources: &Sources<'t>,
    findings: &mut Findings<'t>,
) -> Option<Config> {
    let admin_key = secrets::look_up(
        sources.env,
        file.admin.key_env.value,
        "admin.key_env",
        findings,
    );
    public_listening(&file.server, !file.clients.is_empty(), &admin_key, findings);
    let models = models::resolve(file.models, &file.tasks, &file.providers, findings);
    let clients = clients::resolve(file.clients, &admin_key, sources.env, findings);
    let providers = providers::resolve(file.providers, sources.env, findings);
    Some(Config {
        server: file.server.settings,
        admin: Admin {
            key_env: file.admin.key_env.value.to_owned(),
            key: admin_key.into_secret(),
        },
        embedding: beside_the_file(&file.embedding, sources.path),
        cache: file.cache?,
        clients: clients?,
        providers: providers?,
        models: models?,
    })
}

/// Refuses to offer everybody the keys of the providers, unless that was asked for.
fn public_listening(
    server: &ServerEntry<'_>,
    has_clients: bool,
    admin_key: &Lookup,
    findings: &mut Findings<'_>,
) {
    let address = server.settings.listen;
    let lacks = match (has_clients, admin_key) {
        (true, Lookup::Set(_) | Lookup::Unusable) => return,
        (true, Lookup::Unset) => "set the admin key",
        (false, Lookup::Set(_) | Lookup::Unusable) => "add `[[clients]]`",
        (false, Lookup::Unset) => "add `[[clients]]` and set the admin key",
    };
    if address.ip().to_canonical().is_loopback() || server.allow_public {
        return;
    }
    let message = format!(
        "anybody who reaches {address} could use your providers and the admin page; {lacks}, or \
         listen on 127.0.0.1, or write `allow_public = true` if something else guards it"
    );
    findings.problem(server.listen, "server.listen", message);
}

/// Relative paths count from the directory of the file, not from where the program was started.
fn beside_the_file(embedding: &Embedding, file: &Path) -> Embedding {
    let directory = file.parent().unwrap_or(Path::new(""));
    Embedding {
        model: directory.join(&embedding.model),
        runtime: directory.join(&embedding.runtime),
        ..embedding.clone()
    }
}
