//! What every interface owes its clients, whatever they send: an answer in its own shape, or a refusal in its own
//! shape that says why.

use fastrand::Rng;
use serde_json::{Map, Value};

use crate::{
    parsers,
    running::{Answer, Running},
};

/// The providers' models; a corpus writes `m` for any of them.
const MODELS: [&str; 5] = ["o-1", "r-1", "a-1", "g-1", "l-1"];

/// What answers say that may be kept.
const STORABLE: &str = "Plankton, mostly.";

/// An interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    Chat,
    Responses,
    Messages,
    Google,
    Completions,
    Embeddings,
}

pub(crate) fn chat(running: &mut Running, input: &[u8]) -> Result<(), String> {
    parsers::chat(input)?;
    look(running, Surface::Chat, "/v1/chat/completions", input)
}

pub(crate) fn responses(running: &mut Running, input: &[u8]) -> Result<(), String> {
    look(running, Surface::Responses, "/v1/responses", input)
}

pub(crate) fn messages(running: &mut Running, input: &[u8]) -> Result<(), String> {
    look(running, Surface::Messages, "/v1/messages", input)
}

pub(crate) fn completions(running: &mut Running, input: &[u8]) -> Result<(), String> {
    look(running, Surface::Completions, "/v1/completions", input)
}

pub(crate) fn embeddings(running: &mut Running, input: &[u8]) -> Result<(), String> {
    parsers::embeddings(input)?;
    look(running, Surface::Embeddings, "/v1/embeddings", input)
}

pub(crate) fn generate_content(running: &mut Running, input: &[u8]) -> Result<(), String> {
    let mut rng = Rng::with_seed(crate::hash(input));
    let model = MODELS[rng.usize(..MODELS.len())];
    let method = [
        "generateContent",
        "streamGenerateContent?alt=sse",
        "streamGenerateContent",
    ];
    let method = method[rng.usize(..method.len())];
    let path = format!("/v1beta/models/{model}:{method}");
    look(running, Surface::Google, &path, input)
}

fn look(running: &Running, surface: Surface, path: &str, input: &[u8]) -> Result<(), String> {
    let parsed: Option<Map<String, Value>> = serde_json::from_slice(input).ok();
    let mut sent = input.to_vec();
    let mut fields = parsed.unwrap_or_default();
    if fields.get("model").is_some_and(|model| model == "m") {
        let model = MODELS[Rng::with_seed(crate::hash(input)).usize(..MODELS.len())];
        fields.insert("model".to_owned(), model.into());
        // Where it is written so, all else stays as it is, what is given twice too.
        let text = String::from_utf8_lossy(input);
        let (any, one) = (r#""model":"m""#, format!(r#""model":"{model}""#));
        sent = if text.contains(any) {
            text.replace(any, &one).into_bytes()
        } else {
            serde_json::to_vec(&fields).unwrap_or(sent)
        };
        fields = serde_json::from_slice(&sent).unwrap_or(fields);
    }
    let answer = running.post(path, &[], sent.clone());
    check(surface, &sent, &answer)?;
    // A request that was kept is known again, however its fields are ordered.
    let says = String::from_utf8_lossy(&answer.body).contains(STORABLE);
    let is_stored = answer.header("cache-status").ends_with("; stored");
    let wants_fresh = ["no-cache", "no_cache", "max_age"].iter().any(|word| {
        let word = word.as_bytes();
        sent.windows(word.len()).any(|window| window == word)
    });
    let is_kept = !wants_fresh && answer.status == 200 && !answer.is_stream() && is_stored && says;
    if is_kept && !fields.is_empty() && surface != Surface::Embeddings {
        let turned: Map<String, Value> = fields.into_iter().rev().collect();
        let again = running.post(path, &[], serde_json::to_vec(&turned).unwrap_or_default());
        check(surface, &sent, &again)?;
        if again.header("x-refrain-cache") != "exact" {
            let way = again.header("cache-status");
            return Err(format!("it was kept and is not known again: {way}"));
        }
    }
    Ok(())
}

/// Whether this is an answer that `surface` may give.
pub(crate) fn check(surface: Surface, input: &[u8], answer: &Answer) -> Result<(), String> {
    match answer.status {
        200 if answer.is_stream() => stream(surface, answer),
        200 => whole(surface, answer),
        400..=499 => refusal(surface, input, answer),
        _ => Err(format!("it is not answered: {}", answer.shown())),
    }
}

fn whole(surface: Surface, answer: &Answer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the answer {what}: {}", answer.shown()));
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return wrong("is no JSON");
    };
    let is_right = match surface {
        Surface::Chat => body["object"] == "chat.completion" && body["choices"].is_array(),
        Surface::Responses => body["object"] == "response" && body["output"].is_array(),
        Surface::Messages => body["type"] == "message" && body["content"].is_array(),
        // As a list, where no events were asked for.
        Surface::Google => {
            body["candidates"].is_array() || body.as_array().is_some_and(|list| !list.is_empty())
        }
        Surface::Completions => body["object"] == "text_completion" && body["choices"].is_array(),
        Surface::Embeddings => body["object"] == "list" && body["data"].is_array(),
    };
    if is_right {
        Ok(())
    } else {
        wrong("is of another shape")
    }
}

