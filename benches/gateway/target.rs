//! The targets: the mock asked directly, the proxies, and the gateway in two configurations.
//!
//! Each is a process with a folder of its own, alive for the whole run, so that rounds can go in
//! turns. A target that cannot be had here (nginx, the model) is left out and said so; a gateway
//! that does not start is an error.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hyper::StatusCode;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::phase::Phase;
use crate::process::{Memory, Process};
use crate::{Result, driver, upstream};

/// How long a target may take to answer its first request.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The mock itself: the driver's and the machine's own part.
    Direct,
    /// The proxy that reads nothing.
    Floor,
    /// nginx as a plain proxy, where there is one.
    Nginx,
    /// The gateway with the exact tier only.
    Plain,
    /// The gateway with the model loaded.
    Semantic,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Direct,
        Self::Floor,
        Self::Nginx,
        Self::Plain,
        Self::Semantic,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "floor",
            Self::Nginx => "nginx",
            Self::Plain => "refrain",
            Self::Semantic => "refrain, semantic",
        }
    }

    pub(crate) fn is_gateway(self) -> bool {
        matches!(self, Self::Plain | Self::Semantic)
    }
}

/// A process under measurement and what was seen of its memory.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) process: Process,
    pub(crate) idle: Memory,
    /// The most proportional memory seen after a phase, in bytes.
    pub(crate) most_proportional: u64,
    /// Declared after the process: the folder goes when the process is gone.
    _folder: Option<TempDir>,
}

impl Target {
    fn new(kind: Kind, process: Process, folder: Option<TempDir>) -> Result<Self> {
        let idle = process.memory()?;
        let most_proportional = idle.proportional;
        Ok(Self {
            kind,
            process,
            idle,
            most_proportional,
            _folder: folder,
        })
    }

    /// Looks how much memory it has now.
    pub(crate) fn note_memory(&mut self) -> Result<()> {
        self.most_proportional = self
            .most_proportional
            .max(self.process.memory()?.proportional);
        Ok(())
    }
}

pub(crate) fn find(targets: &[Target], kind: Kind) -> Result<&Target> {
    Ok(targets
        .iter()
        .find(|t| t.kind == kind)
        .ok_or_else(|| format!("no {}", kind.name()))?)
}

/// Starts what the phases need. Also returns what the reader should know about what was not.
pub(crate) async fn start_all(
    refrain: &Path,
    phases: &[&Phase],
) -> Result<(Vec<Target>, Vec<String>)> {
    let mut notes = Vec::new();
    let mock = Process::role(&["mock"])?;
    let upstream = mock.addr();
    let mut targets = vec![Target::new(Kind::Direct, mock, None)?];
    let floor = Process::role(&["floor", &upstream.to_string()])?;
    targets.push(Target::new(Kind::Floor, floor, None)?);
    match nginx(upstream).await {
        Ok((process, folder)) => targets.push(Target::new(Kind::Nginx, process, Some(folder))?),
        Err(why) => notes.push(format!("nginx was not measured: {why}")),
    }
    for kind in [Kind::Plain, Kind::Semantic] {
        if !phases.iter().any(|p| p.on.includes(kind)) {
            continue;
        }
        let model = model();
        if kind == Kind::Semantic && model.is_none() {
            notes.push("the semantic phases were left out: there is no model in models/".into());
            continue;
        }
        let is_routed = phases.iter().any(|p| p.is_routed());
        let (process, folder) = gateway(refrain, kind, upstream, model, is_routed).await?;
        // Memory counts as idle when the first answers are through: a model may be loaded late.
        for (phase, body) in phases.iter().filter_map(|p| Some((p, p.prime()?))) {
            if phase.on.includes(kind) {
                driver::exchange_once(process.addr(), body, phase.stream).await?;
            }
        }
        sleep(Duration::from_secs(1)).await;
        targets.push(Target::new(kind, process, Some(folder))?);
    }
    Ok((targets, notes))
}

/// The embedding model and the library that runs it, if both are there.
fn model() -> Option<(PathBuf, PathBuf)> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let found = (
        models.join("all-MiniLM-L6-v2"),
        models.join("onnxruntime/libonnxruntime.so"),
    );
    (found.0.exists() && found.1.exists()).then_some(found)
}

