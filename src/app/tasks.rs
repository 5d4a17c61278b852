//! The kinds of work that requests are told apart by, and the vectors of their examples.

use std::{sync::Arc, time::Duration};

use crate::{
    config::Config,
    embed::Embed,
    gateway::setup::{Setup, Tasks},
    ident::TaskName,
    policy::task::{Examples, Rule},
};

/// How often the encoder is asked for an example's vector: it may have more to do than there is time for.
const TRIES: u32 = 20;
/// How long it is left alone in between.
const PAUSE: Duration = Duration::from_millis(50);

/// What `config` says about kinds of work, without vectors: requests are told apart by their signs.
pub(super) fn unlearned(config: &Config, has_encoder: bool) -> Option<Tasks> {
    let rule = Rule {
        default: config.routing.default_task.clone()?,
        margin: config.routing.margin,
    };
    let names = examples(config).map(|(name, _)| (name.clone(), Vec::new()));
    Some(Tasks::new(compared(names.collect()), rule, has_encoder))
}

/// Gives the kinds of work of `setup`, which is of `config`, the vectors of their examples. Takes some
/// milliseconds an example.
pub(super) async fn learn(config: Config, encoder: Arc<dyn Embed>, setup: Arc<Setup>) {
    let Some(tasks) = &setup.tasks else { return };
    let mut labelled = Vec::new();
    for (task, texts) in examples(&config) {
        let mut vectors = Vec::new();
        for text in texts {
            vectors.extend(vector(&*encoder, text).await);
        }
        if vectors.len() < texts.len() {
            let missing = texts.len() - vectors.len();
            tracing::warn!(%task, missing, "examples that the encoder did not take");
        }
        labelled.push((task.clone(), vectors));
    }
    tasks.learn(compared(labelled));
}

fn examples(config: &Config) -> impl Iterator<Item = (&TaskName, &[String])> {
    config.tasks.iter().filter_map(|task| {
        let route = task.route.as_ref()?;
        Some((&task.name, route.examples.as_slice()))
    })
}

fn compared(labelled: Vec<(TaskName, Vec<Vec<f32>>)>) -> Examples {
    Examples::new(labelled).unwrap_or_else(|bad| {
        tracing::error!(error = %bad, "requests are not told apart by meaning");
        Examples::default()
    })
}

async fn vector(encoder: &dyn Embed, text: &str) -> Option<Vec<f32>> {
    for _ in 0..TRIES {
        match encoder.embed(text).await {
            Ok(embedding) => return Some(embedding.as_slice().to_vec()),
            Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await,
            Err(_) => return None,
        }
    }
    None
}
