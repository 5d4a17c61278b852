//! How well the shipped examples tell the work of prompts, with the real encoder. The figures are in
//! `docs/routing.md`; here are floors under them, so that no change loses them unseen.

use std::{collections::HashMap, fs, num::NonZeroUsize, path::Path, time::Duration};

use refrain::{
    clock::Clock,
    config::{Config, Sources},
    embed::{
        Embed,
        fastembed::{EncoderOptions, LocalEncoder},
    },
    ident::TaskName,
    policy::task::{Examples, Rule, Signals, classify, text_of},
    units::Similarity,
};

#[path = "../../benches/routing/labelled.rs"]
#[expect(
    unreachable_pub,
    reason = "it belongs to a program, which has no users of its modules"
)]
mod labelled;

use labelled::Split;

type Tasks = Vec<(TaskName, Vec<Vec<f32>>)>;

struct Prompt {
    task: String,
    signals: Signals,
    vector: Vec<f32>,
}

async fn vector(encoder: &LocalEncoder, text: &str) -> Vec<f32> {
    encoder.embed(text).await.unwrap().as_slice().to_vec()
}

fn config() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers.toml");
    let text = fs::read_to_string(&path).unwrap();
    let sources = Sources {
        path: &path,
        text: &text,
        env: &|_| None,
        env_overrides: &[],
        now: Clock::system().unix(),
    };
    Config::parse(&sources).unwrap().0
}

/// The share of `prompts` whose task is found, with nothing left to the default.
fn accuracy<'a>(
    tasks: Tasks,
    prompts: impl IntoIterator<Item = &'a Prompt>,
    signals: impl Fn(&'a Prompt) -> Signals,
) -> f64 {
    let rule = Rule {
        default: TaskName::new("none").unwrap(),
        margin: Similarity::new(0.0).unwrap(),
    };
    let examples = Examples::new(tasks).unwrap();
    let (mut right, mut all) = (0.0, 0.0);
    for prompt in prompts {
        let found = classify(&signals(prompt), Some(&prompt.vector), &examples, &rule);
        right += f64::from(u8::from(found.task.as_str() == prompt.task));
        all += 1.0;
    }
    right / all
}

/// Each task with as many examples as before, whosever they are.
fn shuffled(tasks: &Tasks, seed: u64) -> Tasks {
    let mut all: Vec<_> = tasks
        .iter()
        .flat_map(|(_, vectors)| vectors.clone())
        .collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    let mut all = all.into_iter();
    let tasks = tasks.iter();
    tasks
        .map(|(name, of)| (name.clone(), all.by_ref().take(of.len()).collect()))
        .collect()
}

#[tokio::test]
async fn prompts_find_their_task_by_the_shipped_examples() {
    let config = config();
    let options = EncoderOptions {
        threads: NonZeroUsize::MIN,
        queue: NonZeroUsize::MIN,
        deadline: Duration::from_secs(60),
    };
    let (model, runtime) = (&config.embedding.model, &config.embedding.runtime);
    let encoder = LocalEncoder::load(model, runtime, options).unwrap();
    let mut tasks = Tasks::new();
    for task in &config.tasks {
        let mut vectors = Vec::new();
        for example in &task.route.as_ref().unwrap().examples {
            vectors.push(vector(&encoder, example).await);
        }
        tasks.push((task.name.clone(), vectors));
    }
    let mut prompts = Vec::new();
    let all = labelled::read().unwrap();
    let of_test = all
        .iter()
        .enumerate()
        .filter(|(_, prompt)| prompt.split == Split::Test);
    for (number, prompt) in of_test {
        let request = prompt.request(number).unwrap();
        prompts.push(Prompt {
            task: prompt.task.clone(),
            signals: Signals::of(&request),
            vector: vector(&encoder, &text_of(&request).unwrap()).await,
        });
    }
    let mut counts = HashMap::new();
    for prompt in &prompts {
        *counts.entry(&prompt.task).or_insert(0) += 1;
    }
    assert!(
        counts.len() == 9 && counts.values().all(|count| *count >= 20),
        "{counts:?}"
    );

    let found = accuracy(tasks.clone(), &prompts, |prompt| prompt.signals.clone());
    assert!(found > 0.75, "{found}");
    // No prompt is long by its signals here, so long ones are left out.
    let short = || {
        prompts
            .iter()
            .filter(|prompt| prompt.task != "long_context")
    };
    let by_vector = accuracy(tasks.clone(), short(), |_| Signals::default());
    assert!(by_vector > 0.58, "{by_vector}");
    for seed in 0..3 {
        let by_chance = accuracy(shuffled(&tasks, seed), short(), |_| Signals::default());
        assert!(by_chance < 0.3, "{by_chance}");
    }
}

#[test]
fn no_prompt_is_an_example() {
    let config = config();
    let routes = config.tasks.iter().filter_map(|task| task.route.as_ref());
    let examples: Vec<&String> = routes.flat_map(|route| &route.examples).collect();
    for prompt in labelled::read().unwrap() {
        assert!(!examples.contains(&&prompt.prompt), "{}", prompt.prompt);
    }
}
