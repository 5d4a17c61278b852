//! A fake provider that tells how far a body has come, and reads forms as strictly as any.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::support::{
    answer::{Answer, Body},
    upstream::KEY,
};

pub(super) struct Fake {
    base_url: String,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Answer>>,
    /// Requests whose body came to its end.
    received: Mutex<Vec<Received>>,
    seen: watch::Sender<Seen>,
}

/// What came of all bodies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) requests: usize,
    pub(super) bytes: usize,
    /// Bodies that broke.
    pub(super) broken: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    /// The names and contents of a form's parts.
    pub(super) fn parts(&self) -> Vec<(String, String)> {
        let kind = self.headers["content-type"].to_str().unwrap();
        let (_, boundary) = kind.split_once("boundary=").unwrap();
        let body = String::from_utf8(self.body.to_vec()).unwrap();
        let (body, _) = body.split_once(&format!("--{boundary}--")).unwrap();
        let delimiter = format!("--{boundary}\r\n");
        let parts = body.split(&delimiter).skip(1);
        parts
            .map(|part| {
                let (head, content) = part.split_once("\r\n\r\n").unwrap();
                let (_, name) = head.split_once("name=\"").unwrap();
                let name = name.split('"').next().unwrap().to_owned();
                (name, content.strip_suffix("\r\n").unwrap().to_owned())
            })
            .collect()
    }
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let served = Arc::clone(&state);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                let service = hyper::service::service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(respond(&state, request).await) }
                });
                connections.spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _cut = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            base_url,
            state,
            _serving: serving,
        }
    }

    pub(super) fn base_url(&self) -> String {
        self.base_url.clone()
    }

    pub(super) fn script(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    #[track_caller]
    pub(super) fn only(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    pub(super) fn seen(&self) -> Seen {
        *self.state.seen.borrow()
    }

    /// Waits until it has seen that.
    pub(super) async fn sees(&self, wanted: impl FnMut(&Seen) -> bool) {
        let mut seen = self.state.seen.subscribe();
        seen.wait_for(wanted).await.unwrap();
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    state.seen.send_modify(|seen| seen.requests += 1);
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            state.seen.send_modify(|seen| seen.broken += 1);
            return Answer::error(400, "broken").response(0, false).await;
        };
        if let Ok(data) = frame.into_data() {
            all.extend_from_slice(&data);
            state.seen.send_modify(|seen| seen.bytes += data.len());
        }
    }
    if head.headers["authorization"] != format!("Bearer {KEY}") {
        return Answer::error(401, &format!("not {KEY}"))
            .response(0, false)
            .await;
    }
    state.received.lock().unwrap().push(Received {
        path: head.uri.to_string(),
        headers: head.headers,
        body: all.into(),
    });
    let answer = state.script.lock().unwrap().pop_front();
    let answer = answer.unwrap_or_else(|| Answer::raw("application/json", "{\"ok\": 1.50}"));
    answer.response(0, false).await
}
