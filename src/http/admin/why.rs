//! `POST /admin/api/why` and `/admin/api/compare`: what the cache would do, without asking anybody and without changing
//! anything.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::private;
use crate::{
    error::Error,
    gateway::{
        Asked,
        why::{Why, compare::Compared},
    },
    http::{Api, body},
    telemetry::journal::Journal,
    wire::controls::Controls,
};

/// A request that is not asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Supposed {
    /// A chat request, byte for byte.
    request: Box<RawValue>,
    /// The name of a configured client.
    #[serde(default)]
    client: Option<String>,
    /// Its headers, of which the controls count.
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
}

/// Two prompts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// The one that is supposed to be kept.
    a: String,
    /// The one that is supposed to be asked.
    b: String,
    #[serde(default)]
    model: Option<String>,
}

/// What would become of a request.
pub(in crate::http) async fn why(State(api): State<Arc<Api>>, request: Request) -> Response {
    match supposed(&api, request).await {
        Ok(why) => private(why),
        Err(error) => error.into_response(),
    }
}

/// Whether one prompt would be answered by another's answer.
pub(in crate::http) async fn compare(State(api): State<Arc<Api>>, request: Request) -> Response {
    match compared(&api, request).await {
        Ok(compared) => private(compared),
        Err(error) => error.into_response(),
    }
}

async fn supposed(api: &Api, request: Request) -> Result<Why, Error> {
    let received = api.clock.now();
    let Supposed {
        request,
        client,
        headers,
    } = read(api, request).await?;
    let caller = api.front.load().auth.named(client.as_deref());
    let caller = caller.map_err(|what| Error::bad_request("client".to_owned(), what))?;
    let asked = Asked {
        caller,
        controls: controls(&headers.unwrap_or_default())?,
        body: Bytes::from(request.get().to_owned()),
        received,
        journal: Journal::unread(&api.clock),
    };
    api.gateway.why(asked).await
}

async fn compared(api: &Api, request: Request) -> Result<Compared, Error> {
    let Pair { a, b, model } = read(api, request).await?;
    api.gateway.compare(&a, &b, model.as_deref()).await
}

async fn read<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Error> {
    let (head, request_body) = request.into_parts();
    let most = api.front.load().max_body;
    let body = body::read(api, &head, request_body, most).await?;
    body::object(&body)
        .map_err(|error| Error::bad_request(None, format!("the body can't be read: {error}")))
}

/// The controls among these headers.
fn controls(headers: &BTreeMap<String, String>) -> Result<Controls, Error> {
    let mut controls = Controls::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if Controls::is_control_header(&name) {
            (controls.apply_header(&name, value)).map_err(|invalid| {
                Error::bad_request(format!("headers.{}", invalid.name), invalid.message)
            })?;
        }
    }
    Ok(controls)
}
