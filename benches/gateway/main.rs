//! End-to-end benchmark of the gateway: `cargo bench --bench gateway [-- OPTIONS]`.
//!
//! Starts a mock provider, a proxy that reads nothing (`floor`) and the release gateway as
//! processes of their own, loads them in turn over loopback and reports latency, throughput, CPU
//! time per request and memory. It decides what runs when, and nothing about what is measured
//! (`driver`, `process`) or said (`report`). Invariant: whatever way this process ends short of
//! SIGKILL, the processes it started end with it. `benches/README.md` explains the phases.

mod conditions;
mod driver;
mod floor;
mod phase;
mod process;
mod prompt;
mod report;
mod server;
mod target;
mod upstream;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::time::{sleep, timeout};

use crate::driver::{Driver, Load};
use crate::phase::{PHASES, Phase};
use crate::process::Machine;
use crate::prompt::Prompts;
use crate::report::{Cell, Report, Round};
use crate::target::{Kind, Target};

/// Anything can go wrong here, and all of it is reported the same way.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Load before the measured window, so that pools, caches and the CPU clock have settled.
const WARM_UP: Duration = Duration::from_millis(400);
/// How long a gateway may finish what it put off (writes behind, for one). This CPU is counted.
const SETTLE: Duration = Duration::from_secs(1);
/// Allowed per cell beyond its window, for priming and for answers that never come.
const SLACK: Duration = Duration::from_secs(20);

#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    about = "Load the gateway over loopback and report what it costs"
)]
struct Args {
    /// Length of each measured window; CPU time ticks in 10 ms, so 1 is little.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each phase is run on each target, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Phases to run, by name or beginning of a name: `exact_hit,stream_c16`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also write the results to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Gateway binary to measure instead of the one just built.
    #[arg(long, env = "REFRAIN_BIN", default_value = env!("CARGO_BIN_EXE_refrain"))]
    refrain: PathBuf,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a copy of this program, started by this program, is to be.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Role {
    /// The mock provider.
    Mock,
    /// The proxy that reads nothing.
    Floor { upstream: SocketAddr },
}

fn main() -> Result<()> {
    // `cargo test --all-targets` and test runners that list tests start benches too.
    let first = std::env::args().nth(1).unwrap_or_default();
    if !std::env::args().any(|a| a == "--bench") && first != "mock" && first != "floor" {
        return say("a benchmark, not a test: run `cargo bench --bench gateway`");
    }
    let args = Args::parse();
    match args.role {
        Some(Role::Mock) => upstream::main(),
        Some(Role::Floor { upstream }) => floor::main(upstream),
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(bounded(&args)),
    }
}

/// One line of progress, on stderr: stdout is for the report.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// The run, ended early by a signal or when it has taken far longer than it should.
async fn bounded(args: &Args) -> Result<()> {
    if !(0.1..=60.0).contains(&args.seconds) {
        return Err("--seconds must lie between 0.1 and 60".into());
    }
    let phases = chosen(&args.only)?;
    let cell = Duration::from_secs_f64(args.seconds) + WARM_UP + SETTLE + SLACK;
    let cells = u32::try_from(phases.len() * Kind::ALL.len())? * args.rounds;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = timeout(cell * cells + target::START_LIMIT * 4, run(args, &phases)) => {
            done.map_err(|_| "the run took too long and was stopped")?
        }
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

/// The phases named, in the order of the plan; all of them if none is.
fn chosen(only: &[String]) -> Result<Vec<&'static Phase>> {
    let named = |phase: &Phase, by: &str| match PHASES.iter().any(|p| p.name == by) {
        true => phase.name == by,
        false => phase.name.starts_with(by),
    };
    if let Some(unknown) = only.iter().find(|o| !PHASES.iter().any(|p| named(p, o))) {
        let names: Vec<_> = PHASES.iter().map(|p| p.name).collect();
        return Err(format!("no phase {unknown:?}; there are {}", names.join(", ")).into());
    }
    let wanted = |p: &&Phase| only.is_empty() || only.iter().any(|o| named(p, o));
    Ok(PHASES.iter().filter(wanted).collect())
}

async fn run(args: &Args, phases: &[&'static Phase]) -> Result<()> {
    let machine = Machine::start()?;
    let (mut targets, notes) = target::start_all(&args.refrain, phases).await?;
    let mock = target::find(&targets, Kind::Direct)?.process.addr();
    let prompts = Arc::new(Prompts::default());
    let mut report = Report::new(args.seconds, args.rounds, notes);

    for round in 0..args.rounds {
        for phase in phases {
            // Another target goes first each round, so that none always finds the same cache.
            targets.rotate_left(1);
            for target in targets.iter_mut().filter(|t| phase.on.includes(t.kind)) {
                let (name, on) = (phase.name, target.kind.name());
                let measured = measure(phase, target, mock, &prompts, args.seconds).await;
                let one = measured.map_err(|e| format!("{name} on {on}: {e}"))?;
                say(&format!(
                    "round {}: {name:<16} {on:<18} {}",
                    round + 1,
                    one.summary()
                ))?;
                report.add(
                    Cell {
                        phase: phase.name,
                        target: target.kind,
                    },
                    one,
                );
            }
        }
    }
    targets.sort_by_key(|t| t.kind);
    report.finish(&targets, machine.finish(&targets)?, &prompts);
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&report.json())?)?;
    }
    Ok(std::io::stdout().write_all(report.markdown().as_bytes())?)
}

/// One window of one phase on one target.
async fn measure(
    phase: &'static Phase,
    target: &mut Target,
    mock: SocketAddr,
    prompts: &Arc<Prompts>,
    seconds: f64,
) -> Result<Round> {
    let addr = target.process.addr();
    for _ in 0..2 {
        let Some(body) = phase.prime() else { break };
        driver::exchange_once(addr, body, phase.stream).await?;
        sleep(Duration::from_millis(200)).await;
    }
    let load = Arc::new(Load {
        phase,
        prompts: Arc::clone(prompts),
    });
    let mut driver = Driver::connect(addr, phase.connections).await?;
    driver.run(&load, WARM_UP).await?;

    let asked = driver::count_upstream(mock).await?;
    let cpu = target.process.cpu()?;
    let sample = driver.run(&load, Duration::from_secs_f64(seconds)).await?;
    target.note_memory()?;
    if target.kind.is_gateway() {
        sleep(SETTLE).await;
    }
    Ok(Round {
        cpu: target.process.cpu()?.saturating_sub(cpu),
        upstream: driver::count_upstream(mock).await?.saturating_sub(asked),
        sample,
    })
}
