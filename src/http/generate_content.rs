//! `/v1beta/models/…`, for clients of Gemini; and `/v1/models/…`, where newer ones ask.
//!
//! A key in the query, as some of them send it, becomes a header before anything else is done: no address with
//! one goes any further.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Api, body, chat, entrance::told, error, shape::tell};
use crate::{
    error::{Error, UpstreamError},
    gateway::{
        Asked, Counted,
        reply::{Refusal, Reply, ReplyBody},
    },
    wire::{
        chat::Invalid,
        generate_content::{
            Elements, Embedding, Form, Model, Page, ResponseWriter, error_body, read, read_count,
        },
        sse,
    },
};

/// The header of the key.
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// What only Google's clients send.
const CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");
const METHODS: [&str; 5] = [
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
];

/// What can be asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// For one response, or a stream of this form.
    Generate(Option<Form>),
    Count,
    Embed(Embedding),
}

/// Whether a client of Google's sent these headers.
pub(super) fn is_googles(headers: &HeaderMap) -> bool {
    headers.contains_key(CLIENT)
}

/// Whether this is the path of a call that is answered here.
pub(super) fn is_a_call(path: &str) -> bool {
    let call = path.rsplit_once(':');
    call.is_some_and(|(model, method)| model.contains("/models/") && METHODS.contains(&method))
}

/// Calls a method of a model.
pub(super) async fn call(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (request, query) = without_query(request);
    let (model, method) = match called(path, &query) {
        Ok(called) => called,
        Err(error) => {
            let (head, request_body) = request.into_parts();
            body::skip(&head.headers, request_body).await;
            return error.into_response();
        }
    };
    let gateway = &api.gateway;
    match method {
        Method::Generate(form) => {
            let generate = |asked: Asked| async move {
                let inbound = read(&asked.body, &model, form.is_some()).map_err(refusal)?;
                let writer = ResponseWriter::new(form, inbound.thoughts);
                let reply = gateway.chat(asked.with(inbound.translated)).await?;
                Ok(match form {
                    Some(Form::Array) if reply.native.is_some() => in_an_array(reply),
                    Some(Form::Array | Form::Sse) | None => tell(reply, Box::new(writer)),
                })
            };
            let mut response = chat::serve(&api, request, generate).await;
            if form == Some(Form::Array) {
                name_as_json(&mut response);
            }
            response
        }
        Method::Count => {
            let count = |asked: Asked| async move {
                let inbound = read_count(&asked.body, &model).map_err(refusal)?;
                let Counted {
                    tokens,
                    headers,
                    facts,
                } = gateway.count_tokens(asked.with(inbound.translated)).await?;
                let body = serde_json::json!({"totalTokens": tokens.0});
                Ok(Reply {
                    body: ReplyBody::Json(body.to_string().into()),
                    native: None,
                    headers,
                    facts,
                })
            };
            chat::serve(&api, request, count).await
        }
        Method::Embed(embedding) => {
            let embed = |asked: Asked| async move {
                let body = embedding.read(&asked.body, &model).map_err(refusal)?;
                let reply = gateway.embeddings(asked.with(body)).await?;
                let body = match &reply.body {
                    ReplyBody::Json(body) => embedding.answer(body),
                    ReplyBody::EventsWhole(_) | ReplyBody::Events(_) => None,
                };
                let missing = || Error::Internal("embeddings of another form".to_owned());
                Ok(Reply {
                    body: ReplyBody::Json(body.ok_or_else(missing)?.into()),
                    ..reply
                })
            };
            chat::serve(&api, request, embed).await
        }
    }
}

/// Lists the models.
pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Error> {
    let (request, query) = without_query(request);
    let caller = (api.front.load().auth).caller(request.headers(), api.clock.unix())?;
    let models = api.gateway.setup().catalogue.list().into_iter();
    let models = models
        .filter(|model| caller.allowed.allows(&model.id))
        .collect();
    let page = Page::of(models, query.get("pageSize"), query.get("pageToken"));
    let page = page.map_err(|(param, rule)| Error::bad_request(Some(param.to_owned()), rule))?;
    let response = Json(page).into_response();
    Ok(told(response, caller.account.as_deref()))
}

/// Describes a model.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let (request, _) = without_query(request);
    let caller = (api.front.load().auth).caller(request.headers(), api.clock.unix())?;
    let name = named(path)?;
    let model = if caller.allowed.allows(&name) {
        let model = api.gateway.setup().catalogue.describe(&name);
        model.map(|model| Json(Model::from(model)))
    } else {
        Err(Error::ModelNotAllowed(name))
    };
    let account = caller.account.as_deref();
    Ok(told(model.into_response(), account))
}

