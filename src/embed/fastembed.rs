//! The encoder that runs in this process: a local ONNX model, computed by ONNX Runtime through
//! `fastembed` on threads of its own.
//!
//! It reads one model directory as `make setup` leaves it and one runtime library; it downloads
//! nothing and knows no model by name. How a text was chosen and what its vector is for is not its
//! business.
//!
//! Invariant: an async worker never computes and never waits for a free encoder thread. A text
//! enters the bounded queue at once or is refused at once, and is waited for at most the deadline.

use std::{
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use fastembed::{InitOptionsUserDefined, TextEmbedding, UserDefinedEmbeddingModel};
use futures_util::future::BoxFuture;
use tokio::{sync::oneshot, time::timeout};

pub use super::files::LoadError;
use super::{
    Embed, EmbedError, Embedding, EncoderId, Measure,
    files::{encoder_id, load_runtime, model_manifest, read_model},
};

/// The longest text that is looked at, in bytes. The tokenizer reads all of a text before it cuts
/// it to the model's window, so a text of megabytes would hold a thread for a window of 256 tokens
/// that lies in its first kilobytes anyway.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// How long until there may be room in a full queue.
const A_MOMENT: Duration = Duration::from_millis(5);

/// How much of the machine an encoder may use, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncoderOptions {
    /// Threads, each with a model of its own in memory; each computes one text at a time.
    pub threads: NonZeroUsize,
    /// Texts that may wait for a thread; one more is [`EmbedError::Saturated`].
    pub queue: NonZeroUsize,
    /// The longest wait for a vector, time in the queue included.
    pub deadline: Duration,
}

/// An encoder on threads of this process.
///
/// Dropping it ends the threads; the drop waits for the texts they are at, some milliseconds each.
pub struct LocalEncoder {
    id: EncoderId,
    dimension: usize,
    deadline: Duration,
    window: usize,
    count: Count,
    pool: Pool,
}

/// The tokens of a text, before it is cut to the window; `None` if it can't be read.
type Count = Box<dyn Fn(&str) -> Option<usize> + Send + Sync>;

impl LocalEncoder {
    /// Loads the model in `dir` once per thread, with the ONNX Runtime library at `runtime`.
    ///
    /// Blocks for the time of reading, hashing and one warm-up text per thread: a few hundred
    /// milliseconds. A process has one ONNX Runtime, so when an encoder has been loaded before,
    /// its library stays in use and this one is only verified.
    ///
    /// # Errors
    /// [`LoadError`] names the file that is missing, damaged or unfit, and says what to do.
    pub fn load(dir: &Path, runtime: &Path, options: EncoderOptions) -> Result<Self, LoadError> {
        let manifest = model_manifest(dir)?;
        let model = read_model(dir, &manifest)?;
        load_runtime(runtime)?;

        let unfit = |why: String| LoadError::Model {
            path: dir.to_owned(),
            why,
        };
        let engines = std::iter::repeat_n(model, options.threads.get())
            .map(|model| {
                let mut engine = Engine::new(model, manifest.max_length).map_err(unfit)?;
                // The first run allocates and is slow; it also shows whether the model works.
                let found = engine.run("warm-up").map_err(unfit)?.len();
                if found == manifest.dimension {
                    Ok(engine)
                } else {
                    let promised = manifest.dimension;
                    Err(unfit(format!(
                        "its vectors have {found} numbers, the manifest says {promised}"
                    )))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;

        let count = engines
            .first()
            .map(Engine::count)
            .transpose()
            .map_err(unfit)?;
        let id = encoder_id(&manifest);
        let work = engines
            .into_iter()
            .map(|mut engine| move |text: &str| engine.run(text));
        let pool = Pool::start(work, options.queue)
            .map_err(|error| unfit(format!("no thread for it: {error}")))?;
        tracing::info!(encoder = %id, threads = options.threads, "embedding model loaded");
        Ok(Self {
            id,
            dimension: manifest.dimension,
            deadline: options.deadline,
            window: manifest.max_length,
            count: count.unwrap_or_else(|| Box::new(|_| None)),
            pool,
        })
    }
}

impl fmt::Debug for LocalEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEncoder")
            .field("id", &self.id)
            .field("deadline", &self.deadline)
            .field("threads", &self.pool.threads.len())
            .finish_non_exhaustive()
    }
}

impl Embed for LocalEncoder {
    fn encoder(&self) -> EncoderId {
        self.id.clone()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        let text = text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned();
        Box::pin(async move {
            let answer = self.pool.submit(text)?;
            // A timeout drops the receiving end, by which a worker knows to skip the text.
            match timeout(self.deadline, answer).await {
                Ok(Ok(vector)) => Embedding::new(self.id.clone(), vector?),
                Ok(Err(_)) => Err(EmbedError::Failed("the encoder thread is gone".into())),
                Err(_) => Err(EmbedError::Deadline),
            }
        })
    }

