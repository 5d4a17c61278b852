//! A scripted Gemini on a socket of its own, that refuses what Google refuses: unknown fields, wrong
//! roles, calls without results, schemas outside its subset.
//!
//! Without a script it answers "answer 1", "answer 2", … in the form that was asked for, once for each
//! candidate that is wanted.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    answer::{Answer, Body, event},
    socket::serve,
    upstream::KEY,
};

/// The fake; stops when it is dropped.
pub(crate) struct Gemini {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// With the query.
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Gemini {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let mut serving = JoinSet::new();
        let served = Arc::clone(&state);
        serving.spawn(serve(listener, move |request| {
            let state = Arc::clone(&served);
            async move { respond(&state, request).await }
        }));
        Self {
            address,
            state,
            _serving: serving,
        }
    }

    /// The section of a provider of this name.
    pub(crate) fn section(&self, name: &str) -> String {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"gemini\"\n\
             base_url = \"http://{}/v1beta\"\napi_key_env = \"UPSTREAM_KEY\"\nretry = {{ attempts = 0 }}\n",
            self.address
        )
    }

    /// Answers the next request that has no answer yet.
    pub(crate) fn script(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1);
        received.into_iter().next().unwrap()
    }
}

/// An answer, or an event of its stream, with these parts.
pub(crate) fn response(parts: &Value, finish: Option<&str>) -> Value {
    json!({
        "candidates": [candidate(parts, finish, 0)],
        "usageMetadata": {
            "promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 17,
        },
        "modelVersion": "gemini-2.5-flash", "responseId": "resp-1",
    })
}

fn candidate(parts: &Value, finish: Option<&str>, index: u64) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    candidate
}

/// A stream of these events.
pub(crate) fn stream(events: &[Value]) -> String {
    events.iter().map(event).collect()
}

/// An error in Google's shape.
pub(crate) fn error(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return refuse("the body ended too early").await;
    };
    let path = head.uri.to_string();
    if let Some(objection) = headers_objection(&head.headers, &head.method) {
        return refuse(&objection).await;
    }
    if head.method == Method::GET {
        return models(&path).await;
    }
    let streams = match path
        .strip_prefix("/v1beta/models/")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((_, "generateContent")) => false,
        Some((_, "streamGenerateContent?alt=sse")) => true,
        Some((model, "batchEmbedContents")) => {
            return embeddings(state, &path, model, &body.to_bytes()).await;
        }
        _ => {
            let error = error(404, "NOT_FOUND", &format!("no method {path}"), &json!([]));
            return Answer::json(&error).status(404).response(0, false).await;
        }
    };
    let body = body.to_bytes();
    if let Some(objection) = objection(&body) {
        return refuse(&objection).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let wanted = body["generationConfig"]["candidateCount"]
        .as_u64()
        .unwrap_or(1);
    let number = {
        let mut received = state.received.lock().unwrap();
        received.push(Received { path, body });
        received.len()
    };
    let scripted = state.script.lock().unwrap().pop_front();
    let answer = scripted.unwrap_or_else(|| said(number, wanted, streams));
    answer.response(number, streams).await
}

fn said(number: usize, wanted: u64, streams: bool) -> Answer {
    let mut whole = response(&json!([]), None);
    let candidates = (0..wanted).map(|index| {
        let text = if index == 0 {
            format!("answer {number}")
        } else {
            format!("answer {number}, {index}")
        };
        candidate(&json!([{"text": text}]), Some("STOP"), index)
    });
    whole["candidates"] = candidates.collect();
    if streams {
        Answer::events(stream(&[response(&json!([{"text": ""}]), None), whole]))
    } else {
        Answer::json(&whole)
    }
}

async fn refuse(message: &str) -> Response<Body> {
    let key = message.starts_with("API key");
    let reason = if key { "API_KEY_INVALID" } else { "BAD" };
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
    }]);
    let error = error(400, "INVALID_ARGUMENT", message, &details);
    Answer::json(&error).status(400).response(0, false).await
}

