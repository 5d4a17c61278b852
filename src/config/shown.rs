//! The configuration in force as JSON, in the words of the file, for operators.
//!
//! Invariant: no secret is in it, nor its length or digest: only whether it is set.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Map, Value, json};

use super::{
    AllowedModels, Client, Config, Endpoint, Model, Provider, RouteRules, Secret, Target,
    TargetModel, Task, cache::CacheOverrides, quantity::show_duration,
};
use crate::{
    clock::UnixMillis,
    policy::{limit::Limits, spend::Budget},
    units::{Admission, Price},
};

impl Config {
    /// Every setting with its value in force, defaults included.
    #[must_use]
    pub fn shown(&self) -> Value {
        json!({
            "server": self.server(),
            "admin": {
                "key_env": self.admin.key_env,
                "key": is_set(self.admin.key.as_ref()),
                "listen": self.admin.listen.map(|address| address.to_string()),
            },
            "embedding": self.embedding(),
            "cache": self.cache(),
            "responses": {
                "store": self.responses.store,
                "ttl": show_duration(self.responses.ttl),
                "max_bytes": self.responses.max_bytes.to_string(),
            },
            "telemetry": self.telemetry(),
            "routing": {
                "default_task": self.routing.default_task.as_ref().map(ToString::to_string),
                "margin": self.routing.margin.get(),
                "pin_conversations": self.routing.pin_conversations,
                "on_overflow": self.routing.on_overflow.as_str(),
            },
            "clients": self.clients.iter().map(client).collect::<Vec<_>>(),
            "providers": self.providers.iter().map(provider).collect::<Vec<_>>(),
            "models": self.models.iter().map(model).collect::<Vec<_>>(),
            "tasks": self.tasks.iter().map(task).collect::<Vec<_>>(),
            "endpoints": {
                "moderations": self.endpoints.moderations.as_ref().map(endpoint),
                "audio": self.endpoints.audio.as_ref().map(endpoint),
                "images": self.endpoints.images.as_ref().map(endpoint),
                "rerank": self.endpoints.rerank.as_ref().map(endpoint),
            },
        })
    }

    fn server(&self) -> Value {
        let server = &self.server;
        json!({
            "listen": server.listen.to_string(),
            "max_body": server.max_body.to_string(),
            "drain_timeout": show_duration(server.drain_timeout),
            "header_timeout": show_duration(server.header_timeout),
            "read_timeout": show_duration(server.read_timeout),
            "write_timeout": show_duration(server.write_timeout),
            "max_connections": server.max_connections,
            "max_in_flight": server.max_in_flight,
            "max_in_flight_bytes": server.max_in_flight_bytes.to_string(),
            "compress_above": server.compress_above.to_string(),
            "reload": server.reload,
        })
    }

    fn embedding(&self) -> Value {
        let embedding = &self.embedding;
        json!({
            "model": embedding.model.display().to_string(),
            "runtime": embedding.runtime.display().to_string(),
            "threads": embedding.threads,
            "queue": embedding.queue,
            "deadline": show_duration(embedding.deadline),
        })
    }

    fn cache(&self) -> Value {
        let cache = &self.cache;
        let (policy, threshold) = admission(cache.admission);
        json!({
            "enabled": cache.enabled,
            "semantic": cache.semantic,
            "mode": cache.mode.as_str(),
            "policy": policy,
            "threshold": threshold,
            "learning": cache.learning,
            "max_false_hits": cache.max_false_hits.get(),
            "shadow_checks": cache.shadow_checks.get(),
            "judge_model": cache.judge_model.as_ref().map(ToString::to_string),
            "scope": cache.scope.as_str(),
            "ttl": show_duration(cache.ttl),
            "volatile_ttl": show_duration(cache.volatile_ttl),
            "volatile_patterns": cache.volatile_patterns,
            "stale_while_revalidate": show_duration(cache.stale_while_revalidate),
            "stale_if_error": show_duration(cache.stale_if_error),
            "generation": cache.generation,
            "max_bytes": cache.max_bytes.to_string(),
            "max_entry_bytes": cache.max_entry_bytes.to_string(),
            "max_embedding_bytes": cache.max_embedding_bytes.to_string(),
            "data_dir": cache.data_dir.as_ref().map(|path| path.display().to_string()),
            "secret": is_set(cache.secret.as_ref()),
            "index_above": cache.index_above,
            "show_similarity": cache.show_similarity,
        })
    }