/// The parameters of an address.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The first of this name, in camelCase or in `snake_case`.
    fn get(&self, name: &str) -> Option<&str> {
        let is_it = |written: &str| {
            let letters = |text: &str| text.replace('_', "").to_ascii_lowercase();
            letters(written) == letters(name)
        };
        let found = self.0.iter().find(|(written, _)| is_it(written));
        found.map(|(_, value)| value.as_str())
    }
}

/// `request` without the parameters of its address; a key among them is in its header now.
fn without_query(mut request: Request) -> (Request, Parameters) {
    let parameters = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let mut parameters = parameters.map_or_else(|_| Vec::new(), |Query(all)| all);
    let is_key = |(name, _): &mut (String, String)| name == "key";
    let key: Vec<(String, String)> = parameters.extract_if(.., is_key).collect();
    let key = key
        .first()
        .and_then(|(_, key)| HeaderValue::from_str(key).ok());
    if let Some(mut key) = key
        && !request.headers().contains_key(&KEY)
    {
        key.set_sensitive(true);
        request.headers_mut().insert(KEY, key);
    }
    if request.uri().query().is_some() {
        let path = Uri::try_from(request.uri().path());
        *request.uri_mut() = path.unwrap_or_default();
    }
    (request, Parameters(parameters))
}

/// The model's name in a path; it may hold slashes.
fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    let Ok(Path(path)) = path else {
        let message = "a model's name is UTF-8 text".to_owned();
        return Err(Error::UnknownModel { message });
    };
    let name = path.strip_prefix("models/").unwrap_or(&path);
    Ok(name.to_owned())
}

/// The model, and what is asked of it.
fn called(
    path: Result<Path<String>, PathRejection>,
    query: &Parameters,
) -> Result<(String, Method), Error> {
    let path = named(path)?;
    let (model, method) = path.rsplit_once(':').unwrap_or((&path, ""));
    let method = match method {
        "generateContent" => Method::Generate(None),
        "streamGenerateContent" => Method::Generate(Some(form(query)?)),
        "countTokens" => Method::Count,
        "embedContent" => Method::Embed(Embedding::One),
        "batchEmbedContents" => Method::Embed(Embedding::Batch),
        _ => {
            let method: String = method.chars().take(80).collect();
            return Err(Error::NoSuchPath(format!(
                "models have no method `{}`; POST /v1beta/models/{{model}}:{{method}} takes {}",
                method.escape_debug(),
                METHODS.join(", ")
            )));
        }
    };
    Ok((model.to_owned(), method))
}

fn form(query: &Parameters) -> Result<Form, Error> {
    match query.get("alt").or_else(|| query.get("$alt")) {
        None | Some("" | "json") => Ok(Form::Array),
        Some("sse") => Ok(Form::Sse),
        Some(_) => {
            let rule = "`alt` must be `sse` for events, or `json` for a JSON array";
            Err(Error::bad_request(Some("alt".to_owned()), rule))
        }
    }
}

fn refusal(invalid: Invalid) -> Refusal {
    Error::bad_request(invalid.param, invalid.message).into()
}

/// A stream of Google's own events as a JSON array.
fn in_an_array(reply: Reply) -> Reply {
    let body = match reply.body {
        body @ ReplyBody::Json(_) => body,
        ReplyBody::EventsWhole(bytes) => {
            let mut array = Array(Elements::new(Form::Array));
            ReplyBody::EventsWhole([array.run(&bytes), array.end()].concat().into())
        }
        ReplyBody::Events(events) => {
            let array = Array(Elements::new(Form::Array));
            let elements = stream::unfold(Some((events, array)), |going| async move {
                let (mut events, mut array) = going?;
                let (written, going) = match events.next().await {
                    Some(Ok(run)) => (array.run(&run), Some((events, array))),
                    Some(Err(error)) => (array.broken(error), None),
                    None => (array.end(), None),
                };
                Some((Ok(Bytes::from(written)), going))
            });
            ReplyBody::Events(elements.boxed())
        }
    };
    Reply { body, ..reply }
}

struct Array(Elements);

impl Array {
    fn run(&mut self, events: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(events.len());
        for data in sse::data(events).filter(|data| !data.trim_ascii().is_empty()) {
            self.0.push(&mut out, data);
        }
        out
    }

    fn broken(&mut self, error: UpstreamError) -> Vec<u8> {
        tracing::warn!(error = error.summary(), "a stream broke");
        let (status, error) = error::told(&Error::Exhausted(error));
        let mut out = Vec::new();
        self.0.push(&mut out, &error_body(status, &error));
        self.0.end(&mut out);
        out
    }

    fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.end(&mut out);
        out
    }
}

/// Says of a stream that it is a JSON array.
fn name_as_json(response: &mut Response) {
    let headers = response.headers_mut();
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, json);
    }
}
