//! The table of phases: what is asked of whom, how many at a time, and what it may cost.
//!
//! It holds no code that runs: bodies are made in `prompt`, goals are judged in `report`.
//! Every phase asks at temperature 0, so a gateway always has to look the answer up and store it;
//! a bypass would be cheaper and would flatter.

use bytes::Bytes;

use crate::prompt::{self, Prompt};
use crate::target::Kind;

/// 100 KB in messages of 4 KB. Odd, so that the user has the last word.
const KILOBYTES_100: Prompt = Prompt::Turns(25);
const MEGABYTES_2: Prompt = Prompt::Turns(499);

/// One row of the plan.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Requests in flight, each on its own connection.
    pub(crate) connections: usize,
    pub(crate) prompt: Prompt,
    /// What is asked for: it says which dialect the gateway speaks to the mock.
    pub(crate) model: &'static str,
    pub(crate) stream: bool,
    pub(crate) on: On,
    /// The phase whose `direct` and `floor` this one is held against, if not its own.
    pub(crate) against: Option<&'static str>,
    /// The `x-refrain-cache` that a gateway's answer should carry.
    pub(crate) expect: &'static str,
    pub(crate) goals: &'static [Goal],
}

/// Which targets a phase makes sense on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The mock itself, the proxies, and the gateway without the semantic tier.
    Everyone,
    /// The gateway without the semantic tier.
    Plain,
    /// The gateway with the semantic tier.
    Semantic,
}

impl On {
    pub(crate) fn includes(self, kind: Kind) -> bool {
        match self {
            Self::Everyone => kind != Kind::Semantic,
            Self::Plain => kind == Kind::Plain,
            Self::Semantic => kind == Kind::Semantic,
        }
    }
}

/// An upper bound on one figure of the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// CPU time per request, in microseconds.
    Cpu(f64),
    /// Median latency, in microseconds.
    Median(f64),
    /// Median latency above that of the mock asked directly, in microseconds.
    Added(f64),
    /// No more than one request in a thousand over 30 ms (the pause of a delayed acknowledgement
    /// is 40 ms and hits far more than that; a busy machine now and then hits one).
    NoStalls,
}

impl Phase {
    /// Whether the gateway must have been told of kinds of work and of windows, as builds before there
    /// were any can't be.
    pub(crate) fn is_routed(&self) -> bool {
        self.model.starts_with("auto") || self.model.starts_with("gpt-4o")
    }

    /// The body that must be in the cache before the phase, if the phase needs one.
    pub(crate) fn prime(&self) -> Option<Bytes> {
        prompt::prime(self)
    }

    /// Most tokens the answer may have: one chunk each in a stream.
    pub(crate) fn max_tokens(&self) -> usize {
        if self.stream { 200 } else { 16 }
    }
}

const BASE: Phase = Phase {
    name: "",
    what: "",
    connections: 1,
    prompt: Prompt::Unique,
    model: "mock-model",
    stream: false,
    on: On::Everyone,
    against: None,
    expect: "miss",
    goals: &[],
};

