//! `refrain demo`: a scripted minute that shows a newcomer what the cache does, over a real socket.
//!
//! The answers are the demo provider's, the encoder and the cache are the real ones. Prices are those
//! of a hosted model, so that the saving can be seen; nothing is paid.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    app::{App, BuildError, Listeners, Parts},
    clock::Clock,
    config::{Config, Sources},
    embed::Embed,
    provider::demo::Pace,
};

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[[providers]]
name = "demo"
kind = "demo"
[[models]]
name = "gpt-4o"
targets = ["demo/gpt-4o"]
price = { input = 2.5, output = 10.0 }
"#;

/// What is asked, in order: what it shows, the question, whether as a stream.
const SCRIPT: [(&str, &str, bool); 11] = [
    (
        "a new question",
        "How many planets are there in the solar system?",
        false,
    ),
    (
        "the same again",
        "How many planets are there in the solar system?",
        false,
    ),
    (
        "in other words",
        "how many planets are in our solar system",
        false,
    ),
    (
        "the same, streamed",
        "How many planets are there in the solar system?",
        true,
    ),
    ("a new question", "How do I turn on dark mode?", false),
    ("in other words", "How can I turn on dark mode?", false),
    ("the OPPOSITE", "How do I turn off dark mode?", false),
    (
        "a new question, streamed",
        "What is 15 percent of 80?",
        true,
    ),
    ("ANOTHER NUMBER", "What is 50 percent of 80?", false),
    (
        "about the present",
        "What is the latest news about Rust?",
        false,
    ),
    ("politely", "Please, what is 15 percent of 80?", false),
];

/// Why the tour stopped.
#[derive(Debug, thiserror::Error)]
pub enum TourError {
    /// The tour's own gateway can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Input or output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A request failed.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// The tour's own configuration is wrong.
    #[error("{0}")]
    Config(String),
}

struct Row {
    shows: &'static str,
    question: &'static str,
    cache: String,
    reason: String,
    elapsed: Duration,
    saved: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.elapsed.as_secs_f64() * 1000.0;
        let saved = if self.saved > 0.0 {
            format!("{:.6}", self.saved)
        } else {
            String::new()
        };
        let cache = match self.reason.as_str() {
            "" => self.cache.clone(),
            reason => format!("{} ({reason})", self.cache),
        };
        write!(
            f,
            "{:<25} {:<49} {cache:<24} {millis:>9.2} {saved:>10}",
            self.shows, self.question
        )
    }
}

/// Runs the tour and writes its table to `out`.
///
/// # Errors
/// When the gateway can't be built or a request fails.
pub async fn run(encoder: Arc<dyn Embed>, out: &mut impl Write) -> Result<(), TourError> {
    let sources = Sources {
        path: Path::new("demo"),
        text: CONFIG,
        env: &|_| None,
        env_overrides: &[],
        now: Clock::system().unix(),
    };
    let (config, _) =
        Config::parse(&sources).map_err(|problems| TourError::Config(problems.to_string()))?;
    let clock = Clock::system();
    let parts = Parts {
        clock: clock.clone(),
        encoder: Some(encoder),
        metrics: None,
        demo_pace: Pace::LIFELIKE,
    };
    let app = App::build(&config, parts).await?;
    let listener = TcpListener::bind(config.server.listen).await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    let listeners = Listeners {
        clients: listener,
        operators: None,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = app.serve(listeners, async {
        let _dropped_too = stopped.await;
    });
    let asking = async {
        let result = ask_all(&url, &clock, out).await;
        let _already_stopped = stop.send(());
        result
    };
    let (served, asked) = tokio::join!(serving, asking);
    served?;
    asked
}

async fn ask_all(url: &str, clock: &Clock, out: &mut impl Write) -> Result<(), TourError> {
    writeln!(
        out,
        "A gateway with the real encoder and cache, in front of a demo model priced like gpt-4o.\n"
    )?;
    writeln!(
        out,
        "{:<25} {:<49} {:<24} {:>9} {:>10}",
        "", "prompt", "answered by", "ms", "saved USD"
    )?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut rows = Vec::new();
    for (shows, question, stream) in SCRIPT {
        let row = ask(&client, url, clock, shows, question, stream).await?;
        writeln!(out, "{row}")?;
        rows.push(row);
        // A person reads along; and the answer gets indexed meanwhile.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let hits = rows.iter().filter(|row| row.saved > 0.0).count();
    let saved: f64 = rows.iter().map(|row| row.saved).sum();
    writeln!(
        out,
        "\n{hits} of {} answered from the cache, {saved:.6} USD saved. An opposite or another number is a miss, \
         however near it is.\nNext: `make run`, then point your client at http://127.0.0.1:8080/v1.",
        rows.len(),
    )?;
    Ok(())
}

async fn ask(
    client: &reqwest::Client,
    url: &str,
    clock: &Clock,
    shows: &'static str,
    question: &'static str,
    stream: bool,
) -> Result<Row, TourError> {
    let body: Value = json!({
        "model": "gpt-4o",
        "stream": stream,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": question},
        ],
    });
    let start = clock.now();
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = request.send().await?.error_for_status()?;
    let header = |name: &str| {
        let value = response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (cache, reason) = (header("x-refrain-cache"), header("x-refrain-cache-reason"));
    let saved = header("x-refrain-saved-usd").parse().unwrap_or(0.0);
    response.bytes().await?;
    let elapsed = clock.now().since(start);
    Ok(Row {
        shows,
        question,
        cache,
        reason,
        elapsed,
        saved,
    })
}
