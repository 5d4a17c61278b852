//! An answer on its way to the client: how it ends is told to whoever counts.
//!
//! Invariant: what was set aside for a call is settled when its answer is over, also when it breaks off, and when
//! nobody wants the rest. A stream that does not count its tokens is estimated by its events.

use std::sync::LazyLock;

use futures_util::StreamExt;
use memchr::memmem::Finder;

use super::{attempt::Attempt, fetch::last_count};
use crate::{
    provider::{ChatReply, Events, Piece},
    units::Tokens,
    wire::answer::Usage,
};

/// Where an event begins. Made once: making ready for a search takes longer than searching one piece.
static DATA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("data:"));

/// About how many bytes of an event are not text.
const FRAME: u64 = 200;

/// More than any model reads or writes in one call, in tokens.
const MOST: Tokens = Tokens(10_000_000);

/// The reply; `attempt` is settled when it is over.
pub(super) fn metered(reply: ChatReply, attempt: Attempt) -> ChatReply {
    let mut meter = Meter {
        attempt,
        used: None,
        events: 0,
        bytes: 0,
    };
    match reply {
        ChatReply::Whole(whole) => {
            meter.used = whole.answer.usage();
            meter.bytes = whole.body.len() as u64;
            meter.attempt.complete();
            ChatReply::Whole(whole)
        }
        ChatReply::Stream(events) => {
            meter.see(&events.first);
            let rest = events.rest.inspect(move |piece| match piece {
                Ok(piece) => meter.see(piece),
                // The time that is up is ours, and runs while the client reads.
                Err(error) if error.is_out_of_time() => {}
                Err(_) => meter.attempt.broke_off(),
            });
            ChatReply::Stream(Events {
                rest: rest.boxed(),
                ..events
            })
        }
    }
}

/// Sees an answer go by.
struct Meter {
    attempt: Attempt,
    used: Option<Usage>,
    events: u64,
    bytes: u64,
}

impl Meter {
    fn see(&mut self, piece: &Piece) {
        self.events += DATA.find_iter(&piece.bytes).count() as u64;
        self.bytes += piece.bytes.len() as u64;
        if let Some(used) = last_count(&piece.bytes) {
            self.used = Some(used);
        }
        if piece.last {
            self.attempt.complete();
            self.settle();
        }
    }

    /// Tells what was used. Counts once.
    fn settle(&mut self) {
        let used = self.used.unwrap_or_else(|| self.estimate());
        // A count that can't be true must not lock a client out.
        let used = Usage {
            input: used.input.min(MOST),
            output: used.output.min(MOST),
        };
        self.attempt.used(used);
    }

    /// By what has gone by: a token an event, or one for four bytes of text where events are longer.
    fn estimate(&self) -> Usage {
        let text = self.bytes.saturating_sub(self.events.saturating_mul(FRAME));
        Usage {
            input: self.attempt.prompt(),
            output: Tokens(self.events.max(text / 4)),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.settle();
    }
}
