//! What is handed on as it is, to the provider that is configured for it and to nobody else.

mod errors;
mod forms;
mod json;
mod limits;
mod provider;
mod streams;

use self::provider::Fake;
use crate::support::{
    client::{self, Ask, Raw},
    gateway::{Gateway, Setup, provider_at},
};

const ENDPOINTS: &str = "[endpoints]\nmoderations = \"main\"\naudio = \"main\"\nimages = \"main\"\n\
    rerank = { provider = \"main\", path = \"/v2/rerank\" }\n";
const FORM: &str = "multipart/form-data; boundary=XyZ";

/// A gateway that hands everything on to `fake`.
async fn gateway(fake: &Fake) -> Gateway {
    with(fake, "", "").await
}

/// The same with more configuration before the provider, and of it.
async fn with(fake: &Fake, more: &str, of_provider: &str) -> Gateway {
    let main = provider_at("main", &fake.base_url());
    Setup::new(&format!("{more}{ENDPOINTS}{main}{of_provider}\n"))
        .start()
        .await
}

fn post(gateway: &Gateway, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Ask {
    let client = client::http().build().unwrap();
    let request = client.post(gateway.url(path)).body(body);
    Ask::new(request.header("content-type", kind))
}

/// A part of a form.
fn part(head: &str, content: &str) -> String {
    format!("--XyZ\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

/// A form of these parts.
fn form(parts: &[String]) -> String {
    parts.concat() + "--XyZ--\r\n"
}

fn sound() -> String {
    part("name=\"file\"; filename=\"a.mp3\"", "some \r\n sound")
}

fn model(name: &str) -> String {
    part("name=\"model\"", name)
}

/// A connection on which the head of a form of this length was sent.
async fn uploading(gateway: &Gateway, length: usize) -> Raw {
    let mut raw = Raw::connect(gateway.address).await;
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    assert!(raw.write(head.as_bytes()).await);
    raw
}
