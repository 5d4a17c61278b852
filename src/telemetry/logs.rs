//! The log of this process: lines on standard error, for people or as JSON.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format, Full, Json, Writer},
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

mod queue;

use self::queue::Queue;

/// What is logged, if nothing else is said.
const FILTER: &str = "info,ort=warn";

/// In which form lines are written; may be changed while they are.
#[derive(Debug, Clone)]
pub struct Form(Arc<AtomicBool>);

/// The log, for whoever ends the process.
#[derive(Debug)]
pub struct Log {
    /// In which form lines are written.
    pub form: Form,
    queue: Queue,
}

impl Log {
    /// Writes `text` as it is behind all lines so far, and waits until all is written: for no longer than `patience`.
    pub fn close(&self, text: Option<&str>, patience: Duration) {
        self.queue.close(text, patience);
    }
}

impl Form {
    /// For people from now on, or as JSON.
    pub fn choose(&self, pretty: bool) {
        self.0.store(pretty, Ordering::Relaxed);
    }

    fn is_pretty(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A line that says how many others there are not.
    fn left_out(&self, count: u64) -> String {
        let mut now = String::new();
        // Writing into a string does not fail.
        let _written = SystemTime.format_time(&mut Writer::new(&mut now));
        let message = "lines are left out, the log is too slow";
        if self.is_pretty() {
            format!("{now}  WARN {message} left_out={count}\n")
        } else {
            let line =
                json!({"timestamp": now, "level": "WARN", "message": message, "left_out": count});
            format!("{line}\n")
        }
    }
}

/// The log of this process, once there is one.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Has `task` log what it logs on the thread that writes the log: whoever has an answer to send does not make lines meanwhile.
/// It is done at once where the log has no thread.
pub(super) fn later(task: impl FnOnce() + Send + 'static) {
    match QUEUE.get() {
        Some(queue) => queue.later(task),
        None => task(),
    }
}

/// Sends logs to standard error: for people, or as JSON, and with colours only on a terminal. `filter` is in the syntax
/// of `RUST_LOG`.
#[must_use]
pub fn init(filter: Option<&str>, pretty: bool, is_terminal: bool) -> Log {
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(FILTER));
    let form = Form(Arc::new(AtomicBool::new(pretty)));
    let queue = Queue::new(std::io::stderr(), form.clone());
    let subscriber = subscriber(filter, form.clone(), is_terminal, queue.clone());
    // A second call is a test's; the first one's settings stay.
    if subscriber.try_init().is_ok() {
        let _first = QUEUE.set(queue.clone());
    }
    Log { form, queue }
}

/// Writes what passes `filter` to `writer`.
fn subscriber<W>(
    filter: EnvFilter,
    form: Form,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let plain = Format::default().with_target(false);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        .event_format(Either {
            form,
            // Fields of spans are kept in one form only, so JSON can't have them. There are none of ours.
            json: (plain.clone().json())
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false),
            plain,
        });
    tracing_subscriber::registry().with(filter).with(layer)
}

/// Writes a line in the form of the moment.
struct Either {
    form: Form,
    plain: Format<Full>,
    json: Format<Json>,
}

impl<S, N> FormatEvent<S, N> for Either
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.form.is_pretty() {
            self.plain.format_event(context, writer, event)
        } else {
            self.json.format_event(context, writer, event)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
