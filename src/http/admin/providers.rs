//! `GET /admin/api/providers`: how each provider and each of its models fares. `POST …/test`: one small question.
//!
//! Invariant: nothing of a key leaves here, and what a provider says in its errors only without keys.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{breakers, private, threshold::steering};
use crate::{
    config::{Activation, Provider as ProviderConfig},
    error::Error,
    gateway::{
        catalogue::{Catalogue, Headroom, Member},
        limiter::Level,
        vitals::{Changed, Vitals},
    },
    http::{Api, body},
    ident::{ModelId, ProviderName},
    provider::KeyCount,
    telemetry::{
        journal::Journal,
        targets::{MOST_MODELS, OfProvider, Sums},
    },
    units::Usd,
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 4 << 10;
/// Models of a provider that nobody has asked for, and that no configuration names, are shown up to so many.
const MOST_FOUND: usize = 50;

/// All providers, in the order of the configuration.
pub(in crate::http) async fn list(State(api): State<Arc<Api>>) -> Response {
    let steering = match steering(&api) {
        Ok(steering) => steering,
        Err(error) => return error.into_response(),
    };
    let configured = steering.in_force().await.config.providers;
    let setup = api.gateway.setup();
    let catalogue = &setup.catalogue;
    let mut fares: BTreeMap<ProviderName, BTreeMap<ModelId, Arc<Vitals>>> = BTreeMap::new();
    for (provider, model, vitals) in catalogue.vitals().all() {
        fares.entry(provider).or_default().insert(model, vitals);
    }
    let none = BTreeMap::new();
    let mut listed: Vec<Value> = configured
        .iter()
        .map(|config| {
            let name = &config.name;
            let member = catalogue.member(name);
            let mut shown = of_config(config, catalogue);
            let keys = member.as_ref().map_or_else(
                || KeyCount {
                    configured: config.api_keys.len(),
                    put_aside: 0,
                },
                |member| member.provider.keys(),
            );
            let vitals = fares.get(name).unwrap_or(&none);
            shown.extend(fields(
                &api,
                catalogue,
                name,
                member.as_deref(),
                keys,
                vitals,
            ));
            Value::Object(shown)
        })
        .collect();
    if let Some(demo) = catalogue.demo() {
        let name = demo.provider.name();
        let mut shown = head(name, demo.kind.as_str(), None, None);
        let vitals = fares.get(name).unwrap_or(&none);
        let keys = KeyCount::default();
        shown.extend(fields(&api, catalogue, name, Some(demo), keys, vitals));
        listed.push(Value::Object(shown));
    }
    private(json!({"providers": listed, "since": api.targets.since()}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    model: Option<String>,
}

/// Has one provider asked a small question. It is a real call.
pub(in crate::http) async fn test(
    State(api): State<Arc<Api>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let name = match name {
        Ok(Path(name)) => name,
        Err(rejection) => {
            let error = Error::bad_request("provider".to_owned(), rejection.body_text());
            return error.into_response();
        }
    };
    let (head, request_body) = request.into_parts();
    let asked = match body::read(&api, &head, request_body, LONGEST).await {
        Ok(body) => tested(&api, &name, &body).await,
        Err(error) => Err(error),
    };
    asked.map_or_else(IntoResponse::into_response, private)
}

async fn tested(api: &Api, name: &str, body: &[u8]) -> Result<Value, Error> {
    let wanted: Wanted = match body.trim_ascii() {
        [] => Wanted::default(),
        body => body::object(body).map_err(|error| {
            Error::bad_request(
                None,
                format!(r#"{error}; write {{"model": "gpt-4o"}} or {{}}"#),
            )
        })?,
    };
    let unknown = || {
        let message = breakers::unknown(&api.gateway.setup().catalogue, name);
        Error::bad_request("provider".to_owned(), message)
    };
    let provider = ProviderName::new(name).map_err(|_| unknown())?;
    let invalid = |why| Error::bad_request("model".to_owned(), format!("{why}"));
    let model = wanted.model.as_deref().map(ModelId::new);
    let model = model.transpose().map_err(invalid)?;
    let id = format!("test_{:032x}", fastrand::u128(..));
    let journal = Journal::open(&id, None, &api.clock, &api.observers);
    let probed = api.gateway.probe(&provider, model, journal).await?;
    let probed = probed.ok_or_else(unknown)?;
    tracing::info!(%provider, model = %probed.model, ok = probed.said.is_ok(), "tested by an operator");
    let (said, error) = match probed.said {
        Ok(said) => (Some(said), None),
        Err(error) => (None, Some(error)),
    };
    Ok(json!({
        "ok": error.is_none(),
        "provider": provider.as_str(),
        "model": probed.model.as_str(),
        "latency_ms": probed.took.as_secs_f64() * 1000.0,
        "said": said,
        "error": error,
        "usd": probed.cost.map(Usd::get),
    }))
}

fn head(
    name: &ProviderName,
    kind: &str,
    base_url: Option<&str>,
    reason: Option<&str>,
) -> Map<String, Value> {
    object(json!({
        "name": name.as_str(),
        "kind": kind,
        "base_url": base_url,
        "active": reason.is_none(),
        "reason": reason,
    }))
}

/// What the configuration says of a provider, and whether it is in force.
fn of_config(config: &ProviderConfig, catalogue: &Catalogue) -> Map<String, Value> {
    let inactive = || {
        let mut inactive = catalogue.inactive().iter();
        let found = inactive.find(|inactive| inactive.name == config.name);
        match (found, &config.activation) {
            (Some(found), _) => found.reason.as_str(),
            (None, Activation::Inactive(reason)) => reason,
            (None, Activation::Active) => "it is about to be taken into force",
        }
    };
    let is_active = catalogue.member(&config.name).is_some();
    let reason = (!is_active).then(inactive);
    let base_url = config.base_url.as_deref();
    head(&config.name, config.kind.as_str(), base_url, reason)
}

/// How a provider and its models fare.
fn fields(
    api: &Api,
    catalogue: &Catalogue,
    name: &ProviderName,
    member: Option<&Member>,
    keys: KeyCount,
    vitals: &BTreeMap<ModelId, Arc<Vitals>>,
) -> Map<String, Value> {
    let counted = api.targets.of(name);
    let all = names(catalogue, name, vitals, &counted);
    let nothing = Sums::default();
    let mut models: Vec<(&ModelId, &Sums)> = all
        .iter()
        .map(|model| (model, counted.models.get(model).unwrap_or(&nothing)))
        .collect();
    models.sort_by_key(|(model, sums)| (Reverse(sums.attempts), *model));
    models.truncate(MOST_MODELS);
    let models: Vec<Value> = models
        .into_iter()
        .map(|(model, sums)| {
            let mut shown = object(json!({"model": model.as_str()}));
            let vitals = vitals.get(model);
            shown.extend(breaker(api, member, model, vitals.map(|vitals| &**vitals)));
            let headroom = member.map(|member| catalogue.headroom(member, Some(model)));
            shown.insert("limits".to_owned(), limits(headroom));
            shown.extend(used(sums));
            Value::Object(shown)
        })
        .collect();
    let in_flight = vitals.values().map(|vitals| u64::from(vitals.in_flight()));
    let headroom = member.map(|member| catalogue.headroom(member, None));
    let mut shown = object(json!({
        "keys": {"configured": keys.configured, "put_aside": keys.put_aside},
        "in_flight": in_flight.sum::<u64>(),
        "limits": limits(headroom),
        "discovered": catalogue.found(name).len(),
    }));
    shown.extend(used(&counted.all));
    let other = (counted.other.attempts > 0).then(|| used(&counted.other));
    shown.insert("other".to_owned(), other.map_or(Value::Null, Value::Object));
    shown.insert("models".to_owned(), Value::Array(models));
    shown
}

/// The models to show: those that are configured or were asked for, and a few that the provider says it has.
fn names(
    catalogue: &Catalogue,
    provider: &ProviderName,
    vitals: &BTreeMap<ModelId, Arc<Vitals>>,
    counted: &OfProvider,
) -> BTreeSet<ModelId> {
    let mut all: BTreeSet<ModelId> = catalogue.configured_of(provider).into_iter().collect();
    all.extend(vitals.keys().chain(counted.models.keys()).cloned());
    let found = catalogue.found(provider).into_iter();
    let found = found.filter_map(|found| ModelId::new(&found.id).ok());
    let unasked: Vec<ModelId> = found
        .filter(|model| !all.contains(model))
        .take(MOST_FOUND)
        .collect();
    all.extend(unasked);
    all
}

/// A model's breaker; one that was never asked is closed.
fn breaker(
    api: &Api,
    member: Option<&Member>,
    model: &ModelId,
    vitals: Option<&Vitals>,
) -> Map<String, Value> {
    let Some((member, vitals)) = member.zip(vitals) else {
        return object(json!({
            "breaker": {
                "state": "closed", "forced": null, "since_seconds": null,
                "retry_in_seconds": null, "requests": 0, "failures": 0,
            },
            "in_flight": vitals.map_or(0, Vitals::in_flight),
            "history": vitals.map_or_else(Vec::new, history),
        }));
    };
    let shown = breakers::shown(api, member, model, vitals);
    object(json!({
        "breaker": {
            "state": shown.state,
            "forced": shown.forced,
            "since_seconds": shown.since_seconds,
            "retry_in_seconds": shown.retry_in_seconds,
            "requests": shown.requests,
            "failures": shown.failures,
        },
        "in_flight": shown.in_flight,
        "history": history(vitals),
    }))
}

fn history(vitals: &Vitals) -> Vec<Value> {
    let changes = vitals.changes().into_iter();
    changes
        .map(|Changed { at, change }| {
            json!({"at": at, "from": change.from.as_str(), "to": change.to.as_str()})
        })
        .collect()
}

fn limits(headroom: Option<Headroom>) -> Value {
    let headroom = headroom.unwrap_or_default();
    let level = |level: Level| (level.limit, level.remaining);
    let places = |(most, left)| (u64::from(most), u64::from(left));
    let all = [
        ("requests", headroom.requests.map(level)),
        ("tokens", headroom.tokens.map(level)),
        ("concurrent", headroom.concurrent.map(places)),
    ];
    let set = all.into_iter().filter_map(|(what, level)| {
        let (limit, left) = level?;
        Some(json!({"what": what, "limit": limit, "left": left}))
    });
    Value::Array(set.collect())
}

fn used(sums: &Sums) -> Map<String, Value> {
    object(json!({
        "attempts": sums.attempts,
        "errors": sums.errors,
        "given_up": sums.given_up,
        "tokens": {"input": sums.used.input.0, "output": sums.used.output.0},
        "usd": sums.usd,
        "latency_ms": sums.latency_ms(),
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