/// A port that was free a moment ago.
fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn gateway(
    binary: &Path,
    kind: Kind,
    upstream: SocketAddr,
    model: Option<(PathBuf, PathBuf)>,
    is_routed: bool,
) -> Result<(Process, TempDir)> {
    let folder = tempfile::tempdir()?;
    let (config, log) = (
        folder.path().join("providers.toml"),
        folder.path().join("log"),
    );
    let addr = free_addr()?;
    let embedding = model.map_or(String::new(), |(model, runtime)| {
        format!("[embedding]\nmodel = {model:?}\nruntime = {runtime:?}\n")
    });
    let semantic = kind == Kind::Semantic;
    let text = format!(
        "[server]\nlisten = \"{addr}\"\n{embedding}\
         [cache]\nsemantic = {semantic}\nmax_bytes = \"256MiB\"\nlearning = false\n\
         [[providers]]\nname = \"mock\"\nkind = \"openai\"\nbase_url = \"http://{upstream}/v1\"\n\
         [[providers]]\nname = \"native\"\nkind = \"anthropic\"\nbase_url = \"http://{upstream}/v1\"\n\
         [[models]]\nname = \"mock-*\"\ntargets = [\"mock/*\"]\n\
         [[models]]\nname = \"claude-*\"\ntargets = [\"native/*\"]\n{}",
        if is_routed { routes()? } else { String::new() }
    );
    fs::write(&config, text)?;
    // A bare environment: no keys, no REFRAIN_* and no tuning that the report would not mention. So each request has its
    // line in the log, which is a file.
    let mut command = Command::new(binary);
    command
        .args(["serve", "--config"])
        .arg(&config)
        .current_dir(folder.path());
    command.env_clear();
    let mut process = Process::program(&mut command, addr, &log)?;
    if let Err(why) = ready(&mut process, "/health/ready").await {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = said.lines().rev().take(20).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(format!("{} {why}; it said:\n{tail}", binary.display()).into());
    }
    Ok((process, folder))
}

/// Windows, and the shipped kinds of work with their examples, all of them done by the mock.
fn routes() -> Result<String> {
    let mut routes = String::new();
    for (name, window) in [("wide", 200_000), ("half", 64_000), ("narrow", 8_192)] {
        write!(
            routes,
            "[[models]]\nname = \"gpt-4o-{name}\"\ntargets = [\"mock/gpt-4o-{name}\"]\n\
             context_window = {window}\non_overflow = \"trim\"\n"
        )?;
    }
    let shipped: toml::Table = toml::from_str(include_str!("../../providers.toml"))?;
    let mut tasks = toml::Table::new();
    for (key, tables) in shipped.into_iter().filter(|(key, _)| key == "tasks") {
        let toml::Value::Array(mut tables) = tables else {
            continue;
        };
        for task in tables.iter_mut().filter_map(toml::Value::as_table_mut) {
            let list = |names: &[&str]| {
                names
                    .iter()
                    .map(|name| format!("mock/{name}"))
                    .collect::<Vec<_>>()
            };
            task.insert("targets".into(), list(&["mock-model", "mock-other"]).into());
            task.insert("fast".into(), list(&["mock-fast"]).into());
            task.insert("fallbacks".into(), list(&["mock-third"]).into());
            task.insert("strategy".into(), "lowest_latency".into());
        }
        tasks.insert(key, tables.into());
    }
    Ok(routes + &toml::to_string(&tasks)?)
}

async fn ready(process: &mut Process, path: &str) -> Result<()> {
    let limit = Instant::now() + START_LIMIT;
    loop {
        if let Ok((StatusCode::OK, _)) = driver::get(process.addr(), path).await {
            return Ok(());
        }
        if !process.is_alive() {
            return Err("ended before it was ready".into());
        }
        if Instant::now() > limit {
            return Err("was not ready in time".into());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// nginx with one event loop and no master, so that it is one process to measure and to end.
async fn nginx(upstream: SocketAddr) -> Result<(Process, TempDir)> {
    let folder = tempfile::tempdir()?;
    let addr = free_addr()?;
    let at = folder.path().display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; client_max_body_size 1m; client_body_buffer_size 256k;\n\
         client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;\n\
         uwsgi_temp_path {at}/d; scgi_temp_path {at}/e; keepalive_requests 1000000000;\n\
         upstream mock {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
         server {{ listen {addr}; location / {{ proxy_pass http://mock; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
    let mut process = Process::program(&mut command, addr, &folder.path().join("log"))?;
    ready(&mut process, upstream::COUNT_PATH).await?;
    Ok((process, folder))
}
