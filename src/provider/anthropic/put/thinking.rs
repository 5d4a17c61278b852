//! How the model thinks and chooses its words.
//!
//! Sources: <https://platform.claude.com/docs/en/build-with-claude/thinking>, `…/extended-thinking`,
//! `…/effort`, `…/preserved-thinking` (seen 2026-11).
//!
//! | `reasoning_effort` | with a budget | adaptive |
//! |---|---|---|
//! | `none` | no thinking | `disabled` or `between_tools` where it is on by itself; refused where it is always on |
//! | `minimal`, `low` | 1024 tokens | effort `low` |
//! | `medium` | 8192 | `medium` |
//! | `high` | 24 576 | `high` |
//! | `xhigh` | 32 768 | `xhigh`; `high` where there is none |
//! | `max` | 32 768 | `max` |
//!
//! The request's own `thinking` goes before the effort. Thinking gives way, for the one request, where
//! Anthropic would refuse the two together: to a tool that must be called; and with a budget, to an
//! assistant's message at the end, and to calls whose thoughts the client has not kept.

use serde_json::{Value, json};

use super::{
    super::abilities::{Abilities, Efforts, Sampling, Thinking},
    turns::thoughts,
};
use crate::wire::ask::{Ask, Cannot, Effort, Turn, Unable};

/// Anthropic's least budget, in tokens.
const LEAST_BUDGET: u64 = 1024;
/// What is left for the answer beside a budget that we choose, in tokens.
const LEAST_ANSWER: u64 = 4096;
/// The longest answer where the client sets none, in tokens: what Anthropic advises for high efforts.
const USUAL_OUTPUT: u64 = 64_000;

/// How the model is to think.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// `thinking`.
    pub(super) object: Option<Value>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
    /// Whether the model thinks, as far as one can say.
    pub(super) is_on: bool,
}

impl Plan {
    /// `forced`: a tool must be called.
    pub(super) fn of(
        ask: &Ask,
        abilities: &Abilities,
        forced: bool,
        cannot: &mut Cannot,
    ) -> Result<Self, Unable> {
        let mut plan = Self::wanted(ask, abilities, cannot)?;
        let clashes = forced || (plan.kind() == Some("enabled") && ends_without_thought(ask));
        if plan.is_on && clashes {
            plan = Self::off(abilities, plan);
        }
        if matches!(plan.kind(), Some("disabled" | "between_tools"))
            && matches!(plan.effort, Some("xhigh" | "max"))
        {
            // Refused without thinking.
            plan.effort = Some("high");
        }
        Ok(plan)
    }

    fn wanted(ask: &Ask, abilities: &Abilities, cannot: &mut Cannot) -> Result<Self, Unable> {
        let by_itself = matches!(abilities.thinking, Thinking::Unless(_) | Thinking::Always);
        if let Some(object) = ask.rest.get("thinking") {
            let Some(kind) = object.get("type").and_then(Value::as_str) else {
                let message = "`thinking` must be an object with a `type`, as Anthropic has it";
                return Err(Unable::invalid("thinking", message));
            };
            return Ok(Self {
                object: Some(object.clone()),
                effort: ask.effort.and_then(|effort| level(effort, abilities)),
                is_on: matches!(kind, "enabled" | "adaptive"),
            });
        }
        let Some(effort) = ask.effort else {
            return Ok(Self {
                is_on: by_itself,
                ..Self::default()
            });
        };
        if effort == Effort::None {
            return match abilities.thinking {
                Thinking::Never | Thinking::Budget | Thinking::OnRequest => Ok(Self::default()),
                Thinking::Unless(off) => Ok(Self {
                    object: Some(json!({"type": off})),
                    ..Self::default()
                }),
                Thinking::Always => {
                    cannot.carry(
                        "reasoning_effort",
                        "has no way to keep this model from thinking",
                    )?;
                    Ok(Self {
                        effort: Some("low"),
                        is_on: true,
                        object: None,
                    })
                }
            };
        }
        let object = match abilities.thinking {
            Thinking::Never => {
                cannot.carry("reasoning_effort", "has no thinking in this model")?;
                return Ok(Self::default());
            }
            Thinking::Budget => {
                json!({"type": "enabled", "budget_tokens": budget(effort, abilities)})
            }
            // What is thought would be held back otherwise.
            Thinking::OnRequest | Thinking::Unless(_) | Thinking::Always => {
                json!({"type": "adaptive", "display": "summarized"})
            }
        };
        Ok(Self {
            object: Some(object),
            effort: level(effort, abilities),
            is_on: true,
        })
    }

    fn off(abilities: &Abilities, plan: Self) -> Self {
        match abilities.thinking {
            Thinking::Never | Thinking::Budget | Thinking::OnRequest => Self {
                object: None,
                is_on: false,
                ..plan
            },
            Thinking::Unless(off) => Self {
                object: Some(json!({"type": off})),
                is_on: false,
                ..plan
            },
            Thinking::Always => plan,
        }
    }

