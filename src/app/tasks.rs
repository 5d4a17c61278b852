//! The kinds of work that requests are told apart by, with the vectors of their examples.

use std::{sync::Arc, time::Duration};

use crate::{
    config::Config,
    embed::Embed,
    gateway::setup::Tasks,
    ident::TaskName,
    policy::task::{Examples, Rule},
};

/// How often the encoder is asked for an example's vector: it may have more to do than there is time for.
const TRIES: u32 = 20;
/// How long it is left alone in between.
const PAUSE: Duration = Duration::from_millis(50);

/// What `config` says about kinds of work. Examples without a vector tell nothing: without an encoder, all
/// of them. Takes about a millisecond an example.
pub(super) async fn tasks(config: &Config, encoder: Option<&Arc<dyn Embed>>) -> Option<Tasks> {
    let rule = Rule {
        default: config.routing.default_task.clone()?,
        margin: config.routing.margin,
    };
    let mut labelled: Vec<(TaskName, Vec<Vec<f32>>)> = Vec::new();
    for task in &config.tasks {
        let Some(route) = &task.route else { continue };
        let mut vectors = Vec::new();
        if let Some(encoder) = encoder {
            for example in &route.examples {
                vectors.extend(vector(&**encoder, example).await);
            }
            if vectors.len() < route.examples.len() {
                let (task, missing) = (&task.name, route.examples.len() - vectors.len());
                tracing::warn!(%task, missing, "examples that the encoder did not take");
            }
        }
        labelled.push((task.name.clone(), vectors));
    }
    let examples = Examples::new(labelled).unwrap_or_else(|bad| {
        tracing::error!(error = %bad, "requests are not told apart by meaning");
        Examples::default()
    });
    Some(Tasks { examples, rule })
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
