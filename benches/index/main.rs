//! Benchmark of the vector index: `cargo bench --bench index [-- OPTIONS]`.
//!
//! Fills partitions of several sizes with synthetic vectors (`synthetic`) and measures each one in a
//! process of its own, so that resident memory is that of this size (`measure`). Here is only what runs
//! and what the report looks like. `benches/README.md` explains the columns.

mod measure;
mod synthetic;

use std::{
    error::Error,
    io::{self, Write},
    process::{Command, Stdio},
};

use clap::Parser;

use crate::measure::Figures;

/// The allocator of the gateway, for memory is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes between which the graph becomes faster than the scan.
const CROSSOVER: [usize; 5] = [512, 1024, 2048, 4096, 8192];

#[derive(Debug, Parser)]
#[command(
    name = "index",
    about = "Measure the vector index: time, recall and memory"
)]
struct Args {
    /// Vectors in a partition.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 10_000, 100_000])]
    sizes: Vec<usize>,
    /// Also a million, which takes a quarter of an hour and more.
    #[arg(long)]
    million: bool,
    /// Searches per size, scanned and by graph.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    queries: u32,
    /// Only the sizes, not the crossover.
    #[arg(long)]
    no_crossover: bool,
    /// Measures one size and prints its figures as JSON: what a copy of this program is started for.
    #[arg(long, hide = true)]
    one: Option<usize>,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let queries = args.queries as usize;
    let mut out = io::stdout().lock();
    if let Some(size) = args.one {
        let figures = measure::partition(size, queries)?;
        return Ok(serde_json::to_writer(out, &figures)?);
    }
    let mut sizes = args.sizes;
    if args.million {
        sizes.push(1_000_000);
    }
    writeln!(out, "# Vector index\n\n{}\n", synthetic::describe())?;
    writeln!(
        out,
        "| vectors | inserts/s | build s | scan p50 µs | scan p99 µs | graph p50 µs | graph p99 µs | recall@1 | recall@4 \
         | bytes/entry, counted | bytes/entry, RSS | saved bytes/entry | save s | restore s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for size in sizes {
        let f = measured(size, queries)?;
        writeln!(
            out,
            "| {size} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.4} | {:.4} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            f.inserts_per_second,
            f.build_seconds,
            f.scan.p50,
            f.scan.p99,
            f.graph.p50,
            f.graph.p99,
            f.recall_at_1,
            f.recall_at_4,
            f.bytes_counted,
            f.bytes_resident,
            f.saved_bytes,
            f.save_seconds,
            f.restore_seconds,
        )?;
        out.flush()?;
    }
    if !args.no_crossover {
        writeln!(
            out,
            "\n| vectors | scan p50 µs | graph p50 µs |\n|---|---|---|"
        )?;
        let mut above = None;
        for size in CROSSOVER {
            let f = measured(size, queries)?;
            writeln!(out, "| {size} | {:.1} | {:.1} |", f.scan.p50, f.graph.p50)?;
            if f.graph.p50 < f.scan.p50 {
                above = above.or(Some(size));
            }
        }
        match above {
            Some(size) => writeln!(out, "\nThe graph is faster from {size} vectors on.")?,
            None => writeln!(out, "\nThe scan is faster at all of these sizes.")?,
        }
    }
    Ok(())
}

/// The figures of one size, from a process of its own.
fn measured(size: usize, queries: usize) -> Result<Figures, Box<dyn Error>> {
    let run = Command::new(std::env::current_exe()?)
        .args([
            "--one",
            &size.to_string(),
            "--queries",
            &queries.to_string(),
        ])
        .stderr(Stdio::inherit())
        .output()?;
    if !run.status.success() {
        return Err(format!("measuring {size} vectors failed: {}", run.status).into());
    }
    Ok(serde_json::from_slice(&run.stdout)?)
}
