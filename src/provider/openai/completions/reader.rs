//! What a server answers with at `/completions`, as events.

use serde_json::Value;

use crate::{
    provider::{
        dialect::{Broken, Reader},
        openai::failure,
    },
    wire::{
        completions::from_legacy,
        error_body::ErrorObject,
        said::{Counts, Event, Finish, Said},
        sse,
    },
};

/// Reads one answer: texts, each of which may be one of several.
#[derive(Debug, Default)]
pub(super) struct Texts {
    begun: bool,
    over: bool,
    /// The choices that began, and whether they came to their end.
    choices: Vec<(u64, bool)>,
}

/// Choices that are followed: more than any request for one prompt can ask for.
const MOST_CHOICES: usize = 2048;

impl Reader for Texts {
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        self.object(body, told)?;
        if self.choices.is_empty() {
            return Err(unreadable(
                "JSON without a list of `choices`, each with a `text`",
            ));
        }
        self.finish_all(told);
        Ok(())
    }

    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        if sse::is_done(data) {
            self.over = true;
            self.finish_all(told);
            return Ok(());
        }
        self.object(data, told)
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn end(&mut self, _told: &mut Vec<Event>) -> Result<(), Broken> {
        // Some servers leave the last event out.
        let is_whole = self.choices.iter().all(|(_, finished)| *finished);
        if self.over || (is_whole && !self.choices.is_empty()) {
            return Ok(());
        }
        Err(unreadable("it ended before the answer did"))
    }
}

impl Texts {
    /// An answer that says it is whole has no choice that is not.
    fn finish_all(&mut self, told: &mut Vec<Event>) {
        for (choice, finished) in &mut self.choices {
            if !std::mem::replace(finished, true) {
                told.push(say(*choice, Said::Finish(Finish::Stop)));
            }
        }
    }

    fn object(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Broken::Unreadable(format!("no JSON: {error}")))?;
        if value.get("error").is_none_or(Value::is_null) {
        } else if let Some(error) = ErrorObject::from_value(&value) {
            return Err(Broken::Reported(failure::reported(error)));
        }
        let Value::Object(mut fields) = value else {
            return Err(unreadable("JSON, but no object"));
        };
        if !self.begun {
            self.begun = true;
            let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
            let (id, model) = (text("id"), text("model"));
            told.push(Event::Begin { id, model });
        }
        if let Some(Value::Array(choices)) = fields.remove("choices") {
            for choice in choices {
                self.choice(&choice, told)?;
            }
        }
        told.extend(fields.get("usage").and_then(counts).map(Event::Usage));
        Ok(())
    }

    fn choice(&mut self, choice: &Value, told: &mut Vec<Event>) -> Result<(), Broken> {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let text = choice.get("text").and_then(Value::as_str);
        let reason = choice.get("finish_reason").and_then(Value::as_str);
        if text.is_none() && reason.is_none() {
            return Err(unreadable("a choice without `text`"));
        }
        let place = self.choices.iter().position(|(known, _)| *known == index);
        let place = place.unwrap_or_else(|| {
            self.choices.push((index, false));
            self.choices.len() - 1
        });
        if self.choices.len() > MOST_CHOICES {
            return Err(unreadable("more choices than were asked for"));
        }
        let logprobs = choice.get("logprobs").and_then(from_legacy);
        let text = text.unwrap_or_default();
        if !text.is_empty() || logprobs.is_some() {
            let text = text.to_owned();
            told.push(say(index, Said::Text { text, logprobs }));
        }
        let finished = self.choices.get_mut(place).map(|(_, finished)| finished);
        if let (Some(reason), Some(finished)) = (reason, finished)
            && !std::mem::replace(finished, true)
        {
            let finish = match reason {
                "length" => Finish::Length,
                "content_filter" => Finish::ContentFilter,
                _ => Finish::Stop,
            };
            told.push(say(index, Said::Finish(finish)));
        }
        Ok(())
    }
}

fn say(choice: u64, said: Said) -> Event {
    Event::Say { choice, said }
}

fn unreadable(why: &str) -> Broken {
    Broken::Unreadable(why.to_owned())
}

fn counts(usage: &Value) -> Option<Counts> {
    let usage = usage.as_object()?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail = |list: &str, name: &str| usage.get(list)?.get(name)?.as_u64();
    Some(Counts {
        prompt: count("prompt_tokens")?,
        completion: count("completion_tokens").unwrap_or(0),
        cached: detail("prompt_tokens_details", "cached_tokens"),
        cache_written: None,
        reasoning: detail("completion_tokens_details", "reasoning_tokens"),
    })
}
