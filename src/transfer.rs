//! `refrain cache export | import`: the cache of a running gateway to a file, and a file to it.
//!
//! It speaks to the gateway's admin endpoints and knows lines, not what is in them: what a line means
//! is the gateway's to say. An import has all lines checked before the first is taken in, unless good
//! lines are wanted without the others. Invariant: an import that stops names the first line that the
//! gateway has not confirmed, so that another one can continue with it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    pin::{Pin, pin},
    time::Duration,
};

use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;

use crate::clock::Clock;

mod asking;
mod lines;
mod sending;
mod watch;

use self::{
    sending::{Aim, Sending},
    watch::Watch,
};

/// How long a gateway may take for one batch: its encoder serves requests first.
const PATIENCE: Duration = Duration::from_secs(600);
/// A gateway, as its operator sees it.
#[derive(Debug)]
pub struct Gateway {
    client: Client,
    url: String,
    key: Option<String>,
    clock: Clock,
}

/// What is imported, and how.
#[derive(Debug, Clone)]
pub struct Import {
    /// Lines of JSON.
    pub file: PathBuf,
    /// The first line to be sent, from 1.
    pub from: u64,
    /// Lines that are sent at once.
    pub batch: u32,
    /// Good lines are taken in even if others are not; else none is, unless all are good.
    pub partial: bool,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The lines were sent. Some may be refused that were good when they were checked: where there was no
    /// room for them, or the cache was purged.
    Sent(Totals),
    /// Nothing was taken in, because of the lines that are refused.
    Nothing(Totals),
}

/// What has become of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Taken in.
    pub imported: u64,
    /// There already, or out of date.
    pub skipped: u64,
    /// Refused.
    pub refused: u64,
}

/// Why it could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A file can't be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output or standard error is gone.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// The gateway does not answer.
    #[error("{url}: {cause}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What is at the bottom of it.
        cause: String,
    },
    /// The gateway refuses all of it.
    #[error("the gateway answers {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its own words.
        message: String,
    },
    /// The lines are a gateway's with another secret, or of another form.
    #[error("line {line}: {message}")]
    Foreign {
        /// The line of their header.
        line: u64,
        /// What to do.
        message: String,
    },
    /// Somebody has stopped it.
    #[error("interrupted")]
    Interrupted,
}

/// An import that ended before its file did.
#[derive(Debug, thiserror::Error)]
#[error("{error}; continue with --from {from}")]
pub struct Stopped {
    /// The first line that was not confirmed.
    pub from: u64,
    /// Why.
    pub error: TransferError,
}

/// What the gateway answers instead, in `OpenAI`'s shape.
#[derive(Deserialize)]
struct Refusal {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Gateway {
    /// The gateway at `url`, to be asked with the admin's key.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(url: &str, key: Option<String>, clock: Clock) -> Result<Self, TransferError> {
        let url = url.trim_end_matches('/').to_owned();
        let client = Client::builder()
            .no_proxy()
            // The key is for this gateway alone.
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(PATIENCE)
            .build();
        match client {
            Ok(client) => Ok(Self {
                client,
                url,
                key,
                clock,
            }),
            Err(error) => Err(TransferError::Unreachable {
                url,
                cause: cause(&error),
            }),
        }
    }

    /// Writes all entries to `file`, which is there once it is whole, or else to `out`. Gives the number
    /// of entries.
    ///
    /// # Errors
    /// [`TransferError`].
    pub async fn export(
        &self,
        file: Option<&Path>,
        out: &mut (dyn Write + Send),
        progress: &mut (dyn Write + Send),
        interrupt: impl Future<Output = ()>,
    ) -> Result<u64, TransferError> {
        let interrupt = pin!(interrupt);
        let Some(path) = file else {
            return self.export_into(out, progress, interrupt).await;
        };
        let failed = |source| TransferError::File {
            path: path.to_owned(),
            source,
        };
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let mut out = create(part.as_ref()).map_err(failed)?;
        let exported = self.export_into(&mut out, progress, interrupt).await;
        let settled = match exported {
            Ok(_) => out.sync_all().and_then(|()| fs::rename(&part, path)),
            Err(_) => fs::remove_file(&part),
        };
        let entries = exported?;
        settled.map_err(failed)?;
        Ok(entries)
    }

    async fn export_into(
        &self,
        out: &mut (dyn Write + Send),
        progress: &mut (dyn Write + Send),
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<u64, TransferError> {
        let mut watch = Watch::new(&self.clock);
        let mut lines = 0_u64;
        let request = self.client.get(self.at("export"));
        let asked = watch.over(self.send(request), interrupt.as_mut(), || Ok(()));
        let mut response = asked.await??;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        loop {
            let mut say = || writeln!(progress, "{lines} lines");
            let piece = watch.over(response.chunk(), interrupt.as_mut(), &mut say);
            let piece = piece.await?.map_err(|error| self.unreachable(&error))?;
            let Some(piece) = piece else { break };
            out.write_all(&piece)?;
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        out.flush()?;
        // The header is no entry.
        Ok(lines.saturating_sub(1))
    }

    /// Has the lines of a file taken in. All are checked first, unless the import is partial.
    ///
    /// # Errors
    /// [`Stopped`], with the line to continue with.
    pub async fn import(
        &self,
        import: &Import,
        progress: &mut (dyn Write + Send),
        interrupt: impl Future<Output = ()>,
    ) -> Result<Imported, Stopped> {
        let mut interrupt = pin!(interrupt);
        if !import.partial {
            let mut checking =
                Sending::new(self, interrupt.as_mut(), progress, import.from, Aim::Check);
            let checked = checking.file(import).await;
            let totals = checking.totals();
            match checked {
                Ok(()) if totals.refused == 0 => {}
                Ok(()) => return Ok(Imported::Nothing(totals)),
                Err(error) => {
                    let from = import.from;
                    return Err(Stopped { from, error });
                }
            }
        }
        let mut sending = Sending::new(self, interrupt, progress, import.from, Aim::TakeIn);
        match sending.file(import).await {
            Ok(()) => Ok(Imported::Sent(sending.totals())),
            Err(error) => Err(Stopped {
                from: sending.from(),
                error,
            }),
        }
    }

    fn at(&self, what: &str) -> String {
        format!("{}/admin/api/cache/{what}", self.url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, TransferError> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let response = request.send().await;
        response.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> TransferError {
        TransferError::Unreachable {
            url: self.url.clone(),
            cause: cause(error),
        }
    }
}

/// A file for its owner alone: it holds prompts and answers.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What a gateway says that does not do what it was asked for.
async fn refusal(response: Response) -> TransferError {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
    let message = refusal.map_or_else(
        || "what answers there is no gateway".to_owned(),
        |refusal| shown(&refusal.error.message),
    );
    TransferError::Refused { status, message }
}

/// What is at the bottom of an error: "connection refused" rather than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// A text from elsewhere, fit for a terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}
