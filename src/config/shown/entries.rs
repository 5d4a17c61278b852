//! What there may be several of: clients, providers, models, tasks; and what they have in common.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Map, Value, json};

use super::of_admission;
use crate::{
    clock::UnixMillis,
    config::{
        Activation, AllowedModels, CacheOverrides, Client, Compat, Endpoint, Model, ModelEdits,
        ModelLimits, ModelPattern, Provider, ProviderLimits, RouteRules, Target, TargetModel, Task,
        TaskRoute, Timeouts, file::INTERFACES, moment, quantity::show_duration,
    },
    policy::{
        breaker, hedge,
        limit::Limits,
        retry,
        routing::ability::{Abilities, Ability},
        spend::Budget,
    },
    units::{Price, Tokens, Usd},
    wire::{chat::Edit, native::Interface},
};

type Fields = Map<String, Value>;

pub(super) fn client(client: &Client) -> Value {
    let Client {
        name,
        key: _,
        key_env,
        namespace,
        allowed_models,
        cache,
        max_input_tokens,
        on_overflow,
        limits,
        budget,
        expires,
    } = client;
    let mut shown = fields(json!({
        "name": name.as_str(),
        "key_env": key_env,
        "key_sha256": key_env.is_none().then_some("set"),
        "namespace": namespace.as_ref().map(ToString::to_string),
        "allowed_models": match allowed_models {
            AllowedModels::All => None,
            AllowedModels::Only(patterns) => Some(names(patterns)),
        },
        "max_input_tokens": max_input_tokens.map(|Tokens(tokens)| tokens),
        "on_overflow": on_overflow.map(|overflow| overflow.as_str()),
        "limits": of_limits(*limits),
        "budget": budget.map(of_budget),
        "expires": expires.map(moment::show),
    }));
    shown.extend(overrides(*cache));
    Value::Object(shown)
}

fn of_budget(budget: Budget) -> Value {
    let Budget {
        daily,
        monthly,
        until,
    } = budget;
    json!({
        "daily_usd": daily.map(Usd::get),
        "monthly_usd": monthly.map(Usd::get),
        "until": until.map(|until: UnixMillis| moment::show(until)),
    })
}

pub(super) fn provider(provider: &Provider) -> Value {
    let Provider {
        name,
        kind,
        base_url,
        api_keys,
        api_key_envs,
        headers,
        timeout,
        retry,
        breaker,
        limits,
        compat,
        drop_unsupported,
        prompt_caching,
        keep_alive,
        num_ctx,
        discover,
        activation,
    } = provider;
    let mut shown = fields(json!({
        "name": name.as_str(),
        "kind": kind.as_str(),
        "active": *activation == Activation::Active,
        "base_url": base_url.as_deref().map(bare),
        "api_key_envs": api_key_envs,
        "keys": api_keys.len(),
        "headers": of_headers(headers),
        "timeout": of_timeouts(*timeout),
        "retry": of_retry(retry),
        "breaker": of_breaker(breaker),
        "drop_unsupported": drop_unsupported,
        "prompt_caching": prompt_caching,
        "keep_alive": keep_alive,
        "num_ctx": num_ctx,
        "discover": discover,
    }));
    shown.extend(of_provider_limits(limits));
    shown.extend(of_compat(compat));
    Value::Object(shown)
}

fn of_timeouts(timeouts: Timeouts) -> Value {
    let Timeouts {
        connect,
        first_token,
        idle,
        total,
    } = timeouts;
    json!({
        "connect": show_duration(connect),
        "first_token": show_duration(first_token),
        "idle": show_duration(idle),
        "total": show_duration(total),
    })
}

fn of_retry(rules: &retry::Rules) -> Value {
    let retry::Rules {
        attempts,
        base,
        cap,
        budget,
    } = rules;
    json!({
        "attempts": attempts,
        "base": show_duration(*base),
        "cap": show_duration(*cap),
        "budget": budget.get(),
    })
}

fn of_breaker(rules: &breaker::Rules) -> Value {
    let breaker::Rules {
        window,
        min_requests,
        failure_ratio,
        slow_after,
        open_for,
        probes,
    } = rules;
    json!({
        "window": show_duration(*window),
        "min_requests": min_requests,
        "failure_ratio": failure_ratio.get(),
        "slow_after": show_duration(*slow_after),
        "open_for": show_duration(*open_for),
        "probes": probes,
    })
}

fn of_provider_limits(limits: &ProviderLimits) -> Fields {
    let ProviderLimits {
        all,
        models,
        max_wait,
    } = limits;
    let mut all = of_limits(*all);
    all.insert("max_wait".to_owned(), show_duration(*max_wait).into());
    let of_models = models.iter().map(|ModelLimits { models, limits }| {
        let mut shown = fields(json!({"models": names(models)}));
        shown.extend(of_limits(*limits));
        Value::Object(shown)
    });
    fields(json!({"limits": all, "model_limits": of_models.collect::<Vec<_>>()}))
}

fn of_compat(compat: &Compat) -> Fields {
    let Compat {
        key_header,
        chat_path,
        models_path,
        edits,
        interfaces,
        embedding_batch,
    } = compat;
    // `developer_role` is written by itself, and comes before all `params`.
    let role = Edit::developer_as_system();
    let (roles, params): (Vec<_>, Vec<_>) = (edits.iter()).partition(|of| of.edits.contains(&role));
    fields(json!({
        "api_key_header": key_header.as_ref().map(HeaderName::as_str),
        "chat_path": chat_path.to_string(),
        "models_path": models_path.to_string(),
        "developer_role": if roles.is_empty() { "developer" } else { "system" },
        "params": params.into_iter().map(of_edits).collect::<Vec<_>>(),
        "interfaces": of_interfaces(interfaces),
        "embedding_batch": embedding_batch,
    }))
}

