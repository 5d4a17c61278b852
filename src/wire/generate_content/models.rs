//! Models as Google lists them.
//!
//! Source: <https://ai.google.dev/api/models> (seen 2026-11).

use serde::Serialize;

use crate::wire::models::ModelObject;

/// What can be done with every model that is listed here; one that only embeds refuses the rest.
const METHODS: [&str; 5] = [
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
];
/// The items of a page, if the client says nothing, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1_000;

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// `models/` and what a request calls it.
    pub name: String,
    /// Always `001`: nothing else is known of it.
    pub version: &'static str,
    /// What a request calls it.
    pub display_name: String,
    /// Who serves it.
    pub description: String,
    /// What can be asked of it.
    pub supported_generation_methods: [&'static str; 5],
}

impl From<ModelObject> for Model {
    fn from(model: ModelObject) -> Self {
        Self {
            name: format!("models/{}", model.id),
            version: "001",
            description: format!("served by {}", model.owned_by),
            display_name: model.id,
            supported_generation_methods: METHODS,
        }
    }
}

/// A page of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The models.
    pub models: Vec<Model>,
    /// What to send as `pageToken` for the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

impl Page {
    /// The page of `models` that a client asks for with `pageSize` and `pageToken`.
    ///
    /// # Errors
    /// The parameter that can't be used, and what it must be.
    pub fn of(
        models: Vec<ModelObject>,
        size: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, (&'static str, &'static str)> {
        let size = match size.filter(|size| !size.is_empty()) {
            None | Some("0") => PAGE,
            Some(size) => size
                .parse::<u32>()
                .ok()
                .and_then(|size| usize::try_from(size).ok())
                .ok_or(("pageSize", "`pageSize` must be a whole number"))?
                .min(LARGEST_PAGE),
        };
        let start = match token.filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => token
                .parse::<u32>()
                .ok()
                .and_then(|start| usize::try_from(start).ok())
                .ok_or((
                    "pageToken",
                    "`pageToken` must be a `nextPageToken` from here",
                ))?,
        };
        let end = start.saturating_add(size);
        let next_page_token = (end < models.len()).then(|| end.to_string());
        let models = models.into_iter().skip(start).take(size);
        Ok(Self {
            models: models.map(Model::from).collect(),
            next_page_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_on_one_page() {
        let models: Vec<ModelObject> = (0..7)
            .map(|n| ModelObject::new(&format!("m{n}"), "p", 0))
            .collect();
        for size in ["1", "2", "3", "7", "9", "5000"] {
            let (mut token, mut names) = (None::<String>, Vec::new());
            for _ in 0..7 {
                let page = Page::of(models.clone(), Some(size), token.as_deref()).unwrap();
                names.extend(page.models.into_iter().map(|model| model.display_name));
                token = page.next_page_token;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!((names.len(), token), (7, None), "{size}");
        }
        assert!(Page::of(Vec::new(), Some("x"), None).is_err());
        assert!(Page::of(Vec::new(), None, Some("-1")).is_err());
        let far = Page::of(models, Some("0"), Some("4294967295")).unwrap();
        assert_eq!((far.models, far.next_page_token), (Vec::new(), None));
    }

    #[test]
    fn a_model_is_in_googles_shape() {
        let model = Model::from(ModelObject::new("a/b", "p", 0));
        insta::assert_snapshot!(serde_json::to_string(&model).unwrap(), @r#"{"name":"models/a/b","version":"001","displayName":"a/b","description":"served by p","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens","embedContent","batchEmbedContents"]}"#);
    }
}
