//! The same for vectors, which no question of another wording answers and which no time makes wrong: they are found
//! by equal items alone, and never served past their time.

use std::time::Duration;

use super::{Bypass, Exception, Rules};
use crate::wire::controls::Controls;

/// What may be done for the items of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether the cache may answer.
    pub lookup: bool,
    /// For how long vectors may be kept, if at all.
    pub keep: Option<Duration>,
}

/// What may be done for a request for embeddings.
///
/// # Errors
/// The reason to leave the cache alone.
pub fn plan(controls: &Controls, rules: &Rules, exception: Exception) -> Result<Plan, Bypass> {
    if !(rules.enabled && exception.enabled.unwrap_or(true)) {
        return Err(Bypass::Disabled);
    }
    if controls.no_cache && controls.no_store {
        return Err(Bypass::OptOut);
    }
    let most = exception.ttl.unwrap_or(rules.ttl);
    let ttl = controls.ttl.map_or(most, |asked| asked.min(most));
    Ok(Plan {
        lookup: !controls.no_cache,
        keep: (!controls.no_store && !ttl.is_zero()).then_some(ttl),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cacheable::Stale;

    #[test]
    fn controls_and_exceptions_decide_as_for_chats() {
        let secs = Duration::from_secs;
        let rules = Rules {
            enabled: true,
            semantic: false,
            ttl: secs(100),
            volatile_ttl: secs(1),
            volatile_patterns: Vec::new(),
            stale: Stale::default(),
        };
        let with = |no_cache, no_store, ttl: Option<u64>, exception: Exception| {
            let controls = Controls {
                no_cache,
                no_store,
                ttl: ttl.map(secs),
                ..Controls::default()
            };
            plan(&controls, &rules, exception).map(|plan| (plan.lookup, plan.keep))
        };
        let none = Exception::default();
        let longer = Exception {
            ttl: Some(secs(500)),
            enabled: None,
        };
        let off = Exception {
            ttl: None,
            enabled: Some(false),
        };
        assert_eq!(with(false, false, None, none), Ok((true, Some(secs(100)))));
        assert_eq!(with(true, false, None, none), Ok((false, Some(secs(100)))));
        assert_eq!(with(false, true, None, none), Ok((true, None)));
        assert_eq!(with(true, true, None, none), Err(Bypass::OptOut));
        assert_eq!(with(false, false, Some(0), none), Ok((true, None)));
        assert_eq!(with(false, false, Some(5), none), Ok((true, Some(secs(5)))));
        assert_eq!(
            with(false, false, Some(900), longer),
            Ok((true, Some(secs(500))))
        );
        assert_eq!(with(false, false, None, off), Err(Bypass::Disabled));
    }
}
