//! Asking for something that every target takes as it is.

use super::{Source, answered, nobody};
use crate::{
    clock::Clock,
    error::UpstreamError,
    gateway::{
        attempt::{Attempt, Load},
        behalf::Behalf,
        catalogue::{Route, Target},
        turns::{Stop, Turns},
    },
    telemetry::trace::Propagated,
};

/// What the first of the targets of `route` answers that can, asked by `ask` in order; `load` is what each is to take.
///
/// # Errors
/// The last target's, or the first that says that the request itself is wrong.
pub(in crate::gateway) async fn first_answer<'r, T, F>(
    route: &'r Route,
    load: Load,
    behalf: Behalf,
    clock: &Clock,
    ask: impl Fn(&'r Target, Option<Propagated>) -> F,
) -> Result<(T, Source, Attempt), UpstreamError>
where
    F: Future<Output = Result<T, UpstreamError>>,
{
    let start = clock.now();
    let targets = route.targets.iter().chain(&route.fallbacks);
    let stops = targets.map(|target| Plain {
        target,
        is_choice: route.chooses(target),
        load,
    });
    let mut turns = Turns::new(stops, behalf, true, clock);
    let mut attempts = 0;
    while let Some((turn, mut attempt)) = turns.next().await {
        let target = turn.stop.target;
        attempts += 1;
        match ask(target, attempt.trace()).await {
            Ok(reply) => {
                attempt.begins(false);
                let source = Source {
                    is_first_choice: turn.stop.is_choice,
                    ..answered(target, attempts, clock.now().since(start))
                };
                return Ok((reply, source, attempt));
            }
            Err(error) => {
                attempt.failed(&error);
                if !error.is_retryable() {
                    return Err(error);
                }
                if error.is_unsupported() {
                    turns.note(error);
                } else {
                    turns.failed(turn, error).await;
                }
            }
        }
    }
    Err(turns.into_error().unwrap_or_else(|| nobody(route)))
}

/// A target that takes the request as it is.
struct Plain<'r> {
    target: &'r Target,
    is_choice: bool,
    load: Load,
}

impl Stop for Plain<'_> {
    fn target(&self) -> &Target {
        self.target
    }

    fn is_choice(&self) -> bool {
        self.is_choice
    }

    fn load(&self) -> Load {
        self.load
    }
}
