//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::{Api, chat::told};
use crate::{
    error::Error,
    gateway::Caller,
    wire::models::{ModelList, ModelObject},
};

/// The models that this caller may ask for.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let caller = api.front.load().auth.caller(&headers, api.clock.unix())?;
    let models = api.gateway.setup().catalogue.list().into_iter();
    let models = models
        .filter(|model| caller.allowed.allows(&model.id))
        .collect();
    let list = Json(ModelList::new(models)).into_response();
    Ok(told(list, caller.account.as_deref()))
}

/// One model; its name may hold slashes.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let caller = api.front.load().auth.caller(&headers, api.clock.unix())?;
    let model = describe(&api, &caller, id);
    Ok(told(model.into_response(), caller.account.as_deref()))
}

fn describe(
    api: &Api,
    caller: &Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelObject>, Error> {
    let Ok(Path(id)) = id else {
        return Err(Error::UnknownModel {
            message: "a model's name is UTF-8 text".to_owned(),
        });
    };
    if !caller.allowed.allows(&id) {
        return Err(Error::ModelNotAllowed(id));
    }
    Ok(Json(api.gateway.setup().catalogue.describe(&id)?))
}
