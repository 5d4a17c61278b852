//! Lines on their way to standard error.
//!
//! A thread of its own makes and writes them, some at a time: who wakes a thread for each pays more for that than for the line. If nobody
//! reads what it writes, it waits, and nobody else does: what there is no room for is left out and counted. Invariant: whoever
//! logs never waits for a reader.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

use super::Form;

/// Lines that wait to be written at most.
const MOST: usize = 8192;
/// How long lines are gathered.
const GATHERED: Duration = Duration::from_millis(5);
/// How many bytes are written at a time, but for the last line of them.
const AT_ONCE: usize = 64 << 10;

enum Item {
    Line(Vec<u8>),
    /// What logs lines; so that whoever sends it need not make them.
    Task(Box<dyn FnOnce() + Send>),
    /// Whoever waits until all before it is written.
    Flush(Sender<()>),
}

thread_local! {
    /// What was logged by the thread that writes the log; `None` in all others.
    static OWN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
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
    pub(super) fn new(to: impl Write + Send + 'static, form: Form) -> Self {
        let left_out = Arc::<AtomicU64>::default();
        let (items, received) = sync_channel(MOST);
        let its = Arc::clone(&left_out);
        let thread = thread::Builder::new().name("log".to_owned());
        let started = thread.spawn(move || write_all(&received, to, &form, &its));
        Self {
            items: started.ok().map(|_| items),
            left_out,
        }
    }

    /// Has `task` log what it logs, in its turn.
    pub(super) fn later(&self, task: impl FnOnce() + Send + 'static) {
        match &self.items {
            Some(items) => self.counted(items.try_send(Item::Task(Box::new(task))).is_ok()),
            None => task(),
        }
    }

    fn counted(&self, is_taken: bool) {
        if !is_taken {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes `text` as it is behind all lines so far, and waits until all is written: for no longer than `patience`.
    pub(super) fn close(&self, text: Option<&str>, patience: Duration) {
        let Some(items) = &self.items else {
            // There is nobody to be told that nobody can be told.
            let _closed = io::stderr().write_all(text.unwrap_or_default().as_bytes());
            return;
        };
        let (done, written) = channel();
        let text = text.map(|text| Item::Line(text.as_bytes().to_vec()));
        let mut waited = Duration::ZERO;
        for mut item in text.into_iter().chain([Item::Flush(done)]) {
            while let Err(TrySendError::Full(refused)) = items.try_send(item) {
                if waited >= patience {
                    return;
                }
                item = refused;
                thread::sleep(GATHERED);
                waited += GATHERED;
            }
        }
        let _given_up = written.recv_timeout(patience.saturating_sub(waited));
    }
}

fn write_all(items: &Receiver<Item>, mut to: impl Write, form: &Form, left_out: &AtomicU64) {
    let mut lines = Vec::new();
    let mut waiting = Vec::new();
    while let Ok(first) = items.recv() {
        let mut are_more = false;
        for item in std::iter::once(first).chain(items.try_iter()) {
            match item {
                Item::Line(line) => lines.extend_from_slice(&line),
                Item::Task(task) => {
                    OWN.set(Some(std::mem::take(&mut lines)));
                    task();
                    lines = OWN.take().unwrap_or_default();
                }
                Item::Flush(done) => waiting.push(done),
            }
            are_more = lines.len() >= AT_ONCE;
            if are_more {
                break;
            }
        }
        let count = left_out.swap(0, Ordering::Relaxed);
        if count > 0 {
            lines.extend_from_slice(form.left_out(count).as_bytes());
        }
        // There is nobody to be told that nobody can be told.
        let _written = to.write_all(&lines).and_then(|()| to.flush());
        lines.clear();
        if waiting.is_empty() && !are_more {
            thread::sleep(GATHERED);
        }
        for done in waiting.drain(..) {
            let _gone = done.send(());
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
        let is_own = OWN.with_borrow_mut(|own| {
            own.as_mut()
                .map(|lines| lines.extend_from_slice(line))
                .is_some()
        });
        match &self.items {
            _ if is_own => {}
            Some(items) => self.counted(items.try_send(Item::Line(line.to_vec())).is_ok()),
            None => return io::stderr().write(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicBool, mpsc};

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
        let form = Form(Arc::new(AtomicBool::new(false)));
        let stuck = Stuck {
            may,
            written: Arc::clone(&written),
        };
        let mut queue = Queue::new(stuck, form);
        for number in 0..3 * MOST {
            queue
                .write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        drop(go);
        // There is no room for them yet.
        queue.close(Some("the last words\n"), Duration::from_secs(60));
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(written.starts_with("line 0\n"));
        assert!(written.contains("\nthe last words\n"));
        let lines = written
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        let told: usize = (written.lines())
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .map(|line| usize::try_from(line["left_out"].as_u64().unwrap()).unwrap())
            .sum();
        // What is being written waits no longer.
        assert!((MOST..2 * MOST).contains(&lines), "{lines}");
        assert_eq!(lines + told, 3 * MOST);
    }

    #[test]
    fn what_is_made_later_stands_in_its_turn() {
        let (go, may) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stuck = Stuck {
            may,
            written: Arc::clone(&written),
        };
        let mut queue = Queue::new(stuck, Form(Arc::new(AtomicBool::new(false))));
        let mut its = queue.clone();
        queue.write_all(b"one\n").unwrap();
        queue.later(move || its.write_all(b"two\n").unwrap());
        queue.write_all(b"three\n").unwrap();
        drop(go);
        queue.close(None, Duration::from_secs(60));
        assert_eq!(*written.lock().unwrap(), b"one\ntwo\nthree\n");
    }
}
