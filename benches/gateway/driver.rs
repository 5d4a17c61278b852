//! The load: closed loop, one request in flight per kept connection, answers read to their end.
//!
//! It counts and times and judges nothing. A request that gets no whole, well-ended 200 is an
//! error and has no latency. One thread, raw hyper connections: the driver shares the cores with
//! what it measures, so it should cost little and always the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::phase::Phase;
use crate::prompt::Prompts;
use crate::{Result, upstream};

/// What a client waits for an answer before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// A worker that has seen so many errors stops: the figure is worthless by then.
const TOO_MANY: u64 = 1000;
/// The header in which the gateway says what the cache did.
const CACHE_HEADER: &str = "x-refrain-cache";

/// What to ask.
pub(crate) struct Load {
    pub(crate) phase: &'static Phase,
    pub(crate) prompts: Arc<Prompts>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Of each good answer, from sending to its last byte, in nanoseconds.
    pub(crate) latencies: Vec<u32>,
    pub(crate) elapsed: Duration,
    /// Bytes of the bodies of good answers.
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Good answers by value of [`CACHE_HEADER`]; those without it are not here.
    pub(crate) cache: Vec<(String, u64)>,
}

impl Sample {
    /// Good answers.
    pub(crate) fn answers(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Good answers that said this in [`CACHE_HEADER`].
    pub(crate) fn cached(&self, what: &str) -> u64 {
        self.cache
            .iter()
            .find(|(said, _)| said == what)
            .map_or(0, |(_, n)| *n)
    }

    fn good(&mut self, latency: Duration, answer: &Response<u64>) {
        self.latencies
            .push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
        self.bytes += answer.body();
        if let Some(Ok(said)) = answer.headers().get(CACHE_HEADER).map(|h| h.to_str()) {
            self.tally(said, 1);
        }
    }

    fn bad(&mut self, error: &dyn std::fmt::Display) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    fn tally(&mut self, said: &str, times: u64) {
        match self.cache.iter_mut().find(|(s, _)| s == said) {
            Some((_, n)) => *n += times,
            None => self.cache.push((said.to_owned(), times)),
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        for (said, times) in other.cache {
            self.tally(&said, times);
        }
    }
}

/// Kept connections to one target.
pub(crate) struct Driver {
    addr: SocketAddr,
    connections: Vec<Connection>,
}

impl Driver {
    pub(crate) async fn connect(addr: SocketAddr, count: usize) -> Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Connection::open(addr).await?);
        }
        Ok(Self { addr, connections })
    }

    /// Loads the target for so long and waits for the answers under way.
    pub(crate) async fn run(&mut self, load: &Arc<Load>, window: Duration) -> Result<Sample> {
        let began = Instant::now();
        let until = began + window;
        let mut workers = JoinSet::new();
        for connection in self.connections.drain(..) {
            workers.spawn(work(connection, self.addr, Arc::clone(load), until));
        }
        let mut all = Sample::default();
        loop {
            match timeout_at(until + PATIENCE, workers.join_next()).await {
                Ok(Some(done)) => {
                    let (connection, sample) = done?;
                    self.connections.extend(connection);
                    all.merge(sample);
                }
                Ok(None) => break,
                Err(_) => {
                    (0..workers.len()).for_each(|_| all.bad(&"no answer in time"));
                    break;
                }
            }
        }
        all.elapsed = began.elapsed();
        Ok(all)
    }
}

/// A connection and the task that moves its bytes, which ends with it.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    host: String,
    _task: JoinSet<()>,
}

impl Connection {
    async fn open(addr: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let (requests, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Its errors reach the request that they concern.
            let _ = connection.await;
        });
        Ok(Self {
            requests,
            host: addr.to_string(),
            _task: task,
        })
    }

    /// Sends a request and reads its answer, of which only size and head are kept.
    async fn exchange(&mut self, body: Bytes, stream: bool) -> Result<Response<u64>> {
        self.requests.ready().await?;
        let request = Request::post("/v1/chat/completions")
            .header(HOST, &self.host)
            .header(AUTHORIZATION, "Bearer sk-benchmark")
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = self.requests.send_request(request).await?;
        let status = response.status();
        let (head, mut body) = response.into_parts();
        let (mut size, mut last) = (0, Bytes::new());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                size += data.len() as u64;
                last = data;
            }
        }
        let end: &[u8] = if stream { b"[DONE]\n\n" } else { b"}" };
        if status != StatusCode::OK || !ends_with(&last, end) {
            let text = String::from_utf8_lossy(last.get(..300).unwrap_or(&last)).into_owned();
            return Err(format!("status {status}, an answer of {size} bytes: {text}").into());
        }
        Ok(Response::from_parts(head, size))
    }
}

/// Whether the last piece of a body ends so. A piece shorter than the end is given the benefit.
fn ends_with(last: &[u8], end: &[u8]) -> bool {
    last.ends_with(end) || (!last.is_empty() && end.ends_with(last))
}

/// Asks again and again until the time is up.
async fn work(
    mut connection: Connection,
    addr: SocketAddr,
    load: Arc<Load>,
    until: Instant,
) -> (Option<Connection>, Sample) {
    let mut sample = Sample::default();
    while Instant::now() < until {
        let body = load.prompts.body(load.phase);
        let began = Instant::now();
        let Err(error) = connection
            .exchange(body, load.phase.stream)
            .await
            .map(|answer| sample.good(began.elapsed(), &answer))
        else {
            continue;
        };
        sample.bad(&error);
        if sample.errors > TOO_MANY {
            break;
        }
        if connection.requests.is_closed() {
            sleep(Duration::from_millis(20)).await;
            match Connection::open(addr).await {
                Ok(new) => connection = new,
                Err(error) => {
                    sample.bad(&error);
                    return (None, sample);
                }
            }
        }
    }
    (Some(connection), sample)
}

/// One request on a connection of its own; anything but a good answer is an error.
pub(crate) async fn exchange_once(addr: SocketAddr, body: Bytes, stream: bool) -> Result<()> {
    let mut connection = Connection::open(addr).await?;
    timeout(PATIENCE, connection.exchange(body, stream)).await??;
    Ok(())
}

/// Status and text of a small resource.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let mut connection = timeout(PATIENCE, Connection::open(addr)).await??;
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(HOST, &connection.host)
        .body(Full::default())?;
    let response = timeout(PATIENCE, connection.requests.send_request(request)).await??;
    let status = response.status();
    let body = timeout(PATIENCE, response.into_body().collect())
        .await??
        .to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Chat requests that the mock has had.
pub(crate) async fn count_upstream(mock: SocketAddr) -> Result<u64> {
    Ok(get(mock, upstream::COUNT_PATH).await?.1.trim().parse()?)
}