    fn embed_patiently(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        let text = text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned();
        Box::pin(async move {
            let answer = loop {
                match self.pool.submit(text.clone()) {
                    // Whoever can't wait goes first.
                    Err(EmbedError::Saturated) => tokio::time::sleep(A_MOMENT).await,
                    other => break other?,
                }
            };
            let vector = answer.await;
            let gone = |_| EmbedError::Failed("the encoder thread is gone".into());
            Embedding::new(self.id.clone(), vector.map_err(gone)??)
        })
    }

    fn threads(&self) -> usize {
        self.pool.threads.len()
    }

    fn measure(&self, text: &str) -> Option<Measure> {
        let tokens = if text.len() > MAX_TEXT_BYTES {
            // What lies beyond is not looked at, however few tokens it is.
            usize::MAX
        } else {
            (self.count)(text)?
        };
        Some(Measure {
            tokens,
            window: self.window,
        })
    }
}

/// One loaded model.
struct Engine(TextEmbedding);

impl Engine {
    fn new(model: UserDefinedEmbeddingModel, max_length: usize) -> Result<Self, String> {
        let options = InitOptionsUserDefined::new()
            .with_max_length(max_length)
            // Short texts gain nothing from several cores, and threads that spin for work burn
            // them: one thread per session, asleep when idle.
            .with_intra_threads(1)
            .with_session_config("session.intra_op.allow_spinning", "0")
            .with_session_config("session.inter_op.allow_spinning", "0");
        TextEmbedding::try_new_from_user_defined(model, options)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Counts tokens as this model does.
    fn count(&self) -> Result<Count, String> {
        let mut tokenizer = self.0.tokenizer.clone();
        tokenizer
            .with_truncation(None)
            .map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        Ok(Box::new(move |text| {
            Some(tokenizer.encode(text, true).ok()?.len())
        }))
    }

    fn run(&mut self, text: &str) -> Result<Vec<f32>, String> {
        let mut vectors = self
            .0
            .embed([text], None)
            .map_err(|error| error.to_string())?;
        vectors.pop().ok_or_else(|| "no vector came back".into())
    }
}

// --- threads -------------------------------------------------------------------------------------

type Answer = Result<Vec<f32>, EmbedError>;

struct Job {
    text: String,
    answer: oneshot::Sender<Answer>,
}

/// Threads and the one bounded queue that feeds them.
struct Pool {
    /// `None` only while dropping: closing the queue is what ends the threads.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// One thread per item of `work`.
    fn start<W>(work: impl Iterator<Item = W>, queue: NonZeroUsize) -> io::Result<Self>
    where
        W: FnMut(&str) -> Result<Vec<f32>, String> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(queue.get());
        // A lock around the receiver makes it a queue with several readers; it is held while
        // waiting for a text, never while computing.
        let receiver = Arc::new(Mutex::new(receiver));
        let mut pool = Self {
            jobs: Some(sender),
            threads: Vec::new(),
        };
        for (index, work) in work.enumerate() {
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name(format!("embed-{index}"))
                .spawn(move || serve(&receiver, work))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Queues `text`. The receiving end gets the vector; dropping it withdraws the text.
    fn submit(&self, text: String) -> Result<oneshot::Receiver<Answer>, EmbedError> {
        let (answer, receiver) = oneshot::channel();
        let gone = || EmbedError::Failed("the encoder threads are gone".into());
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        match jobs.try_send(Job { text, answer }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(EmbedError::Saturated),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

impl Drop for Pool {
    /// Waits for the threads: one that is still inside ONNX Runtime when the process runs its exit
    /// handlers can crash it. What is queued is skipped, since nobody can be waiting for it.
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // An error is a panic of the thread, which has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>, mut work: impl FnMut(&str) -> Result<Vec<f32>, String>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { text, answer }) = next else {
            return;
        };
        if answer.is_closed() {
            continue;
        }
        // The model keeps nothing between texts that half a run could spoil.
        let vector = match catch_unwind(AssertUnwindSafe(|| work(&text))) {
            Ok(vector) => vector.map_err(EmbedError::Failed),
            Err(_) => {
                tracing::warn!("the embedding model panicked over a text");
                Err(EmbedError::Failed("the model panicked".into()))
            }
        };
        // The client may have gone in the meantime.
        let _ = answer.send(vector);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn encoder<W>(work: W) -> LocalEncoder
    where
        W: FnMut(&str) -> Result<Vec<f32>, String> + Send + 'static,
    {
        LocalEncoder {
            id: EncoderId::new("test"),
            dimension: 2,
            deadline: Duration::from_secs(60),
            window: 4,
            count: Box::new(|text| Some(text.split(' ').count())),
            pool: Pool::start(std::iter::once(work), ONE).unwrap(),
        }
    }

    /// An encoder that is at one text and has another in its queue, and what lets it go on with each.
    fn full() -> (
        LocalEncoder,
        mpsc::Sender<()>,
        [oneshot::Receiver<Answer>; 2],
    ) {
        let (started, has_started) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let encoder = encoder(move |_| {
            let _later = started.send(());
            gate.recv().unwrap();
            Ok(vec![1.0])
        });
        let running = encoder.pool.submit("running".into()).unwrap();
        has_started.recv().unwrap();
        let waiting = encoder.pool.submit("waiting".into()).unwrap();
        (encoder, go, [running, waiting])
    }

    #[tokio::test]
    async fn a_text_becomes_a_unit_vector_of_this_encoder() {
        let encoder = encoder(|_| Ok(vec![0.0, 2.0]));
        let embedding = encoder.embed("hello").await.unwrap();
        assert_eq!(embedding.as_slice(), [0.0, 1.0]);
        assert_eq!(embedding.encoder(), encoder.encoder());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (encoder, go, [running, waiting]) = full();
        assert_eq!(encoder.embed("refused").await, Err(EmbedError::Saturated));
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(vec![1.0]));
        assert_eq!(waiting.await.unwrap(), Ok(vec![1.0]));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_patient_waits_for_room() {
        let (encoder, go, [running, waiting]) = full();
        let mut patient = encoder.embed_patiently("patient");
        let full = tokio::time::timeout(Duration::from_secs(1), &mut patient);
        assert!(full.await.is_err());
        (0..3).for_each(|_| go.send(()).unwrap());
        assert!(patient.await.is_ok());
        assert!(running.await.is_ok() && waiting.await.is_ok());
    }

    #[test]
    fn what_would_be_cut_is_measured() {
        let encoder = encoder(|_| Ok(vec![1.0]));
        let tokens = |text: &str| encoder.measure(text).unwrap().tokens;
        assert_eq!(
            encoder.measure("a b").unwrap(),
            Measure {
                tokens: 2,
                window: 4
            }
        );
        assert_eq!(tokens("a b c d e"), 5);
        assert_eq!(tokens(&"a".repeat(MAX_TEXT_BYTES)), 1);
        assert_eq!(tokens(&"a".repeat(MAX_TEXT_BYTES + 1)), usize::MAX);
    }

    // The paused clock jumps to the deadline, since this runtime has nothing else to do.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_withdraws_a_text_that_still_waits() {
        let (started, has_started) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let encoder = encoder(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            started.send(()).unwrap();
            gate.recv().unwrap();
            Ok(vec![1.0])
        });
        let running = encoder.pool.submit("running".into()).unwrap();
        has_started.recv().unwrap();
        assert_eq!(encoder.embed("too late").await, Err(EmbedError::Deadline));
        go.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(vec![1.0]));
        drop(encoder);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn errors_and_panics_fail_one_text_only() {
        let encoder = encoder(|text| match text {
            "error" => Err("no".into()),
            "panic" => panic!("as asked"),
            "zero" => Ok(vec![0.0]),
            _ => Ok(vec![1.0]),
        });
        let reason = async |text| encoder.embed(text).await.map_err(|error| error.reason());
        assert_eq!(reason("error").await.unwrap_err(), "embed_failed");
        assert_eq!(reason("panic").await.unwrap_err(), "embed_failed");
        assert_eq!(reason("zero").await.unwrap_err(), "embed_failed");
        assert!(reason("fine").await.is_ok());
    }

    #[tokio::test]
    async fn a_long_text_is_cut_at_a_character() {
        let encoder = encoder(|text| Ok(vec![1.0, text.len() as f32]));
        let text = "a".to_owned() + &"ä".repeat(MAX_TEXT_BYTES);
        let embedding = encoder.embed(&text).await.unwrap();
        let [one, length] = *embedding.as_slice() else {
            panic!("two numbers")
        };
        assert_eq!((length / one).round() as usize, MAX_TEXT_BYTES - 1);
    }

    #[test]
    fn an_empty_directory_names_the_missing_file_and_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let options = EncoderOptions {
            threads: ONE,
            queue: ONE,
            deadline: Duration::ZERO,
        };
        let error = LocalEncoder::load(dir.path(), Path::new("nowhere"), options).unwrap_err();
        let path = dir.path().join("manifest.json");
        assert_eq!(
            error.to_string(),
            format!(
                "{} is missing; run `make setup`, or set `semantic = \"off\"` under [cache]",
                path.display()
            )
        );
    }
}