    fn telemetry(&self) -> Value {
        let telemetry = &self.telemetry;
        let traces = telemetry.traces.as_ref();
        json!({
            "logs": telemetry.logs.as_str(),
            "log_requests": telemetry.log_requests,
            "slow_request": show_duration(telemetry.slow_request),
            "recent_requests": telemetry.recent_requests,
            "capture_content": telemetry.capture_content,
            "otlp_endpoint": traces.map(|traces| bare(&traces.endpoint)),
            "otlp_headers_env": traces.map(|traces| names(&traces.headers)),
            "sample": traces.map(|traces| traces.sample.get()),
        })
    }
}

fn client(client: &Client) -> Value {
    let budget = client.budget;
    json!({
        "name": client.name.as_str(),
        "key": "set",
        "namespace": client.namespace.as_ref().map(ToString::to_string),
        "allowed_models": match &client.allowed_models {
            AllowedModels::All => None,
            AllowedModels::Only(patterns) => {
                Some(patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
        },
        "cache": overrides(&client.cache),
        "max_input_tokens": client.max_input_tokens.map(|tokens| tokens.0),
        "on_overflow": client.on_overflow.map(|overflow| overflow.as_str()),
        "limits": limits(&client.limits),
        "budget": budget.map(|budget: Budget| json!({
            "daily_usd": budget.daily.map(|usd| usd.get()),
            "monthly_usd": budget.monthly.map(|usd| usd.get()),
            "until": budget.until.map(seconds),
        })),
        "expires": client.expires.map(seconds),
    })
}

fn provider(provider: &Provider) -> Value {
    let of_models = provider.limits.models.iter();
    json!({
        "name": provider.name.as_str(),
        "kind": provider.kind.as_str(),
        "base_url": provider.base_url.as_deref().map(bare),
        "active": provider.activation.is_active(),
        "keys": provider.api_keys.len(),
        "headers": names(&provider.headers),
        "timeouts": {
            "connect": show_duration(provider.timeout.connect),
            "first_token": show_duration(provider.timeout.first_token),
            "idle": show_duration(provider.timeout.idle),
            "total": show_duration(provider.timeout.total),
        },
        "retry": {
            "attempts": provider.retry.attempts,
            "base": show_duration(provider.retry.base),
            "cap": show_duration(provider.retry.cap),
            "budget": provider.retry.budget.get(),
        },
        "breaker": {
            "window": show_duration(provider.breaker.window),
            "min_requests": provider.breaker.min_requests,
            "failure_ratio": provider.breaker.failure_ratio.get(),
            "slow_after": show_duration(provider.breaker.slow_after),
            "open_for": show_duration(provider.breaker.open_for),
            "probes": provider.breaker.probes,
        },
        "limits": limits(&provider.limits.all),
        "model_limits": of_models.map(|of| json!({
            "models": of.models.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "limits": limits(&of.limits),
        })).collect::<Vec<_>>(),
        "max_wait": show_duration(provider.limits.max_wait),
        "drop_unsupported": provider.drop_unsupported,
        "prompt_caching": provider.prompt_caching,
        "keep_alive": provider.keep_alive,
        "num_ctx": provider.num_ctx,
        "discover": provider.discover,
    })
}

fn model(model: &Model) -> Value {
    json!({
        "name": model.name.to_string(),
        "aliases": model.aliases.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "targets": targets(&model.targets),
        "rules": rules(&model.rules),
        "context_window": model.context_window.map(|tokens| tokens.0),
        "max_output_tokens": model.max_output_tokens.map(|tokens| tokens.0),
        "price": model.price.map(|price: Price| json!({
            "input_usd_per_million": price.input.get() * 1e6,
            "output_usd_per_million": price.output.get() * 1e6,
        })),
        "cache": overrides(&model.cache),
    })
}

fn task(task: &Task) -> Value {
    let route = task.route.as_ref();
    json!({
        "name": task.name.as_str(),
        "targets": route.map(|route| targets(&route.targets)),
        "fast": route.map(|route| targets(&route.fast)),
        "examples": route.map(|route| route.examples.len()),
        "rules": route.map(|route| rules(&route.rules)),
        "cache": overrides(&task.cache),
    })
}

fn rules(rules: &RouteRules) -> Value {
    json!({
        "strategy": rules.strategy.as_str(),
        "weights": rules.weights,
        "fallbacks": targets(&rules.fallbacks),
        "context_window_fallbacks": targets(&rules.context_window_fallbacks),
        "content_policy_fallbacks": targets(&rules.content_policy_fallbacks),
        "max_input_tokens": rules.max_input_tokens.map(|tokens| tokens.0),
        "on_overflow": rules.on_overflow.map(|overflow| overflow.as_str()),
        "hedge": rules.hedge.map(|hedge| json!({
            "quantile": hedge.quantile.get(),
            "min_wait": show_duration(hedge.min_wait),
            "budget": hedge.budget.get(),
        })),
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "provider": endpoint.provider.as_str(),
        "usd_per_request": endpoint.price.map(|usd| usd.get()),
    })
}

fn targets(targets: &[Target]) -> Vec<String> {
    let name = |target: &Target| match &target.model {
        TargetModel::Named(model) => format!("{}/{model}", target.provider),
        TargetModel::AsRequested => format!("{}/*", target.provider),
    };
    targets.iter().map(name).collect()
}

/// What is different about the cache; nothing, if nothing is.
fn overrides(overrides: &CacheOverrides) -> Value {
    let (policy, threshold) = overrides.admission.map_or((None, None), admission);
    let all = [
        ("cache", overrides.enabled.map(Value::from)),
        ("ttl", overrides.ttl.map(|ttl| show_duration(ttl).into())),
        ("policy", policy.map(Value::from)),
        ("threshold", threshold.map(Value::from)),
    ];
    let set = all.into_iter();
    let set = set.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(set.collect::<Map<_, _>>())
}

fn admission(admission: Admission) -> (Option<&'static str>, Option<f64>) {
    match admission {
        Admission::Policy(policy) => (Some(policy.as_str()), None),
        // As it is written: 0.93, not the nearest number with seven digits.
        Admission::Threshold(threshold) => (None, threshold.get().to_string().parse().ok()),
    }
}

/// An address without what may be a secret in it.
fn bare(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return String::new();
    };
    // Of addresses that have no place for them, there is nothing to take away.
    let _none = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// What is sent along, without what it says.
fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).collect()
}

