//! Lines on their way to standard error.
//!
//! A thread of its own writes them. If nobody reads what it writes, it waits, and nobody else does: what there is no room for is
//! left out and counted. Invariant: whoever logs never waits for a reader.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written at most.
const MOST: usize = 8192;

enum Item {
    Line(Vec<u8>),
    /// Whoever waits until all before it is written.
    Flush(Sender<()>),
}

/// Takes lines.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// `None` where no thread could be had: lines are written where they are logged then.
    items: Option<SyncSender<Item>>,
    left_out: Arc<AtomicU64>,
}

impl Queue {
    /// Lines for `to`, written by a thread of their own.
    pub(super) fn new(to: impl Write + Send + 'static) -> Self {
        let left_out = Arc::<AtomicU64>::default();
        let (items, received) = sync_channel(MOST);
        let its = Arc::clone(&left_out);
        let thread = thread::Builder::new().name("log".to_owned());
        let started = thread.spawn(move || write_all(&received, to, &its));
        Self {
            items: started.ok().map(|_| items),
            left_out,
        }
    }

    /// Waits until all lines so far are written, for no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, written) = channel();
        let sent =
            (self.items.as_ref()).is_some_and(|items| items.try_send(Item::Flush(done)).is_ok());
        if sent {
            let _given_up = written.recv_timeout(patience);
        }
    }
}

fn write_all(items: &Receiver<Item>, mut to: impl Write, left_out: &AtomicU64) {
    for item in items {
        // There is nobody to be told that nobody can be told.
        let _written = match item {
            Item::Line(line) => to.write_all(&line),
            Item::Flush(done) => {
                let flushed = to.flush();
                let _gone = done.send(());
                flushed
            }
        };
        let count = left_out.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _written = writeln!(
                to,
                "{{\"level\":\"WARN\",\"message\":\"lines left out\",\"count\":{count}}}"
            );
        }
    }
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Each write is a whole line.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.items {
            Some(items) => {
                if items.try_send(Item::Line(line.to_vec())).is_err() {
                    self.left_out.fetch_add(1, Ordering::Relaxed);
                }
                Ok(line.len())
            }
            None => io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    /// Writes nothing before it may.
    struct Stuck {
        may: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _gone = self.may.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_is_left_out_is_told() {
        let (go, may) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let mut queue = Queue::new(Stuck {
            may,
            written: Arc::clone(&written),
        });
        for number in 0..3 * MOST {
            queue
                .write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        drop(go);
        queue.flush(Duration::from_secs(60));
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(written.starts_with("line 0\n"));
        let lines = written
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        let told: usize = (written.lines())
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .map(|line| usize::try_from(line["count"].as_u64().unwrap()).unwrap())
            .sum();
        assert!((MOST..=MOST + 1).contains(&lines), "{lines}");
        assert_eq!(lines + told, 3 * MOST);
    }
}