fn of_interfaces(interfaces: &[Interface]) -> Vec<&'static str> {
    let all = INTERFACES.into_iter();
    let spoken = all.filter(|(_, interface)| interfaces.contains(interface));
    spoken.map(|(name, _)| name).collect()
}

fn of_edits(of: &ModelEdits) -> Value {
    let ModelEdits { models, edits } = of;
    let renamed = edits.iter().filter_map(Edit::renamed);
    let renamed = renamed.map(|(from, to)| (from.to_owned(), Value::from(to)));
    json!({
        "models": names(models),
        "drop": edits.iter().filter_map(Edit::dropped).collect::<Vec<_>>(),
        "rename": renamed.collect::<Fields>(),
    })
}

pub(super) fn model(model: &Model) -> Value {
    let Model {
        name,
        aliases,
        targets,
        rules,
        supports,
        context_window,
        max_output_tokens,
        price,
        cache,
    } = model;
    let mut shown = fields(json!({
        "name": name.to_string(),
        "aliases": aliases.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "targets": of_targets(targets),
        "supports": supports.map(of_abilities),
        "context_window": context_window.map(|Tokens(tokens)| tokens),
        "max_output_tokens": max_output_tokens.map(|Tokens(tokens)| tokens),
        "price": price.map(|Price { input, output }| json!({
            "input": input.get(),
            "output": output.get(),
        })),
    }));
    shown.extend(of_rules(rules));
    shown.extend(overrides(*cache));
    Value::Object(shown)
}

pub(super) fn task(task: &Task) -> Value {
    let Task { name, route, cache } = task;
    let mut shown = fields(json!({"name": name.as_str()}));
    if let Some(route) = route {
        let TaskRoute {
            targets,
            fast,
            examples,
            rules,
        } = route;
        shown.extend(fields(json!({
            "targets": of_targets(targets),
            "fast": of_targets(fast),
            "examples": examples.len(),
        })));
        shown.extend(of_rules(rules));
    }
    shown.extend(overrides(*cache));
    Value::Object(shown)
}

pub(super) fn endpoint(endpoint: &Endpoint) -> Value {
    let Endpoint {
        provider,
        path,
        price,
    } = endpoint;
    json!({
        "provider": provider.as_str(),
        "path": path.as_ref().map(ToString::to_string),
        "usd_per_request": price.map(Usd::get),
    })
}

fn of_rules(rules: &RouteRules) -> Fields {
    let RouteRules {
        strategy,
        weights,
        fallbacks,
        context_window_fallbacks,
        content_policy_fallbacks,
        max_input_tokens,
        on_overflow,
        hedge,
    } = rules;
    let hedge = hedge.map_or(Value::Bool(false), |rules| {
        let hedge::Rules {
            quantile,
            min_wait,
            budget,
        } = rules;
        json!({
            "quantile": quantile.get(),
            "min_wait": show_duration(min_wait),
            "budget": budget.get(),
        })
    });
    fields(json!({
        "strategy": strategy.as_str(),
        "weights": weights,
        "fallbacks": of_targets(fallbacks),
        "context_window_fallbacks": of_targets(context_window_fallbacks),
        "content_policy_fallbacks": of_targets(content_policy_fallbacks),
        "max_input_tokens": max_input_tokens.map(|Tokens(tokens)| tokens),
        "on_overflow": on_overflow.map(|overflow| overflow.as_str()),
        "hedge": hedge,
    }))
}

fn of_targets(targets: &[Target]) -> Vec<String> {
    let name = |Target { provider, model }: &Target| match model {
        TargetModel::Named(model) => format!("{provider}/{model}"),
        TargetModel::AsRequested => format!("{provider}/*"),
    };
    targets.iter().map(name).collect()
}

/// What is different about the cache; nothing, if nothing is.
fn overrides(overrides: CacheOverrides) -> Fields {
    let CacheOverrides {
        ttl,
        admission,
        enabled,
    } = overrides;
    let (policy, threshold) = admission.map_or((None, None), of_admission);
    let all = [
        ("cache", enabled.map(Value::from)),
        ("ttl", ttl.map(|ttl| show_duration(ttl).into())),
        ("policy", policy.map(Value::from)),
        ("threshold", threshold.map(Value::from)),
    ];
    let set = all.into_iter();
    set.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn of_limits(limits: Limits) -> Fields {
    let Limits {
        requests_per_minute,
        tokens_per_minute,
        concurrent,
    } = limits;
    fields(json!({
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrent": concurrent,
    }))
}

fn of_abilities(abilities: Abilities) -> Vec<&'static str> {
    let all = Ability::NAMES.into_iter();
    let had = all.filter(|(_, ability)| abilities.has(*ability));
    had.map(|(name, _)| name).collect()
}

/// An address without what may be a secret in it.
pub(super) fn bare(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return String::new();
    };
    // Of addresses that have no place for them, there is nothing to take away.
    let _none = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// What is sent along, without what it says.
fn of_headers(headers: &HeaderMap) -> Fields {
    let names = headers.keys().map(|name| name.as_str().to_owned());
    names.map(|name| (name, "set".into())).collect()
}

fn names(patterns: &[ModelPattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
