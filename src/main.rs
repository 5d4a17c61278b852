//! The `refrain` program: arguments, environment, signals.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use refrain::{
    app::{App, Parts, load_encoder},
    clock::Clock,
    config::{Config, Notice, Sources},
    eval,
    http::server::Stopped,
    provider::demo::Pace,
    telemetry, tour,
    transfer::{self, Import, Stopped as ImportStopped},
    units::Similarity,
};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An LLM gateway that refrains from calling a model whose answer it already has.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the OpenAI-compatible endpoint
    Serve(ConfigFile),
    /// Check a configuration without serving: every problem with its line
    Check(ConfigFile),
    /// Show in a minute what the cache does: a scripted tour with the built-in demo provider
    Demo(ConfigFile),
    /// Measure on labelled prompts how often the cache answers, and how often wrongly
    Eval(Evaluation),
    /// Move the cache of a running gateway, or warm it with answers that are known already
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Ask a running gateway whether it wants requests; for container health checks
    Health {
        /// Where it listens
        #[arg(
            long,
            env = "REFRAIN_HEALTH_URL",
            default_value = "http://127.0.0.1:8080"
        )]
        url: String,
    },
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Write all entries as lines of JSON; REFRAIN_ADMIN_KEY is the admin's key
    Export {
        #[command(flatten)]
        gateway: Running,
        /// Where to; standard output if it is left out
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take in lines of JSON: an export, or {"request": …, "response": …}
    ///
    /// REFRAIN_ADMIN_KEY is the admin's key. Exits with 1 if some lines were refused, with 2 if it
    /// could not go on; it then says how to continue.
    Import {
        /// The lines
        file: PathBuf,
        #[command(flatten)]
        gateway: Running,
        /// The first line to be sent
        #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        from: u64,
        /// Lines that are sent at once
        #[arg(long, value_name = "LINES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch: u32,
    },
}

#[derive(Debug, clap::Args)]
struct Running {
    /// Where the gateway listens
    #[arg(long, env = "REFRAIN_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration
    #[arg(long, env = "REFRAIN_CONFIG", default_value = "providers.toml")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Evaluation {
    /// Packs: JSON lines of {"prompt", "group"} or {"a", "b", "duplicate"}
    #[arg(required = true, value_name = "PACK")]
    packs: Vec<PathBuf>,
    /// Write the numbers here too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// One more threshold to measure, 0.5 to 1; may be given several times
    #[arg(long = "threshold", value_name = "X", value_parser = threshold)]
    thresholds: Vec<Similarity>,
    /// Measure the thresholds from 0.700 to 0.990, and which of them keep within the error budgets
    #[arg(long)]
    sweep: bool,
    #[command(flatten)]
    file: ConfigFile,
}

fn threshold(text: &str) -> Result<Similarity, String> {
    let number = text.parse().ok().filter(|x| (0.5..=1.0).contains(x));
    let similarity = number.and_then(Similarity::new);
    similarity.ok_or_else(|| "a threshold is a number from 0.5 to 1".to_owned())
}

/// Why the program ends, and what it tells its caller.
struct Failure {
    message: String,
    /// 2 for bad input to `eval`, as for bad arguments, and for an import that stopped; else 1.
    code: ExitCode,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self {
            message,
            code: ExitCode::FAILURE,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let pretty = io::stderr().is_terminal();
    telemetry::init_logs(environment("RUST_LOG").as_deref(), pretty);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments.command)),
        Err(error) => Err(format!("cannot start: {error}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            // Standard error may be closed; the exit code still tells.
            let _closed = writeln!(io::stderr(), "error: {message}");
            code
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(file) => serve(&file.config).await?,
        Command::Check(file) => check(&file.config)?,
        Command::Demo(file) => demo(&file.config).await?,
        Command::Eval(evaluation) => evaluate(evaluation).await?,
        Command::Cache(command) => cache(command).await?,
        Command::Health { url } => health(&url).await?,
    }
    Ok(())
}

async fn demo(path: &Path) -> Result<(), String> {
    let (config, _) = load(path)?;
    let encoder = load_encoder(&config).map_err(|error| error.to_string())?;
    let encoder = encoder.ok_or("the tour needs the semantic cache: set `semantic = \"on\"`")?;
    tour::run(encoder, &mut io::stdout())
        .await
        .map_err(|error| error.to_string())
}

