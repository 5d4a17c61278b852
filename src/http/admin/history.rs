//! `GET /admin/api/history?range=`: what happened, step by step.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;

use super::private;
use crate::{error::Error, http::Api, telemetry::history::Range};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    range: Option<String>,
}

/// The steps of a range; of the last quarter of an hour, if none is named.
pub(in crate::http) async fn chart(
    State(api): State<Arc<Api>>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Error> {
    let range = match query {
        Ok(Query(Wanted { range: None })) => Some(Range::Quarter),
        Ok(Query(Wanted { range: Some(name) })) => Range::named(&name),
        Err(_) => None,
    };
    let range = range.ok_or_else(|| {
        let names = Range::ALL.map(Range::as_str).join(", ");
        Error::bad_request(
            "range".to_owned(),
            format!("`range` must be one of {names}"),
        )
    })?;
    sample(&api);
    Ok(private(json!(api.history.chart(range, api.clock.unix()))))
}

/// Takes into the history what happened since the last time, so that what is told is up to date.
pub(super) fn sample(api: &Api) {
    let (now, at) = (api.clock.now(), api.clock.unix());
    api.history.sample(now, at, &api.ledger.totals());
}