fn limits(limits: &Limits) -> Value {
    json!({
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "max_in_flight": limits.concurrent,
    })
}

fn seconds(at: UnixMillis) -> u64 {
    at.0 / 1000
}

fn is_set(secret: Option<&Secret>) -> &'static str {
    if secret.is_some() { "set" } else { "not set" }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::config;

    #[test]
    fn no_secret_is_shown_and_no_setting_is_forgotten() {
        let env = [
            ("OPENAI_API_KEY", "sk-planted-one"),
            ("REFRAIN_ADMIN_KEY", "planted-admin-key-of-the-page"),
            ("WEB_KEY", "planted-client-key-of-the-web"),
        ];
        let shipped = include_str!("../../providers.toml");
        let text = format!(
            "{shipped}\n[[clients]]\nname = \"web\"\nkey_env = \"WEB_KEY\"\n\
             [[providers]]\nname = \"own\"\nkind = \"openai\"\nbase_url = \"http://localhost:1/v1\"\n\
             headers = {{ x-own = \"planted-header\" }}\n"
        );
        let shown = config(&text, &env).shown();
        let written = shown.to_string();
        assert!(!written.contains("planted"), "{written}");
        assert_eq!(shown["admin"]["key"], "set");
        assert_eq!(shown["clients"][0]["name"], "web");
        assert_eq!(shown["cache"]["policy"], "balanced");
        assert_eq!(shown["cache"]["threshold"], serde_json::Value::Null);

        // Every setting that the shipped file names, a secret's variable for the secret.
        let mut section = String::new();
        for line in shipped.lines() {
            let header = line.strip_prefix("# ").unwrap_or(line).strip_prefix('[');
            if let Some(name) = header.and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            }
            let setting = line.strip_prefix("# ").unwrap_or(line);
            let key = setting.split(" = ").next().unwrap_or_default();
            let is_key = setting.contains(" = ")
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let Some(of_section) = shown.get(&section).filter(|of| of.is_object() && is_key) else {
                continue;
            };
            let elsewhere = ["server.allow_public", "cache.secret_env"];
            if section != "endpoints" && !elsewhere.contains(&&*format!("{section}.{key}")) {
                assert!(of_section.get(key).is_some(), "[{section}] {key}");
            }
        }
    }
}
