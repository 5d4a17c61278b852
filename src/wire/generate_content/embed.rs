//! `embedContent` and `batchEmbedContents` as a request for embeddings.
//!
//! Source: <https://ai.google.dev/api/embeddings> (seen 2026-11).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::fields::{Fields, Place, invalid};
use crate::wire::{chat::Invalid, object};

/// Whether one text is embedded or a batch: the answer has another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedding {
    /// `embedContent`.
    One,
    /// `batchEmbedContents`.
    Batch,
}

impl Embedding {
    /// The body of `POST /v1/embeddings` for a request to `model`, which the path names.
    ///
    /// # Errors
    /// [`Invalid`], with the field as the client wrote it; also for what no such request can say.
    pub fn read(self, body: &Bytes, model: &str) -> Result<Bytes, Invalid> {
        let fields = object::read(body)?;
        let (ours, theirs): (Vec<_>, Vec<_>) = (fields.iter())
            .partition(|(name, _)| matches!(name.as_str(), "drop_unsupported" | "drop_params"));
        let mut theirs = Fields::of_object("", theirs.into_iter())?;
        let mut texts = Vec::new();
        let Way { dimensions, task } = match self {
            Self::One => one(&mut theirs, model, &mut texts)?,
            Self::Batch => batch(&mut theirs, model, &mut texts)?,
        };
        refuse_rest(theirs)?;
        let mut request = Map::from_iter([
            ("model".to_owned(), json!(model)),
            ("input".to_owned(), json!(texts)),
        ]);
        if let Some(dimensions) = dimensions {
            request.insert("dimensions".to_owned(), json!(dimensions));
        }
        if let Some(task) = task {
            request.insert("task_type".to_owned(), json!(task));
        }
        request.extend(
            ours.into_iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Ok(Value::Object(request).to_string().into())
    }

    /// Google's answer from the answer of `POST /v1/embeddings`; `None` if that is none.
    #[must_use]
    pub fn answer(self, body: &[u8]) -> Option<Vec<u8>> {
        let list: Value = serde_json::from_slice(body).ok()?;
        let data = list.get("data")?.as_array()?;
        let embedding = |item: &Value| Some(json!({"values": item.get("embedding")?}));
        let embeddings: Option<Vec<Value>> = data.iter().map(embedding).collect();
        let mut answer = match self {
            Self::One => json!({"embedding": embeddings?.into_iter().next()?}),
            Self::Batch => json!({"embeddings": embeddings?}),
        };
        if let Some(count) = list.pointer("/usage/prompt_tokens").and_then(Value::as_u64)
            && let Value::Object(fields) = &mut answer
        {
            let usage = json!({"promptTokenCount": count});
            fields.insert("usageMetadata".to_owned(), usage);
        }
        Some(answer.to_string().into())
    }
}

fn batch(fields: &mut Fields<'_>, model: &str, texts: &mut Vec<String>) -> Result<Way, Invalid> {
    let requests = fields.list("requests");
    if requests.is_empty() {
        return Err(invalid(
            "requests",
            "is empty; it needs at least one request",
        ));
    }
    let mut all: Option<Way> = None;
    for place in requests {
        let mut fields = Fields::of(&place.at, place.value)?;
        let way = one(&mut fields, model, texts)?;
        let first = all.get_or_insert_with(|| way.clone());
        if *first != way {
            let name = if first.task == way.task {
                "outputDimensionality"
            } else {
                "taskType"
            };
            let rule = "must be the same in all requests of a batch";
            return Err(invalid(fields.place_of(name), rule));
        }
        refuse_rest(fields)?;
    }
    Ok(all.unwrap_or_default())
}

/// How a text is to be embedded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Way {
    dimensions: Option<i64>,
    /// What for, which Google's models know how to do.
    task: Option<String>,
}

