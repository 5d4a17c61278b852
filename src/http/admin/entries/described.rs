//! An entry as JSON. Whatever a prompt or an answer says, it is text in a string there.

use serde_json::{Value, json};

use super::listing::said;
use crate::{
    cache::entry::{Entry, Freshness, Now},
    http::auth::Auth,
    ident::{ClientName, Namespace, Tag},
    units::Similarity,
};

/// What the hits of an entry have saved, as far as it is known.
pub(super) struct Saved {
    pub(super) usd: Option<f64>,
    pub(super) tokens: Option<u64>,
    pub(super) seconds: Option<f64>,
}

impl Saved {
    pub(super) fn by(entry: &Entry) -> Self {
        let uses = entry.use_of.count();
        let tokens = |usage: crate::wire::answer::Usage| {
            let all = usage.input.0.saturating_add(usage.output.0);
            all.saturating_mul(u64::from(uses))
        };
        Self {
            usd: entry.cost().map(|cost| cost.get() * f64::from(uses)),
            tokens: entry.tokens().map(tokens),
            seconds: entry.took.map(|took| took.as_secs_f64() * f64::from(uses)),
        }
    }
}

/// What is told of an entry in a list.
pub(super) fn described(entry: &Entry, now: Now, auth: &Auth) -> Value {
    let namespace = entry.namespace.as_ref();
    let saved = Saved::by(entry);
    json!({
        "id": entry.fingerprint.to_string(),
        "prompt": entry.prompt,
        "model": entry.asked_model,
        "answered_by": format!("{}/{}", entry.provider, entry.model),
        "client": auth.whose(entry.scope, namespace).map(ClientName::as_str),
        "namespace": namespace.map(Namespace::as_str),
        "tags": entry.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "age_seconds": now.time.since(entry.stored).as_secs(),
        "ttl_seconds": entry.ttl.as_secs(),
        "is_stale": entry.freshness(now, None) != Freshness::Fresh,
        "generation": entry.generation,
        "uses": entry.use_of.count(),
        "bytes": entry.weight(),
        "semantic": entry.question.is_some(),
        "pinned": entry.is_pinned(),
        "saved_usd": saved.usd,
        "saved_tokens": saved.tokens,
        "saved_seconds": saved.seconds,
    })
}

/// The same of an entry that was found by meaning.
pub(super) fn found(entry: &Entry, near: Similarity, now: Now, auth: &Auth) -> Value {
    with(
        described(entry, now, auth),
        json!({"similarity": near.rounded()}),
    )
}

/// All that is known of an entry. `around` are the nearest ones that it could be taken for.
pub(super) fn detailed(
    entry: &Entry,
    around: &[(&Entry, Similarity)],
    now: Now,
    auth: &Auth,
) -> Value {
    let said = said(entry);
    let usage = entry.tokens();
    let neighbours = around.iter().map(|(entry, near)| {
        json!({
            "id": entry.fingerprint.to_string(),
            "prompt": entry.prompt,
            "similarity": near.rounded(),
        })
    });
    let more = json!({
        "question": entry.question.as_ref().map(|question| &*question.text),
        "answer": (!said.is_empty()).then(|| said.join("\n\n")),
        "response": serde_json::from_slice::<Value>(&entry.written).unwrap_or_default(),
        "stored_at": entry.stored.0 / 1000,
        "usage": usage.map(|usage| json!({"input": usage.input.0, "output": usage.output.0})),
        "neighbours": neighbours.collect::<Vec<_>>(),
    });
    with(described(entry, now, auth), more)
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
