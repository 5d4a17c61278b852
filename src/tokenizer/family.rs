//! Which models count alike.

use super::{
    Count,
    encoding::{Encoding, Tally},
    media::Vision,
};
use crate::{config::ProviderKind, units::Tokens};

/// Models that share a tokenizer, as far as it is known, and see images alike.
///
/// The texts of OpenAI's models up to GPT-5 are counted exactly, by OpenAI's own tables. Of others the
/// count is between two numbers, made of o200k's and of what `scripts/measure_token_factors.py` measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Family {
    words: Words,
    vision: Vision,
}

/// How a text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Words {
    Exact(Encoding),
    Near(&'static Factors),
}

/// Tokens for a hundred of o200k, at most, by the script of the text; measured, and an eighth more.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Factors {
    latin: u64,
    alphabets: u64,
    syllabaries: u64,
    ideographs: u64,
}

impl Factors {
    const fn new(latin: u64, alphabets: u64, syllabaries: u64, ideographs: u64) -> Self {
        Self {
            latin,
            alphabets,
            syllabaries,
            ideographs,
        }
    }

    /// Of whatever vocabulary: the worst of all that were measured. Claude's, too: its vocabulary before
    /// version 3 was measured, that of version 4.7 makes up to 1.5 times as many of Latin text.
    const ANY: Self = Self::new(220, 335, 605, 215);
    /// GPT after version 5, of which no table is published: an assumption.
    const LATER_GPT: Self = Self::new(150, 150, 200, 150);
    /// Gemini and Gemma. No vocabulary could be measured; others report 1.05 to 1.10 for English and less
    /// than o200k for most other languages.
    const GEMINI: Self = Self::new(160, 200, 300, 160);
    /// Llama 3 and 4.
    const LLAMA: Self = Self::new(140, 295, 565, 155);
    const QWEN: Self = Self::new(140, 250, 375, 160);
    /// Tekken, and the vocabulary of Mistral 7B.
    const MISTRAL: Self = Self::new(220, 305, 395, 215);
    const DEEPSEEK: Self = Self::new(160, 160, 255, 135);

    /// A number of ASCII digits is at most a token for each: many split them singly.
    fn most(&self, tally: &Tally) -> u64 {
        let hundredths = self.latin * tally.latin
            + self.alphabets * tally.alphabets
            + self.syllabaries * tally.syllabaries
            + self.ideographs * tally.ideographs;
        hundredths.div_ceil(100) + tally.digits
    }
}

/// Fewer tokens than any vocabulary makes of usual text, of a hundred of o200k each.
fn least(tally: &Tally) -> u64 {
    let hundredths = 65 * (tally.latin + tally.alphabets + tally.numbers)
        + 35 * tally.syllabaries
        + 50 * tally.ideographs;
    hundredths / 100
}

/// Beginnings of names, and their encodings, as `tiktoken/model.py` of tiktoken 0.14 has them.
const OPENAI: [(&str, Encoding); 18] = [
    ("gpt-4o", Encoding::O200k),
    ("gpt-4.1", Encoding::O200k),
    ("gpt-4.5", Encoding::O200k),
    ("gpt-5", Encoding::O200k),
    ("gpt-5.", Encoding::O200k),
    ("gpt-oss", Encoding::O200k),
    ("chatgpt-", Encoding::O200k),
    ("codex-", Encoding::O200k),
    ("computer-use-preview", Encoding::O200k),
    ("o1", Encoding::O200k),
    ("o3", Encoding::O200k),
    ("o4", Encoding::O200k),
    ("gpt-4", Encoding::Cl100k),
    ("gpt-3.5", Encoding::Cl100k),
    ("gpt-35", Encoding::Cl100k),
    ("text-embedding-", Encoding::Cl100k),
    ("davinci-002", Encoding::Cl100k),
    ("babbage-002", Encoding::Cl100k),
];

