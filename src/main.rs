//! The `refrain` program: arguments, environment, signals.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use refrain::{
    app::load_encoder,
    clock::Clock,
    console::{Few, Form, Sought},
    eval, telemetry, tour,
    transfer::{self, Ending, Exported, Import, TransferError},
};
use serde_json::{Value, json};

mod program;

use self::program::{
    arguments::{
        self, Arguments, CacheCommand, Command, Evaluation, KeyCommand, Running, Selected, Sort,
    },
    console::{self, Wanted},
    keys,
    serve::serve,
    settings::{environment, load},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why the program ends, and what it tells its caller.
struct Failure {
    message: String,
    /// 2 for bad input to `eval` and `key`, as for bad arguments, and for an import that stopped; else 1.
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

/// How long work that nobody waits for may go on when all else has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_terminal = io::stderr().is_terminal();
    let log = telemetry::logs::init(environment("RUST_LOG").as_deref(), is_terminal, is_terminal);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(arguments.command, &log.form));
            // What still runs where it holds nobody up (reading a lost mount, say) does not hold this up.
            runtime.shutdown_timeout(LAST_WORDS);
            result
        }
        Err(error) => Err(format!("cannot start: {error}").into()),
    };
    let (words, code) = match result {
        Ok(()) => (None, ExitCode::SUCCESS),
        Err(Failure { message, code }) => (Some(format!("error: {message}\n")), code),
    };
    // Standard error may be closed, or read by nobody; the exit code still tells.
    log.close(words.as_deref(), LAST_WORDS);
    code
}

async fn run(command: Command, form: &telemetry::logs::Form) -> Result<(), Failure> {
    match command {
        Command::Serve(file) => serve(&file.config, form).await?,
        Command::Check(file) => check(&file.config)?,
        Command::Demo(file) => demo(&file.config).await?,
        Command::Stats {
            watch,
            gateway,
            form,
        } => {
            let every = watch.map(Duration::from_secs);
            shown(&gateway, Wanted::Stats { every }, form.json).await?;
        }
        Command::Eval(evaluation) => evaluate(evaluation).await?,
        Command::Cache(command) => cache(command).await?,
        Command::Key(command) => key(command)?,
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

/// The gateway at this address, to be asked with the admin's key.
fn at(running: &Running) -> Result<transfer::Gateway, String> {
    let key = environment("REFRAIN_ADMIN_KEY").filter(|key| !key.is_empty());
    let gateway = transfer::Gateway::new(&running.url, key, Clock::system());
    gateway.map_err(|error| error.to_string())
}

/// Shows or does what an operator wants.
async fn shown(running: &Running, wanted: Wanted, json: bool) -> Result<(), Failure> {
    let done = console::run(&at(running)?, wanted, json).await;
    done.map_err(|error| Failure {
        message: error.to_string(),
        code: ExitCode::from(if error.is_usage() { 2 } else { 1 }),
    })
}

async fn cache(command: CacheCommand) -> Result<(), Failure> {
    match command {
        CacheCommand::List {
            selected,
            text,
            sort,
            few,
            gateway,
            form,
        } => {
            let sort = sort.map(Sort::as_str);
            let sought = Sought::List { text, sort };
            shown(&gateway, entries(selected, sought, few), form.json).await
        }
        CacheCommand::Search {
            words,
            text: is_text,
            selected,
            few,
            gateway,
            form,
        } => {
            let words = words.join(" ");
            let sought = if is_text {
                let text = Some(words);
                Sought::List { text, sort: None }
            } else {
                Sought::Meaning(words)
            };
            shown(&gateway, entries(selected, sought, few), form.json).await
        }
        CacheCommand::Purge {
            selected,
            everything,
            yes,
            dry_run,
            gateway,
            form,
        } => {
            let wanted = Wanted::Purge {
                selected,
                everything,
                yes,
                dry_run,
            };
            shown(&gateway, wanted, form.json).await
        }
        CacheCommand::Export { gateway, out, json } => export(&gateway, out.as_deref(), json).await,
        CacheCommand::Import {
            file,
            gateway,
            from,
            batch,
            partial,
            json,
        } => {
            let wanted = Import {
                file,
                from,
                batch,
                partial,
            };
            import(&gateway, &wanted, json).await
        }
    }
}

fn entries(selected: Selected, sought: Sought, few: arguments::Few) -> Wanted {
    let arguments::Few { limit, ids } = few;
    Wanted::Entries {
        selected,
        sought,
        few: Few { limit, ids },
    }
}

fn could_not_go_on(why: impl Display) -> Failure {
    Failure {
        message: why.to_string(),
        code: ExitCode::from(2),
    }
}

/// Without a handler for it, Ctrl-C ends the process by itself.
async fn interrupt() {
    drop(tokio::signal::ctrl_c().await);
}

async fn export(running: &Running, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let (mut out, mut progress) = (io::stdout(), io::stderr());
    let gateway = at(running).map_err(could_not_go_on)?;
    let exported = gateway
        .export(file, &mut out, &mut progress, interrupt())
        .await;
    let Exported { entries, bytes } = match exported {
        // Whoever closes the output early has seen enough.
        Err(TransferError::Write(error)) if file.is_none() && is_closed(&error) => return Ok(()),
        exported => exported.map_err(could_not_go_on)?,
    };
    let name = file.map(|path| path.display().to_string());
    let report = json!({"file": name, "entries": entries, "bytes": bytes});
    match (json, file) {
        (false, _) => {
            let _closed = writeln!(progress, "{entries} entries exported");
            Ok(())
        }
        (true, Some(_)) => said(&report, Form::Json, &mut out),
        // Standard output has the entries. In one line, to be told from those about the progress.
        (true, None) => said(&report, Form::JsonLine, &mut progress),
    }
}

async fn import(running: &Running, wanted: &Import, json: bool) -> Result<(), Failure> {
    let gateway = at(running).map_err(could_not_go_on)?;
    let imported = gateway.import(wanted, &mut io::stderr(), interrupt()).await;
    if json {
        said(&imported.json(), Form::Json, &mut io::stdout())?;
    }
    let refused = imported.totals.refused;
    match imported.ending {
        Ending::Sent if refused == 0 => Ok(()),
        Ending::Sent => Err(format!("{refused} lines were refused").into()),
        Ending::Nothing => Err(format!(
            "{refused} lines would be refused, so nothing was imported; --partial imports the others"
        )
        .into()),
        Ending::Stopped(stopped) => Err(could_not_go_on(stopped)),
    }
}

/// Writes what something came to, for programs.
fn said(report: &Value, form: Form, out: &mut impl Write) -> Result<(), Failure> {
    let report = form.json(report).unwrap_or_default();
    match writeln!(out, "{report}") {
        Err(error) if !is_closed(&error) => Err(could_not_go_on(format!("cannot write: {error}"))),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn key(command: KeyCommand) -> Result<(), Failure> {
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    match command {
        KeyCommand::New { name } => keys::new(&name, &mut out, &mut notes)?,
        KeyCommand::Hash => {
            let digest = keys::read(&mut io::stdin().lock()).map_err(|message| Failure {
                message,
                code: ExitCode::from(2),
            })?;
            writeln!(out, "{}", keys::hex(&digest)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
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
