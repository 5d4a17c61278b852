//! How hard the model is to think. A chat request has words for it in place of numbers of tokens.

use serde_json::{Map, Value, json};

use super::{
    Reading,
    place::{expected, maybe_object, maybe_text, text_at},
    shown,
};
use crate::wire::{chat::Invalid, native::Only};

impl Reading {
    pub(super) fn effort(
        &mut self,
        thinking: &Thinking,
        config: Option<&Value>,
    ) -> Result<(), Invalid> {
        const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];
        const AT: &str = "output_config.effort";
        let effort = maybe_text(AT, config.and_then(|config| config.get("effort")))?;
        if let Some(effort) = effort
            && !EFFORTS.contains(&effort)
        {
            self.only(AT, format!("has no effort `{}`", shown(effort)));
            return Ok(());
        }
        let effort = match thinking {
            Thinking::Off => return Ok(()),
            Thinking::Unsaid => effort,
            Thinking::Adaptive { .. } => Some(effort.unwrap_or("medium")),
            Thinking::Budget { tokens, .. } => Some(match tokens {
                ..=4096 => "low",
                ..=16384 => "medium",
                _ => "high",
            }),
        };
        if let Some(effort) = effort {
            self.advise("reasoning_effort", json!(effort));
        }
        Ok(())
    }
}

impl Reading {
    /// Keeps what the words for efforts blur. Only whether thoughts are told shapes no answer.
    pub(super) fn thinking_apart(&mut self, fields: &Map<String, Value>) {
        let Some(Value::Object(thinking)) = fields.get("thinking") else {
            return;
        };
        let mut thinking = thinking.clone();
        thinking.shift_remove("display");
        self.apart("thinking", &Value::Object(thinking));
        let effort = fields
            .get("output_config")
            .and_then(|config| config.get("effort"));
        self.apart("output_config.effort", effort.unwrap_or(&Value::Null));
    }
}

/// How the model is asked to think.
pub(super) enum Thinking {
    /// Nothing is said.
    Unsaid,
    Off,
    Budget {
        tokens: u64,
        is_told: bool,
    },
    Adaptive {
        is_told: bool,
    },
}

impl Thinking {
    pub(super) fn of(value: Option<&Value>, only: &mut Vec<Only>) -> Result<Self, Invalid> {
        const AT: &str = "thinking";
        let Some(fields) = maybe_object(AT, value)? else {
            return Ok(Self::Unsaid);
        };
        let is_told = fields
            .get("display")
            .is_none_or(|display| display != "omitted");
        Ok(match text_at(AT, fields, "type")? {
            "enabled" => {
                let budget = fields.get("budget_tokens").unwrap_or(&Value::Null);
                let tokens = budget
                    .as_u64()
                    .ok_or_else(|| expected("thinking.budget_tokens", "a whole number", budget))?;
                Self::Budget { tokens, is_told }
            }
            "adaptive" => Self::Adaptive { is_told },
            "disabled" | "between_tools" => Self::Off,
            kind => {
                only.push(Only {
                    param: "thinking.type".to_owned(),
                    lacks: format!("has no thinking of type `{}`", shown(kind)),
                });
                Self::Unsaid
            }
        })
    }

    /// Whether thoughts are told; `None` for the signatures alone.
    pub(super) fn is_told(&self) -> Option<bool> {
        match self {
            Self::Unsaid | Self::Off => None,
            Self::Budget { is_told, .. } | Self::Adaptive { is_told } => Some(*is_told),
        }
    }
}
