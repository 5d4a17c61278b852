//! Which routes there are: each is made and listed by the same line, and the OpenAPI document is held to the list.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    routing::{self, MethodRouter},
};

use super::{
    Api, Side, admin, chat, completions, embeddings, feedback, generate_content, health, messages,
    models, openapi, passthrough, responses, scrape,
};

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Its path; `{name}` stands for one segment, `{*name}` for all that are left.
    pub path: String,
    /// Its method, in lower case.
    pub method: &'static str,
}

/// All routes. Those under `/v1` are there without it too.
#[must_use]
pub fn list() -> Vec<Route> {
    let under = |prefix: &'static str, routes: Routes| {
        let listed = routes.listed.into_iter();
        listed.map(move |(method, path)| Route {
            path: format!("{prefix}{path}"),
            method,
        })
    };
    let all = [
        ("/v1", openai()),
        ("/v1beta", google()),
        ("", operators(Side::All)),
    ];
    let mut all: Vec<Route> = all
        .into_iter()
        .flat_map(|(prefix, routes)| under(prefix, routes))
        .collect();
    all.sort();
    all
}

/// Routes that are being put together.
#[derive(Debug, Default)]
pub(super) struct Routes {
    router: Router<Arc<Api>>,
    listed: Vec<(&'static str, &'static str)>,
    side: Option<Side>,
}

impl Routes {
    /// What answers them.
    pub(super) fn into_router(self) -> Router<Arc<Api>> {
        self.router
    }

    fn get<H: Handler<T, Arc<Api>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route("get", path, routing::get(handler))
    }

    fn post<H: Handler<T, Arc<Api>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route("post", path, routing::post(handler))
    }

    fn delete<H: Handler<T, Arc<Api>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route("delete", path, routing::delete(handler))
    }

    fn route(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: MethodRouter<Arc<Api>>,
    ) -> Self {
        if self.side.is_some_and(|side| !is_on(side, path)) {
            return self;
        }
        self.listed.push((method, path));
        self.router = self.router.route(path, handler);
        self
    }
}

/// Whether this side has that route of operators.
fn is_on(side: Side, path: &str) -> bool {
    match side {
        Side::All => true,
        Side::Clients => !path.starts_with("/admin") && path != "/metrics",
        Side::Operators => !path.starts_with("/v1"),
    }
}

/// What applications ask for, in OpenAI's and Anthropic's interfaces.
pub(super) fn openai() -> Routes {
    Routes::default()
        .post("/chat/completions", chat::complete)
        .post("/responses", responses::create)
        .get("/responses/{id}", responses::kept::retrieve)
        .delete("/responses/{id}", responses::kept::delete)
        .get("/responses/{id}/input_items", responses::kept::input_items)
        .post("/responses/{id}/cancel", responses::kept::cancel)
        .post("/messages", messages::create)
        .post("/messages/count_tokens", messages::count_tokens)
        .post("/embeddings", embeddings::create)
        .post("/completions", completions::create)
        .post("/moderations", passthrough::forward)
        .post("/rerank", passthrough::forward)
        .post("/audio/speech", passthrough::forward)
        .post("/audio/transcriptions", passthrough::forward)
        .post("/audio/translations", passthrough::forward)
        .post("/images/generations", passthrough::forward)
        .post("/images/edits", passthrough::forward)
        .post("/images/variations", passthrough::forward)
        .post("/cache/feedback", feedback::give)
        .get("/models", models::list)
        .get("/models/{*id}", models::one)
        // Google's clients ask under `/v1` as well as under `/v1beta`.
        .post("/models/{*id}", generate_content::call)
}

/// What applications ask for, in Google's interface.
pub(super) fn google() -> Routes {
    Routes::default()
        .get("/models", generate_content::list)
        .get("/models/{*call}", generate_content::one)
        .post("/models/{*call}", generate_content::call)
}

/// What operators, load balancers and tools ask for. All of it is behind [`admin::access::guard`], which knows what
/// of it is open.
pub(super) fn operators(side: Side) -> Routes {
    let routes = Routes {
        side: Some(side),
        ..Routes::default()
    };
    routes
        .get("/openapi.json", openapi::serve)
        .get("/v1/openapi.json", openapi::serve)
        .get("/health", health::summary)
        .get("/health/live", health::live)
        .get("/health/ready", health::ready)
        .get("/metrics", scrape::metrics)
        .get("/admin/api/session", admin::access::sign_in::show)
        .post("/admin/api/session", admin::access::sign_in::begin)
        .delete("/admin/api/session", admin::access::sign_in::end)
        .get("/admin", admin::assets::page)
        .get("/admin/", admin::assets::without_slash)
        .get("/admin/assets/{*path}", admin::assets::asset)
        .get("/admin/api/stats", admin::stats)
        .get("/admin/api/live", admin::live::watch)
        .get("/admin/api/history", admin::history::chart)
        .get("/admin/api/breakers", admin::breakers::list)
        .post("/admin/api/breakers", admin::breakers::force)
        .get("/admin/api/providers", admin::providers::list)
        .post("/admin/api/providers/{name}/test", admin::providers::test)
        .post("/admin/api/route", admin::route::explain)
        .post("/admin/api/why", admin::why::why)
        .post("/admin/api/compare", admin::why::compare)
        .get("/admin/api/requests", admin::requests::list)
        .get("/admin/api/requests/{seq}", admin::requests::one)
        .get("/admin/api/clients", admin::clients::list)
        .get("/admin/api/config", admin::config::show)
        .get("/admin/api/threshold", admin::threshold::show)
        .post("/admin/api/threshold", admin::threshold::apply)
        .get("/admin/api/cache/entries", admin::entries::list)
        .get("/admin/api/cache/entries/{id}", admin::entries::show)
        .delete("/admin/api/cache/entries/{id}", admin::entries::delete)
        .post("/admin/api/cache/entries/{id}/pin", admin::entries::pin)
        .post("/admin/api/cache/entries/{id}/wrong", admin::entries::wrong)
        .post("/admin/api/cache/search", admin::entries::search::search)
        .post("/admin/api/cache/purge", admin::entries::purge)
        .post(
            "/admin/api/cache/generation",
            admin::entries::new_generation,
        )
        .get("/admin/api/cache/export", admin::transfer::export)
        .post("/admin/api/cache/import", admin::transfer::import::import)
}
