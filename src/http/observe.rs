//! What happens around every request: an id, a count, and the journal from which all else is told when it is over.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use metrics::Histogram;

use super::{Api, CONFIG, REQUEST_ID, generate_content, held, shape::Shape};
use crate::{
    error::{Error, Fault},
    telemetry::{
        facts::Facts,
        journal::{Failure, Head, Journal},
        names, trace,
    },
};

/// Says of a response that its error was logged already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged;

/// The routes of those who run the gateway, and of what they run.
const OPERATORS: [&str; 4] = ["/health", "/metrics", "/openapi.json", "/admin"];

const CHAT: &str = "/v1/chat/completions";

/// The timer of answered chat requests.
pub(crate) fn chat_latency() -> Histogram {
    latency(CHAT, "200")
}

fn latency(route: &'static str, status: &'static str) -> Histogram {
    metrics::histogram!(names::HTTP_DURATION, "http_route" => route, "http_response_status_code" => status)
}

/// Names and counts one request, and notes what happens to it.
pub(super) async fn observe(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let start = api.clock.now();
    let id = request_id(request.headers());
    let path = request.uri().path();
    let (route, is_for_operators) = (route(path), path.starts_with("/admin/api/"));
    let shape = Shape::of(path, request.headers());
    let text = id.to_str().unwrap_or_default();
    // What operators do is no request of a client.
    let journal = (!OPERATORS.contains(&route)).then(|| journal(&api, text, route, &request));
    if let Some(journal) = &journal {
        request.extensions_mut().insert(Arc::clone(journal));
    }
    let mut response = shape.put(next.run(request).await, &id);
    let elapsed = api.clock.now().since(start);
    let status = response.status().as_u16();
    if status == 200 && route == CHAT {
        api.chat_latency.record(elapsed);
    } else {
        latency(route, names::status_class(status)).record(elapsed);
    }
    let is_logged = response.extensions().get::<Logged>().is_some();
    match journal {
        Some(journal) => {
            journal.answered(head(route, &mut response));
            if is_logged {
                journal.logged();
            }
            // What came from beneath the routes (a panic, an unknown path, too much load) is delivered, too.
            if response.extensions().get::<held::Noted>().is_none() {
                response = held::deliver(response, Some(journal), ());
            }
        }
        None => {
            let error = response.extensions().get::<Arc<Error>>();
            if let Some(error) = error.filter(|_| !is_logged) {
                log(text, route, status, error);
            }
        }
    }
    response.headers_mut().insert(REQUEST_ID, id);
    if is_for_operators {
        let config = HeaderValue::from_static(api.config.load().header());
        response.headers_mut().insert(CONFIG, config);
    }
    response
}

/// Where it is noted what happens to this request.
fn journal(api: &Api, id: &str, route: &'static str, request: &Request) -> Arc<Journal> {
    let (parent, state) = trace::received(request.headers()).unzip();
    let journal = Journal::open(id, parent, &api.clock, &api.observers);
    journal.asked(request.method(), route);
    journal.carries(state.flatten());
    journal
}

/// What the head of an answer says.
fn head(route: &'static str, response: &mut Response) -> Head {
    let failure = response.extensions().get::<Arc<Error>>();
    let failure = failure.map(|error| Failure {
        fault: error.fault(),
        summary: error.summary(),
    });
    Head {
        route,
        status: response.status().as_u16(),
        facts: response.extensions_mut().remove::<Facts>(),
        failure,
    }
}

/// The line of an operator's request that failed: of a client's, the log is told when it is over.
fn log(id: &str, route: &str, status: u16, error: &Error) {
    // Not the error's own words: they may quote the prompt.
    let summary = error.summary();
    match error.fault() {
        Fault::Client => tracing::info!(request_id = id, route, status, error = summary, "refused"),
        Fault::Upstream => tracing::warn!(
            request_id = id,
            route,
            status,
            error = summary,
            "not answered"
        ),
        Fault::Gateway => {
            tracing::error!(request_id = id, route, status, error = summary, "failed")
        }
    }
}

/// The client's own id, if it is one; else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let theirs = headers.get(REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    theirs.cloned().unwrap_or_else(|| {
        let id = format!("req_{:032x}", fastrand::u128(..));
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req_unknown"))
    })
}

/// The route of a path, from a fixed list: paths are chosen by strangers, labels must not be.
fn route(path: &str) -> &'static str {
    let is_googles = path.starts_with("/v1beta/models/") || generate_content::is_a_call(path);
    if is_googles {
        return match path.rsplit_once(':').map(|(_, method)| method) {
            Some("generateContent") => "/v1beta/models/{model}:generateContent",
            Some("streamGenerateContent") => "/v1beta/models/{model}:streamGenerateContent",
            Some("countTokens") => "/v1beta/models/{model}:countTokens",
            _ => "/v1beta/models",
        };
    }
    match path.strip_prefix("/v1").unwrap_or(path) {
        "/chat/completions" => CHAT,
        "/responses" => "/v1/responses",
        path if path.starts_with("/responses/") => "/v1/responses/{id}",
        "/messages" => "/v1/messages",
        "/messages/count_tokens" => "/v1/messages/count_tokens",
        "/embeddings" => "/v1/embeddings",
        "/completions" => "/v1/completions",
        "/moderations" => "/v1/moderations",
        "/rerank" => "/v1/rerank",
        path if path.starts_with("/audio/") => "/v1/audio",
        path if path.starts_with("/images/") => "/v1/images",
        "/models" => "/v1/models",
        path if path.starts_with("/models/") => "/v1/models/{id}",
        path if path.starts_with("/health") => "/health",
        "/metrics" => "/metrics",
        "/openapi.json" => "/openapi.json",
        path if path.starts_with("/admin") => "/admin",
        _ => "other",
    }
}
