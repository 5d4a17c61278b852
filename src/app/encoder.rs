//! The encoder that a configuration names.

use std::{num::NonZeroUsize, sync::Arc};

use crate::{
    config::Config,
    embed::{
        Embed,
        fastembed::{EncoderOptions, LoadError, LocalEncoder},
    },
};

/// Loads the encoder that `config` names. `None` if the semantic tier is off.
///
/// # Errors
/// When the model or the runtime is missing or damaged; the message says what to do.
pub fn load_encoder(config: &Config) -> Result<Option<Arc<dyn Embed>>, LoadError> {
    if !(config.cache.enabled && config.cache.semantic) {
        return Ok(None);
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = config.embedding.threads.unwrap_or((cores / 2).clamp(1, 4));
    let options = EncoderOptions {
        threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        queue: NonZeroUsize::new(config.embedding.queue).unwrap_or(NonZeroUsize::MIN),
        deadline: config.embedding.deadline,
    };
    let encoder = LocalEncoder::load(&config.embedding.model, &config.embedding.runtime, options)?;
    Ok(Some(Arc::new(encoder)))
}