/// The text of one request, and how it is to be embedded.
fn one(fields: &mut Fields<'_>, model: &str, texts: &mut Vec<String>) -> Result<Way, Invalid> {
    if let Some(place) = fields.take("model") {
        let name = place.text()?;
        if name.strip_prefix("models/").unwrap_or(name) != model {
            return Err(invalid(place.at, "must be the model that the path names"));
        }
    }
    let at = fields.place_of("content");
    let content = fields.take("content");
    let content = content.ok_or_else(|| invalid(&*at, "is missing; it is what to embed"))?;
    texts.push(text(&content)?);
    let task = fields.text("taskType")?;
    let task = task.filter(|task| !matches!(*task, "" | "TASK_TYPE_UNSPECIFIED"));
    Ok(Way {
        dimensions: fields.whole("outputDimensionality", 1, u32::MAX.into())?,
        task: task.map(str::to_owned),
    })
}

fn text(place: &Place<'_>) -> Result<String, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    fields.take("role");
    let mut all = String::new();
    for place in fields.list("parts") {
        let mut fields = Fields::of(&place.at, place.value)?;
        let at = fields.place_of("text");
        let text = fields.text("text")?;
        all.push_str(text.ok_or_else(|| invalid(at, "is missing; only texts are embedded"))?);
        refuse_rest(fields)?;
    }
    if all.is_empty() {
        return Err(invalid(&*place.at, "has no text"));
    }
    refuse_rest(fields)?;
    Ok(all)
}

fn refuse_rest(fields: Fields<'_>) -> Result<(), Invalid> {
    match fields.rest().next() {
        Some(place) => {
            let rule = "can't be said to every provider; leave it out (`content`, \
                        `outputDimensionality`, `taskType` and `model` are known)";
            Err(invalid(place.at, rule))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(embedding: Embedding, body: &Value) -> Result<String, Invalid> {
        let body = body.to_string().into();
        let read = embedding.read(&body, "e")?;
        Ok(String::from_utf8(read.to_vec()).unwrap())
    }

    #[test]
    fn texts_are_put_together() {
        let one = json!({
            "model": "models/e", "content": {"parts": [{"text": "a"}, {"text": "b"}]},
            "output_dimensionality": 3, "task_type": "CLUSTERING", "drop_unsupported": true,
        });
        assert_eq!(
            read(Embedding::One, &one).unwrap(),
            r#"{"model":"e","input":["ab"],"dimensions":3,"task_type":"CLUSTERING","drop_unsupported":true}"#
        );
        let one = |text: &str| json!({"content": {"parts": {"text": text}}});
        let batch = json!({"requests": [one("a"), one("b")]});
        assert_eq!(
            read(Embedding::Batch, &batch).unwrap(),
            r#"{"model":"e","input":["a","b"]}"#
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = json!({"parts": [{"text": "a"}]});
        for (embedding, body, at) in [
            (Embedding::One, json!({}), "content"),
            (Embedding::One, json!({"content": {"parts": []}}), "content"),
            (
                Embedding::One,
                json!({"content": good, "model": "f"}),
                "model",
            ),
            (
                Embedding::One,
                json!({"content": good, "title": "X"}),
                "title",
            ),
            (
                Embedding::One,
                json!({"content": {"parts": [{"inlineData": {}}]}}),
                "content.parts[0].text",
            ),
            (Embedding::Batch, json!({"requests": []}), "requests"),
            (
                Embedding::Batch,
                json!({"requests": [{"content": good}, {"content": good, "outputDimensionality": 4}]}),
                "requests[1].outputDimensionality",
            ),
        ] {
            let error = read(embedding, &body).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(at), "{body}");
        }
    }

    #[test]
    fn answers_are_in_googles_form() {
        let list =
            br#"{"data":[{"embedding":[0.5]},{"embedding":[1]}],"usage":{"prompt_tokens":3}}"#;
        let text =
            |embedding: Embedding| String::from_utf8(embedding.answer(list).unwrap()).unwrap();
        assert_eq!(
            text(Embedding::One),
            r#"{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":3}}"#
        );
        assert_eq!(
            text(Embedding::Batch),
            r#"{"embeddings":[{"values":[0.5]},{"values":[1]}],"usageMetadata":{"promptTokenCount":3}}"#
        );
        assert_eq!(Embedding::One.answer(b"{}"), None);
    }
}
