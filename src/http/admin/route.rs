//! `POST /admin/api/route`: where a chat request would go, and why, without asking anybody.

use std::sync::Arc;

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::private;
use crate::{
    error::Error,
    gateway::{Asked, explain::Explained},
    http::{Api, body, headers},
    telemetry::journal::Journal,
    wire::controls::InvalidControl,
};

/// Who would ask.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Who {
    /// The name of a configured client.
    client: Option<String>,
}

/// Explains the body, a chat request, with the controls in its headers.
pub(in crate::http) async fn explain(
    State(api): State<Arc<Api>>,
    who: Result<Query<Who>, QueryRejection>,
    request: Request,
) -> Response {
    let who = match who {
        Ok(Query(who)) => who,
        Err(rejection) => return Error::bad_request(None, rejection.body_text()).into_response(),
    };
    match explained(&api, who, request).await {
        Ok(explained) => private(explained),
        Err(error) => error.into_response(),
    }
}

async fn explained(api: &Api, who: Who, request: Request) -> Result<Explained, Error> {
    let received = api.clock.now();
    let (head, request_body) = request.into_parts();
    let front = api.front.load_full();
    let caller = front.auth.named(who.client.as_deref());
    let caller = caller.map_err(|what| Error::bad_request(Some("client".to_owned()), what))?;
    let invalid = |invalid: InvalidControl| Error::bad_request(Some(invalid.name), invalid.message);
    let controls = headers::controls(&head.headers).map_err(invalid)?;
    let body = body::read(api, &head, request_body, front.max_body).await?;
    let asked = Asked {
        caller,
        controls,
        body,
        received,
        journal: Journal::unread(&api.clock),
    };
    api.gateway.explain(asked).await
}
