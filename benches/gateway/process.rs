//! Processes under measurement: started here, read through /proc, killed when dropped.
//!
//! CPU time is `utime + stime` of the whole process in /proc/PID/stat, threads included, waited-for
//! children not. The kernel keeps it exactly and tells it in ticks of 10 ms.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::Result;
use crate::target::Target;

/// One tick of /proc/PID/stat: USER_HZ is 100 on every Linux that Rust supports.
const TICK: Duration = Duration::from_millis(10);

/// A process that listens on loopback.
pub(crate) struct Process {
    child: Child,
    addr: SocketAddr,
}

impl Process {
    /// Starts this program again in another role, which tells its port on stdout.
    pub(crate) fn role<S: AsRef<OsStr>>(arguments: &[S]) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut process = Self {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let stdout = process.child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        process.addr = line.trim().parse()?;
        Ok(process)
    }

    /// Starts another program, which was told to listen on `addr`; what it says goes to a file.
    pub(crate) fn program(command: &mut Command, addr: SocketAddr, log: &Path) -> Result<Self> {
        let out = fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
        Ok(Self { child, addr })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(self.child.id())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id()));
        let status = file("status")?;
        Ok(Memory {
            resident: kilobytes(&status, "VmRSS:")?,
            most_resident: kilobytes(&status, "VmHWM:")?,
            proportional: kilobytes(&file("smaps_rollup")?, "Pss:")?,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) most_resident: u64,
    /// Resident, with shared pages divided among those who share them.
    pub(crate) proportional: u64,
}

fn kilobytes(text: &str, label: &str) -> Result<u64> {
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(label))
        .ok_or(label)?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the name, may hold anything; the third follows its last parenthesis.
    let rest = stat.rsplit_once(')').ok_or("bad stat")?.1;
    let ticks: u32 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u32>().unwrap_or_default())
        .sum();
    Ok(TICK * ticks)
}

/// The machine as a whole, from the start of the run.
pub(crate) struct Machine {
    began: Instant,
    busy: Duration,
    own: Duration,
}

impl Machine {
    pub(crate) fn start() -> Result<Self> {
        let own = cpu(std::process::id())?;
        Ok(Self {
            began: Instant::now(),
            busy: busy()?,
            own,
        })
    }

    /// Cores that others kept busy on average since the start: above 0.2, run again.
    pub(crate) fn finish(&self, ours: &[Target]) -> Result<f64> {
        let mut known = cpu(std::process::id())?.saturating_sub(self.own);
        for target in ours {
            known += target.process.cpu()?;
        }
        let others = busy()?.saturating_sub(self.busy).saturating_sub(known);
        Ok(others.as_secs_f64() / self.began.elapsed().as_secs_f64().max(f64::EPSILON))
    }
}

/// Time that all cores together have not been idle.
fn busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("empty /proc/stat")?;
    // user, nice, system, idle, iowait, irq, softirq, ...
    let ticks: u32 = line
        .split_whitespace()
        .skip(1)
        .take(7)
        .enumerate()
        .filter(|(i, _)| *i != 3 && *i != 4)
        .map(|(_, n)| n.parse::<u32>().unwrap_or_default())
        .sum();
    Ok(TICK * ticks)
}
