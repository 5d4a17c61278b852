//! The operator's view of the targets, and hand on them: which are asked, which are left alone.
//!
//! What an operator wants holds until it is taken back with `"auto"`, or until the process ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State as Shared},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::private;
use crate::{
    clock::Moment,
    config::nearest,
    error::Error,
    gateway::{
        catalogue::{Catalogue, Member},
        vitals::Vitals,
    },
    http::{Api, body},
    ident::{ModelId, ProviderName},
    policy::breaker::{Force, State},
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 4 << 10;
/// Breakers of one list.
const MOST: usize = 1000;
/// Those that the page shows.
const FEW: usize = 50;

/// How long a target that could be tried again, and is not, counts as one that is left alone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// What an operator wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    provider: String,
    model: Option<String>,
    state: String,
}

/// How a target fares.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Shown {
    provider: String,
    model: String,
    pub(super) state: &'static str,
    pub(super) forced: Option<&'static str>,
    pub(super) requests: u32,
    pub(super) failures: u32,
    pub(super) in_flight: u32,
    /// Since when it is in this state; nothing if it was never in another.
    pub(super) since_seconds: Option<u64>,
    /// Until it is tried again, if it is left alone.
    pub(super) retry_in_seconds: Option<u64>,
    #[serde(skip)]
    badness: (u8, u32),
}

/// How many targets are in which state.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    open: usize,
    half_open: usize,
    closed: usize,
    forced: usize,
}

/// The same, and the worst of them.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    #[serde(flatten)]
    counts: Counts,
    worst: Vec<Shown>,
}

/// All targets that were asked or forced, the worst first.
pub(crate) async fn list(Shared(api): Shared<Arc<Api>>) -> Response {
    listed(all(&api))
}

/// Opens or closes breakers, or lets them decide by themselves again.
pub(crate) async fn force(Shared(api): Shared<Arc<Api>>, request: Request) -> Response {
    let (head, request_body) = request.into_parts();
    let body = match body::read(&api, &head, request_body, LONGEST).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    match forced(&api, &body) {
        Ok(changed) => listed(changed),
        Err(error) => error.into_response(),
    }
}

/// Of those that the configuration in force knows.
pub(super) fn summary(api: &Api) -> Summary {
    let mut worst = all(api);
    worst.truncate(FEW);
    let counts = counts(api);
    Summary { counts, worst }
}

/// Of the configuration in force.
pub(super) fn counts(api: &Api) -> Counts {
    let setup = api.gateway.setup();
    let now = api.clock.now();
    let mut counts = Counts::default();
    for (provider, _, vitals) in setup.catalogue.vitals().all() {
        let Some(member) = setup.catalogue.in_force(&provider) else {
            continue;
        };
        let view = vitals.view(now, &member.conduct.breaker);
        match view.state {
            State::Open => counts.open += 1,
            State::HalfOpen => counts.half_open += 1,
            State::Closed => counts.closed += 1,
        }
        counts.forced += usize::from(view.forced.is_some());
    }
    counts
}

/// Whether a target is not asked as it should be, for its own or for an operator's sake. One that could be tried again
/// for a minute and was not does not count: nobody asks for it any more, or it is a model that a client made up.
pub(in crate::http) fn is_degraded(api: &Api) -> bool {
    let setup = api.gateway.setup();
    let now = api.clock.now();
    let all = setup.catalogue.vitals().all().into_iter();
    all.filter_map(|(provider, _, vitals)| {
        let member = setup.catalogue.in_force(&provider)?;
        let view = vitals.view(now, &member.conduct.breaker);
        let is_old = |moment: Moment| now.since(moment) > FORGOTTEN_AFTER;
        Some(match view.state {
            State::Closed => false,
            State::HalfOpen => vitals.in_flight() > 0 || !view.since.is_some_and(is_old),
            State::Open => !view.until.is_some_and(is_old),
        })
    })
    .any(|counts| counts)
}

fn listed(mut breakers: Vec<Shown>) -> Response {
    let total = breakers.len();
    breakers.truncate(MOST);
    private(json!({"total": total, "breakers": breakers}))
}