fn stream(surface: Surface, answer: &Answer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the stream {what}: {}", answer.shown()));
    let mut events = Vec::new();
    for data in refrain::wire::sse::data(&answer.body) {
        if data == b"[DONE]" {
            events.push(Value::from("[DONE]"));
            continue;
        }
        match serde_json::from_slice(data) {
            Ok(event @ Value::Object(_)) => events.push(event),
            _ => return wrong("has an event that is no object"),
        }
    }
    let Some(last) = events.last() else {
        return wrong("says nothing");
    };
    let has_failed = has_failed(last);
    if !is_over(surface, last) && !has_failed {
        return wrong("has no end");
    }
    if surface == Surface::Responses && !has_failed {
        let numbers = events.iter().map(|event| event["sequence_number"].as_u64());
        if !numbers.eq((0..).take(events.len()).map(Some)) {
            return wrong("is not numbered in order");
        }
    }
    Ok(())
}

fn has_failed(event: &Value) -> bool {
    event.get("error").is_some() || event["type"] == "error"
}

/// Whether `event` can be the last one.
fn is_over(surface: Surface, event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    match surface {
        Surface::Chat | Surface::Completions => event == "[DONE]",
        Surface::Responses => [
            "response.completed",
            "response.incomplete",
            "response.failed",
        ]
        .contains(&kind),
        Surface::Messages => kind == "message_stop",
        Surface::Google => event["candidates"].is_array() || event["usageMetadata"].is_object(),
        Surface::Embeddings => false,
    }
}

/// Whether a stream of a provider's own words, whatever else they are, has an end that its client knows.
pub(crate) fn has_end(surface: Surface, answer: &Answer) -> Result<(), String> {
    let events = refrain::wire::sse::data(&answer.body).map(|data| match data {
        b"[DONE]" => Value::from("[DONE]"),
        data => serde_json::from_slice(data).unwrap_or_default(),
    });
    // Not every provider writes `[DONE]` behind the last choice.
    let is_finished = |event: &Value| event["choices"][0]["finish_reason"].is_string();
    let mut ends =
        events.filter(|event| has_failed(event) || is_over(surface, event) || is_finished(event));
    if ends.next().is_some() {
        Ok(())
    } else {
        Err(format!("the stream has no end: {}", answer.shown()))
    }
}

fn refusal(surface: Surface, input: &[u8], answer: &Answer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the refusal {what}: {}", answer.shown()));
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return wrong("is no JSON");
    };
    let error = &body["error"];
    if error["message"].as_str().is_none_or(str::is_empty) {
        return wrong("has no message");
    }
    if answer.status == 404
        && error["message"]
            .as_str()
            .unwrap_or_default()
            .contains("there is no POST /")
    {
        return wrong("is of the path");
    }
    match surface {
        Surface::Messages => {
            if body["type"] != "error"
                || !error["type"].is_string()
                || !body["request_id"].is_string()
            {
                return wrong("is not in Anthropic's shape");
            }
        }
        Surface::Google => {
            if error["code"] != answer.status || !error["status"].is_string() {
                return wrong("is not in Google's shape");
            }
        }
        Surface::Chat | Surface::Responses | Surface::Completions | Surface::Embeddings => {
            let fields = error.as_object().map(Map::len);
            if fields != Some(4) || !error["type"].is_string() {
                return wrong("is not in OpenAI's shape");
            }
            // What a provider can't do is named as chat names it.
            if let (Some(param), false) = (error["param"].as_str(), error["code"].is_string())
                && let Err(why) = parsers::is_there(input, param)
            {
                return wrong(&why);
            }
        }
    }
    Ok(())
}
