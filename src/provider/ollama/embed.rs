//! Embeddings: `POST /api/embed`.
//!
//! Source: <https://docs.ollama.com/api/embed> (seen 2026-11). Nothing is cut: a text that is longer
//! than the model's window is Ollama's error.

use serde::{Deserialize, Serialize};

use crate::{
    units::Tokens,
    wire::{
        ask::{Cannot, Unable},
        embeddings::{Embeddings, EmbeddingsRequest, Input, Vector},
    },
};

#[derive(Debug, Serialize)]
pub(super) struct EmbedRequest<'r> {
    model: &'r str,
    input: &'r [String],
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'r str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EmbedResponse {
    #[serde(default)]
    model: String,
    embeddings: Vec<Vector>,
    prompt_eval_count: Option<u64>,
}

/// Puts `request`.
pub(super) fn put<'r>(
    request: &'r EmbeddingsRequest,
    model: &'r str,
    keep_alive: Option<&'r str>,
    cannot: &mut Cannot,
) -> Result<EmbedRequest<'r>, Unable> {
    let Input::Texts(input) = request.input() else {
        return Err(cannot.tokens());
    };
    cannot.carry_rest(request.unknown_fields())?;
    Ok(EmbedRequest {
        model,
        input,
        truncate: false,
        dimensions: request.dimensions(),
        keep_alive,
    })
}

/// What the answer says.
pub(super) fn read(answer: EmbedResponse) -> Embeddings {
    Embeddings {
        model: answer.model,
        vectors: answer.embeddings,
        tokens: answer.prompt_eval_count.map(Tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::controls::Controls;
    use serde_json::{Value, json};

    fn request(fields: &Value) -> EmbeddingsRequest {
        let mut body = json!({"model": "m", "input": ["a", "b"]});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        EmbeddingsRequest::parse(body.to_string().into(), &mut Controls::default()).unwrap()
    }

    #[test]
    fn texts_are_put_and_vectors_read() {
        let request = request(&json!({"dimensions": 2, "user": "u"}));
        let mut cannot = Cannot::new("p", false);
        let put = put(&request, "nomic-embed-text", Some("10m"), &mut cannot).unwrap();
        assert_eq!(
            serde_json::to_value(put).unwrap(),
            json!({"model": "nomic-embed-text", "input": ["a", "b"], "truncate": false, "dimensions": 2, "keep_alive": "10m"})
        );
        let answer = json!({"model": "n", "embeddings": [[0.5, 1], [0, 2]], "total_duration": 1, "prompt_eval_count": 4});
        let read = read(serde_json::from_value(answer).unwrap());
        assert_eq!((read.vectors.len(), read.tokens), (2, Some(Tokens(4))));
    }

    #[test]
    fn what_it_has_not_is_refused() {
        let refused = |fields: Value| {
            let request = request(&fields);
            match put(&request, "m", None, &mut Cannot::new("p", false)).unwrap_err() {
                Unable::Unsupported { param, .. } => param,
                other @ (Unable::Invalid(_) | Unable::TooLong { .. }) => panic!("{other}"),
            }
        };
        assert_eq!(refused(json!({"input": [1, 2]})), "input");
        assert_eq!(refused(json!({"vendor": 1})), "vendor");
    }
}
