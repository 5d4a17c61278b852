//! Reads an answer: each event of a stream is a whole response with what is new, so one way leads
//! through both.
//!
//! | Gemini | becomes |
//! |---|---|
//! | `text`, with `thought: true` | text, a thought |
//! | `functionCall` | a call; its id is made of the answer's id where Google gives none |
//! | `thoughtSignature` of a call | `extra_content.google.thought_signature` of the call |
//! | `thoughtSignature` of anything else | the same of the message, the last one, at its end |
//! | `logprobsResult` | the probabilities of the next text |
//! | `promptFeedback.blockReason`, no candidates | an empty answer, ended by `content_filter` |
//! | images, run code | nothing: no request can ask for them; broken where they are all of the answer |
//! | citations | nothing |
//!
//! The end is told when the stream ends, since some models give a `finishReason` with every event. A
//! stream without one is broken, and so is an answer that ends for a reason that leaves it unusable.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    MOST_CANDIDATES, failure, names,
    wire::{
        Candidate, FunctionCall, LogprobsCandidate, LogprobsResult, Response, SpokenPart,
        UsageMetadata,
    },
};
use crate::{
    provider::{
        dialect::{Broken, Reader},
        transport::Failure,
    },
    wire::{
        error_body::ErrorObject,
        said::{Counts, Event, Finish, Said},
    },
};

/// Fields of parts that are no content themselves.
const ABOUT_PARTS: [&str; 3] = ["mediaResolution", "partMetadata", "videoMetadata"];

/// Reads one answer to a request for so many candidates.
#[derive(Debug)]
pub(super) struct Answer {
    /// `None` for however many the client has asked for in its own words.
    wanted: Option<usize>,
    begun: bool,
    blocked: bool,
    id: String,
    candidates: Vec<Heard>,
}

/// What was heard of one candidate.
#[derive(Debug, Default)]
struct Heard {
    /// How many calls there were.
    calls: usize,
    /// Their ids.
    ids: HashSet<String>,
    /// Whether it said any text.
    spoke: bool,
    /// The kind of the first part that can't be told.
    untold: Option<String>,
    signature: Option<String>,
    logprobs: Vec<Value>,
    finish: Option<(String, Option<String>)>,
}

impl Answer {
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            wanted: Some(usize::try_from(wanted.max(1)).unwrap_or(1)),
            ..Self::verbatim()
        }
    }

    /// Reads an answer that goes to a client of Gemini as it is. What can't be told in a chat, or ended for a
    /// reason that no chat has, is an answer all the same, if it says anything; it is one that was filtered.
    pub(super) fn verbatim() -> Self {
        Self {
            wanted: None,
            begun: false,
            blocked: false,
            id: String::new(),
            candidates: Vec::new(),
        }
    }

    fn read(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let value: Value = serde_json::from_slice(body).map_err(|_| not_json(body))?;
        if let Some(failure) = failure::reported(&value) {
            return Err(Broken::Reported(failure));
        }
        if !value.is_object() {
            return Err(not_json(body));
        }
        let response: Response = serde_json::from_value(value)
            .map_err(|error| Broken::Unreadable(format!("not Gemini's JSON: {error}")))?;
        self.take(response, told)
    }

    fn take(&mut self, response: Response, told: &mut Vec<Event>) -> Result<(), Broken> {
        if !self.begun {
            self.begun = true;
            self.id = response.response_id.clone().unwrap_or_default();
            told.push(Event::Begin {
                id: response.response_id,
                model: response.model_version,
            });
        }
        let feedback = response.prompt_feedback;
        self.blocked |= feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        for candidate in response.candidates {
            self.hear(candidate, told)?;
        }
        if let Some(usage) = response.usage_metadata {
            told.push(Event::Usage(counts(&usage)));
        }
        Ok(())
    }

    fn hear(&mut self, candidate: Candidate, told: &mut Vec<Event>) -> Result<(), Broken> {
        let choice = candidate.index;
        let place = usize::try_from(choice).unwrap_or(usize::MAX);
        // Nobody asked for it, and its number may be that of another call's.
        if place >= self.wanted.unwrap_or(MOST_CANDIDATES as usize) {
            return Ok(());
        }
        while self.candidates.len() <= place {
            self.candidates.push(Heard::default());
        }
        let Some(heard) = self.candidates.get_mut(place) else {
            return Ok(());
        };
        if let Some(result) = candidate.logprobs_result {
            heard.logprobs.extend(logprobs(result));
        }
        let is_verbatim = self.wanted.is_none();
        for part in candidate.content.parts {
            let said = heard.part(part, &self.id, choice, is_verbatim)?;
            told.extend(said.map(|said| Event::Say { choice, said }));
        }
        if let Some(reason) = candidate.finish_reason
            && !reason.is_empty()
            && reason != "FINISH_REASON_UNSPECIFIED"
        {
            heard.finish = Some((reason, candidate.finish_message));
        }
        Ok(())
    }

    fn finish(&mut self, told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.candidates.is_empty() && self.blocked {
            for choice in (0..).take(self.wanted.unwrap_or(1)) {
                let said = Said::Finish(Finish::ContentFilter);
                told.push(Event::Say { choice, said });
            }
            return Ok(());
        }
        let mut finishes = Vec::with_capacity(self.candidates.len());
        for heard in &self.candidates {
            finishes.push(match heard.finish() {
                Err(_) if self.wanted.is_none() && heard.is_something() => Finish::ContentFilter,
                finish => finish?,
            });
        }
        if finishes.is_empty() {
            let why = "it ended without a candidate".to_owned();
            return Err(Broken::Unreadable(why));
        }
        if let Some(wanted) = self.wanted.filter(|wanted| finishes.len() < *wanted) {
            return Err(Broken::Reported(too_few(finishes.len(), wanted)));
        }
        for (choice, (heard, finish)) in (0..).zip(self.candidates.iter_mut().zip(finishes)) {
            let rest = heard.rest();
            let said = rest.into_iter().chain([Said::Finish(finish)]);
            told.extend(said.map(|said| Event::Say { choice, said }));
        }
        Ok(())
    }
}