/// Two pages of models.
async fn models(path: &str) -> Response<Body> {
    let page = match path {
        "/v1beta/models?pageSize=1000" => json!({
            "models": [
                {"name": "models/gemini-2.5-flash", "supportedGenerationMethods": ["generateContent", "countTokens"]},
                {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
            ],
            "nextPageToken": "page two",
        }),
        "/v1beta/models?pageSize=1000&pageToken=page+two" => json!({
            "models": [{"name": "models/gemini-9-found", "supportedGenerationMethods": ["generateContent"]}],
        }),
        _ => return refuse(&format!("no such list: {path}")).await,
    };
    Answer::json(&page).response(0, false).await
}

fn headers_objection(headers: &HeaderMap, method: &Method) -> Option<String> {
    if headers.get("x-goog-api-key").is_none_or(|key| key != KEY) {
        return Some("API key not valid. Please pass a valid API key.".to_owned());
    }
    let foreign = |name: &&http::HeaderName| {
        *name == "authorization" || name.as_str().starts_with("x-refrain")
    };
    if let Some(name) = headers.keys().find(foreign) {
        return Some(format!("a header that is not Google's: {name}"));
    }
    let is_json = headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/json");
    (method == Method::POST && !is_json).then(|| "not JSON".to_owned())
}

/// What Google would not take.
fn objection(body: &Bytes) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Some("Invalid JSON payload received.".to_owned());
    };
    let body = Value::Object(fields);
    let known = [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
    ];
    let config = [
        "temperature",
        "topP",
        "topK",
        "candidateCount",
        "maxOutputTokens",
        "stopSequences",
        "presencePenalty",
        "frequencyPenalty",
        "seed",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
        "mediaResolution",
    ];
    unknown(&body, &known)
        .or_else(|| unknown(&body["generationConfig"], &config))
        .or_else(|| contents_objection(&body["contents"]))
        .or_else(|| {
            let tools = body["tools"].as_array().into_iter().flatten();
            tools
                .flat_map(|tools| tools["functionDeclarations"].as_array().unwrap())
                .find_map(|tool| {
                    unknown(
                        tool,
                        &["name", "description", "parameters", "parametersJsonSchema"],
                    )
                    .or_else(|| schema_objection(&tool["parameters"]))
                })
        })
        .or_else(|| schema_objection(&body["generationConfig"]["responseSchema"]))
}

fn unknown(value: &Value, known: &[&str]) -> Option<String> {
    let mut names = value.as_object()?.keys();
    let name = names.find(|name| !known.contains(&name.as_str()))?;
    Some(format!(
        "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."
    ))
}

fn contents_objection(contents: &Value) -> Option<String> {
    let contents = contents.as_array().filter(|contents| !contents.is_empty());
    let Some(contents) = contents else {
        return Some("contents are required".to_owned());
    };
    let mut open = 0;
    for (place, content) in contents.iter().enumerate() {
        let role = if place % 2 == 0 { "user" } else { "model" };
        if content["role"] != role {
            return Some(format!("contents[{place}]: expected the role {role}"));
        }
        let parts = content["parts"].as_array().unwrap();
        let data = [
            "text",
            "functionCall",
            "functionResponse",
            "inlineData",
            "fileData",
        ];
        let count = |field: &str| parts.iter().filter(|part| part[field].is_object()).count();
        for part in parts {
            let fields = data
                .iter()
                .filter(|field| part.get(**field).is_some())
                .count();
            let names = ["thought", "thoughtSignature"].into_iter().chain(data);
            if let Some(unknown) = unknown(part, &names.collect::<Vec<_>>()) {
                return Some(unknown);
            }
            if fields != 1 {
                return Some(
                    "required oneof field 'data' must have one initialized field".to_owned(),
                );
            }
        }
        if parts.is_empty() || count("functionResponse") != open {
            return Some(
                "the number of function response parts must equal that of function call parts"
                    .to_owned(),
            );
        }
        open = count("functionCall");
    }
    None
}

fn schema_objection(schema: &Value) -> Option<String> {
    let fields = schema.as_object()?;
    let known = [
        "type",
        "title",
        "description",
        "nullable",
        "format",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "propertyOrdering",
        "anyOf",
    ];
    if let Some(unknown) = unknown(schema, &known) {
        return Some(unknown);
    }
    if !fields.contains_key("type") && !fields.contains_key("anyOf") {
        return Some("schema didn't specify the schema type field".to_owned());
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let below = properties.map(|(_, schema)| schema);
    let below = below.chain(schema["anyOf"].as_array().into_iter().flatten());
    below.chain(schema.get("items")).find_map(schema_objection)
}

/// Embeds each text as its length and the place in its call.
async fn embeddings(state: &State, path: &str, model: &str, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let requests = body["requests"].as_array().unwrap();
    let fits = |request: &Value| {
        let fields = request.as_object().unwrap();
        let known = ["model", "content", "outputDimensionality"];
        fields.keys().all(|key| known.contains(&key.as_str()))
            && request["model"] == format!("models/{model}")
            && request["content"]["parts"][0]["text"].as_str() > Some("")
    };
    if requests.is_empty() || requests.len() > 100 || !requests.iter().all(fits) {
        return refuse("* BatchEmbedContentsRequest.requests: at most 100 requests").await;
    }
    let embeddings = requests.iter().zip(0..).map(|(request, place)| {
        let text = request["content"]["parts"][0]["text"].as_str().unwrap();
        json!({"values": [text.len(), place]})
    });
    let answer = json!({
        "embeddings": embeddings.collect::<Vec<_>>(), "usageMetadata": {"promptTokenCount": requests.len()},
    });
    let path = path.to_owned();
    state.received.lock().unwrap().push(Received { path, body });
    Answer::json(&answer).response(1, false).await
}
