//! A scripted OpenAI on a socket of its own, that refuses what the real one refuses.
//!
//! Without a script it answers "answer 1", "answer 2", … in the form that was asked for, so that an
//! answer tells by which call it was made.

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
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{
    answer::{Answer, Body},
    socket::serve,
};

/// The one key that it accepts, if nothing else is said.
pub(crate) const KEY: &str = "sk-planted-5f1c9a7e";
/// A key that it may be told to accept as well.
pub(crate) const SECOND_KEY: &str = "sk-planted-b2d07c44";

/// How a server wants to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// The header with the key, and what is before the key in it.
    pub(crate) key: (&'static str, &'static str),
    /// The path of chat requests, with its query.
    pub(crate) chat: &'static str,
    /// The path of the list of models, with its query.
    pub(crate) models: &'static str,
}

/// As OpenAI does.
const OPENAI: Manners = Manners {
    key: ("authorization", "Bearer "),
    chat: "/v1/chat/completions",
    models: "/v1/models",
};

/// As OpenAI does at the interface before chat.
pub(crate) const COMPLETIONS: Manners = Manners {
    chat: "/v1/completions",
    ..OPENAI
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The fake provider; stops when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

/// What is answered where nothing is scripted, by the number of the request.
type Mood = Box<dyn Fn(usize) -> Answer + Send>;

struct State {
    manners: Manners,
    script: Mutex<VecDeque<Answer>>,
    mood: Mutex<Option<Mood>>,
    received: watch::Sender<Vec<Received>>,
    keys: Mutex<Vec<&'static str>>,
    refused: Mutex<Vec<String>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::with(OPENAI).await
    }

    /// One that wants to be asked so.
    pub(crate) async fn with(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            manners,
            script: Mutex::default(),
            mood: Mutex::default(),
            received: watch::Sender::default(),
            keys: Mutex::new(vec![KEY]),
            refused: Mutex::default(),
        });
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

    /// An address at which nobody answers.
    pub(crate) async fn gone() -> String {
        Self::start().await.base_url()
    }

    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.root())
    }

    /// The address without any path.
    pub(crate) fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next request that has no answer yet.
    pub(crate) fn script(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    /// Answers so from now on, where nothing is scripted.
    pub(crate) fn mood(&self, answer: impl Fn(usize) -> Answer + Send + 'static) {
        *self.state.mood.lock().unwrap() = Some(Box::new(answer));
    }

    /// Answers again as it did at first.
    pub(crate) fn recovers(&self) {
        *self.state.mood.lock().unwrap() = None;
    }

    /// Accepts these keys and no others from now on.
    pub(crate) fn accept(&self, keys: &[&'static str]) {
        *self.state.keys.lock().unwrap() = keys.to_vec();
    }

    /// The keys that it was asked with and did not accept, in order.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.state.refused.lock().unwrap().clone()
    }

    /// The chat requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.borrow().clone()
    }

    /// How many chat requests there were.
    pub(crate) fn calls(&self) -> usize {
        self.state.received.borrow().len()
    }

    /// The only chat request.
    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1);
        received.into_iter().next().unwrap()
    }

    /// Waits until so many chat requests have come.
    pub(crate) async fn arrived(&self, calls: usize) {
        let mut received = self.state.received.subscribe();
        received
            .wait_for(|received| received.len() >= calls)
            .await
            .unwrap();
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return refuse(400, "the body ended too early").await;
    };
    let body = body.to_bytes();
    let Manners { key, chat, models } = state.manners;
    let (header, word) = key;
    let given = head.headers.get(header);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix(word));
    let has_key = given.is_some_and(|key| state.keys.lock().unwrap().contains(&key));
    if !has_key || (header != "authorization" && head.headers.contains_key("authorization")) {
        let given = given.unwrap_or_default().to_owned();
        let told = format!("Incorrect API key provided: {given} (not {KEY}, {SECOND_KEY}).");
        state.refused.lock().unwrap().push(given);
        return refuse(401, &told).await;
    }
    let path = head.uri.to_string();
    match &head.method {
        &Method::GET if path == models => {
            let models =
                json!({"object": "list", "data": [{"id": "found-model", "object": "model"}]});
            return Answer::json(&models).response(1, false).await;
        }
        &Method::POST if path == chat => {}
        method => return refuse(404, &format!("Invalid URL ({method} {path})")).await,
    }
    let needs = if ["/embeddings", "/responses"]
        .iter()
        .any(|path| chat.contains(path))
    {
        "input"
    } else if chat == COMPLETIONS.chat {
        "prompt"
    } else {
        "messages"
    };
    if let Some(objection) = objection(&head.headers, &body, needs) {
        return refuse(400, &objection).await;
    }
    let stream = serde_json::from_slice::<Value>(&body).unwrap()["stream"] == true;
    let mut number = 0;
    let scripted = state.script.lock().unwrap().pop_front();
    state.received.send_modify(|received| {
        received.push(Received {
            path,
            headers: head.headers,
            body,
        });
        number = received.len();
    });
    let by_mood = || (state.mood.lock().unwrap().as_ref()).map(|mood| mood(number));
    let answer =
        (scripted.or_else(by_mood)).unwrap_or_else(|| Answer::said(&format!("answer {number}")));
    answer.response(number, stream).await
}

/// What OpenAI would not take.
fn objection(headers: &HeaderMap, body: &[u8], needs: &str) -> Option<String> {
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/json")
    {
        return Some("Unsupported content type".to_owned());
    }
    if let Some(name) = headers
        .keys()
        .find(|name| name.as_str().starts_with("x-refrain"))
    {
        return Some(format!("a header of the gateway's own: {name}"));
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Some("We could not parse the JSON body of your request.".to_owned());
    };
    let controls = [
        "refrain",
        "cache",
        "task_type",
        "prefer_fast",
        "trim_messages",
        "drop_unsupported",
        "drop_params",
    ];
    if let Some(control) = controls
        .iter()
        .find(|control| fields.contains_key(**control))
    {
        return Some(format!("Unrecognized request argument supplied: {control}"));
    }
    if !fields.get("model").is_some_and(Value::is_string) {
        return Some("you must provide a model parameter".to_owned());
    }
    let is_there = |value: &Value| {
        let list = value.as_array().is_some_and(|list| !list.is_empty());
        list || needs != "messages" && value.as_str().is_some_and(|text| !text.is_empty())
    };
    if !fields.get(needs).is_some_and(is_there) {
        return Some(format!("'{needs}' is too short"));
    }
    if fields.contains_key("stream_options") && fields.get("stream") != Some(&Value::Bool(true)) {
        return Some("'stream_options' is only allowed when 'stream' is enabled".to_owned());
    }
    None
}

async fn refuse(status: u16, message: &str) -> Response<Body> {
    Answer::error(status, message).response(0, false).await
}