impl Reader for Answer {
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        self.read(body, told)?;
        self.finish(told)
    }

    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        self.read(data, told)
    }

    fn end(&mut self, told: &mut Vec<Event>) -> Result<(), Broken> {
        self.finish(told)
    }
}

impl Heard {
    fn part(
        &mut self,
        part: SpokenPart,
        id: &str,
        choice: u64,
        is_verbatim: bool,
    ) -> Result<Option<Said>, Broken> {
        let signature = part.thought_signature.filter(|text| !text.is_empty());
        if let Some(call) = part.function_call {
            if call.name.is_empty() {
                return Err(Broken::Unreadable("a call without a name".to_owned()));
            }
            let name = if is_verbatim {
                call.name.as_str()
            } else {
                names::told(&call.name)
            };
            let name = name.to_owned();
            return Ok(Some(self.call(call, name, signature, id, choice)));
        }
        if signature.is_some() {
            self.signature = signature;
        }
        if self.untold.is_none() {
            let mut rest = part.rest.into_iter();
            let kind =
                rest.find(|(key, value)| !ABOUT_PARTS.contains(&key.as_str()) && !value.is_null());
            self.untold = kind.map(|(key, _)| key);
        }
        let Some(text) = part.text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        if part.thought == Some(true) {
            return Ok(Some(Said::Reasoning(text)));
        }
        self.spoke = true;
        let logprobs = std::mem::take(&mut self.logprobs);
        Ok(Some(Said::Text {
            text,
            logprobs: (!logprobs.is_empty()).then_some(logprobs),
        }))
    }

    fn call(
        &mut self,
        call: FunctionCall,
        name: String,
        signature: Option<String>,
        answer: &str,
        choice: u64,
    ) -> Said {
        let given = call
            .id
            .filter(|id| !id.is_empty() && !self.ids.contains(id));
        let id = given.or_else(|| made_id(answer, choice, self.calls));
        self.calls += 1;
        self.ids.extend(id.clone());
        let mut extra = Map::new();
        if let Some(signature) = signature {
            extra.insert("extra_content".to_owned(), extra_content(&signature));
        }
        Said::Call {
            id,
            name,
            arguments: Value::Object(call.args).to_string(),
            extra,
        }
    }

    /// Whether it has come to its end, or there is anything of it that its client can use.
    fn is_something(&self) -> bool {
        self.finish.is_some() && (self.spoke || self.calls > 0 || self.untold.is_some())
    }

    /// What is said at the very end.
    fn rest(&mut self) -> Vec<Said> {
        let mut rest = Vec::new();
        let logprobs = std::mem::take(&mut self.logprobs);
        if self.spoke && !logprobs.is_empty() {
            rest.push(Said::Text {
                text: String::new(),
                logprobs: Some(logprobs),
            });
        }
        if let Some(signature) = self.signature.take() {
            let extra = [("extra_content".to_owned(), extra_content(&signature))];
            rest.push(Said::Extra(Map::from_iter(extra)));
        }
        rest
    }

