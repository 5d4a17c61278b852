//! What requests add to the metrics.

use std::sync::Arc;

use super::*;
use crate::{
    clock::Clock,
    telemetry::{
        journal::{Failure, Journal, Observers},
        names::recorder,
    },
    units::{Similarity, Tokens},
};

/// What the metrics show when these requests are over.
fn shown(work: impl FnOnce(&Clock, &Observers)) -> String {
    let recorder = recorder::builder().unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let all: Vec<Arc<dyn Observer>> = vec![Arc::new(RequestMetrics::new(Arc::default()))];
        work(&Clock::manual(), &Observers::new(all, None, None));
    });
    recorder.handle().render()
}

fn head(facts: Option<Facts>, status: u16) -> Head {
    Head {
        route: "/v1/chat/completions",
        status,
        facts,
        failure: None,
    }
}

fn facts(clock: &Clock, way: Way, tier: Option<Tier>) -> Facts {
    Facts {
        tier,
        ..Facts::new(way, None, clock.now())
    }
}

fn attempt(model: &str) -> Stage {
    Stage::Attempt {
        provider: ProviderName::new("p").unwrap(),
        model: ModelId::new(model).unwrap(),
    }
}

#[track_caller]
fn has(shown: &str, line: &str) {
    assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
}

#[test]
fn lookups_are_told_by_tier_and_result() {
    let near = Tier::Semantic(Similarity::new(0.97).unwrap());
    let shown = shown(|clock, observers| {
        for (way, tier) in [
            (Way::Exact, Some(Tier::Exact)),
            (Way::Exact, Some(Tier::Surface)),
            (Way::Semantic, Some(near)),
            (Way::Stale, Some(Tier::Exact)),
            (Way::Miss, None),
            (Way::Coalesced, None),
            (Way::Bypass, None),
        ] {
            let journal = Journal::open("r", None, clock, observers);
            journal.answered(head(Some(facts(clock, way, tier)), 200));
        }
        // Refused before the cache was asked.
        Journal::open("r", None, clock, observers).answered(head(None, 400));
    });
    for (tier, result, count) in [
        ("exact", "hit", 1),
        ("exact", "stale", 1),
        ("canonical", "hit", 1),
        ("canonical", "stale", 0),
        ("semantic", "hit", 1),
        ("none", "miss", 2),
    ] {
        let labels = format!("{{tier=\"{tier}\",result=\"{result}\"}}");
        has(
            &shown,
            &format!("refrain_cache_lookups_total{labels} {count}"),
        );
    }
    has(
        &shown,
        "refrain_gateway_overhead_seconds_count{cached=\"yes\"} 4",
    );
    has(
        &shown,
        "refrain_gateway_overhead_seconds_count{cached=\"no\"} 2",
    );
}

#[test]
fn a_client_that_is_gone_before_its_answer_was_looked_for_all_the_same() {
    let shown = shown(|clock, observers| {
        for outcome in ["absent", "exact"] {
            let journal = Journal::open("r", None, clock, observers);
            journal.begin(Stage::Lookup).ended(outcome);
        }
    });
    has(
        &shown,
        "refrain_cache_lookups_total{tier=\"none\",result=\"miss\"} 1",
    );
}

#[test]
fn overhead_is_without_waiting_for_providers_and_of_answers_only() {
    let shown = shown(|clock, observers| {
        let ms = Duration::from_millis;
        let answered = facts(clock, Way::Miss, None);
        let journal = Journal::open("r", None, clock, observers);
        clock.advance(ms(503));
        let upstream = ms(500);
        journal.answered(head(
            Some(Facts {
                upstream,
                ..answered.clone()
            }),
            200,
        ));
        drop(journal);
        let journal = Journal::open("r", None, clock, observers);
        clock.advance(ms(900));
        journal.answered(Head {
            failure: Some(Failure {
                fault: crate::error::Fault::Upstream,
                summary: String::new(),
            }),
            ..head(Some(answered), 502)
        });
    });
    has(
        &shown,
        "refrain_gateway_overhead_seconds_bucket{cached=\"no\",le=\"0.002\"} 0",
    );
    has(
        &shown,
        "refrain_gateway_overhead_seconds_bucket{cached=\"no\",le=\"0.004\"} 1",
    );
    has(
        &shown,
        "refrain_gateway_overhead_seconds_count{cached=\"no\"} 1",
    );
}

#[test]
fn attempts_are_told_by_how_they_ended() {
    let shown = shown(|clock, observers| {
        let journal = Journal::open("r", None, clock, observers);
        let ms = Duration::from_millis;
        journal.begin(attempt("m-one")).ended("rate_limited");
        journal.begin(attempt("m-one")).ended("untranslatable");
        drop(journal.begin(attempt("m-one")));
        let good = journal.begin(attempt("m-one"));
        clock.advance(ms(30));
        good.answered();
        clock.advance(ms(1000));
        let used = Usage {
            input: Tokens(10),
            output: Tokens(5000),
        };
        good.used(Some(used), None);
        good.ended("ok");
        drop(good);
        journal.begin(Stage::Embedding).ended("ok");
        journal.answered(head(None, 200));
    });
    for (outcome, count) in [
        ("ok", 1),
        ("rate_limited", 1),
        ("untranslatable", 1),
        ("given_up", 1),
    ] {
        let labels = format!("{{provider=\"p\",outcome=\"{outcome}\"}}");
        has(
            &shown,
            &format!("refrain_upstream_attempts_total{labels} {count}"),
        );
    }
    has(&shown, "refrain_rate_limited_total{provider=\"p\"} 1");
    has(&shown, "refrain_embedding_duration_seconds_count 1");
    let of =
        "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"p\",gen_ai_request_model=\"m-one\"";
    has(
        &shown,
        &format!(
            "gen_ai_client_operation_time_to_first_chunk_seconds_bucket{{{of},le=\"0.04\"}} 1"
        ),
    );
    has(
        &shown,
        &format!(
            "gen_ai_client_operation_duration_seconds_bucket{{{of},error_type=\"\",le=\"0.64\"}} 0"
        ),
    );
    has(
        &shown,
        &format!(
            "gen_ai_client_operation_duration_seconds_bucket{{{of},error_type=\"\",le=\"1.28\"}} 1"
        ),
    );
    has(
        &shown,
        &format!("gen_ai_client_token_usage_sum{{{of},gen_ai_token_type=\"output\"}} 5000"),
    );
    // Whoever had not answered yet had no name; nobody was asked what can't be.
    assert!(
        shown.contains("gen_ai_request_model=\"other\",error_type=\"rate_limited\""),
        "{shown}"
    );
    assert!(!shown.contains("error_type=\"untranslatable\""), "{shown}");
}
