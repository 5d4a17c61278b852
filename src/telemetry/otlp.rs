//! Traces for a collector of OpenTelemetry: OTLP over HTTP, in batches, off the path of requests.
//!
//! Records of sampled traces wait in a bounded queue; one task turns them into spans and sends them. Invariants: nothing
//! here keeps a request waiting or makes it fail, memory is bounded whatever the collector does, and what is left out is
//! counted.

mod attributes;
mod message;
mod sender;
mod spans;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use metrics::Counter;
use prost::Message as _;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use self::{
    message::{ExportRequest, Resource, ResourceSpans, Scope, ScopeSpans, Span},
    sender::{Sender, Sent},
};
use super::{
    journal::{Observer, Record},
    names,
    peers::Peers,
};

/// Requests that wait to be sent at most.
const MOST_WAITING: usize = 2048;
/// Spans that are sent at once, about; a request more or less.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHERED: Duration = Duration::from_secs(2);
/// The first wait before a batch is sent again; each is twice as long as the one before.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait, also where a collector asks for a longer one.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How often a batch is sent.
const TRIES: u32 = 6;

/// A collector, and how the gateway presents itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where spans are sent.
    pub endpoint: String,
    /// What is sent along; may be secret.
    pub headers: HeaderMap,
    /// `service.name`.
    pub service: String,
    /// Other attributes of the resource.
    pub resource: Vec<(String, String)>,
}

/// Tells a collector of requests.
#[derive(Debug)]
pub struct Traces {
    records: mpsc::Sender<Arc<Record>>,
    left_out: Arc<LeftOut>,
    ending: watch::Sender<bool>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// Requests of which no trace was told.
#[derive(Debug)]
struct LeftOut {
    counter: Counter,
    /// Since the log was told.
    untold: AtomicU64,
}

impl LeftOut {
    fn count(&self, requests: u64) {
        self.counter.increment(requests);
        self.untold.fetch_add(requests, Ordering::Relaxed);
    }
}

impl Traces {
    /// Who is to be told of requests, and what has to go on for as long as they are.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn new(
        settings: Settings,
        peers: Arc<Peers>,
    ) -> Result<(Arc<Self>, impl Future<Output = ()> + Send + use<>), String> {
        let (records, received) = mpsc::channel(MOST_WAITING);
        let (ending, is_ending) = watch::channel(false);
        let (done, ended) = oneshot::channel();
        let left_out = Arc::new(LeftOut {
            counter: metrics::counter!(names::TRACES_LEFT_OUT),
            untold: AtomicU64::new(0),
        });
        let exporter = Exporter {
            sender: Sender::new(&settings.endpoint, settings.headers)?,
            resource: resource(&settings.service, &settings.resource),
            peers,
            received,
            is_ending,
            left_out: Arc::clone(&left_out),
            is_failing: false,
        };
        let traces = Self {
            records,
            left_out,
            ending,
            ended: Mutex::new(Some(ended)),
        };
        let exporting = async move {
            exporter.run().await;
            let _nobody_waits = done.send(());
        };
        Ok((Arc::new(traces), exporting))
    }

    /// Sends what waits, for no longer than `patience`.
    pub async fn finish(&self, patience: Duration) {
        let ended = {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.take()
        };
        self.ending.send_replace(true);
        if let Some(ended) = ended {
            let _given_up = timeout(patience, ended).await;
        }
    }
}

impl Observer for Traces {
    fn over(&self, record: &Arc<Record>) {
        if record.trace.is_sampled && self.records.try_send(Arc::clone(record)).is_err() {
            self.left_out.count(1);
        }
    }
}

fn resource(service: &str, more: &[(String, String)]) -> Resource {
    let own = [
        (attributes::SERVICE_NAME, service),
        (attributes::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    let more = more.iter().map(|(key, value)| (&**key, &**value));
    // What the operator says of the version goes before what the gateway knows.
    let is_said = |key: &str| more.clone().any(|(other, _)| other == key);
    let own = own.into_iter().filter(|(key, _)| !is_said(key));
    Resource {
        attributes: own
            .chain(more.clone())
            .map(|(key, value)| spans::attribute(key, value))
            .collect(),
    }
}

struct Exporter {
    sender: Sender,
    resource: Resource,
    peers: Arc<Peers>,
    received: mpsc::Receiver<Arc<Record>>,
    is_ending: watch::Receiver<bool>,
    left_out: Arc<LeftOut>,
    /// Whether the log was told that nothing can be sent.
    is_failing: bool,
}

impl Exporter {
    async fn run(mut self) {
        loop {
            let (spans, requests) = self.gather().await;
            if requests == 0 {
                return;
            }
            self.deliver(spans, requests).await;
            self.tell();
        }
    }

    /// The next spans, and of how many requests they are; none at the end.
    async fn gather(&mut self) -> (Vec<Span>, u64) {
        let (mut spans, mut requests) = (Vec::new(), 0);
        let first = tokio::select! {
            biased;
            record = self.received.recv() => record,
            () = ending(&mut self.is_ending) => None,
        };
        let mut next = first;
        let until = Instant::now() + GATHERED;
        while let Some(record) = next {
            spans.extend(spans::spans(&record, &self.peers));
            requests += 1;
            if spans.len() >= BATCH {
                break;
            }
            next = tokio::select! {
                biased;
                record = timeout_at(until, self.received.recv()) => record.ok().flatten(),
                () = ending(&mut self.is_ending) => self.received.try_recv().ok(),
            };
        }
        (spans, requests)
    }

    /// Sends a batch as often as it takes, or as it may.
    async fn deliver(&mut self, spans: Vec<Span>, requests: u64) {
        let request = ExportRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(Scope {
                        name: "refrain".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    }),
                    spans,
                    schema_url: attributes::SCHEMA.to_owned(),
                }],
                schema_url: attributes::SCHEMA.to_owned(),
            }],
        };
        let body = bytes::Bytes::from(request.encode_to_vec());
        let mut backoff = BACKOFF;
        for tried in 1..=TRIES {
            let (why, after) = match self.sender.send(body.clone()).await {
                Sent::Taken { rejected } => {
                    self.works(rejected);
                    return;
                }
                Sent::Refused { why } => {
                    self.fails(&why);
                    break;
                }
                Sent::Later { why, after } => (why, after),
            };
            self.fails(&why);
            // Nobody waits for a collector that is away when the gateway stops.
            if tried == TRIES || *self.is_ending.borrow() {
                break;
            }
            let jitter = backoff.mul_f64(0.5 + fastrand::f64() / 2.0);
            let wait = after.map_or(jitter, |after| after.max(jitter));
            tokio::select! {
                () = sleep(wait.min(LONGEST_BACKOFF)) => {}
                () = ending(&mut self.is_ending) => {}
            }
            backoff *= 2;
        }
        self.left_out.count(requests);
    }

    fn works(&mut self, rejected: u64) {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("traces are sent again");
        }
        if rejected > 0 {
            tracing::warn!(rejected, "the collector of traces does not take all spans");
        }
    }

    fn fails(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(why, "traces can't be sent");
        }
    }

    fn tell(&self) {
        let left_out = self.left_out.untold.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "requests without their trace");
        }
    }
}

/// Done when the gateway stops.
async fn ending(is_ending: &mut watch::Receiver<bool>) {
    // Whoever is gone without a word has stopped, too.
    let _gone = is_ending.wait_for(|is_ending| *is_ending).await;
}