    /// Why it ended, unless it has said nothing but what can't be told.
    fn finish(&self) -> Result<Finish, Broken> {
        let finish = self.reason()?;
        match &self.untold {
            Some(kind) if finish != Finish::ContentFilter && !self.spoke && self.calls == 0 => {
                let kind: String = kind.chars().take(64).collect();
                let why = format!("it answered with `{}` and no text", kind.escape_debug());
                Err(Broken::Unreadable(why))
            }
            Some(_) | None => Ok(finish),
        }
    }

    /// Source: `FinishReason` at <https://ai.google.dev/api/generate-content> (seen 2026-11).
    fn reason(&self) -> Result<Finish, Broken> {
        let Some((reason, message)) = &self.finish else {
            let why = "it ended before the answer did".to_owned();
            return Err(Broken::Unreadable(why));
        };
        match reason.as_str() {
            "STOP" => Ok(Finish::Stop),
            "MAX_TOKENS" | "CONTINUATION" => Ok(Finish::Length),
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "ESCALATION"
            | "MODEL_ARMOR" => Ok(Finish::ContentFilter),
            // Calls that can't be read, no reason at all, or one of which nothing is known: the
            // answer may lack anything.
            _ => {
                let reason: String = reason.chars().take(64).collect();
                let message = message.as_deref().unwrap_or_default();
                let message: String = message.chars().take(200).collect();
                let why = format!("it ended the answer for {reason} {message}");
                Err(Broken::Unreadable(why.trim_end().to_owned()))
            }
        }
    }
}

/// An id for a call that Google gave none: the same for the same answer, so that what belongs to the
/// call can be found again; short enough for every other provider.
fn made_id(answer: &str, choice: u64, call: usize) -> Option<String> {
    if answer.is_empty() {
        return None;
    }
    let hash = blake3::hash(format!("{choice} {call} {answer}").as_bytes()).to_hex();
    let short: String = hash.chars().take(24).collect();
    Some(format!("call_{short}"))
}

fn extra_content(signature: &str) -> Value {
    json!({"google": {"thought_signature": signature}})
}

fn counts(usage: &UsageMetadata) -> Counts {
    let all = |counts: [Option<u64>; 2]| {
        let counts = counts.into_iter().flatten();
        counts.fold(0, u64::saturating_add)
    };
    Counts {
        prompt: all([usage.prompt_token_count, usage.tool_use_prompt_token_count]),
        completion: all([usage.candidates_token_count, usage.thoughts_token_count]),
        cached: usage.cached_content_token_count,
        cache_written: None,
        reasoning: usage.thoughts_token_count,
    }
}

fn logprobs(result: LogprobsResult) -> impl Iterator<Item = Value> {
    let tops = result.top_candidates.into_iter().map(|top| top.candidates);
    let tops = tops.chain(std::iter::repeat_with(Vec::new));
    let chosen = result.chosen_candidates.into_iter();
    chosen.zip(tops).map(|(chosen, top)| {
        let top: Vec<_> = top.iter().map(token).collect();
        let mut token = token(&chosen);
        token.insert("top_logprobs".to_owned(), json!(top));
        Value::Object(token)
    })
}

fn token(candidate: &LogprobsCandidate) -> Map<String, Value> {
    Map::from_iter([
        ("token".to_owned(), json!(candidate.token)),
        ("logprob".to_owned(), json!(candidate.log_probability)),
        ("bytes".to_owned(), json!(candidate.token.as_bytes())),
    ])
}

/// Some models give one candidate whatever is asked for. Told as the 400 that others answer, whereupon
/// they are asked for one at a time.
fn too_few(given: usize, wanted: usize) -> Failure {
    Failure {
        status: 400,
        error: Some(ErrorObject {
            message: format!("it gave {given} of {wanted} candidates"),
            kind: Some("invalid_request_error".to_owned()),
            param: Some("n".to_owned()),
            code: None,
        }),
        retry_after: None,
    }
}

fn not_json(body: &[u8]) -> Broken {
    let start = String::from_utf8_lossy(body.get(..80).unwrap_or(body));
    Broken::Unreadable(format!(
        "not a Gemini answer but `{}`",
        start.trim().escape_debug()
    ))
}
