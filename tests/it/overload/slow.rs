//! Clients that take nothing of their answer. Time is paused: it jumps to the next limit when nothing else is to do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::Instant,
};

use super::at_rest;
use crate::support::{
    answer::{chunk, event},
    gateway::{Gateway, Setup, model, provider_at},
    streaming, with,
};

const MEBIBYTE: usize = 1 << 20;
/// What the sockets between an upstream and a client that reads nothing may take in, and the gateway.
const MOST: usize = 24 * MEBIBYTE;

/// An upstream that sends as much as it can of so many bytes, and counts it.
struct Hose {
    address: std::net::SocketAddr,
    sent: Arc<AtomicUsize>,
    /// Connections that it lost in the middle of its answer, or ended.
    done: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Hose {
    async fn of(length: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counters: [Arc<AtomicUsize>; 3] = Default::default();
        let [sent, done, calls] = counters.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let [sent, done, calls] = counters.clone();
                connections.spawn(async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    pour(stream, length, &sent).await;
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            sent,
            done,
            calls,
            _serving: serving,
        }
    }

    fn setup(&self, more: &str) -> Setup {
        let provider = provider_at("main", &format!("http://{}/v1", self.address));
        let model = model("gpt-test", &["main/gpt-test"]);
        Setup::new(&format!("{more}\n{provider}{model}"))
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn pour(mut stream: TcpStream, length: usize, sent: &AtomicUsize) {
    let mut request = [0; 4096];
    let _read = stream.read(&mut request).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let piece = event(&chunk(
        &serde_json::json!({"content": "x".repeat(16 << 10)}),
        None,
    ));
    let mut left = length;
    while left > 0 {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            return;
        }
        sent.fetch_add(piece.len(), Ordering::SeqCst);
        left = left.saturating_sub(piece.len());
    }
    let end = event(&chunk(&serde_json::json!({}), Some("stop")));
    let _end = stream
        .write_all(format!("{end}data: [DONE]\n\n").as_bytes())
        .await;
}

/// Asks, reads the beginning of the answer, and then nothing.
async fn dawdler(gateway: &Gateway, body: &Value) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(gateway.address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut beginning = [0; 12];
    stream.read_exact(&mut beginning).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200");
    stream
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_holds_nothing_up_and_is_hung_up_on() {
    for is_kept in [false, true] {
        let hose = Hose::of(200 * MEBIBYTE).await;
        let gateway = hose.setup("").start().await;
        let temperature = if is_kept { 0 } else { 1 };
        let question = with(
            streaming("one"),
            serde_json::json!({"temperature": temperature}),
        );
        let start = Instant::now();
        let _client = dawdler(&gateway, &question).await;
        while hose.done.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let waited = start.elapsed().as_secs();
        assert!((60..65).contains(&waited), "{waited}");
        assert!(hose.sent() < MOST, "{}", hose.sent());
        at_rest(&gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_share_a_stream_the_slow_one_is_dropped_and_the_other_gets_it_all() {
    for slow_leads in [true, false] {
        let hose = Hose::of(64 * MEBIBYTE).await;
        let gateway = hose
            .setup("[cache]\nmax_entry_bytes = \"64KiB\"")
            .start()
            .await;
        let question = with(streaming("one"), serde_json::json!({"temperature": 0}));
        let (slow, mut fast);
        if slow_leads {
            slow = dawdler(&gateway, &question).await;
            fast = gateway.ask(&question).open().await;
        } else {
            fast = gateway.ask(&question).open().await;
            slow = dawdler(&gateway, &question).await;
        }
        let (mut length, mut end) = (0, Vec::new());
        while let Some(piece) = fast.piece().await {
            length += piece.len();
            end = piece.to_vec();
        }
        let end = String::from_utf8_lossy(&end).into_owned();
        assert!(end.ends_with("data: [DONE]\n\n"), "{end}");
        assert!(length > 64 * MEBIBYTE);
        assert_eq!(
            hose.calls.load(Ordering::SeqCst),
            1,
            "slow leads: {slow_leads}"
        );
        // Nobody reads for the other, which is hung up on when its time is over.
        drop(fast);
        tokio::time::sleep(std::time::Duration::from_secs(61)).await;
        at_rest(&gateway).await;
        drop(slow);
    }
}
