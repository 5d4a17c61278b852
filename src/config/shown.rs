//! The configuration as JSON, in the words of the file, for operators.
//!
//! Every part is taken to pieces by name, so a setting that nobody shows does not compile. Beside the file's own keys
//! stands what a name alone does not say: whether a secret is set (`key`, `secret`), how many of a provider's keys are
//! (`keys`), and whether it is `active`. Three things are shown as they were resolved and not as they are written: paths
//! from the directory of the file, fallbacks as the targets that they lead to, the address that traces are sent to.
//! Of a task's examples there is the number.
//!
//! Invariant: no secret is in it, nor its length or digest: only whether it is set. Values of headers may be secrets.

use serde_json::{Value, json};

use self::entries::{client, endpoint, model, provider, task};
use super::{
    Admin, Cache, Config, Embedding, Endpoints, Responses, Routing, Secret, Server, Telemetry,
    quantity::show_duration,
};
use crate::units::{Admission, Share};

mod entries;

impl Config {
    /// Every setting with its value, defaults included.
    #[must_use]
    pub fn shown(&self) -> Value {
        let Self {
            path: _,
            environment: _,
            server,
            admin,
            embedding,
            cache,
            responses,
            telemetry,
            clients,
            providers,
            models,
            routing,
            tasks,
            endpoints,
        } = self;
        json!({
            "server": of_server(server),
            "admin": of_admin(admin),
            "embedding": of_embedding(embedding),
            "cache": of_cache(cache),
            "responses": of_responses(responses),
            "telemetry": of_telemetry(telemetry),
            "routing": of_routing(routing),
            "clients": clients.iter().map(client).collect::<Vec<_>>(),
            "providers": providers.iter().map(provider).collect::<Vec<_>>(),
            "models": models.iter().map(model).collect::<Vec<_>>(),
            "tasks": tasks.iter().map(task).collect::<Vec<_>>(),
            "endpoints": of_endpoints(endpoints),
        })
    }
}

fn of_server(server: &Server) -> Value {
    let Server {
        listen,
        max_body,
        drain_timeout,
        header_timeout,
        read_timeout,
        write_timeout,
        max_connections,
        max_in_flight,
        max_in_flight_bytes,
        compress_above,
        allow_public,
        reload,
    } = server;
    json!({
        "listen": listen.to_string(),
        "allow_public": allow_public,
        "max_body": max_body.to_string(),
        "drain_timeout": show_duration(*drain_timeout),
        "header_timeout": show_duration(*header_timeout),
        "read_timeout": show_duration(*read_timeout),
        "write_timeout": show_duration(*write_timeout),
        "max_connections": max_connections,
        "max_in_flight": max_in_flight,
        "max_in_flight_bytes": max_in_flight_bytes.to_string(),
        "compress_above": compress_above.to_string(),
        "reload": reload,
    })
}

fn of_admin(admin: &Admin) -> Value {
    let Admin {
        key_env,
        key,
        listen,
    } = admin;
    json!({
        "key_env": key_env,
        "key": is_set(key.as_ref()),
        "listen": listen.map(|address| address.to_string()),
    })
}

fn of_embedding(embedding: &Embedding) -> Value {
    let Embedding {
        model,
        runtime,
        threads,
        queue,
        deadline,
    } = embedding;
    json!({
        "model": model.display().to_string(),
        "runtime": runtime.display().to_string(),
        "threads": threads,
        "queue": queue,
        "deadline": show_duration(*deadline),
    })
}

fn of_cache(cache: &Cache) -> Value {
    let Cache {
        enabled,
        semantic,
        mode,
        admission,
        learning,
        max_false_hits,
        shadow_checks,
        judge_model,
        scope,
        ttl,
        volatile_ttl,
        volatile_patterns,
        stale_while_revalidate,
        stale_if_error,
        generation,
        max_bytes,
        max_entry_bytes,
        max_embedding_bytes,
        data_dir,
        secret_env,
        secret,
        index_above,
        show_similarity,
    } = cache;
    let (policy, threshold) = of_admission(*admission);
    json!({
        "enabled": enabled,
        "semantic": semantic,
        "mode": mode.as_str(),
        "policy": policy,
        "threshold": threshold,
        "learning": learning,
        "max_false_hits": max_false_hits.get(),
        "shadow_checks": shadow_checks.get(),
        "judge_model": judge_model.as_ref().map(ToString::to_string),
        "scope": scope.as_str(),
        "ttl": show_duration(*ttl),
        "volatile_ttl": show_duration(*volatile_ttl),
        "volatile_patterns": volatile_patterns,
        "stale_while_revalidate": show_duration(*stale_while_revalidate),
        "stale_if_error": show_duration(*stale_if_error),
        "generation": generation,
        "max_bytes": max_bytes.to_string(),
        "max_entry_bytes": max_entry_bytes.to_string(),
        "max_embedding_bytes": max_embedding_bytes.to_string(),
        "data_dir": data_dir.as_ref().map(|path| path.display().to_string()),
        "secret_env": secret_env,
        "secret": is_set(secret.as_ref()),
        "index_above": index_above,
        "show_similarity": show_similarity,
    })
}

fn of_responses(responses: &Responses) -> Value {
    let Responses {
        store,
        ttl,
        max_bytes,
    } = responses;
    json!({
        "store": store,
        "ttl": show_duration(*ttl),
        "max_bytes": max_bytes.to_string(),
    })
}

fn of_telemetry(telemetry: &Telemetry) -> Value {
    let Telemetry {
        logs,
        log_requests,
        slow_request,
        recent_requests,
        capture_content,
        otlp_headers_env,
        sample,
        traces,
    } = telemetry;
    json!({
        "logs": logs.as_str(),
        "log_requests": log_requests,
        "slow_request": show_duration(*slow_request),
        "recent_requests": recent_requests,
        "capture_content": capture_content,
        "otlp_endpoint": traces.as_ref().map(|traces| entries::bare(&traces.endpoint)),
        "otlp_headers_env": otlp_headers_env,
        "sample": Share::get(*sample),
    })
}

fn of_routing(routing: &Routing) -> Value {
    let Routing {
        default_task,
        margin,
        pin_conversations,
        on_overflow,
    } = routing;
    json!({
        "default_task": default_task.as_ref().map(ToString::to_string),
        "margin": margin.as_written(),
        "pin_conversations": pin_conversations,
        "on_overflow": on_overflow.as_str(),
    })
}

fn of_endpoints(endpoints: &Endpoints) -> Value {
    let Endpoints {
        moderations,
        audio,
        images,
        rerank,
    } = endpoints;
    json!({
        "moderations": moderations.as_ref().map(endpoint),
        "audio": audio.as_ref().map(endpoint),
        "images": images.as_ref().map(endpoint),
        "rerank": rerank.as_ref().map(endpoint),
    })
}

fn of_admission(admission: Admission) -> (Option<&'static str>, Option<f64>) {
    match admission {
        Admission::Policy(policy) => (Some(policy.as_str()), None),
        Admission::Threshold(threshold) => (None, Some(threshold.as_written())),
    }
}

fn is_set(secret: Option<&Secret>) -> &'static str {
    if secret.is_some() { "set" } else { "not set" }
}
