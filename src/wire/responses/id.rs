//! Ids of responses, and of the items in them.

use serde_json::Value;

/// What the ids of items begin with that were made here, behind their kind.
const OURS: &str = "refrain";
/// Shorter ids than this are numbers of a few digits, which some servers give twice.
const SHORTEST_UNIQUE: usize = 16;

/// The id of the response that tells the chat answer `chat`.
pub(super) fn of_response(chat: &str) -> String {
    let bare = chat.strip_prefix("chatcmpl-").unwrap_or(chat);
    if bare.starts_with("resp_") {
        bare.to_owned()
    } else if bare.len() < SHORTEST_UNIQUE {
        format!(
            "resp_{bare}{:016x}{:016x}",
            fastrand::u64(..),
            fastrand::u64(..)
        )
    } else {
        format!("resp_{bare}")
    }
}

/// The id of an item of this kind (`msg`, `rs`, `fc`) at this place of a response.
pub(super) fn of_item(kind: &str, place: usize, response: &str) -> String {
    let bare = response.strip_prefix("resp_").unwrap_or(response);
    format!("{kind}_{OURS}{place}_{bare}")
}

/// Whether the item has an id that was made here, which nobody else knows.
pub(super) fn is_ours(item: &Value) -> bool {
    let id = item.get("id").and_then(Value::as_str);
    let behind_kind = id.and_then(|id| id.split_once('_'));
    behind_kind.is_some_and(|(_, rest)| rest.starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_recognised_and_do_not_repeat() {
        assert_eq!(of_response("chatcmpl-resp_68f0"), "resp_68f0");
        assert_eq!(
            of_response("chatcmpl-msg_0123456789ab"),
            "resp_msg_0123456789ab"
        );
        assert_ne!(of_response("chatcmpl-7"), of_response("chatcmpl-7"));
        assert_ne!(of_response(""), of_response(""));
        let id = of_item("rs", 0, "resp_x");
        assert!(is_ours(&json!({"id": id})));
        for other in [
            json!({"id": "rs_68f0"}),
            json!({"id": 7}),
            json!({}),
            json!(1),
        ] {
            assert!(!is_ours(&other), "{other}");
        }
    }
}
