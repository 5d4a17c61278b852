//! No key is seen by clients or in logs, whichever was used.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use super::{ask, seconds, with_two};
use crate::support::{
    answer::Answer,
    upstream::{KEY, SECOND_KEY, Upstream},
};

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[track_caller]
fn assert_is_hidden(text: &str) {
    for key in [KEY, SECOND_KEY] {
        // Nor its end, by which people tell keys apart.
        assert!(!text.contains(key) && !text.contains(&key[12..]), "{text}");
    }
}

#[tokio::test]
async fn neither_key_is_in_an_answer_or_in_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let logged = tracing::subscriber::set_default(subscriber);
    // With only one subscriber, a place in the code that another test comes by first is turned off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let quoting = format!("not for {KEY} nor for {SECOND_KEY}");
    for (status, number) in [400, 402, 403, 429, 500].into_iter().zip(0..) {
        let upstream = Upstream::start().await;
        // It quotes the key that it refuses, and both with what follows.
        upstream.accept(&[SECOND_KEY]);
        let gateway = with_two(&upstream).await;
        upstream.script(Answer::error(status, &quoting));
        let reply = ask(&gateway, number).await;
        assert_ne!(reply.status, 200);
        assert_is_hidden(&format!("{:?} {}", reply.headers, reply.text()));
        upstream.accept(&[]);
        gateway.clock.advance(seconds(60));
        let reply = ask(&gateway, number).await;
        assert_eq!(reply.status, 502);
        assert_is_hidden(&format!("{:?} {}", reply.headers, reply.text()));
        upstream.accept(&[KEY]);
        gateway.clock.advance(seconds(600));
        let quoting = format!("{KEY}-{SECOND_KEY}");
        upstream.script(Answer::said(&quoting).header("x-request-id", &quoting));
        let reply = ask(&gateway, number).await;
        assert_eq!(reply.status, 200);
        assert_is_hidden(&format!("{:?} {}", reply.headers, reply.text()));
    }
    drop(logged);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("put a key aside") && log.contains("key=1"),
        "{log}"
    );
    assert_is_hidden(&log);
}
