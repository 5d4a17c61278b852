//! What a model can do, by its name.
//!
//! Google's API does not tell, and answers 400 to what a model lacks. Source:
//! <https://ai.google.dev/gemini-api/docs/thinking> and `/docs/gemini-3` (seen 2026-11):
//!
//! | models | thinking | least | signatures checked | JSON together with tools |
//! |---|---|---|---|---|
//! | 2.5 Pro | budget 128..32768 | 128 | no | no |
//! | 2.5 Flash | budget 0..24576 | off | no | no |
//! | 2.5 Flash-Lite | budget 0, 512..24576 | off | no | no |
//! | 3 to 3.5 Flash, Flash-Lite | level minimal, low, medium, high | minimal | yes | yes |
//! | later Flash | level low, medium, high | low | yes | yes |
//! | 3 Pro, image models from 3 on | level low, high | low | yes | yes |
//! | later Pro, and unknown ones from 3 on | level low, medium, high | low | yes | yes |
//! | others, image and speech models of 2.5 | none | | no | no |
//!
//! From 2.5 on, schemas may be of JSON Schema.
//!
//! Invariant: what is asked for is never more than a model takes; it may be less or more thinking than
//! was wanted where the model has nothing between.

use super::wire::ThinkingConfig;
use crate::wire::ask::Effort;

/// A model's abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    thinking: Thinking,
    /// Whether calls of the current turn must have their thought signatures.
    pub(super) checks_signatures: bool,
    /// Whether schemas may be of JSON Schema, too.
    pub(super) takes_json_schema: bool,
    /// Whether an answer can be bound to JSON while there are tools.
    pub(super) json_with_tools: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thinking {
    /// It does not think.
    No,
    /// In tokens.
    Budget { none: i64, most: i64 },
    /// In words.
    Level { minimal: bool, medium: bool },
}

impl Model {
    /// The model of this name, with or without `models/` before it.
    pub(super) fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("models/").unwrap_or(&name);
        let lite = name.contains("flash-lite");
        let flash = name.contains("flash");
        let pro = name.contains("-pro");
        let speaks = name.contains("-tts") || name.contains("-image");
        let version = version(name);
        let thinking = match version {
            Some((0..=1, _) | (2, 0..5)) | None => Thinking::No,
            Some((2, _)) if speaks => Thinking::No,
            Some((2, _)) if pro => Thinking::Budget {
                none: 128,
                most: 32_768,
            },
            Some((2, _)) => Thinking::Budget {
                none: 0,
                most: 24_576,
            },
            Some((3, minor)) => Thinking::Level {
                minimal: lite || (flash && minor <= 5),
                medium: !(pro && minor == 0 || speaks),
            },
            Some(_) => Thinking::Level {
                minimal: false,
                medium: true,
            },
        };
        let recent = matches!(thinking, Thinking::Level { .. });
        Self {
            thinking,
            checks_signatures: recent,
            takes_json_schema: version >= Some((2, 5)),
            json_with_tools: recent,
        }
    }

    /// Whether it thinks, and so may be shown earlier thoughts.
    pub(super) fn thinks(self) -> bool {
        self.thinking != Thinking::No
    }

    /// How it is told to think that hard; `None` if it does not think. Thoughts are shown, unless
    /// there are to be none.
    ///
    /// The budgets are those of Google's own OpenAI interface:
    /// <https://ai.google.dev/gemini-api/docs/openai#thinking> (seen 2026-11).
    pub(super) fn thinking(self, effort: Effort) -> Option<ThinkingConfig> {
        let (budget, level) = match self.thinking {
            Thinking::No => return None,
            Thinking::Budget { none, most } => {
                let budget = match effort {
                    Effort::None => none,
                    Effort::Minimal | Effort::Low => 1_024,
                    Effort::Medium => 8_192,
                    Effort::High => 24_576,
                    Effort::XHigh | Effort::Max => most,
                };
                (Some(budget), None)
            }
            Thinking::Level { minimal, medium } => {
                let level = match effort {
                    Effort::None | Effort::Minimal if minimal => "MINIMAL",
                    Effort::None | Effort::Minimal | Effort::Low => "LOW",
                    Effort::Medium if medium => "MEDIUM",
                    Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "HIGH",
                };
                (None, Some(level.to_owned()))
            }
        };
        Some(ThinkingConfig {
            include_thoughts: (effort != Effort::None).then_some(true),
            thinking_budget: budget,
            thinking_level: level,
        })
    }
}

/// The version in `gemini-2.5-flash`; of `gemini-flash-latest`, one that is later than all known.
fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix("gemini-")?;
    if rest.ends_with("-latest") && !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((3, u32::MAX));
    }
    let word = rest.split('-').next()?;
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(model: &str, effort: Effort) -> String {
        match Model::named(model).thinking(effort) {
            None => "-".to_owned(),
            Some(config) => {
                let budget = config.thinking_budget.map(|budget| budget.to_string());
                budget.or(config.thinking_level).unwrap()
            }
        }
    }

    #[test]
    fn every_effort_of_every_family() {
        let models = [
            "gemini-2.5-pro",
            "models/gemini-2.5-flash",
            "gemini-2.5-flash-lite",
            "gemini-2.5-flash-image",
            "gemini-2.0-flash",
            "gemini-3-pro-preview",
            "gemini-3.1-pro-preview",
            "gemini-3-flash-preview",
            "gemini-3.1-flash-lite",
            "gemini-3.5-flash",
            "gemini-3.8-flash",
            "gemini-4-argon",
            "gemini-flash-latest",
            "gemini-flash-lite-latest",
            "gemini-pro-latest",
            "gemma-3-27b-it",
            "tunedModels/mine-1",
            "gemini-",
            "gemini-x.y",
        ];
        let table: Vec<String> = models
            .iter()
            .map(|model| {
                let efforts = Effort::NAMES.map(|(_, effort)| told(model, effort));
                format!("{model}: {}", efforts.join(" "))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn only_what_is_recent_checks_signatures() {
        assert!(Model::named("gemini-3-pro-preview").checks_signatures);
        assert!(!Model::named("gemini-2.5-pro").checks_signatures);
        assert!(!Model::named("gemma-3").checks_signatures);
    }

    #[test]
    fn thoughts_are_shown_where_there_are_some() {
        let shown = |effort| Model::named("gemini-2.5-pro").thinking(effort).unwrap();
        assert_eq!(shown(Effort::None).include_thoughts, None);
        assert_eq!(shown(Effort::Low).include_thoughts, Some(true));
    }
}
