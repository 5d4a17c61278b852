//! What the cache holds and does, for `/admin/api/stats`.

use serde_json::{Value, json};

use crate::{
    cache::semantic::Size,
    http::Api,
    policy::{
        admit::{Kind, Score},
        learn::Why,
    },
    units::{Admission, Similarity},
};

/// Points of classes that are told beside the configured ones.
const CLASSES: usize = 20;

/// What it holds, and why it did not keep or give what it might have.
pub(super) fn held(api: &Api, is_semantic: bool) -> Value {
    let (size, reasons) = (api.store.size(), api.ledger.reasons());
    let vectors = api.store.vectors().size();
    let responses = api.responses.as_ref();
    json!({
        "entries": size.entries,
        "bytes": size.bytes,
        "max_bytes": size.bound,
        "generation": api.store.generation(),
        "pinned": size.pinned,
        "partitions": size.semantic.partitions,
        "questions": size.semantic.vectors,
        "graphs": size.semantic.graphs,
        "index": index(size.semantic),
        "semantic": is_semantic,
        "vectors": {"entries": vectors.entries, "bytes": vectors.bytes},
        "responses": responses.map(|kept| json!({"entries": kept.len(), "bytes": kept.bytes()})),
        "evictions": api.store.evictions(),
        "bypass_reasons": reasons.bypasses.sums(),
        "miss_reasons": reasons.misses.sums(),
        "not_kept_reasons": reasons.not_kept.sums(),
    })
}

/// How questions are searched: partitions with few are scanned, those with many have a graph.
fn index(size: Size) -> &'static str {
    match (size.vectors, size.graphs) {
        (0, _) => "none",
        (_, 0) => "flat",
        (_, graphs) if graphs == size.partitions => "graph",
        _ => "both",
    }
}

/// How near the best candidates were that answered, and those that did not; and from where on one may answer.
pub(super) fn similarity(api: &Api, admission: Admission) -> Value {
    let similarities = api.ledger.similarities();
    let bins = similarities.bins().into_iter().map(
        |bin| json!({"from": bin.from, "to": bin.to, "hits": bin.hits, "rejected": bin.rejected}),
    );
    json!({
        "bins": bins.collect::<Vec<_>>(),
        "rejected_by": similarities.rejected_by(),
        "thresholds": thresholds(api, admission),
    })
}

fn thresholds(api: &Api, admission: Admission) -> Vec<Value> {
    let point = |what: &str, score: Score| {
        // What nothing reaches lies beyond the scale.
        let at = Similarity::new(score.get()).map(Similarity::rounded);
        at.map(|at| json!({"what": what, "at": at}))
    };
    let at = |matter, foreign_latin| {
        admission.point(Kind {
            matter,
            foreign_latin,
        })
    };
    let mut all: Vec<Value> = match admission {
        Admission::Threshold(_) => point("threshold", at(false, false)).into_iter().collect(),
        Admission::Policy(policy) => [
            point(policy.as_str(), at(false, false)),
            point(
                &format!("{policy}, not English", policy = policy.as_str()),
                at(false, true),
            ),
            point(
                &format!("{policy}, with matter", policy = policy.as_str()),
                at(true, false),
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let learned = api.gateway.learned();
    let moved = learned.iter().filter(|known| known.point.why != Why::Start);
    let moved = moved.filter_map(|known| {
        let matter = if known.class.has_matter {
            ", with matter"
        } else {
            ""
        };
        point(
            &format!("learned: {}{matter}", known.class.model),
            known.point.at,
        )
    });
    all.extend(moved.take(CLASSES));
    all
}
