//! What would be at other thresholds, by what was observed; and setting one.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::private;
use crate::{
    config::Applied,
    error::Error,
    gateway::learn::Known,
    http::{Api, body, steering::Steering},
    policy::{
        admit::Score,
        learn::{Calibrator, Class, Expected},
    },
    units::{Admission, Share, Similarity},
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 4 << 10;
/// Classes that are told.
const MOST: usize = 20;
/// The lowest point of the curves.
const LOWEST: f32 = 0.8;

/// What an operator wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `None` takes back what was set; it has to be said, for who forgets it wants something else.
    #[serde(deserialize_with = "Option::deserialize")]
    threshold: Option<f64>,
    #[serde(default)]
    dry_run: bool,
}

/// The curves.
pub(in crate::http) async fn show(State(api): State<Arc<Api>>) -> Response {
    let steering = match steering(&api) {
        Ok(steering) => steering,
        Err(error) => return error.into_response(),
    };
    let in_force = steering.in_force().await;
    let cache = &in_force.config.cache;
    let (kind, policy, threshold) = match cache.admission {
        Admission::Policy(policy) => ("policy", Some(policy.as_str()), None),
        Admission::Threshold(threshold) => ("threshold", None, Some(threshold.as_written())),
    };
    let (all, classes) = api.gateway.curves();
    let (classes, learned) = (classes.iter().take(MOST), api.gateway.learned());
    private(json!({
        "mode": cache.mode.as_str(),
        "admission": {"kind": kind, "policy": policy, "threshold": threshold},
        "override": (in_force.applied.threshold).map(|at| json!({"threshold": at.as_written()})),
        "can_apply": in_force.why_not.is_none(),
        "why_not": in_force.why_not,
        "labels": whole(all.labels()),
        "looked_up": whole(all.looked_up()),
        "curve": curve(&all),
        "classes": classes.map(|class| shown(&api, class, &learned)).collect::<Vec<_>>(),
    }))
}

/// Sets a threshold, or takes it back; as a dry run, says what would be written.
pub(in crate::http) async fn apply(State(api): State<Arc<Api>>, request: Request) -> Response {
    match applied(&api, request).await {
        Ok(applied) => private(applied),
        Err(error) => error.into_response(),
    }
}

async fn applied(api: &Api, request: Request) -> Result<Value, Error> {
    let (head, request_body) = request.into_parts();
    let body = body::read(api, &head, request_body, LONGEST).await?;
    let example = r#"write {"threshold": 0.93}, or null for what the configuration says"#;
    let wanted: Wanted = body::object(&body)
        .map_err(|error| Error::bad_request(None, format!("{error}; {example}")))?;
    let threshold = wanted.threshold.map(parsed).transpose()?;
    let applied = Applied { threshold };
    let steering = steering(api)?;
    if !wanted.dry_run {
        Arc::clone(&steering).apply(applied).await?;
    }
    let config = api.config.load();
    // Where nothing is set, there is no file.
    let is_set = applied != Applied::default();
    let file = (steering.in_force().await.overrides).filter(|_| !wanted.dry_run && is_set);
    Ok(json!({
        "dry_run": wanted.dry_run,
        "threshold": threshold.map(Similarity::as_written),
        "written": file.map(|path| path.display().to_string()),
        "text": is_set.then(|| applied.text()),
        "config": {"state": config.word(), "generation": api.gateway.setup().generation},
    }))
}

fn parsed(threshold: f64) -> Result<Similarity, Error> {
    #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
    let similarity = Similarity::new(threshold as f32).filter(|_| (0.5..=1.0).contains(&threshold));
    similarity.ok_or_else(|| {
        let message = "`threshold` must be a number from 0.5 to 1, or null";
        Error::bad_request(Some("threshold".to_owned()), message)
    })
}

/// Who knows the configuration in force.
pub(super) fn steering(api: &Api) -> Result<Arc<dyn Steering>, Error> {
    let steering = api.steering.get().and_then(std::sync::Weak::upgrade);
    steering.ok_or_else(|| Error::Conflict("the gateway is stopping".to_owned()))
}

fn shown(api: &Api, (class, calibrator): &(Class, Calibrator), learned: &[Known]) -> Value {
    let known = learned.iter().find(|known| known.class == *class);
    let front = api.front.load();
    json!({
        "client": front.auth.whose(class.scope, None).map(|name| name.as_str()),
        "model": &*class.model,
        "has_matter": class.has_matter,
        "point": known.map(|known| number(known.point.at)),
        "labels": whole(calibrator.labels()),
        "looked_up": whole(calibrator.looked_up()),
        "curve": curve(calibrator),
    })
}

fn curve(calibrator: &Calibrator) -> Vec<Value> {
    let from = Score::new(LOWEST).unwrap_or(Score::RETRIEVAL);
    calibrator.curve(from).iter().map(point).collect()
}

fn point(expected: &Expected) -> Value {
    let (low, high) = expected.interval();
    json!({
        "at": number(expected.at),
        "saved": expected.saved.map(Share::get),
        "wrong": expected.wrong().map(Share::get),
        "wrong_low": low.get(),
        "wrong_high": high.get(),
        "hits": whole(expected.hits),
        "labelled": expected.labels.count(),
    })
}

/// A point, as people write it.
fn number(point: Score) -> f64 {
    Similarity::new(point.get()).map_or(point.get().into(), Similarity::as_written)
}

fn whole(count: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts, which the cast bounds"
    )]
    let whole = count.round() as u64;
    whole
}