async fn evaluate(asked: Evaluation) -> Result<(), Failure> {
    let packs = eval::read_packs(&asked.packs).map_err(|error| Failure {
        message: error.to_string(),
        code: ExitCode::from(2),
    })?;
    let (mut config, _) = load(&asked.file.config)?;
    // The encoder is what is measured, not how long a request would wait for it.
    config.cache.enabled = true;
    config.cache.semantic = true;
    config.embedding.deadline = Duration::from_secs(60);
    let encoder = load_encoder(&config).map_err(|error| error.to_string())?;
    let encoder = encoder.ok_or_else(|| "the evaluation needs an encoder".to_owned())?;
    let options = eval::Options {
        thresholds: asked.thresholds,
        sweep: asked.sweep,
    };
    let (mut out, mut progress) = (io::stdout(), io::stderr());
    let evaluation = eval::run(packs, encoder, &options, &mut out, &mut progress)
        .await
        .map_err(|error| error.to_string())?;
    if let Some(path) = asked.json {
        let mut json = serde_json::to_vec_pretty(&evaluation).map_err(|error| error.to_string())?;
        json.push(b'\n');
        std::fs::write(&path, json)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

async fn cache(command: CacheCommand) -> Result<(), Failure> {
    let could_not_go_on = |message: String| Failure {
        message,
        code: ExitCode::from(2),
    };
    let at = |running: Running| {
        let key = environment("REFRAIN_ADMIN_KEY").filter(|key| !key.is_empty());
        transfer::Gateway::new(&running.url, key, Clock::system())
            .map_err(|error| could_not_go_on(error.to_string()))
    };
    // Without a handler for it, Ctrl-C ends the process by itself.
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    let (mut out, mut progress) = (io::stdout(), io::stderr());
    match command {
        CacheCommand::Export { gateway, out: file } => {
            let exporting = at(gateway)?;
            let exported = exporting
                .export(file.as_deref(), &mut out, &mut progress, interrupt)
                .await;
            let entries = exported.map_err(|error| could_not_go_on(error.to_string()))?;
            let _closed = writeln!(progress, "{entries} entries exported");
            Ok(())
        }
        CacheCommand::Import {
            file,
            gateway,
            from,
            batch,
        } => {
            let import = Import { file, from, batch };
            let imported = at(gateway)?.import(&import, &mut progress, interrupt).await;
            let totals =
                imported.map_err(|stopped: ImportStopped| could_not_go_on(stopped.to_string()))?;
            match totals.refused {
                0 => Ok(()),
                refused => Err(format!("{refused} lines were refused").into()),
            }
        }
    }
}

async fn serve(path: &Path) -> Result<(), String> {
    let (config, notices) = load(path)?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    let encoder = load_encoder(&config).map_err(|error| error.to_string())?;
    let semantic = encoder.is_some();
    let metrics = telemetry::init_metrics().map_err(|error| error.to_string())?;
    let parts = Parts {
        clock: Clock::system(),
        encoder,
        metrics: Some(metrics),
        demo_pace: Pace::LIFELIKE,
    };
    let app = App::build(&config, parts)
        .await
        .map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.server.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    // Who listens on every address is best tried on this one.
    let shown = match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    let _closed = io::stdout().write_all(banner(&app, &shown, semantic).as_bytes());
    match app
        .serve(listener, stop_signal())
        .await
        .map_err(|error| error.to_string())?
    {
        Stopped::Drained => tracing::info!("stopped; every request in flight was answered"),
        Stopped::TimedOut => tracing::warn!("stopped; some requests were still in flight"),
    }
    Ok(())
}

fn banner(app: &App, address: &str, semantic: bool) -> String {
    let catalogue = app.catalogue();
    let mut lines = vec![
        format!("refrain {} is ready", env!("CARGO_PKG_VERSION")),
        format!("  endpoint     http://{address}/v1"),
        format!("  admin page   http://{address}/admin"),
        format!(
            "  cache        exact{}",
            if semantic {
                " and semantic"
            } else {
                " only (semantic is off)"
            }
        ),
    ];
    for name in catalogue.active() {
        lines.push(format!("  provider     {name}: active"));
    }
    for provider in catalogue.inactive() {
        lines.push(format!(
            "  provider     {}: inactive ({})",
            provider.name, provider.reason
        ));
    }
    if catalogue.is_demo() {
        lines.push("  provider     demo: answers every model with a canned text, because no other is active".into());
    }
    let model = catalogue
        .list()
        .into_iter()
        .next()
        .map_or_else(|| "gpt-4o-mini".to_owned(), |model| model.id);
    lines.push("try:".to_owned());
    lines.push(format!(
        "  curl -s http://{address}/v1/chat/completions -H 'content-type: application/json' -d \
         '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"How many planets are there?\"}}]}}'"
    ));
    lines.push(String::new());
    lines.join("\n")
}

fn check(path: &Path) -> Result<(), String> {
    let (config, notices) = load(path)?;
    let mut text = String::new();
    for notice in notices {
        text.push_str(&format!("note: {notice}\n"));
    }
    let (active, all) = (
        config
            .providers
            .iter()
            .filter(|p| p.activation.is_active())
            .count(),
        config.providers.len(),
    );
    text.push_str(&format!(
        "{}: good; {active} of {all} providers active\n",
        path.display()
    ));
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

async fn health(url: &str) -> Result<(), String> {
    let url = format!("{}/health/ready", url.trim_end_matches('/'));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build();
    let answer = client
        .map_err(|error| error.to_string())?
        .get(&url)
        .send()
        .await;
    let status = answer
        .map_err(|error| format!("{url}: {}", cause(&error)))?
        .status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{url} answers {status}"))
    }
}

/// What is at the bottom of an error: "connection refused" rather than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

fn load(path: &Path) -> Result<(Config, Vec<Notice>), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let env_overrides = overrides();
    let sources = Sources {
        path,
        text: &text,
        env: &environment,
        env_overrides: &env_overrides,
    };
    Config::parse(&sources)
        .map_err(|problems| format!("the configuration has problems\n{problems}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn overrides() -> Vec<(String, String)> {
    let all = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(|(name, _)| name.starts_with("REFRAIN_"))
        .collect()
}

/// Done when the process is asked to stop, by SIGTERM or by Ctrl-C.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping; requests in flight go on");
            return;
        }
    }
    let _ = interrupt.await;
}
