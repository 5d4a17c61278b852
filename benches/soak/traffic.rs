//! The clients: what they ask, and what they saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::Result;

/// The keys of the gateway's clients, and the variables that they are in.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("SOAK_ONE", "sk-soak-one"), ("SOAK_TWO", "sk-soak-two")];

/// What a client waits for its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Questions that come again and again.
const COMMON: u64 = 50;

/// What clients saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Whole answers with 200.
    pub(crate) good: u64,
    /// Of these, from the cache.
    pub(crate) hits: u64,
    /// Streams that broke after they had begun.
    pub(crate) cut: u64,
    /// 4xx to requests that deserve it.
    pub(crate) refused: u64,
    /// 429 to good requests.
    pub(crate) limited: u64,
    /// 5xx.
    pub(crate) server_errors: u64,
    /// Of these, 503 `overloaded`.
    pub(crate) shed: u64,
    /// No answer at all, or another than was to be expected.
    pub(crate) lost: u64,
    /// Clients that hung up, or read slowly, on purpose.
    pub(crate) rude: u64,
    /// Requests that were not begun, since too many were under way.
    pub(crate) left_out: u64,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.good
            + self.cut
            + self.refused
            + self.limited
            + self.server_errors
            + self.lost
            + self.rude
    }
}

/// What all clients saw so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: Mutex<Counts>,
    in_flight: AtomicUsize,
    first_bad: Mutex<Option<String>>,
}

impl Seen {
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The first answer that should not have been.
    pub(crate) fn first_bad(&self) -> Option<String> {
        let bad = self
            .first_bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bad.clone()
    }

    pub(crate) fn left_out(&self) {
        self.note(|counts| counts.left_out += 1);
    }

    fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn bad(&self, what: impl FnOnce() -> String) {
        let mut bad = self
            .first_bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bad.get_or_insert_with(what);
    }
}

struct UnderWay<'a>(&'a Seen);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks one thing after the other.
pub(crate) struct Traffic {
    address: SocketAddr,
    client: Mutex<Option<reqwest::Client>>,
    number: AtomicU64,
    seen: Arc<Seen>,
}

impl Traffic {
    pub(crate) fn new(address: SocketAddr, seen: Arc<Seen>) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        Ok(Self {
            address,
            client: Mutex::new(Some(client.build()?)),
            number: AtomicU64::new(0),
            seen,
        })
    }

    /// Closes the connections that are kept.
    pub(crate) fn hang_up(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One request, and its answer. Of a hundred in turn, most are good.
    pub(crate) async fn one(self: Arc<Self>) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.seen.in_flight.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&self.seen);
        match number % 100 {
            0 => self.expect(400, b"{\"model\": ".to_vec()).await,
            1 => self.expect(413, vec![b' '; 300 << 10]).await,
            2 => self.dawdle(number).await,
            3..8 => self.hang_up_within(number).await,
            8..50 => {
                self.ask(&question(number % COMMON, number.is_multiple_of(2)))
                    .await
            }
            _ => {
                self.ask(&question(COMMON + number, number.is_multiple_of(2)))
                    .await
            }
        }
    }

    async fn post(&self, body: Vec<u8>) -> Option<reqwest::Response> {
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let turn = self.number.load(Ordering::Relaxed) % 2;
        let key = if turn == 0 { KEYS[0].1 } else { KEYS[1].1 };
        let asked = client.post(format!("http://{}/v1/chat/completions", self.address));
        let asked = asked
            .bearer_auth(key)
            .header("content-type", "application/json");
        match asked.body(body).send().await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.lost(&error);
                None
            }
        }
    }

    fn lost(&self, error: &dyn std::error::Error) {
        self.seen.note(|counts| counts.lost += 1);
        self.seen.bad(|| format!("{error:?}"));
    }

    /// A good request.
    async fn ask(&self, question: &Value) {
        let Some(answer) = self.post(question.to_string().into_bytes()).await else {
            return;
        };
        let status = answer.status().as_u16();
        let is_hit = answer
            .headers()
            .get("x-refrain-cache")
            .is_some_and(|way| way == "exact");
        let is_stream = question["stream"] == true;
        let body = match answer.text().await {
            Ok(body) => body,
            Err(error) => return self.lost(&error),
        };
        let seen = &self.seen;
        match status {
            200 if is_stream && !body.ends_with("data: [DONE]\n\n") => {
                seen.note(|counts| counts.cut += 1)
            }
            200 => seen.note(|counts| {
                counts.good += 1;
                counts.hits += u64::from(is_hit);
            }),
            429 => seen.note(|counts| counts.limited += 1),
            500.. => seen.note(|counts| {
                counts.server_errors += 1;
                counts.shed += u64::from(status == 503 && body.contains("\"overloaded\""));
            }),
            _ => seen.note(|counts| counts.lost += 1),
        }
        if status != 200 {
            seen.bad(|| format!("{status}: {}", body.chars().take(300).collect::<String>()));
        }
    }

    /// A request that has to be refused so.
    async fn expect(&self, status: u16, body: Vec<u8>) {
        let Some(answer) = self.post(body).await else {
            return;
        };
        let got = answer.status().as_u16();
        if got == status {
            self.seen.note(|counts| counts.refused += 1);
        } else {
            self.seen.note(|counts| counts.lost += 1);
            self.seen.bad(|| format!("{got} instead of {status}"));
        }
    }

    /// Reads the beginning of a stream, and leaves.
    async fn hang_up_within(&self, number: u64) {
        let body = question(COMMON + number, true).to_string();
        if let Some(mut answer) = self.post(body.into_bytes()).await {
            let _beginning = answer.chunk().await;
            self.seen.note(|counts| counts.rude += 1);
        }
    }

    /// Asks on a connection of its own, and reads some bytes a second for a while.
    async fn dawdle(&self, number: u64) {
        let dawdling = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let body = question(COMMON + number, true).to_string();
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {}\r\n\
                 content-length: {}\r\n\r\n{body}",
                KEYS[0].1,
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            let mut some = [0; 256];
            for _ in 0..15 {
                let _read = stream.read(&mut some).await?;
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, std::io::Error>(())
        };
        let _late = timeout(PATIENCE, dawdling).await;
        self.seen.note(|counts| counts.rude += 1);
    }
}

/// A question of its own for each `number`.
fn question(number: u64, streams: bool) -> Value {
    let filler =
        "Lorem ipsum dolor sit amet. ".repeat(usize::try_from(number % 40).unwrap_or_default());
    let content = format!("Question {number}: what comes after {number}? {filler}");
    json!({
        "model": "both", "temperature": 0, "stream": streams,
        "messages": [{"role": "user", "content": content}],
    })
}