/// Parts of names, and what such models are. The first that fits counts: models distilled into others
/// have the others' tokenizer, and the second version of Llama one of its own.
const OTHERS: [(&str, &Factors, Vision); 24] = [
    ("distill", &Factors::ANY, Vision::Unknown),
    ("llama-2", &Factors::ANY, Vision::Unknown),
    ("llama2", &Factors::ANY, Vision::Unknown),
    ("codellama", &Factors::ANY, Vision::Unknown),
    ("tinyllama", &Factors::ANY, Vision::Unknown),
    ("claude", &Factors::ANY, Vision::Claude),
    ("gemini", &Factors::GEMINI, Vision::Gemini),
    ("gemma", &Factors::GEMINI, Vision::Gemini),
    ("deepseek", &Factors::DEEPSEEK, Vision::Unknown),
    ("llama-3", &Factors::LLAMA, Vision::Unknown),
    ("llama3", &Factors::LLAMA, Vision::Unknown),
    ("llama-4", &Factors::LLAMA, Vision::Unknown),
    ("llama4", &Factors::LLAMA, Vision::Unknown),
    ("qwen", &Factors::QWEN, Vision::Unknown),
    ("qwq", &Factors::QWEN, Vision::Unknown),
    ("mistral", &Factors::MISTRAL, Vision::Unknown),
    ("mixtral", &Factors::MISTRAL, Vision::Unknown),
    ("ministral", &Factors::MISTRAL, Vision::Unknown),
    ("codestral", &Factors::MISTRAL, Vision::Unknown),
    ("devstral", &Factors::MISTRAL, Vision::Unknown),
    ("magistral", &Factors::MISTRAL, Vision::Unknown),
    ("pixtral", &Factors::MISTRAL, Vision::Unknown),
    ("voxtral", &Factors::MISTRAL, Vision::Unknown),
    ("gpt-", &Factors::LATER_GPT, Vision::RecentGpt),
];

impl Family {
    /// The family of a provider's model. The name decides, whatever stands before it (`openai/gpt-4o`,
    /// `ft:gpt-4o:org::id`, `us.anthropic.claude-…`); the kind does where the name says nothing.
    #[must_use]
    pub fn of(kind: ProviderKind, model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let name = name.strip_prefix("openai.").unwrap_or(name);
        let starts = |(beginning, _): &&(&str, Encoding)| begins(name, beginning);
        if let Some((_, encoding)) = OPENAI.iter().find(starts) {
            return Self {
                words: Words::Exact(*encoding),
                vision: Vision::of_openai(name),
            };
        }
        let holds = |(part, _, _): &&(&str, &Factors, Vision)| name.contains(part);
        let (factors, vision) = match (OTHERS.iter().find(holds), kind) {
            (Some((_, factors, vision)), _) => (*factors, *vision),
            (None, ProviderKind::Gemini) => (&Factors::GEMINI, Vision::Gemini),
            (None, ProviderKind::Anthropic) => (&Factors::ANY, Vision::Claude),
            (None, ProviderKind::OpenAi | ProviderKind::Ollama | ProviderKind::Demo) => {
                (&Factors::ANY, Vision::Unknown)
            }
        };
        Self {
            words: Words::Near(factors),
            vision,
        }
    }

    /// Whether its texts are counted exactly.
    #[must_use]
    pub fn is_exact(self) -> bool {
        matches!(self.words, Words::Exact(_))
    }

    /// Whether functions begin as those of GPT-4 and GPT-3.5 do.
    pub(super) fn is_before_gpt_4o(self) -> bool {
        self.words == Words::Exact(Encoding::Cl100k)
    }

    pub(super) fn vision(self) -> Vision {
        self.vision
    }

    /// The tokens of a text.
    #[must_use]
    pub fn text(self, text: &str) -> Count {
        let tally = self.encoding().tally(text);
        let most = self.most(&tally, text.len());
        let least = match self.words {
            Words::Exact(_) => most,
            Words::Near(_) => least(&tally).min(most),
        };
        Count {
            least: Tokens(least),
            most: Tokens(most),
        }
    }

    /// The encoding that its texts are counted with.
    pub(super) fn encoding(self) -> Encoding {
        match self.words {
            Words::Exact(encoding) => encoding,
            Words::Near(_) => Encoding::O200k,
        }
    }

    /// The most tokens of what has this tally and so many bytes: what every vocabulary falls back to.
    pub(super) fn most(self, tally: &Tally, bytes: usize) -> u64 {
        match self.words {
            Words::Exact(_) => tally.total(),
            Words::Near(factors) => factors.most(tally).min(bytes as u64),
        }
    }
}

/// Whether `name` begins so, and a word ends there: `o1` and `o1-mini`, not `o1x`.
fn begins(name: &str, beginning: &str) -> bool {
    name.strip_prefix(beginning).is_some_and(|rest| {
        rest.is_empty() || beginning.ends_with(['-', '.']) || rest.starts_with(['-', ':', '@'])
    })
}
