//! Where and under what a run took place: the head of the report.
//!
//! Nothing here is needed to measure; what cannot be found out is left empty.

use std::process::Command;

/// What a reader must know before comparing figures.
pub(crate) fn now(seconds: f64, rounds: u32) -> Vec<(&'static str, String)> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let cpu = info
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changed = !said(&["git", "status", "--porcelain"]).is_empty();
    let commit = said(&["git", "rev-parse", "--short", "HEAD"]);
    let load = read("/proc/loadavg");
    vec![
        (
            "commit",
            commit
                + if changed {
                    " and uncommitted changes"
                } else {
                    ""
                },
        ),
        ("rustc", said(&["rustc", "--version"])),
        ("CPU", cpu.trim_start_matches([' ', '\t', ':']).to_owned()),
        ("cores", cores.to_string()),
        (
            "kernel",
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
        (
            "load average at start",
            load.split(' ').next().unwrap_or_default().to_owned(),
        ),
        ("windows", format!("{rounds} rounds of {seconds} s each")),
    ]
}

/// The first line that a command says, or nothing.
fn said(command: &[&str]) -> String {
    let Some((program, arguments)) = command.split_first() else {
        return String::new();
    };
    let mut command = Command::new(program);
    let command = command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let text = command.output().map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
