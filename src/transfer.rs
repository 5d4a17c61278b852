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

use crate::{clock::Clock, inert};

mod asking;
mod import;
mod lines;
mod sending;
mod source;
mod watch;

pub use self::import::{Ending, Import, Imported, LineError, Stopped, Totals};
use self::watch::Watch;

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

/// What an export came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entries that were written.
    pub entries: u64,
    /// What they take, with their header.
    pub bytes: u64,
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

    /// Writes all entries to `file`, which is there once it is whole, or else to `out`. Whether anybody reads the
    /// `progress` does not matter.
    ///
    /// # Errors
    /// [`TransferError`]; [`TransferError::Write`] if `out` is gone.
    pub async fn export(
        &self,
        file: Option<&Path>,
        out: &mut (dyn Write + Send),
        progress: &mut (dyn Write + Send),
        interrupt: impl Future<Output = ()>,
    ) -> Result<Exported, TransferError> {
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
        let exported = exported?;
        settled.map_err(failed)?;
        Ok(exported)
    }

    async fn export_into(
        &self,
        out: &mut (dyn Write + Send),
        progress: &mut (dyn Write + Send),
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exported, TransferError> {
        let mut watch = Watch::new(&self.clock);
        let (mut lines, mut bytes) = (0_u64, 0_u64);
        let request = self.client.get(self.at("export"));
        let asked = watch.over(self.send(request), interrupt.as_mut(), || Ok(()));
        let mut response = asked.await??;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        loop {
            let mut say = || {
                let _closed = writeln!(progress, "{lines} lines");
                Ok(())
            };
            let piece = watch.over(response.chunk(), interrupt.as_mut(), &mut say);
            let piece = piece.await?.map_err(|error| self.unreachable(&error))?;
            let Some(piece) = piece else { break };
            out.write_all(&piece)?;
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            bytes += piece.len() as u64;
        }
        out.flush()?;
        Ok(Exported {
            // The header is no entry.
            entries: lines.saturating_sub(1),
            bytes,
        })
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
        |refusal| inert::line(&refusal.error.message),
    );
    TransferError::Refused { status, message }
}

/// What is at the bottom of an error: "connection refused" rather than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_a_gateway_says_is_inert() {
        let body = json!({"error": {"message": "no \u{202e}such\nthing\u{9b}"}});
        let answer = http::Response::builder().status(400);
        let answer = answer.body(body.to_string()).unwrap();
        assert_eq!(
            refusal(answer.into()).await.to_string(),
            "the gateway answers 400 Bad Request: no \\u{202e}such\\nthing\\u{9b}"
        );
    }
}
