//! Mock providers: one that is well, and one that goes through the ways of failing in turns.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Result;

/// What the failing provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Broken,
    Storm,
    Hanging,
    Cutting,
    Slow,
}

const MOODS: [Mood; 7] = [
    Mood::Well,
    Mood::Broken,
    Mood::Storm,
    Mood::Hanging,
    Mood::Cutting,
    Mood::Slow,
    Mood::Well,
];

impl Mood {
    fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Broken => "answers 500",
            Self::Storm => "answers 429",
            Self::Hanging => "hangs before the first token",
            Self::Cutting => "cuts streams",
            Self::Slow => "is slow",
        }
    }
}

/// Words of an answer, each a chunk of a stream.
const WORDS: usize = 40;
/// Between two chunks.
const PACE: Duration = Duration::from_millis(2);

type Body = BoxBody<Bytes, std::io::Error>;

/// A provider on a socket of its own; ends when it is dropped.
pub(crate) struct Provider {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

struct State {
    start: Instant,
    /// How long each mood lasts; `None` for one that is always well.
    phase: Option<Duration>,
    calls: AtomicU64,
}

impl State {
    fn mood(&self) -> Mood {
        let Some(phase) = self.phase else {
            return Mood::Well;
        };
        let turn = self.start.elapsed().as_secs() / phase.as_secs().max(1);
        let turn = usize::try_from(turn).unwrap_or_default() % MOODS.len();
        MOODS.get(turn).copied().unwrap_or(Mood::Well)
    }
}

impl Provider {
    pub(crate) async fn healthy() -> Result<Self> {
        Self::start(None).await
    }

    pub(crate) async fn flaky(phase: Duration) -> Result<Self> {
        Self::start(Some(phase)).await
    }

    async fn start(phase: Option<Duration>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            start: Instant::now(),
            phase,
            calls: AtomicU64::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            _serving: serving,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// What it does at present.
    pub(crate) fn phase(&self) -> &'static str {
        self.state.mood().as_str()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _not_so_quick = socket.set_nodelay(true);
        let state = Arc::clone(&state);
        let service = service_fn(move |request| {
            let state = Arc::clone(&state);
            async move { Ok::<_, Infallible>(respond(&state, request).await) }
        });
        connections.spawn(async move {
            // Ends with an error where a stream is cut or the gateway hangs up.
            let http = http1::Builder::new();
            let _cut = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let number = state.calls.fetch_add(1, Ordering::Relaxed);
    let Ok(body) = request.into_body().collect().await else {
        return failure(StatusCode::BAD_REQUEST);
    };
    let asked: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let streams = asked.get("stream") == Some(&Value::Bool(true));
    let mood = state.mood();
    match mood {
        Mood::Well | Mood::Cutting => {}
        Mood::Broken => return failure(StatusCode::INTERNAL_SERVER_ERROR),
        Mood::Storm => {
            let mut refusal = failure(StatusCode::TOO_MANY_REQUESTS);
            refusal.headers_mut().insert(RETRY_AFTER, 2.into());
            return refusal;
        }
        // Until the gateway hangs up, or the phase is over.
        Mood::Hanging => {
            while state.mood() == Mood::Hanging {
                sleep(Duration::from_millis(200)).await;
            }
        }
        Mood::Slow => sleep(Duration::from_millis(1500)).await,
    }
    let cuts = mood == Mood::Cutting && number.is_multiple_of(2);
    if streams {
        streamed(number, cuts)
    } else if cuts {
        // A head and a part of the body, then nothing.
        let part = Ok(Frame::data(Bytes::from_static(b"{\"id\": \"chat")));
        let parts = stream::iter([part, Err(std::io::ErrorKind::ConnectionReset.into())]);
        answer("application/json", BodyExt::boxed(StreamBody::new(parts)))
    } else {
        let text = format!("answer {number}{}", " word".repeat(WORDS));
        let message = json!({"role": "assistant", "content": text, "refusal": null});
        let whole = json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion", "created": 1_700_000_000, "model": "mock",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": WORDS, "total_tokens": 20 + WORDS},
        });
        answer("application/json", full(whole.to_string()))
    }
}

fn streamed(number: u64, cuts: bool) -> Response<Body> {
    let event = move |delta: &Value, finish: Option<&str>| {
        let choices =
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let chunk = json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "mock", "choices": choices,
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![event(&json!({"role": "assistant", "content": ""}), None)];
    events.extend(
        (0..WORDS).map(|word| event(&json!({"content": format!("{number}.{word} ")}), None)),
    );
    events.push(event(&json!({}), Some("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    let most = if cuts { WORDS / 2 } else { events.len() };
    let told = stream::iter(events).take(most).then(|event| async {
        sleep(PACE).await;
        Ok(Frame::data(Bytes::from(event)))
    });
    let cut: Option<std::io::Result<Frame<Bytes>>> =
        cuts.then(|| Err(std::io::ErrorKind::ConnectionReset.into()));
    let told = told.chain(stream::iter(cut));
    answer(
        "text/event-stream; charset=utf-8",
        BodyExt::boxed(StreamBody::new(told)),
    )
}

fn answer(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn failure(status: StatusCode) -> Response<Body> {
    let error =
        json!({"message": "mock failure", "type": "server_error", "param": null, "code": null});
    let mut response = answer(
        "application/json",
        full(json!({"error": error}).to_string()),
    );
    *response.status_mut() = status;
    response
}

fn full(text: String) -> Body {
    http_body_util::Full::from(text)
        .map_err(|never| match never {})
        .boxed()
}
