//! Several calls as one answer.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};

use super::streaming::{Streaming, Told};
use crate::{
    error::{UpstreamError, UpstreamErrorKind},
    provider::{Piece, signatures::Listener, transport::Transport},
    wire::{
        ask::Ask,
        said::{Counts, Event, Said, Telling},
    },
};

/// Makes one answer of several calls: numbers the choices through and adds up the tokens. Where tools
/// are to be called one at a time, whatever the provider does, only the first call of a choice is told.
pub(super) struct Merger {
    choices: u64,
    one_tool_call: bool,
    /// Calls of tools so far, by choice.
    tool_calls: HashMap<u64, u32>,
    counts: Vec<Option<Counts>>,
    listener: Listener,
}

impl Merger {
    /// For so many `calls` that each answer `ask`.
    pub(super) fn new(calls: usize, ask: &Ask, listener: Listener) -> Self {
        Self {
            choices: ask.choices.into(),
            one_tool_call: !ask.parallel_calls,
            tool_calls: HashMap::new(),
            counts: vec![None; calls],
            listener,
        }
    }

    pub(super) fn merge(&mut self, call: usize, told: Vec<Event>) -> Vec<Event> {
        told.into_iter()
            .filter_map(|event| self.merged(call, event))
            .collect()
    }

    fn merged(&mut self, call: usize, event: Event) -> Option<Event> {
        let event = match event {
            Event::Say { choice, said } => {
                let choice = choice + call as u64 * self.choices;
                if self.one_tool_call && self.is_further_call(choice, &said) {
                    return None;
                }
                Event::Say { choice, said }
            }
            Event::Usage(counts) => {
                if let Some(slot) = self.counts.get_mut(call) {
                    *slot = Some(counts);
                }
                let all = self.counts.iter().flatten().copied().reduce(Counts::plus);
                Event::Usage(all.unwrap_or(counts))
            }
            begin @ Event::Begin { .. } => begin,
        };
        self.listener.hear(&event);
        Some(event)
    }

    /// Whether this belongs to a call behind the first.
    fn is_further_call(&mut self, choice: u64, said: &Said) -> bool {
        let calls = self.tool_calls.entry(choice).or_default();
        match said {
            Said::Call { .. } => *calls += 1,
            Said::Arguments(_) => {}
            Said::Text { .. }
            | Said::Reasoning(_)
            | Said::Refusal(_)
            | Said::Extra(_)
            | Said::Finish(_) => return false,
        }
        *calls > 1
    }
}

/// A stream that goes on.
pub(super) struct Going {
    telling: Telling,
    merger: Merger,
    rest: SelectAll<BoxStream<'static, (usize, Result<Told, UpstreamError>)>>,
    transport: Transport,
    /// How many calls are not over.
    open: usize,
    ended: bool,
}

impl Going {
    /// `calls` that are yet to begin, which make the answer that `telling` writes.
    pub(super) fn new(
        calls: usize,
        telling: Telling,
        merger: Merger,
        transport: &Transport,
    ) -> Self {
        Self {
            telling,
            merger,
            rest: SelectAll::new(),
            transport: transport.clone(),
            open: calls,
            ended: false,
        }
    }

    /// Takes in a call that has begun.
    pub(super) fn begin(&mut self, call: usize, told: Told, streaming: Streaming) {
        self.tell(call, told);
        self.rest.push(streaming.told(call));
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        self.telling.take().into()
    }

    fn tell(&mut self, call: usize, told: Told) {
        for event in self.merger.merge(call, told.events) {
            self.telling.tell(event);
        }
        self.open = self.open.saturating_sub(usize::from(told.over));
    }

    pub(super) async fn next(&mut self) -> Option<Result<Piece, UpstreamError>> {
        while !self.ended {
            if self.open == 0 {
                self.ended = true;
                return Some(self.end());
            }
            match self.rest.next().await {
                Some((call, Ok(told))) => {
                    self.tell(call, told);
                    if self.open == 0 {
                        continue;
                    }
                    let bytes = Bytes::from(self.telling.take());
                    if !bytes.is_empty() {
                        return Some(Ok(Piece::new(bytes, false)));
                    }
                }
                Some((_, Err(error))) => {
                    self.ended = true;
                    self.rest.clear();
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    return Some(Err(self.unfinished()));
                }
            }
        }
        // Reading to the end lets the connections serve again.
        while self.rest.next().await.is_some() {}
        None
    }

    fn end(&mut self) -> Result<Piece, UpstreamError> {
        if !self.telling.is_whole() {
            return Err(self.unfinished());
        }
        self.telling.end();
        let bytes = Bytes::from(self.telling.take());
        Ok(Piece::new(bytes, true))
    }

    fn unfinished(&self) -> UpstreamError {
        let why = "it ended before the answer did".to_owned();
        self.transport.error(UpstreamErrorKind::Stream(why))
    }
}
