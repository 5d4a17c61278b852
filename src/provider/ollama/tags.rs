//! The models that a server has.

use std::time::{Duration, UNIX_EPOCH};

use super::{known::without_latest, wire::ModelList};
use crate::wire::models::ModelObject;

/// The models of `list`, by their names; one with the tag `latest` without it, too.
pub(super) fn offered(list: &ModelList, owner: &str) -> Vec<ModelObject> {
    let mut offered: Vec<ModelObject> = Vec::new();
    for model in &list.models {
        let Some(name) = model.name().filter(|name| !name.is_empty()) else {
            continue;
        };
        let created = model.modified_at.as_deref().and_then(unix_seconds);
        for name in [without_latest(name), name] {
            if !offered.iter().any(|known| known.id == name) {
                offered.push(ModelObject::new(name, owner, created.unwrap_or(0)));
            }
        }
    }
    offered
}

/// A time in RFC 3339, in seconds since 1970.
fn unix_seconds(time: &str) -> Option<u64> {
    let at = time.find('T')?;
    let end = time.get(at..)?.find(['Z', 'z', '+', '-'])? + at;
    let (local, zone) = time.split_at_checked(end)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let local = local.duration_since(UNIX_EPOCH).ok()?;
    let Some((hours, minutes)) = zone.get(1..)?.split_once(':') else {
        return Some(local.as_secs());
    };
    let offset = hours.parse::<u8>().ok()?.min(24) as u64 * 3600
        + u64::from(minutes.parse::<u8>().ok()?.min(59)) * 60;
    let offset = Duration::from_secs(offset);
    let utc = if zone.starts_with('+') {
        local.checked_sub(offset)?
    } else {
        local.checked_add(offset)?
    };
    Some(utc.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_with_their_zones() {
        assert_eq!(unix_seconds("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(
            unix_seconds("2025-05-04T17:37:44.706015396-07:00"),
            Some(1_746_405_464)
        );
        assert_eq!(
            unix_seconds("2025-05-05T02:37:44+02:00"),
            Some(1_746_405_464)
        );
        for wrong in [
            "",
            "yesterday",
            "T",
            "1969-12-31T00:00:00Z",
            "2025-05-04T17:37:44",
            "é T+",
        ] {
            assert_eq!(unix_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn models_are_offered_with_and_without_the_usual_tag() {
        let list = serde_json::from_value(json!({"models": [
            {"name": "llama3.2:latest", "model": "llama3.2:latest", "modified_at": "2025-05-05T00:37:44Z"},
            {"name": "qwen3:8b", "size": 5, "details": {"family": "qwen3"}},
            {"name": ""}, {},
        ]}))
        .unwrap();
        let offered = offered(&list, "ollama");
        let names: Vec<&str> = offered.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(names, ["llama3.2", "llama3.2:latest", "qwen3:8b"]);
        assert_eq!((offered[0].created, offered[2].created), (1_746_405_464, 0));
        assert_eq!(offered[0].owned_by, "ollama");
    }
}
