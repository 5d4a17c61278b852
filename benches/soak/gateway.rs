//! The gateway under test: started here, looked at through /proc, ended when dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::report::Sample;
use crate::traffic::{KEYS, Seen};

/// How long it may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Open files that may be left when all is over: what it keeps for its providers.
const SPARE_FILES: usize = 16;

/// The gateway's process and its folder.
pub(crate) struct Gateway {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Gateway {
    pub(crate) async fn start(
        binary: &Path,
        flaky: SocketAddr,
        healthy: SocketAddr,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.path().join("providers.toml");
        fs::write(&config, settings(address, flaky, healthy))?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--config"])
            .arg(&config)
            .current_dir(folder.path())
            .env_clear()
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        for (variable, key) in KEYS {
            command.env(variable, key);
        }
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut gateway = Self {
            child,
            address,
            folder,
        };
        let limit = Instant::now() + START_LIMIT;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let ready = format!("http://{address}/health/ready");
        while !matches!(client.get(&ready).send().await, Ok(answer) if answer.status() == 200) {
            if !gateway.is_alive() || Instant::now() > limit {
                return Err(format!("it was not ready; it said:\n{}", gateway.last_words()).into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(gateway)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let said = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = said.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// How it is, and what clients have seen so far.
    pub(crate) fn sample(&self, at: Duration, seen: &Seen) -> Result<Sample> {
        let pid = self.child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |label: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(label));
            let first = line.and_then(|line| line.split_whitespace().next());
            first.and_then(|number| number.parse::<u64>().ok())
        };
        Ok(Sample {
            at,
            resident: number("VmRSS:").ok_or("no VmRSS")? * 1024,
            threads: number("Threads:").ok_or("no Threads")?,
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            in_flight: seen.in_flight(),
            counts: seen.counts(),
        })
    }

    /// The sample after everybody has gone, as soon as the open files are back at about what they were.
    pub(crate) async fn cooled_down(
        &self,
        start: Instant,
        first: &Sample,
        seen: &Seen,
        patience: Duration,
    ) -> Result<Sample> {
        let limit = Instant::now() + patience;
        loop {
            let sample = self.sample(start.elapsed(), seen)?;
            if sample.files <= first.files + SPARE_FILES || Instant::now() > limit {
                return Ok(sample);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn settings(address: SocketAddr, flaky: SocketAddr, healthy: SocketAddr) -> String {
    let provider = |name: &str, at: SocketAddr| {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"http://{at}/v1\"\n\
             timeout = {{ first_token = \"3s\", idle = \"3s\", total = \"20s\" }}\n"
        )
    };
    let clients: String = KEYS
        .iter()
        .map(|(variable, _)| {
            let name = variable.to_lowercase().replace('_', "-");
            format!("[[clients]]\nname = \"{name}\"\nkey_env = \"{variable}\"\n")
        })
        .collect();
    format!(
        "[server]\nlisten = \"{address}\"\nmax_body = \"256KiB\"\n\
         [cache]\nsemantic = false\nmax_bytes = \"4MiB\"\nlearning = false\n\
         {}{}{clients}\
         [[models]]\nname = \"both\"\ntargets = [\"flaky/mock\", \"healthy/mock\"]\n",
        provider("flaky", flaky),
        provider("healthy", healthy),
    )
}
