//! Measures the classifier: `cargo bench --bench routing [-- OPTIONS]`.
//!
//! Hand-written prompts (`prompts.jsonl`) are classified with the examples, prices and margin of the
//! configuration and the encoder that ships. `docs/routing.md` has the figures and explains the tables.

#![expect(clippy::cast_precision_loss, reason = "counts of prompts are small")]
#![expect(unreachable_pub, reason = "a program has no users of its modules")]

mod cost;
mod labelled;
mod measure;
mod report;

use std::{
    error::Error,
    fs,
    hint::black_box,
    io::{self, Write},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use clap::Parser;
use refrain::{
    clock::Clock,
    config::{Config, Sources},
    embed::{
        Embed,
        fastembed::{EncoderOptions, LocalEncoder},
    },
    policy::task::{Signals, text_of},
};
use tokio::time::Instant;

use crate::{
    cost::Prices,
    labelled::{Labelled, Split},
    measure::{Decision, Prompt, Share, World},
    report::{Report, Timing},
};

const MARGINS: [f32; 9] = [0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1];

#[derive(Debug, Parser)]
#[command(
    name = "routing",
    about = "Measure how well the work of a prompt is told"
)]
struct Args {
    /// Where the tasks, their examples and the prices are.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/providers.toml"))]
    config: PathBuf,
    /// Also writes the figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let text = fs::read_to_string(&args.config)?;
    let sources = Sources {
        path: &args.config,
        text: &text,
        env: &|_| None,
        env_overrides: &[],
        now: Clock::system().unix(),
    };
    let (config, _) = Config::parse(&sources).map_err(|problems| problems.to_string())?;
    // Patient, so that a busy machine changes no figure.
    let options = EncoderOptions {
        threads: NonZeroUsize::MIN,
        queue: NonZeroUsize::MIN,
        deadline: Duration::from_secs(60),
    };
    let encoder = LocalEncoder::load(&config.embedding.model, &config.embedding.runtime, options)?;
    let labelled = labelled::read()?;
    let world = World::embed(&config, &labelled, &encoder).await?;
    let report = measured(&config, &labelled, &world, encoder.encoder().to_string())?;
    io::stdout().write_all(report::render(&report).as_bytes())?;
    if let Some(path) = args.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

fn measured(
    config: &Config,
    labelled: &[Labelled],
    world: &World,
    encoder: String,
) -> Result<Report, Box<dyn Error>> {
    let known = world.known()?;
    let (dev, test) = (
        world.decide(Split::Dev, &known),
        world.decide(Split::Test, &known),
    );
    let controls: Vec<_> = world
        .controls()
        .map(|examples| Ok(world.decide(Split::Test, &examples?)))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let by_task = (0..world.names.len()).map(|place| {
        let of_task = test.iter().filter(|decision| decision.prompt.task == place);
        Share::of(of_task.map(Decision::is_right))
    });
    let all = Share::of(test.iter().map(Decision::is_right));
    let default = world.place(&world.rule.default);
    let margins = |decisions: &[Decision<'_>]| {
        let margins = MARGINS.iter();
        margins
            .map(|margin| measure::at_margin(decisions, default, *margin))
            .collect()
    };
    let prices = Prices::of(config)?;
    let names = world.names.iter().map(ToString::to_string);
    let is_long = |prompt: &Prompt| {
        let name = world.names.get(prompt.task);
        name.is_some_and(|name| name.as_str() == "long_context")
    };
    let costs = |stream, belongs: &dyn Fn(&Prompt) -> bool| {
        prices.compare(stream, world, &test, &controls, belongs)
    };
    Ok(Report {
        encoder,
        examples: world.examples.iter().map(Vec::len).sum(),
        prompts: test.len(),
        most_alike: world.most_alike,
        tasks: names.chain([String::from("all")]).collect(),
        by_task: by_task.chain([all]).collect(),
        confusion: measure::confusion(world, &test),
        ablations: measure::ablations(world)?,
        control: measure::control(world, &controls),
        margin: world.rule.margin.get(),
        margins_dev: margins(&dev),
        margins_test: margins(&test),
        costs: vec![
            costs("without long_context", &|prompt| !is_long(prompt))?,
            costs("all tasks alike", &|_| true)?,
        ],
        downgraded: ["reasoning", "code_generation"]
            .map(|task| prices.downgraded(world, &test, &controls, task))
            .into(),
        microseconds: timing(labelled, world)?,
    })
}

fn timing(labelled: &[Labelled], world: &World) -> Result<Timing, Box<dyn Error>> {
    let mut long = (Duration::ZERO, 0);
    let mut short = (Duration::ZERO, 0);
    for (number, labelled) in labelled.iter().enumerate() {
        let request = labelled.request(number)?;
        let begun = Instant::now();
        black_box((text_of(&request), Signals::of(&request)));
        let kind = if labelled.pad_kb.is_some() {
            &mut long
        } else {
            &mut short
        };
        kind.0 += begun.elapsed();
        kind.1 += 1;
    }
    let known = world.known()?;
    let begun = Instant::now();
    let decided = black_box(world.decide(Split::Test, &known)).len();
    let classified = (begun.elapsed(), decided as u32);
    let mean = |(time, count): (Duration, u32)| 1e6 * time.as_secs_f64() / f64::from(count.max(1));
    Ok(Timing {
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        signals_long: mean(long),
        signals_short: mean(short),
        classify: mean(classified),
    })
}
