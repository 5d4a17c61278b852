//! A client: asks, and reads what comes back.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A client without any proxy or time limit.
pub(crate) fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

/// A request to be sent.
pub(crate) struct Ask(reqwest::RequestBuilder);

impl Ask {
    pub(crate) fn new(request: reqwest::RequestBuilder) -> Self {
        Self(request)
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers
            .iter()
            .fold(self, |ask, (name, value)| ask.header(name, value))
    }

    /// Presents a key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Sends it, and reads the whole answer.
    pub(crate) async fn send(self) -> Reply {
        self.open().await.rest().await
    }

    /// Sends it, and reads the head of the answer.
    pub(crate) async fn open(self) -> Open {
        let response = self.0.send().await.unwrap();
        Open {
            head: Reply {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: Bytes::new(),
            },
            response,
        }
    }
}

/// An answer that is still coming. Dropping it hangs up.
pub(crate) struct Open {
    pub(crate) head: Reply,
    response: reqwest::Response,
}

impl Open {
    /// The next bytes; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Option<Bytes> {
        self.response.chunk().await.unwrap()
    }

    /// Everything that has not been read yet.
    pub(crate) async fn rest(mut self) -> Reply {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await {
            body.extend_from_slice(&piece);
        }
        Reply {
            body: body.into(),
            ..self.head
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Which way it went.
    pub(crate) fn way(&self) -> &str {
        self.header("x-refrain-cache")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The error object.
    pub(crate) fn error(&self) -> Value {
        self.json()["error"].clone()
    }

    /// The data of each event, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.text().replace("\r\n", "\n");
        let lines = events
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "));
        lines.map(str::to_owned).collect()
    }

    /// The chunks of a stream, without its end.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let events = self.events();
        let chunks = events.iter().filter(|data| *data != "[DONE]");
        chunks
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// Whether the stream says that it is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.events().last().is_some_and(|data| data == "[DONE]")
    }

    /// What was said, in either form.
    pub(crate) fn said(&self) -> String {
        if !self.header("content-type").starts_with("text/event-stream") {
            let said = &self.json()["choices"][0]["message"]["content"];
            return said.as_str().unwrap_or_default().to_owned();
        }
        let text = |chunk: &Value| {
            let text = chunk["choices"][0]["delta"]["content"].as_str();
            text.map(str::to_owned)
        };
        self.chunks().iter().filter_map(text).collect()
    }
}

/// A connection on which anything can be written.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Writes, unless the other side has hung up.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more will be written.
    pub(crate) async fn end(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Everything that comes until the other side hangs up.
    pub(crate) async fn read_to_end(mut self) -> String {
        let mut all = Vec::new();
        // A reset is an end, too; what came before it counts.
        let _end = self.0.read_to_end(&mut all).await;
        String::from_utf8(all).unwrap()
    }

    /// The same of what need not be text.
    pub(crate) async fn read_lossy(mut self) -> String {
        let mut all = Vec::new();
        let _end = self.0.read_to_end(&mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What comes next, up to the end of a line.
    pub(crate) async fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
    }
}