pub(crate) const PHASES: &[Phase] = &[
    Phase {
        name: "pass_c64",
        what: "pass-through, every prompt new",
        connections: 64,
        goals: &[Goal::Cpu(60.0)],
        ..BASE
    },
    Phase {
        name: "pass_c1",
        what: "pass-through, every prompt new",
        goals: &[Goal::Added(100.0), Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "exact_hit_c64",
        what: "the same body again and again",
        connections: 64,
        prompt: Prompt::Same,
        on: On::Plain,
        against: Some("pass_c64"),
        expect: "exact",
        goals: &[Goal::Cpu(25.0)],
        ..BASE
    },
    Phase {
        name: "exact_hit_c1",
        what: "the same body again and again",
        prompt: Prompt::Same,
        on: On::Plain,
        against: Some("pass_c1"),
        expect: "exact",
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "stream_c16",
        what: "stream of 200 chunks sent at once",
        connections: 16,
        stream: true,
        goals: &[Goal::Cpu(1500.0)],
        ..BASE
    },
    Phase {
        name: "stream_c1",
        what: "stream of 200 chunks sent at once",
        stream: true,
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "stream_hit_c16",
        what: "the same stream again and again",
        connections: 16,
        prompt: Prompt::Same,
        stream: true,
        on: On::Plain,
        against: Some("stream_c16"),
        expect: "exact",
        ..BASE
    },
    Phase {
        name: "stream_hit_c1",
        what: "the same stream again and again",
        prompt: Prompt::Same,
        stream: true,
        on: On::Plain,
        against: Some("stream_c1"),
        expect: "exact",
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "translated_c64",
        what: "every prompt new, to a provider of kind `anthropic`",
        connections: 64,
        model: "claude-sonnet-4-5",
        on: On::Plain,
        against: Some("pass_c64"),
        ..BASE
    },
    Phase {
        name: "translated_stream_c16",
        what: "the same as a stream of 200 deltas sent at once",
        connections: 16,
        model: "claude-sonnet-4-5",
        stream: true,
        on: On::Plain,
        against: Some("stream_c16"),
        ..BASE
    },
    Phase {
        name: "long_c16",
        what: "100 KB prompt, each new",
        connections: 16,
        prompt: Prompt::Long,
        goals: &[Goal::Cpu(300.0)],
        ..BASE
    },
    Phase {
        name: "long_c1",
        what: "100 KB prompt, each new",
        prompt: Prompt::Long,
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "long_hit_c16",
        what: "the same 100 KB prompt again and again",
        connections: 16,
        prompt: Prompt::SameLong,
        on: On::Plain,
        against: Some("long_c16"),
        expect: "exact",
        ..BASE
    },
    Phase {
        name: "routed_c64",
        what: "`auto:chat`: of two models the quicker one, with fallbacks; every prompt new",
        connections: 64,
        model: "auto:chat",
        on: On::Plain,
        against: Some("pass_c64"),
        ..BASE
    },
    Phase {
        name: "uncounted_c16",
        what: "100 KB conversation, each new, for a window of 200,000 tokens: fits by its bytes",
        connections: 16,
        prompt: KILOBYTES_100,
        model: "gpt-4o-wide",
        on: On::Plain,
        against: Some("long_c16"),
        ..BASE
    },
    Phase {
        name: "counted_c16",
        what: "the same for a window of 64,000 tokens: counted, and fits",
        connections: 16,
        prompt: KILOBYTES_100,
        model: "gpt-4o-half",
        on: On::Plain,
        against: Some("long_c16"),
        ..BASE
    },
    Phase {
        name: "trimmed_c16",
        what: "the same for a window of 8,192 tokens: counted and cut",
        connections: 16,
        prompt: KILOBYTES_100,
        model: "gpt-4o-narrow",
        on: On::Plain,
        against: Some("long_c16"),
        ..BASE
    },
    Phase {
        name: "trimmed_c1",
        what: "the same for a window of 8,192 tokens: counted and cut",
        prompt: KILOBYTES_100,
        model: "gpt-4o-narrow",
        on: On::Plain,
        against: Some("long_c1"),
        goals: &[Goal::Added(5000.0), Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "trimmed_2mb_c1",
        what: "2 MB conversation, each new, for a window of 8,192 tokens",
        prompt: MEGABYTES_2,
        model: "gpt-4o-narrow",
        on: On::Plain,
        goals: &[Goal::Median(100_000.0)],
        ..BASE
    },
    Phase {
        name: "semantic_hit_c1",
        what: "one question in other words each time",
        prompt: Prompt::Paraphrase,
        on: On::Semantic,
        against: Some("pass_c1"),
        expect: "semantic",
        goals: &[Goal::Cpu(2000.0), Goal::Median(2000.0), Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "semantic_hit_c4",
        what: "one question in other words each time",
        connections: 4,
        prompt: Prompt::Paraphrase,
        on: On::Semantic,
        expect: "semantic",
        goals: &[Goal::Cpu(2000.0)],
        ..BASE
    },
    Phase {
        name: "semantic_miss_c1",
        what: "every prompt new, embedded and compared",
        prompt: Prompt::Unlike,
        on: On::Semantic,
        against: Some("pass_c1"),
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "classified_c1",
        what: "`auto`: every prompt new, embedded, compared and its kind of work found",
        prompt: Prompt::Unlike,
        model: "auto",
        on: On::Semantic,
        against: Some("pass_c1"),
        goals: &[Goal::NoStalls],
        ..BASE
    },
    Phase {
        name: "classified_c4",
        what: "`auto`: every prompt new, embedded, compared and its kind of work found",
        connections: 4,
        prompt: Prompt::Unlike,
        model: "auto",
        on: On::Semantic,
        ..BASE
    },
];
