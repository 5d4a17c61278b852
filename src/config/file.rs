//! The file as written: sections with their values checked one by one.
//!
//! It looks at one value, or at the values of one table, at a time. What concerns two tables or the
//! environment (names that refer to each other, keys, activation) is `resolve`'s. Invariant: an
//! entry that lacks something it must have has been noted as a problem.

mod cache;
mod clients;
mod endpoints;
mod limits;
mod models;
mod patience;
mod providers;
mod responses;
mod routes;
mod settings;
mod tasks;
mod telemetry;
mod values;
mod variant;

use toml::de::DeTable;

pub(crate) use self::{
    cache::{CacheEntry, OverridesEntry},
    clients::{BudgetEntry, ClientEntry, KeySource},
    endpoints::{EndpointEntry, EndpointsEntry},
    models::ModelEntry,
    providers::ProviderEntry,
    routes::{RouteEntry, RoutingEntry},
    settings::{AdminEntry, ServerEntry},
    tasks::TaskEntry,
    telemetry::{ENDPOINT_EXPECTED, TelemetryEntry},
    variant::INTERFACES,
};
use super::{
    reader::{Reader, read_root},
    responses::Responses,
    settings::Embedding,
};

/// All sections of a file.
#[derive(Debug)]
pub(crate) struct File<'t> {
    pub(crate) server: ServerEntry<'t>,
    pub(crate) admin: AdminEntry<'t>,
    /// With paths as written.
    pub(crate) embedding: Embedding,
    pub(crate) cache: CacheEntry<'t>,
    pub(crate) responses: Responses,
    pub(crate) telemetry: TelemetryEntry<'t>,
    pub(crate) routing: RoutingEntry<'t>,
    pub(crate) clients: Vec<ClientEntry<'t>>,
    pub(crate) providers: Vec<ProviderEntry<'t>>,
    pub(crate) models: Vec<ModelEntry<'t>>,
    pub(crate) tasks: Vec<TaskEntry<'t>>,
    pub(crate) endpoints: EndpointsEntry<'t>,
}

/// Reads every section of a parsed file.
pub(crate) fn read<'t>(reader: &mut Reader<'t>, root: &'t DeTable<'t>) -> File<'t> {
    let file = read_root(reader, root, |root| File {
        server: root.section("server", settings::server),
        admin: root.section("admin", settings::admin),
        embedding: root.section("embedding", settings::embedding),
        cache: root.section("cache", cache::cache),
        responses: root.section("responses", responses::responses),
        telemetry: root.section("telemetry", telemetry::telemetry),
        routing: root.section("routing", routes::routing),
        clients: root.entries("clients", clients::client),
        providers: root.entries("providers", providers::provider),
        models: root.entries("models", models::model),
        tasks: tasks::tasks(root),
        endpoints: root.section("endpoints", endpoints::endpoints),
    });
    reader.overrides.finish(&mut reader.findings);
    file
}