    fn kind(&self) -> Option<&str> {
        self.object.as_ref()?.get("type")?.as_str()
    }

    /// Has thoughts that do not belong to what stands before them dropped, where Anthropic would refuse the
    /// request: clients shorten and change what was said.
    pub(super) fn drop_unbound(&mut self) {
        let object = self
            .object
            .get_or_insert_with(|| json!({"type": "adaptive"}));
        if let Value::Object(object) = object {
            let binding = json!({"prefix_mismatch_behavior": "drop_block"});
            object.entry("block_binding").or_insert(binding);
        }
    }

    /// `max_tokens`, thoughts included: more than the budget, as Anthropic wants it.
    pub(super) fn max_tokens(&self, ask: &Ask, abilities: &Abilities) -> u64 {
        let usual = abilities.most_output.min(USUAL_OUTPUT);
        let most = ask.sampling.max_tokens.unwrap_or(usual);
        let budget = self
            .object
            .as_ref()
            .and_then(|object| object.get("budget_tokens")?.as_u64());
        match budget {
            Some(budget) if budget >= most => {
                let both = budget.saturating_add(most).min(abilities.most_output);
                both.max(budget.saturating_add(1))
            }
            _ => most,
        }
    }
}

fn budget(effort: Effort, abilities: &Abilities) -> u64 {
    let budget = match effort {
        Effort::None | Effort::Minimal | Effort::Low => LEAST_BUDGET,
        Effort::Medium => 8192,
        Effort::High => 24_576,
        Effort::XHigh | Effort::Max => 32_768,
    };
    let most = abilities.most_output.saturating_sub(LEAST_ANSWER);
    budget.min(most.max(LEAST_BUDGET))
}

fn level(effort: Effort, abilities: &Abilities) -> Option<&'static str> {
    let has = abilities.efforts;
    Some(match effort {
        _ if has == Efforts::None => return None,
        Effort::None => return None,
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if has == Efforts::All => "xhigh",
        Effort::High | Effort::XHigh => "high",
        Effort::Max => "max",
    })
}

/// Whether the model's last message is the last of all, or calls tools without a thought.
fn ends_without_thought(ask: &Ask) -> bool {
    let is_last = matches!(ask.turns.last(), Some(Turn::Assistant(_)));
    let last = ask.turns.iter().rev().find_map(|turn| match turn {
        Turn::Assistant(assistant) => Some(assistant),
        Turn::System(_) | Turn::User(_) | Turn::Tool(_) => None,
    });
    is_last || last.is_some_and(|last| !last.calls.is_empty() && thoughts(last).next().is_none())
}

/// How words are chosen.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chosen {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

/// `temperature`, `top_p` and `top_k`, as far as the model takes them. 1 is everybody's default, and left
/// out where nothing else is taken.
pub(super) fn sampling(
    ask: &Ask,
    abilities: &Abilities,
    is_thinking: bool,
    cannot: &mut Cannot,
) -> Result<Chosen, Unable> {
    let top_k = match ask.rest.get("top_k") {
        None => None,
        Some(top_k) => {
            let message = "`top_k` must be a whole number of 0 or more";
            Some(
                top_k
                    .as_u64()
                    .ok_or_else(|| Unable::invalid("top_k", message))?,
            )
        }
    };
    let is_one = |number: f64| (number - 1.0).abs() < f64::EPSILON;
    let (mut temperature, mut top_p) = (ask.sampling.temperature, ask.sampling.top_p);
    let fixed = abilities.sampling == Sampling::None;
    if fixed || is_thinking {
        let why = if fixed {
            "does not let this model's words be chosen otherwise"
        } else {
            "does not let it be changed while the model thinks"
        };
        // A thinking model of the older kind takes the upper end.
        let takes = |top_p: f64| !fixed && top_p >= 0.95;
        if temperature.is_some_and(|value| !is_one(value)) {
            cannot.carry("temperature", why)?;
        }
        if top_p.is_some_and(|value| !(is_one(value) || takes(value))) {
            cannot.carry("top_p", why)?;
        }
        if top_k.is_some() {
            cannot.carry("top_k", why)?;
        }
        let top_p = top_p.filter(|value| takes(*value) && !is_one(*value));
        return Ok(Chosen {
            top_p,
            ..Chosen::default()
        });
    }
    if temperature.is_some_and(|value| value > 1.0) {
        cannot.carry("temperature", "takes 0 to 1")?;
        temperature = Some(1.0);
    }
    if abilities.sampling == Sampling::OneOfBoth && top_p.is_some() {
        if top_p.is_some_and(is_one) {
            top_p = temperature.map_or(top_p, |_| None);
        } else if temperature.is_some_and(is_one) {
            temperature = None;
        } else if temperature.is_some() {
            cannot.carry("top_p", "takes `temperature` or `top_p`, not both")?;
            top_p = None;
        }
    }
    Ok(Chosen {
        temperature,
        top_p,
        top_k,
    })
}
