//! Settings that running parts were made of: they take effect at the next start only.

use crate::config::{Cache, Config, Telemetry};

/// The settings in which `wanted` differs from what this process was started with, and which it can't
/// change, by their names in the file.
pub(super) fn needs_restart(started: &Config, wanted: &Config) -> Vec<&'static str> {
    let (server, other) = (&started.server, &wanted.server);
    let (embedding, other_embedding) = (&started.embedding, &wanted.embedding);
    let (cache, other_cache) = (&started.cache, &wanted.cache);
    let encodes = |cache: &Cache| cache.enabled && cache.semantic;
    let has_encoder = encodes(cache);
    let lacks_encoder = encodes(other_cache) && !has_encoder;
    // Where nothing is cached, no directory is opened.
    let directory = (cache.data_dir.as_ref()).filter(|_| cache.enabled);
    let other_directory = (other_cache.data_dir.as_ref()).filter(|_| other_cache.enabled);
    let (telemetry, other_telemetry) = (&started.telemetry, &wanted.telemetry);
    let at = |telemetry: &Telemetry| Some(telemetry.traces.as_ref()?.endpoint.clone());
    let sent_along = |telemetry: &Telemetry| Some(telemetry.traces.as_ref()?.headers.clone());
    let sample = |telemetry: &Telemetry| Some(telemetry.traces.as_ref()?.sample);
    let both_tell = telemetry.traces.is_some() && other_telemetry.traces.is_some();
    let stores = started.responses.store;
    let differs = [
        ("server.listen", server.listen != other.listen),
        (
            "server.max_connections",
            server.max_connections != other.max_connections,
        ),
        (
            "server.header_timeout",
            server.header_timeout != other.header_timeout,
        ),
        (
            "server.write_timeout",
            server.write_timeout != other.write_timeout,
        ),
        (
            "server.drain_timeout",
            server.drain_timeout != other.drain_timeout,
        ),
        (
            "server.compress_above",
            server.compress_above != other.compress_above,
        ),
        ("admin.listen", started.admin.listen != wanted.admin.listen),
        (
            "embedding.model",
            has_encoder && embedding.model != other_embedding.model,
        ),
        (
            "embedding.runtime",
            has_encoder && embedding.runtime != other_embedding.runtime,
        ),
        (
            "embedding.threads",
            has_encoder && embedding.threads != other_embedding.threads,
        ),
        (
            "embedding.queue",
            has_encoder && embedding.queue != other_embedding.queue,
        ),
        (
            "embedding.deadline",
            has_encoder && embedding.deadline != other_embedding.deadline,
        ),
        ("cache.enabled", lacks_encoder && !cache.enabled),
        ("cache.semantic", lacks_encoder && cache.enabled),
        (
            "cache.data_dir",
            other_cache.enabled && directory != other_directory,
        ),
        ("cache.secret_env", cache.secret != other_cache.secret),
        ("cache.max_bytes", cache.max_bytes != other_cache.max_bytes),
        (
            "cache.max_entry_bytes",
            cache.max_entry_bytes != other_cache.max_entry_bytes,
        ),
        (
            "cache.max_embedding_bytes",
            cache.max_embedding_bytes != other_cache.max_embedding_bytes,
        ),
        (
            "cache.index_above",
            cache.index_above != other_cache.index_above,
        ),
        ("telemetry.logs", telemetry.logs != other_telemetry.logs),
        (
            "telemetry.log_requests",
            telemetry.log_requests != other_telemetry.log_requests,
        ),
        (
            "telemetry.slow_request",
            telemetry.slow_request != other_telemetry.slow_request,
        ),
        (
            "telemetry.otlp_endpoint",
            at(telemetry) != at(other_telemetry),
        ),
        (
            "telemetry.otlp_headers_env",
            both_tell && sent_along(telemetry) != sent_along(other_telemetry),
        ),
        (
            "telemetry.sample",
            both_tell && sample(telemetry) != sample(other_telemetry),
        ),
        ("cache.learning", cache.learning != other_cache.learning),
        (
            "cache.max_false_hits",
            cache.max_false_hits != other_cache.max_false_hits,
        ),
        (
            "cache.shadow_checks",
            cache.shadow_checks != other_cache.shadow_checks,
        ),
        (
            "cache.judge_model",
            cache.judge_model != other_cache.judge_model,
        ),
        (
            "responses.store",
            started.responses.store != wanted.responses.store,
        ),
        (
            "responses.ttl",
            stores && started.responses.ttl != wanted.responses.ttl,
        ),
        (
            "responses.max_bytes",
            stores && started.responses.max_bytes != wanted.responses.max_bytes,
        ),
        (
            "telemetry.recent_requests",
            started.telemetry.recent_requests != wanted.telemetry.recent_requests,
        ),
        (
            "telemetry.capture_content",
            started.telemetry.capture_content != wanted.telemetry.capture_content,
        ),
    ];
    let keys = differs
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key));
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::config;

    fn check(started: &str, wanted: &str, expected: &[&str]) {
        assert_eq!(
            needs_restart(&config(started), &config(wanted)),
            expected,
            "{wanted}"
        );
    }

    #[test]
    fn what_was_built_once_is_named_by_its_key() {
        for (section, setting) in [
            ("server", "listen = \"127.0.0.1:9\""),
            ("server", "max_connections = 5"),
            ("server", "header_timeout = \"7s\""),
            ("server", "write_timeout = \"7s\""),
            ("server", "drain_timeout = \"7s\""),
            ("server", "compress_above = \"1KiB\""),
            ("admin", "listen = \"127.0.0.1:9\""),
            ("embedding", "model = \"other\""),
            ("embedding", "runtime = \"other\""),
            ("embedding", "threads = 3"),
            ("embedding", "queue = 3"),
            ("embedding", "deadline = \"3s\""),
            ("cache", "data_dir = \"other\""),
            ("cache", "secret_env = \"CACHE_SECRET\""),
            ("cache", "max_bytes = \"64MiB\""),
            ("cache", "max_entry_bytes = \"64KiB\""),
            ("cache", "max_embedding_bytes = \"64KiB\""),
            ("cache", "index_above = 64"),
            ("cache", "learning = false"),
            ("cache", "max_false_hits = 0.02"),
            ("cache", "shadow_checks = 0.5"),
            ("telemetry", "logs = \"json\""),
            ("telemetry", "log_requests = false"),
            ("telemetry", "slow_request = \"5s\""),
            ("telemetry", "otlp_endpoint = \"http://c:4318\""),
            ("responses", "store = false"),
            ("responses", "ttl = \"1h\""),
            ("responses", "max_bytes = \"1MiB\""),
        ] {
            let (key, _) = setting.split_once(' ').unwrap();
            let wanted = format!("[{section}]\n{setting}\n");
            check("", &wanted, &[format!("{section}.{key}").as_str()]);
            check(&wanted, &wanted, &[]);
        }
        let model = "[[models]]\nname = \"m\"\ntargets = [\"d/m\"]\n[[providers]]\nname = \"d\"\nkind = \"demo\"\n";
        let sampled = "[telemetry]\notlp_endpoint = \"http://c:4318\"\n";
        check(
            sampled,
            &format!("{sampled}sample = 0.5\n"),
            &["telemetry.sample"],
        );
        let judged = format!("[cache]\njudge_model = \"m\"\n{model}");
        check(model, &judged, &["cache.judge_model"]);
    }

    #[test]
    fn what_requests_see_anew_needs_no_restart() {
        let wanted = "[server]\nmax_body = \"1MiB\"\nreload = false\n[cache]\nmode = \"shadow\"\n\
                      threshold = 0.9\nttl = \"1h\"\nvolatile_ttl = \"1s\"\nstale_if_error = \"1s\"\n\
                      stale_while_revalidate = \"1s\"\nscope = \"user\"\nshow_similarity = true\n\
                      volatile_patterns = [\"score\"]\ngeneration = 5\n";
        check("", wanted, &[]);
    }

    #[test]
    fn the_cache_is_switched_as_far_as_its_parts_are_there() {
        let (off, exact) = (
            "[cache]\nenabled = false\ndata_dir = \"d\"\n[embedding]\nqueue = 3\n",
            "[cache]\nsemantic = \"off\"\n",
        );
        check("", off, &["embedding.queue"]);
        check("", exact, &[]);
        check(exact, "", &["cache.semantic"]);
        check(
            off,
            "[cache]\ndata_dir = \"d\"\n",
            &["cache.enabled", "cache.data_dir"],
        );
        check(off, exact, &[]);
        check(off, "[cache]\nenabled = false\n", &[]);
    }
}
