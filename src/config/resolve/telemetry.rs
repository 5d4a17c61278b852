//! Where traces go, by the file and by the environment.
//!
//! The variables are those of OpenTelemetry
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>, seen 2026-11). They may be meant for every program of a
//! machine, so what is wrong with one of them is a notice, and it is left out. Invariant: no message repeats what is in a
//! variable, which may be a secret.

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use crate::config::{
    defaults,
    file::{ENDPOINT_EXPECTED, TelemetryEntry},
    problem::{Findings, Origin},
    telemetry::{Telemetry, Traces},
};

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_ATTRIBUTE: &str = "service.name";

/// Where an address for all signals has traces.
const TRACES_PATH: &str = "v1/traces";

const KEY: &str = "telemetry.otlp_endpoint";

pub(super) fn resolve(
    entry: &TelemetryEntry<'_>,
    env: Env<'_>,
    findings: &mut Findings<'_>,
) -> Telemetry {
    let traces = endpoint(entry, env, findings).map(|endpoint| {
        let resource = pairs(env, RESOURCE, "telemetry", findings);
        let named = resource.iter().rfind(|(name, _)| name == SERVICE_ATTRIBUTE);
        let service = set(env, SERVICE).or_else(|| named.map(|(_, value)| value.clone()));
        Traces {
            endpoint: endpoint.into(),
            headers: headers(&entry.settings.otlp_headers_env, env, findings),
            sample: entry.settings.sample,
            service: service.unwrap_or_else(|| defaults::SERVICE_NAME.to_owned()),
            resource: (resource.into_iter())
                .filter(|(name, _)| name != SERVICE_ATTRIBUTE)
                .collect(),
        }
    });
    Telemetry {
        traces,
        ..entry.settings.clone()
    }
}

/// Where spans are sent: where the file says, or where the environment does, if it wants any.
fn endpoint(entry: &TelemetryEntry<'_>, env: Env<'_>, findings: &mut Findings<'_>) -> Option<Url> {
    if let Some(written) = entry.otlp_endpoint {
        let Some(url) = address(written.value) else {
            // Not repeated: people write their token into it.
            let message =
                format!("not {ENDPOINT_EXPECTED}; a token goes into `otlp_headers_env`'s variable");
            findings.problem(written.origin, KEY, message);
            return None;
        };
        // A collector's address stands for where it has traces.
        return Some(if url.path() == "/" { below(url) } else { url });
    }
    let says = |variable, word: &str| {
        set(env, variable).is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
    };
    if says(DISABLED, "true") || says(EXPORTER, "none") {
        return None;
    }
    let (variable, text, is_for_all) = match (set(env, TRACES_ENDPOINT), set(env, ENDPOINT)) {
        (Some(text), _) => (TRACES_ENDPOINT, text, false),
        (None, Some(text)) => (ENDPOINT, text, true),
        (None, None) => return None,
    };
    let Some(url) = address(&text) else {
        let message = format!("no traces are sent: not {ENDPOINT_EXPECTED}");
        findings.notice(Origin::Variable(variable), KEY, message);
        return None;
    };
    for protocol in [TRACES_PROTOCOL, PROTOCOL] {
        if says(protocol, "grpc") {
            let message = "traces are sent by `http/protobuf`, whatever this says; a collector has another port for that, \
                           usually 4318";
            findings.notice(Origin::Variable(protocol), KEY, message);
        }
    }
    Some(if is_for_all { below(url) } else { url })
}

fn set(env: Env<'_>, variable: &str) -> Option<String> {
    env(variable).filter(|text| !text.trim().is_empty())
}

fn address(text: &str) -> Option<Url> {
    let is_usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    };
    Url::parse(text.trim()).ok().filter(is_usable)
}

fn below(mut url: Url) -> Url {
    let path = format!("{}/{TRACES_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// What is sent along with spans.
fn headers(variable: &str, env: Env<'_>, findings: &mut Findings<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(env, variable, "telemetry.otlp_headers_env", findings) {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        match (name, value) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => unreadable(variable, "telemetry.otlp_headers_env", findings),
        }
    }
    headers
}

/// `name=value,name=value`, where values are percent-encoded as in W3C Baggage.
fn pairs(
    env: Env<'_>,
    variable: &str,
    key: &str,
    findings: &mut Findings<'_>,
) -> Vec<(String, String)> {
    let text = set(env, variable).unwrap_or_default();
    let mut pairs = Vec::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let read = pair.split_once('=').and_then(|(name, value)| {
            let name = name.trim();
            (!name.is_empty()).then_some((name.to_owned(), decoded(value.trim())?))
        });
        match read {
            Some(pair) => pairs.push(pair),
            None => unreadable(variable, key, findings),
        }
    }
    pairs
}

fn unreadable(variable: &str, key: &str, findings: &mut Findings<'_>) {
    let message = "a part of it is left out: it is not `name=value`";
    findings.notice(Origin::Variable(variable), key, message);
}

/// Text without its percent-encoding; `None` if that is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
