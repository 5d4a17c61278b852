//! From the file as written to the configuration as used.
//!
//! It joins what stands in different places: names with what they name, keys with the environment,
//! the address with who may reach it. It reads no text of the file. Invariant: what cannot be
//! resolved is noted as a problem, so a [`Config`] without problems is consistent.

mod admin;
mod cache;
mod clients;
mod endpoints;
mod fallbacks;
mod listening;
mod models;
mod names;
mod providers;
mod routes;
mod secrets;
mod targets;
mod tasks;
mod telemetry;

use std::path::{Path, PathBuf};

use self::{clients::Around, routes::Routes};
use super::{
    Config, Sources,
    cache::Cache,
    file::File,
    overrides,
    problem::Findings,
    secret::KeyDigest,
    settings::{Admin, Embedding},
};

/// Resolves a file; `None` only if a problem was noted.
pub(crate) fn resolve<'t>(
    file: File<'t>,
    sources: &Sources<'t>,
    findings: &mut Findings<'t>,
) -> Option<Config> {
    let admin_key = admin::key(&file.admin, sources.env, findings);
    listening::check(&file, &admin_key, findings);
    cache::without_effect(&file, findings);
    let judge = cache::judge(&file.cache, &file.models, findings);
    let known = targets::known(&file.providers);
    let targets = models::all_targets(&file.models, &known, findings);
    let routes = Routes::new(&file.models, &targets, &known, findings);
    let models = models::resolve(&file.models, &targets, &routes, findings);
    let tasks = tasks::resolve(&file.tasks, &routes, findings);
    let routing = tasks::routing(file.routing, &file.tasks, findings);
    let around = Around {
        now: sources.now,
        server: &file.server,
        knows_prices: file.models.iter().any(|model| model.price.is_some()),
        keeps_spend: file.cache.settings.data_dir.is_some(),
    };
    let clients = clients::resolve(file.clients, &admin_key, &around, sources.env, findings);
    let others: Vec<KeyDigest> = clients.iter().flatten().map(|client| client.key).collect();
    let secret = cache::secret(&file.cache, &admin_key, &others, sources.env, findings);
    let data_dir = file.cache.settings.data_dir.as_deref();
    let data_dir = data_dir.map(|path| beside(sources.path, path));
    let endpoints = endpoints::resolve(&file.endpoints, &file.providers, findings);
    let providers = providers::resolve(file.providers, sources.env, findings);
    Some(Config {
        path: sources.path.to_owned(),
        environment: overrides::variables(sources.env_overrides),
        server: file.server.settings,
        admin: Admin {
            key_env: admin::variable(&file.admin).to_owned(),
            key: admin_key.into_secret(),
            listen: file.admin.listen.map(|at| at.value),
        },
        embedding: Embedding {
            model: beside(sources.path, &file.embedding.model),
            runtime: beside(sources.path, &file.embedding.runtime),
            ..file.embedding
        },
        cache: Cache {
            judge_model: judge,
            data_dir,
            secret_env: file.cache.secret_env.map(|named| named.value.to_owned()),
            secret,
            ..file.cache.settings
        },
        responses: file.responses,
        telemetry: telemetry::resolve(&file.telemetry, sources.env, findings),
        clients: clients?,
        providers: providers?,
        models: models?,
        routing,
        tasks: tasks?,
        endpoints,
    })
}

/// Relative paths count from the directory of the file, not from where the program was started.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}
