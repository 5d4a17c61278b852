//! A scripted collector of OpenTelemetry on a socket of its own, which reads spans with messages of its own.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::socket::serve;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    all: Vec<OfResource>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<OfScope>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct OfScope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Pair>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(crate) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    at: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    integer: Option<i64>,
    #[prost(double, optional, tag = "4")]
    number: Option<f64>,
}

impl Span {
    /// An attribute as text; empty if it has none of this name.
    pub(crate) fn says(&self, key: &str) -> String {
        text(&self.attributes, key)
    }

    /// The names of what happened within.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self.events.iter();
        events.map(|event| event.name.as_str()).collect()
    }

    /// The traces and spans that it has links to.
    pub(crate) fn links(&self) -> Vec<(&[u8], &[u8])> {
        let links = self.links.iter();
        links.map(|link| (&*link.trace, &*link.id)).collect()
    }

    /// Whether it says that it failed.
    pub(crate) fn is_error(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.code == 2)
    }
}

fn text(pairs: &[Pair], key: &str) -> String {
    let pair = pairs.iter().find(|pair| pair.key == key);
    let Some(value) = pair.and_then(|pair| pair.value.clone()) else {
        return String::new();
    };
    let number = value.number.map(|number| number.to_string());
    let integer = value.integer.map(|integer| integer.to_string());
    value.text.or(integer).or(number).unwrap_or_default()
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Batch {
    /// All spans.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let request = Request::decode(self.body.clone()).unwrap();
        let scopes = request.all.into_iter().flat_map(|all| all.scopes);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// What the sender says of itself.
    pub(crate) fn resource(&self, key: &str) -> String {
        let request = Request::decode(self.body.clone()).unwrap();
        let resource = request.all[0].resource.clone().unwrap();
        text(&resource.attributes, key)
    }
}

/// The collector; stops when it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    received: Arc<watch::Sender<Vec<Batch>>>,
    statuses: Arc<Mutex<Vec<u16>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(watch::Sender::<Vec<Batch>>::default());
        let statuses = Arc::<Mutex<Vec<u16>>>::default();
        let (its, answers) = (Arc::clone(&received), Arc::clone(&statuses));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, move |request| {
            let (its, answers) = (Arc::clone(&its), Arc::clone(&answers));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                assert_eq!(head.uri.path(), "/v1/traces");
                let headers = head.headers;
                its.send_modify(|all| all.push(Batch { headers, body }));
                let status = answers.lock().unwrap().pop().unwrap_or(200);
                if status == 0 {
                    std::future::pending::<()>().await;
                }
                let empty = Full::new(Bytes::new())
                    .map_err(|never| match never {})
                    .boxed();
                let mut response = Response::new(empty);
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                response
            }
        }));
        Self {
            address,
            received,
            statuses,
            _serving: serving,
        }
    }

    /// Answers the next requests so; 0 is never.
    pub(crate) fn answers(&self, statuses: &[u16]) {
        let mut answers = self.statuses.lock().unwrap();
        answers.extend(statuses.iter().rev());
    }

    /// The section that has traces sent here.
    pub(crate) fn section(&self) -> String {
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", self.address)
    }

    /// What came so far.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.received.borrow().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn arrived(&self, batches: usize) {
        let mut received = self.received.subscribe();
        received.wait_for(|all| all.len() >= batches).await.unwrap();
    }

    /// All spans that came so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.batches().iter().flat_map(Batch::spans).collect()
    }
}
