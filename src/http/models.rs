//! `GET /v1/models` and `GET /v1/models/{id}`; in Anthropic's shape for clients of Anthropic, who say so by the
//! header `anthropic-version`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};

use super::{Api, entrance::told, generate_content};
use crate::{
    error::Error,
    gateway::Caller,
    wire::{
        messages,
        models::{ModelList, ModelObject},
    },
};

/// What clients of Anthropic send with every request.
pub(super) const ANTHROPIC: &str = "anthropic-version";

/// The models that this caller may ask for.
pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Error> {
    if generate_content::is_googles(request.headers()) {
        return generate_content::list(State(api), request).await;
    }
    let caller = (api.front.load().auth).caller(request.headers(), api.clock.unix())?;
    let models = api.gateway.setup().catalogue.list().into_iter();
    let models: Vec<ModelObject> = (models.chain(api.gateway.local_model()))
        .filter(|model| caller.allowed.allows(&model.id))
        .collect();
    let list = if request.headers().contains_key(ANTHROPIC) {
        Json(messages::model_list(&models)).into_response()
    } else {
        Json(ModelList::new(models)).into_response()
    };
    Ok(told(list, caller.account.as_deref()))
}

/// One model; its name may hold slashes.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    if generate_content::is_googles(request.headers()) {
        return generate_content::one(State(api), id, request).await;
    }
    let caller = (api.front.load().auth).caller(request.headers(), api.clock.unix())?;
    let model = describe(&api, &caller, id).map(|Json(model)| {
        if request.headers().contains_key(ANTHROPIC) {
            Json(messages::model(&model)).into_response()
        } else {
            Json(model).into_response()
        }
    });
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
    let local = api.gateway.local_model().filter(|local| local.id == id);
    Ok(Json(match local {
        Some(local) => local,
        None => api.gateway.setup().catalogue.describe(&id)?,
    }))
}