fn all(api: &Api) -> Vec<Shown> {
    let setup = api.gateway.setup();
    let all = setup.catalogue.vitals().all().into_iter();
    let mut all: Vec<Shown> = all
        .filter_map(|(provider, model, vitals)| {
            let member = setup.catalogue.in_force(&provider)?;
            Some(shown(api, &member, &model, &vitals))
        })
        .collect();
    all.sort_by(|one, other| {
        let by_name = || (&one.provider, &one.model).cmp(&(&other.provider, &other.model));
        other.badness.cmp(&one.badness).then_with(by_name)
    });
    all
}

pub(super) fn shown(api: &Api, member: &Member, model: &ModelId, vitals: &Vitals) -> Shown {
    let now = api.clock.now();
    let view = vitals.view(now, &member.conduct.breaker);
    let severity = match view.state {
        State::Closed => 0,
        State::HalfOpen => 1,
        State::Open => 2,
    };
    // A part of a second is a second: whoever comes back then is not too early.
    let whole = |left: Duration| left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Shown {
        provider: member.provider.name().to_string(),
        model: model.to_string(),
        state: view.state.as_str(),
        forced: view.forced.map(|force| force.state().as_str()),
        requests: view.requests,
        failures: view.failures,
        in_flight: vitals.in_flight(),
        since_seconds: view.since.map(|since| now.since(since).as_secs()),
        retry_in_seconds: view.until.map(|until| whole(until.since(now))),
        badness: (severity, view.failures),
    }
}

fn forced(api: &Api, body: &[u8]) -> Result<Vec<Shown>, Error> {
    let example = r#"write {"provider": "openai", "model": "gpt-4o", "state": "open"}"#;
    let wanted: Wanted = body::object(body)
        .map_err(|error| Error::bad_request(None, format!("{error}; {example}")))?;
    let force = match &*wanted.state {
        "open" => Some(Force::Open),
        "closed" => Some(Force::Closed),
        "auto" => None,
        _ => {
            let message = "`state` must be \"open\" (not asked), \"closed\" (asked whatever happens) or \"auto\"";
            return Err(Error::bad_request(Some("state".to_owned()), message));
        }
    };
    let setup = api.gateway.setup();
    let catalogue = &setup.catalogue;
    let name = ProviderName::new(&wanted.provider).ok();
    let found = name.and_then(|name| Some((catalogue.in_force(&name)?, name)));
    let Some((member, name)) = found else {
        let message = unknown(catalogue, &wanted.provider);
        return Err(Error::bad_request(Some("provider".to_owned()), message));
    };
    let models = match &wanted.model {
        Some(model) => {
            let invalid = |why| Error::bad_request(Some("model".to_owned()), format!("{why}"));
            BTreeSet::from([ModelId::new(model).map_err(invalid)?])
        }
        None => known_models(catalogue, &name),
    };
    if models.is_empty() {
        let message = format!("no model of `{name}` is known yet: name one as `model`");
        return Err(Error::bad_request(Some("model".to_owned()), message));
    }
    let vitals = catalogue.vitals();
    for model in &models {
        vitals.force(&name, model, force, api.clock.now());
        tracing::info!(provider = %name, %model, state = wanted.state, "breaker set by an operator");
    }
    let changed = models.iter();
    Ok(changed
        .map(|model| shown(api, &member, model, &vitals.of(&name, model)))
        .collect())
}

/// The models of a provider that were asked, or that it says it has.
fn known_models(catalogue: &Catalogue, provider: &ProviderName) -> BTreeSet<ModelId> {
    let asked = catalogue.vitals().all().into_iter();
    let asked = asked.filter_map(|(name, model, _)| (name == *provider).then_some(model));
    let found = catalogue.found(provider).into_iter();
    asked
        .chain(found.filter_map(|model| ModelId::new(&model.id).ok()))
        .collect()
}

pub(super) fn unknown(catalogue: &Catalogue, written: &str) -> String {
    let active: Vec<&str> = catalogue
        .active()
        .iter()
        .map(|name| name.as_str())
        .collect();
    let inactive = catalogue.inactive().iter();
    if let Some(inactive) = inactive
        .into_iter()
        .find(|one| one.name.as_str() == written)
    {
        return format!(
            "the provider `{written}` is not active: {}",
            inactive.reason
        );
    }
    let hint = match nearest(written, active.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", active.join(", ")),
    };
    let written: String = written
        .chars()
        .take(80)
        .flat_map(char::escape_debug)
        .collect();
    format!("there is no provider `{written}`; {hint}")
}
