//! Models as Anthropic lists them.
//!
//! Source: <https://platform.claude.com/docs/en/api/models-list> and the types of the official Python package, 2.12
//! (seen 2026-11).

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::wire::models::ModelObject;

/// One model.
#[must_use]
pub fn model(model: &ModelObject) -> Value {
    // The last second that can be written: of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let created = UNIX_EPOCH + Duration::from_secs(model.created.min(LAST));
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": humantime::format_rfc3339_seconds(created).to_string(),
        "lifecycle": "active",
    })
}

/// All models, on one page.
#[must_use]
pub fn model_list(models: &[ModelObject]) -> Value {
    let data: Vec<Value> = models.iter().map(model).collect();
    json!({
        "data": data,
        "has_more": false,
        "first_id": models.first().map(|model| &model.id),
        "last_id": models.last().map(|model| &model.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_page() {
        let models = [
            ModelObject::new("gpt-4o", "openai", 1_700_000_000),
            ModelObject::new("claude", "anthropic", u64::MAX),
        ];
        insta::assert_snapshot!(model_list(&models), @r#"{"data":[{"type":"model","id":"gpt-4o","display_name":"gpt-4o","created_at":"2023-11-14T22:13:20Z","lifecycle":"active"},{"type":"model","id":"claude","display_name":"claude","created_at":"9999-12-31T23:59:59Z","lifecycle":"active"}],"has_more":false,"first_id":"gpt-4o","last_id":"claude"}"#);
        assert_eq!(model_list(&[])["first_id"], Value::Null);
    }
}
