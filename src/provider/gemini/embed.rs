//! Embeddings: `POST models/{m}:batchEmbedContents`.
//!
//! Source: <https://ai.google.dev/api/embeddings> (seen 2026-11). Google takes a hundred texts at a
//! time, and does not always count tokens.

use serde::{Deserialize, Serialize};

use crate::{
    units::Tokens,
    wire::{
        ask::{Cannot, Unable},
        embeddings::{Embeddings, EmbeddingsRequest, Input, Vector},
    },
};

/// The field of a request that says in Google's words what the vectors are for.
const TASK: &str = "task_type";
/// The most texts of one call.
pub(super) const MOST_TEXTS: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct BatchRequest<'r> {
    requests: Vec<EmbedRequest<'r>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmbedRequest<'r> {
    model: String,
    content: Content<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct Content<'r> {
    parts: [Part<'r>; 1],
}

#[derive(Debug, Serialize)]
struct Part<'r> {
    text: &'r str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchResponse {
    embeddings: Vec<Embedding>,
    usage_metadata: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Embedding {
    values: Vector,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: Option<u64>,
}

/// Puts `request` to `model` (`models/…`), as one or more calls.
pub(super) fn put<'r>(
    request: &'r EmbeddingsRequest,
    model: &str,
    cannot: &mut Cannot,
) -> Result<Vec<BatchRequest<'r>>, Unable> {
    let Input::Texts(texts) = request.input() else {
        return Err(cannot.tokens());
    };
    let (task, rest): (Vec<_>, Vec<_>) = request
        .unknown_fields()
        .partition(|(name, value)| *name == TASK && value.is_string());
    cannot.carry_rest(rest)?;
    let task_type = task.first().and_then(|(_, task)| task.as_str());
    let one = |text: &'r String| EmbedRequest {
        model: model.to_owned(),
        content: Content {
            parts: [Part { text }],
        },
        output_dimensionality: request.dimensions(),
        task_type,
    };
    let calls = texts.chunks(MOST_TEXTS).map(|texts| BatchRequest {
        requests: texts.iter().map(one).collect(),
    });
    Ok(calls.collect())
}

/// What the answers to all calls say together.
pub(super) fn read(model: &str, answers: Vec<BatchResponse>) -> Embeddings {
    let counts = answers.iter().map(|answer| {
        let usage = answer.usage_metadata.as_ref();
        usage.and_then(|usage| usage.prompt_token_count)
    });
    let tokens: Option<u64> = counts.sum();
    let embeddings = answers.into_iter().flat_map(|answer| answer.embeddings);
    Embeddings {
        model: model.to_owned(),
        vectors: embeddings.map(|embedding| embedding.values).collect(),
        tokens: tokens.map(Tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::controls::Controls;
    use serde_json::{Value, json};

    fn request(fields: &Value) -> EmbeddingsRequest {
        let mut body = json!({"model": "m"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        EmbeddingsRequest::parse(body.to_string().into(), &mut Controls::default()).unwrap()
    }

    #[test]
    fn texts_are_put_a_hundred_at_a_time() {
        let request = request(&json!({"input": vec!["a"; 201], "dimensions": 2}));
        let calls = put(&request, "models/e", &mut Cannot::new("p", false)).unwrap();
        let sizes: Vec<_> = calls.iter().map(|call| call.requests.len()).collect();
        assert_eq!(sizes, [100, 100, 1]);
        assert_eq!(
            serde_json::to_value(&calls[2]).unwrap(),
            json!({"requests": [{"model": "models/e", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2}]})
        );
    }

    #[test]
    fn answers_are_put_together_in_order() {
        let answer = |body: Value| serde_json::from_value::<BatchResponse>(body).unwrap();
        let first =
            json!({"embeddings": [{"values": [1, 0.5]}], "usageMetadata": {"promptTokenCount": 3}});
        let second = json!({"embeddings": [{"values": [2]}, {"values": [3]}]});
        let both = read("e", vec![answer(first.clone()), answer(second)]);
        let expected: [&[f32]; 3] = [&[1.0, 0.5], &[2.0], &[3.0]];
        assert_eq!(
            both.vectors,
            expected.map(|numbers| Vector::of(numbers).unwrap())
        );
        assert_eq!(both.tokens, None);
        assert_eq!(read("e", vec![answer(first)]).tokens, Some(Tokens(3)));
    }

    #[test]
    fn numbers_of_tokens_can_not_be_read() {
        let request = request(&json!({"input": [1, 2]}));
        assert!(put(&request, "models/e", &mut Cannot::new("p", true)).is_err());
    }
}
