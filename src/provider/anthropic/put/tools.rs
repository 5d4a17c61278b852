//! Tools, which of them must be called, and the form of the answer, which may be a tool, too.
//!
//! Sources: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>,
//! `…/build-with-claude/structured-outputs` (seen 2026-11).
//!
//! | `response_format` | becomes |
//! |---|---|
//! | `json_object` | an instruction behind all others |
//! | `json_schema` | `output_config.format`, where the model has it and the schema has a strict form |
//! | the same, for an older model | a tool that must be called; its input is the answer's text |
//! | the same, where a tool of the client's must be called, or there is no such form | an instruction with the schema |

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    super::{
        abilities::Abilities,
        wire::{OutputFormat, Tool, ToolChoice},
    },
    loose, strict,
};
use crate::wire::ask::{self, Ask, Cannot, Format, Turn, Unable};

const JSON_OBJECT: &str =
    "Answer with one JSON object and nothing else: no words around it, no code fence.";
const JSON_SCHEMA: &str = "Answer with JSON that fits the following JSON Schema, and with nothing else: \
                           no words around it, no code fence.";

/// The tools and the form of the answer.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) choice: Option<ToolChoice<'a>>,
    pub(super) format: Option<OutputFormat>,
    /// What the model is told about the form of its answer.
    pub(super) instruction: Option<String>,
}

impl<'a> Tools<'a> {
    pub(super) fn put(
        ask: &'a Ask,
        abilities: &Abilities,
        cannot: &mut Cannot,
    ) -> Result<Self, Unable> {
        let mut room = strict::Room::new();
        let mut put = Self {
            choice: choice(ask, abilities, cannot)?,
            ..Self::default()
        };
        put.form(ask, abilities, &mut room);
        let answer = put.tools.pop();
        for tool in &ask.tools {
            put.tools.push(put_tool(tool, abilities, &mut room));
        }
        if ask.tools.is_empty() {
            put.known(ask);
        }
        put.tools.extend(answer);
        Ok(put)
    }

    /// Whether a tool must be called.
    pub(super) fn is_forced(&self) -> bool {
        matches!(
            self.choice,
            Some(ToolChoice::Any { .. } | ToolChoice::Tool { .. })
        )
    }

    /// Puts the form of the answer.
    fn form(&mut self, ask: &'a Ask, abilities: &Abilities, room: &mut strict::Room) {
        let (description, schema) = match &ask.format {
            Format::Text => return,
            Format::JsonObject => {
                self.instruction = Some(JSON_OBJECT.to_owned());
                return;
            }
            Format::JsonSchema {
                description,
                schema,
                ..
            } => (description.as_deref(), schema),
        };
        if abilities.schemas
            && let Some(mut schema) = room.answer(schema)
        {
            if let Some(description) = description {
                schema
                    .entry("description")
                    .or_insert_with(|| description.into());
            }
            self.format = Some(OutputFormat::JsonSchema { schema });
            return;
        }
        let is_object = schema.get("type").is_some_and(|kind| kind == "object");
        if !abilities.schemas && is_object && !self.is_forced() {
            let name = answer_tool(ask).unwrap_or_default();
            let free = matches!(self.choice, None | Some(ToolChoice::Auto { .. }));
            self.choice = Some(if free && !ask.tools.is_empty() {
                ToolChoice::Any {
                    disable_parallel_tool_use: !ask.parallel_calls,
                }
            } else {
                ToolChoice::Tool {
                    name: name.clone().into(),
                    disable_parallel_tool_use: true,
                }
            });
            self.tools.push(Tool {
                name: name.into(),
                description: Some(description.unwrap_or("Gives the answer.")),
                input_schema: loose::rewritten(schema),
                strict: false,
                cache_control: None,
            });
            return;
        }
        let schema = Value::Object(schema.clone());
        let lines = [
            JSON_SCHEMA,
            description.unwrap_or_default(),
            &schema.to_string(),
        ];
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        self.instruction = Some(lines.join("\n\n"));
    }

    /// Puts the tools that were called and are no longer offered: Anthropic refuses calls without tools.
    fn known(&mut self, ask: &'a Ask) {
        let called: BTreeSet<&str> = called(ask).collect();
        if called.is_empty() {
            return;
        }
        self.choice.get_or_insert(ToolChoice::None);
        self.tools.extend(called.into_iter().map(|name| Tool {
            name: name.into(),
            description: None,
            input_schema: Map::from_iter([("type".to_owned(), json!("object"))]),
            strict: false,
            cache_control: None,
        }));
    }
}

/// The names of the tools that the model has called.
fn called(ask: &Ask) -> impl Iterator<Item = &str> {
    let calls = ask.turns.iter().filter_map(|turn| match turn {
        Turn::Assistant(assistant) => Some(&assistant.calls),
        Turn::System(_) | Turn::User(_) | Turn::Tool(_) => None,
    });
    calls.flatten().map(|call| call.name.as_str())
}

/// The name of the tool whose input is the answer, if `ask` can come to have one.
pub(in super::super) fn answer_tool(ask: &Ask) -> Option<String> {
    if !matches!(ask.format, Format::JsonSchema { .. }) {
        return None;
    }
    let taken: BTreeSet<&str> = ask
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .chain(called(ask))
        .collect();
    let mut name = "json".to_owned();
    while taken.contains(name.as_str()) {
        name.push('_');
    }
    Some(name)
}

fn put_tool<'a>(tool: &'a ask::Tool, abilities: &Abilities, room: &mut strict::Room) -> Tool<'a> {
    let strict = (tool.strict && abilities.schemas)
        .then(|| room.tool(&tool.parameters))
        .flatten()
        .filter(|schema| loose::rewritten(schema) == *schema);
    Tool {
        name: tool.name.as_str().into(),
        description: tool.description.as_deref(),
        strict: strict.is_some(),
        input_schema: strict.unwrap_or_else(|| loose::rewritten(&tool.parameters)),
        cache_control: tool.cache_control.as_ref().map(Cow::Borrowed),
    }
}

fn choice<'a>(
    ask: &'a Ask,
    abilities: &Abilities,
    cannot: &mut Cannot,
) -> Result<Option<ToolChoice<'a>>, Unable> {
    let disable_parallel_tool_use = !ask.parallel_calls;
    let auto = (disable_parallel_tool_use && !ask.tools.is_empty()).then_some(ToolChoice::Auto {
        disable_parallel_tool_use,
    });
    let forced = match &ask.tool_choice {
        ask::ToolChoice::Auto => return Ok(auto),
        ask::ToolChoice::None => return Ok((!ask.tools.is_empty()).then_some(ToolChoice::None)),
        ask::ToolChoice::Required => ToolChoice::Any {
            disable_parallel_tool_use,
        },
        ask::ToolChoice::Named(name) => ToolChoice::Tool {
            name: name.as_str().into(),
            disable_parallel_tool_use,
        },
    };
    if abilities.forced_tools {
        return Ok(Some(forced));
    }
    cannot.carry("tool_choice", "has no way to make this model call a tool")?;
    Ok(auto)
}
