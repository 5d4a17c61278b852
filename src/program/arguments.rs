//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use refrain::{ident::ClientName, units::Similarity};

/// An LLM gateway that refrains from calling a model whose answer it already has.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the OpenAI-compatible endpoint
    Serve(ConfigFile),
    /// Check a configuration without serving: every problem with its line
    Check(ConfigFile),
    /// Show in a minute what the cache does: a scripted tour with the built-in demo provider
    Demo(ConfigFile),
    /// Measure on labelled prompts how often the cache answers, and how often wrongly
    Eval(Evaluation),
    /// Show what a running gateway does: totals, hit rate, cost, cache, providers
    ///
    /// REFRAIN_ADMIN_KEY is the admin's key.
    Stats {
        /// Show it anew every so many seconds, until Ctrl-C; with --json as one line each time
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        watch: Option<u64>,
        #[command(flatten)]
        gateway: Running,
        #[command(flatten)]
        form: Form,
    },
    /// Look into the cache of a running gateway, move it, or warm it with answers that are known already
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Make a client's key, or hash one for the configuration
    #[command(subcommand)]
    Key(KeyCommand),
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
pub(crate) enum CacheCommand {
    /// Show entries; REFRAIN_ADMIN_KEY is the admin's key
    List {
        #[command(flatten)]
        selected: Selected,
        /// Those that have this text in their prompt, question or answer
        #[arg(long)]
        text: Option<String>,
        /// In which order; the latest first, if it is not said
        #[arg(long, value_enum)]
        sort: Option<Sort>,
        #[command(flatten)]
        few: Few,
        #[command(flatten)]
        gateway: Running,
        #[command(flatten)]
        form: Form,
    },
    /// Show the entries whose question means about the same; REFRAIN_ADMIN_KEY is the admin's key
    Search {
        /// The question
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
        /// Look for these very words, instead of what they mean
        #[arg(long)]
        text: bool,
        #[command(flatten)]
        selected: Selected,
        #[command(flatten)]
        few: Few,
        #[command(flatten)]
        gateway: Running,
        #[command(flatten)]
        form: Form,
    },
    /// Forget entries, after showing how many; REFRAIN_ADMIN_KEY is the admin's key
    Purge {
        #[command(flatten)]
        selected: Selected,
        /// All of them
        #[arg(long, conflicts_with_all = ["id", "tag", "namespace", "model", "client", "older_than", "younger_than", "prefix", "generation_below"])]
        everything: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Only say how many would go
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        gateway: Running,
        #[command(flatten)]
        form: Form,
    },
    /// Write all entries as lines of JSON; REFRAIN_ADMIN_KEY is the admin's key
    ///
    /// Exits with 2 if it could not go on.
    Export {
        #[command(flatten)]
        gateway: Running,
        /// Where to; standard output if it is left out
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Say at the end as JSON what was written: on standard output, or on standard error if the entries are there
        #[arg(long)]
        json: bool,
    },
    /// Take in lines of JSON: an export, or {"request": …, "response": …}
    ///
    /// All lines are checked before the first is taken in; what can't be read twice is copied to a temporary
    /// file first. REFRAIN_ADMIN_KEY is the admin's key. Exits with 1 if some lines were refused, with 2 if it
    /// could not go on; it then says how to continue.
    Import {
        /// The lines; - is standard input
        file: PathBuf,
        #[command(flatten)]
        gateway: Running,
        /// The first line to be sent
        #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        from: u64,
        /// Lines that are sent at once
        #[arg(long, value_name = "LINES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch: u32,
        /// Take in the good lines even if others are refused
        #[arg(long)]
        partial: bool,
        /// Say at the end as JSON, on standard output, what became of the lines
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key: the key alone on standard output, what the configuration needs on standard error
    ///
    /// The key is kept nowhere: give it to its user, and the configuration its hash. `refrain key new >
    /// web.key` writes the key into a file and shows the lines for providers.toml.
    New {
        /// The client that it is for
        #[arg(long, default_value = "web", value_parser = client_name)]
        name: ClientName,
    },
    /// Print the hash (`key_sha256`) of a key, which is one line on standard input
    ///
    /// Exits with 2 if that is no key.
    Hash,
}

/// Which entries are meant: those that meet all conditions.
#[derive(Debug, clap::Args)]
pub(crate) struct Selected {
    /// The one with this id
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Those with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Those of this namespace
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Those of this model
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Those of this client
    #[arg(long)]
    pub(crate) client: Option<String>,
    /// Those at least this old, such as 36h
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<String>,
    /// Those not this old yet
    #[arg(long, value_name = "AGE")]
    pub(crate) younger_than: Option<String>,
    /// Those whose prompt begins like this
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Those of an earlier generation
    #[arg(long, value_name = "GENERATION")]
    pub(crate) generation_below: Option<u64>,
}

/// How much of them is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Few {
    /// At most so many; by meaning at most 100
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Show their ids, too
    #[arg(long)]
    pub(crate) ids: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Form {
    /// Print the gateway's JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The latest first
    Newest,
    /// Those that answered most often first
    Uses,
    /// Those that saved the most first
    Saved,
    /// The largest first
    Size,
}

impl Sort {
    /// As the endpoint calls it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Uses => "uses",
            Self::Saved => "saved",
            Self::Size => "size",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Running {
    /// Where the gateway listens
    #[arg(long, env = "REFRAIN_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration
    #[arg(long, env = "REFRAIN_CONFIG", default_value = "providers.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Evaluation {
    /// Packs: JSON lines of {"prompt", "group"} or {"a", "b", "duplicate"}
    #[arg(required = true, value_name = "PACK")]
    pub(crate) packs: Vec<PathBuf>,
    /// Write the numbers here too, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// One more threshold to measure, 0.5 to 1; may be given several times
    #[arg(long = "threshold", value_name = "X", value_parser = threshold)]
    pub(crate) thresholds: Vec<Similarity>,
    /// Measure the thresholds from 0.700 to 0.990, and which of them keep within the error budgets
    #[arg(long)]
    pub(crate) sweep: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

fn client_name(text: &str) -> Result<ClientName, String> {
    ClientName::new(text).map_err(|rule| rule.to_string())
}

fn threshold(text: &str) -> Result<Similarity, String> {
    let number = text.parse().ok().filter(|x| (0.5..=1.0).contains(x));
    let similarity = number.and_then(Similarity::new);
    similarity.ok_or_else(|| "a threshold is a number from 0.5 to 1".to_owned())
}
