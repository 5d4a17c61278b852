//! The program itself, as a process.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use super::upstream::KEY;

/// A configuration without the parts that every test sets: no encoder, a port that is free.
pub(crate) const QUIET: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[cache]\nsemantic = \"off\"\n";

/// The program with these arguments, and an environment of the upstream's key only.
pub(crate) fn refrain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrain"));
    command.args(arguments).env_clear().env("UPSTREAM_KEY", KEY);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// A configuration in a directory of its own.
pub(crate) fn written(toml: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.toml");
    std::fs::write(&path, toml).unwrap();
    (directory, path.to_str().unwrap().to_owned())
}

/// What a program that ended by itself has left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end.
pub(crate) async fn run(mut command: Command) -> Ended {
    let output = command.output().await.unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A gateway in a process of its own; killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    /// Where it says that it listens.
    pub(crate) url: String,
    /// What it has written so far.
    pub(crate) banner: String,
    log: String,
}

impl Serving {
    /// Starts the program and waits until it says that it is ready.
    pub(crate) async fn start(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = refrain(&["serve", "--config", config.to_str().unwrap()]);
        let mut child = command.envs(environment.iter().copied()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("curl ") {
            if out.read_line(&mut banner).await.unwrap() == 0 {
                err.read_to_string(&mut banner).await.unwrap();
                panic!("it did not start: {banner}");
            }
        }
        let endpoint = banner
            .lines()
            .find_map(|line| line.trim().strip_prefix("endpoint"));
        let url = endpoint
            .unwrap()
            .trim()
            .strip_suffix("/v1")
            .unwrap()
            .to_owned();
        Self {
            child,
            out,
            err,
            url,
            banner,
            log: String::new(),
        }
    }

    /// Asks it to stop, as an operating system does.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Asks it to read its configuration again.
    pub(crate) async fn hang_up(&self) {
        self.signal("-HUP").await;
    }

    async fn signal(&self, signal: &str) {
        let process = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args([signal, &process])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    /// Kills it, which it can't prepare for.
    pub(crate) async fn kill(&self) {
        self.signal("-KILL").await;
    }

    /// Waits until it is gone, with what it held.
    pub(crate) async fn gone(mut self) {
        self.child.wait().await.unwrap();
    }

    /// Waits until its log says this.
    pub(crate) async fn says(&mut self, text: &str) {
        while !self.log.contains(text) {
            assert_ne!(
                self.err.read_line(&mut self.log).await.unwrap(),
                0,
                "{}",
                self.log
            );
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let (mut out, mut err) = (self.banner, self.log);
        let rest = tokio::join!(
            self.out.read_to_string(&mut out),
            self.err.read_to_string(&mut err)
        );
        rest.0.and(rest.1).unwrap();
        // Scanned for what was planted when all suites are over.
        if let Some(directory) = std::env::var_os("SUITE_OUTPUT") {
            let name = format!("program-{}.log", self.child.id().unwrap_or_default());
            std::fs::write(Path::new(&directory).join(name), &err).unwrap();
        }
        Ended {
            code: self.child.wait().await.unwrap().code(),
            out,
            err,
        }
    }
}
