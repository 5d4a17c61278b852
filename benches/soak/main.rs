//! Minutes of mixed traffic and faults: `cargo bench --bench soak [-- --minutes 10]`.
//!
//! Starts two mock providers in this process, one of which goes through all ways of failing, and the gateway as a
//! process of its own; then clients that ask, stream, hang up, read slowly and send nonsense. It samples the
//! gateway's memory, threads and open files, and says at the end whether they stayed, and what clients saw. It
//! decides what runs when; `provider` fails, `traffic` asks, `report` judges. `benches/README.md` explains it.

mod gateway;
mod provider;
mod report;
mod traffic;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::gateway::Gateway;
use crate::report::{Report, Sample};
use crate::traffic::{Seen, Traffic};

/// Anything can go wrong here, and all of it is reported the same way.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How often the gateway is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Requests that may be under way; more are left out, and counted.
const MOST_UNDER_WAY: usize = 512;
/// How long clients may take to end what is under way when no more is begun.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the gateway may take to close what it keeps open then: it keeps connections to providers for 90 s.
const COOL_DOWN: Duration = Duration::from_secs(100);

#[derive(Debug, Parser)]
#[command(
    name = "soak",
    about = "Load the gateway for minutes, with faults, and see whether it stays as it is"
)]
struct Args {
    /// How long; the first two minutes are not judged.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// Requests that are begun in a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long the failing provider stays in each way of failing, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    phase: u64,
    /// Gateway binary instead of the one just built.
    #[arg(long, env = "REFRAIN_BIN", default_value = env!("CARGO_BIN_EXE_refrain"))]
    refrain: PathBuf,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    // `cargo test --all-targets` and test runners that list tests start benches too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return say("a benchmark, not a test: run `cargo bench --bench soak`");
    }
    let args = Args::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(bounded(&args))
}

/// One line of progress, on stderr: stdout is for the report.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// The run, ended early by a signal.
async fn bounded(args: &Args) -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = run(args) => done,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

async fn run(args: &Args) -> Result<()> {
    let phase = Duration::from_secs(args.phase);
    let flaky = provider::Provider::flaky(phase).await?;
    let healthy = provider::Provider::healthy().await?;
    let mut gateway = Gateway::start(&args.refrain, flaky.address(), healthy.address()).await?;
    let seen = Arc::new(Seen::default());
    let traffic = Arc::new(Traffic::new(gateway.address(), Arc::clone(&seen))?);
    // What is made once, such as the table of tokens, is there before anything is compared.
    for _ in 0..20 {
        Arc::clone(&traffic).one().await;
    }
    let mut report = Report::new(gateway.sample(Duration::ZERO, &seen)?);

    let start = Instant::now();
    let length = Duration::from_secs(args.minutes * 60);
    let mut beginning = interval(Duration::from_secs(1) / args.rate);
    beginning.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut looking = interval(EVERY);
    looking.tick().await;
    let mut under_way = JoinSet::new();
    while start.elapsed() < length {
        tokio::select! {
            _ = beginning.tick() => {
                while under_way.try_join_next().is_some() {}
                if under_way.len() < MOST_UNDER_WAY {
                    under_way.spawn(Arc::clone(&traffic).one());
                } else {
                    seen.left_out();
                }
            }
            _ = looking.tick() => {
                if !gateway.is_alive() {
                    return Err(format!("the gateway has ended; it said:\n{}", gateway.last_words()).into());
                }
                let sample = gateway.sample(start.elapsed(), &seen)?;
                say(&progress(&sample, flaky.phase()))?;
                report.add(sample);
            }
        }
    }
    // Whoever is still at it hangs up.
    let patience = sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            next = under_way.join_next() => if next.is_none() { break },
            () = &mut patience => break,
        }
    }
    under_way.shutdown().await;
    traffic.hang_up();
    let last = gateway
        .cooled_down(start, report.start(), &seen, COOL_DOWN)
        .await?;
    report.finish(last, &seen, flaky.calls(), healthy.calls());
    let text = report.markdown();
    std::io::stdout().write_all(text.as_bytes())?;
    if report.is_good() {
        Ok(())
    } else {
        Err("the gateway did not stay as it was; see the verdict".into())
    }
}

fn progress(sample: &Sample, phase: &str) -> String {
    format!(
        "{:>5.0} s  {:>6.1} MiB  {:>4} files  {:>3} threads  {:>4} in flight  {:>7} answered  {:>5} bad  {phase}",
        sample.at.as_secs_f64(),
        sample.mebibytes(),
        sample.files,
        sample.threads,
        sample.in_flight,
        sample.counts.total(),
        sample.counts.server_errors,
    )
}
