//! Where traces go, by the file and by the variables of OpenTelemetry.

use super::{config, parse};
use crate::{config::Traces, units::Share};

fn traces(text: &str, env: &[(&str, &str)]) -> Option<Traces> {
    config(&format!("[telemetry]\n{text}"), env)
        .telemetry
        .traces
}

fn endpoint(text: &str, env: &[(&str, &str)]) -> Option<String> {
    traces(text, env).map(|traces| traces.endpoint)
}

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

#[test]
fn nothing_is_sent_until_somebody_says_where() {
    assert_eq!(traces("", &[]), None);
    assert_eq!(traces("otlp_endpoint = \"\"\nsample = 0.5", &[]), None);
    assert_eq!(traces("", &[(ALL, " "), (TRACES, "")]), None);
    let set = (ALL, "http://collector:4318");
    assert_eq!(traces("", &[set, ("OTEL_SDK_DISABLED", "true")]), None);
    assert_eq!(traces("", &[set, ("OTEL_TRACES_EXPORTER", "none")]), None);
}

#[test]
fn the_file_goes_before_the_environment_and_traces_before_all() {
    let (all, own) = (
        (ALL, "http://all:4318/base/"),
        (TRACES, "https://own/x?y=z"),
    );
    let check = |text, env: &[(&str, &str)], expected: &str| {
        assert_eq!(endpoint(text, env).as_deref(), Some(expected), "{text}");
    };
    check("", &[all], "http://all:4318/base/v1/traces");
    check("", &[all, own], "https://own/x?y=z");
    let file = "otlp_endpoint = \"http://localhost:4318\"";
    check(
        file,
        &[all, own, ("OTEL_SDK_DISABLED", "true")],
        "http://localhost:4318/v1/traces",
    );
    check(
        "otlp_endpoint = \"http://c/otlp/v1/traces\"",
        &[],
        "http://c/otlp/v1/traces",
    );
}

#[test]
fn names_and_headers_are_read_as_opentelemetry_writes_them() {
    let env = [
        (ALL, "http://c:4318"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Basic%20cGxhbnRlZA==, x-team = a",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=one,deployment.environment.name=prod%2Cx",
        ),
    ];
    let read = traces("sample = 0.25", &env).unwrap();
    assert_eq!(read.sample, Share::percent(25));
    assert_eq!(read.service, "one");
    let pair = (
        "deployment.environment.name".to_owned(),
        "prod,x".to_owned(),
    );
    assert_eq!(read.resource, [pair]);
    assert_eq!(read.headers["authorization"], "Basic cGxhbnRlZA==");
    assert_eq!(read.headers["x-team"], "a");
    assert!(!format!("{read:?}").contains("cGxhbnRlZA"));

    let named = traces("", &[env[0], env[2], ("OTEL_SERVICE_NAME", "two")]).unwrap();
    assert_eq!(named.service, "two");
    assert_eq!(traces("", &[env[0]]).unwrap().service, "refrain");
    let own = traces(
        "otlp_headers_env = \"COLLECTOR\"",
        &[env[0], env[1], ("COLLECTOR", "api-key=k")],
    );
    assert_eq!(own.unwrap().headers.len(), 1);
}

#[test]
fn what_is_wrong_in_the_environment_is_a_notice_without_its_words() {
    let env = [
        (ALL, "planted:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "planted"),
    ];
    let (read, notices) = parse("", &env).unwrap();
    assert_eq!(read.telemetry.traces, None);
    assert_eq!(notices.len(), 1);
    assert!(!format!("{notices:?}").contains("planted"));

    let env = [
        (ALL, "http://c:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "planted,a=%zz,b c=d,e=\u{7},f=%0a,ok=1",
        ),
    ];
    let (read, notices) = parse("", &env).unwrap();
    assert_eq!(read.telemetry.traces.unwrap().headers.len(), 1);
    assert_eq!(notices.len(), 6);
    assert!(!format!("{notices:?}").contains("planted"));
}

#[test]
fn what_is_wrong_in_the_file_is_a_problem() {
    for bad in [
        "localhost:4318",
        "http://u:planted@c",
        "ftp://planted",
        "planted",
    ] {
        let problems = parse(&format!("[telemetry]\notlp_endpoint = \"{bad}\""), &[]).unwrap_err();
        let printed = problems.to_string();
        assert!(printed.contains("providers.toml:2:17"), "{printed}");
        assert!(!printed.contains("planted"), "{printed}");
    }
    assert!(parse("[telemetry]\nsample = 1.5", &[]).is_err());
    assert!(parse("[telemetry]\nsample = nan", &[]).is_err());
}
