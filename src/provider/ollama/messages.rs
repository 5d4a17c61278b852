//! The conversation as Ollama has it: plain text and images, system messages wherever they stand.
//!
//! | OpenAI | Ollama |
//! |---|---|
//! | `system`, `developer` | `system`, in its place |
//! | several texts in a message | one, joined by line ends |
//! | neighbouring messages of one role | one, joined by an empty line, as Ollama's own templates do |
//! | image as data URL | `images`, in base64; the place among the texts is lost |
//! | image at an address, sound, file | can't be carried |
//! | `reasoning_content`, else the texts of `thinking_blocks` | `thinking` |
//! | `tool_calls` | `tool_calls` with ids; the arguments as object |
//! | `tool` | `tool` with `tool_call_id` and `tool_name`; stays by itself, also when empty |

use super::{
    known::Facts,
    wire::{Message, ToolCall, ToolCallFunction},
};
use crate::{
    provider::echoes,
    wire::ask::{Assistant, Cannot, Content, Part, Source, ToolResult, Turn, Unable},
};

/// The messages of `turns`, without those that say nothing.
pub(super) fn messages(
    turns: &[Turn],
    facts: &Facts,
    cannot: &mut Cannot,
) -> Result<Vec<Message>, Unable> {
    echoes::refuse_unknown(turns, cannot)?;
    let sees = !facts.lacks("vision");
    let mut messages: Vec<Message> = Vec::with_capacity(turns.len());
    for turn in turns {
        let message = match turn {
            Turn::System(spoken) => of_parts("system", &spoken.parts, sees, cannot)?,
            Turn::User(spoken) => of_parts("user", &spoken.parts, sees, cannot)?,
            Turn::Assistant(assistant) => of_assistant(assistant, sees, cannot)?,
            Turn::Tool(result) => of_tool(result, sees, cannot)?,
        };
        match messages.last_mut() {
            _ if says_nothing(&message) => {}
            Some(last) if last.role == message.role && message.role != "tool" => {
                append(last, message);
            }
            _ => messages.push(message),
        }
    }
    if messages.is_empty() {
        let message = "`messages` holds nothing but what is left out";
        return Err(Unable::invalid("messages", message));
    }
    Ok(messages)
}

fn says_nothing(message: &Message) -> bool {
    message.role != "tool"
        && message.content.is_empty()
        && message.thinking.is_empty()
        && message.images.is_empty()
        && message.tool_calls.is_empty()
}

fn append(last: &mut Message, more: Message) {
    join(&mut last.content, &more.content, "\n\n");
    join(&mut last.thinking, &more.thinking, "\n\n");
    last.images.extend(more.images);
    last.tool_calls.extend(more.tool_calls);
}

fn join(text: &mut String, more: &str, between: &str) {
    if !(text.is_empty() || more.is_empty()) {
        text.push_str(between);
    }
    text.push_str(more);
}

fn of_parts(
    role: &'static str,
    parts: &[Part],
    sees: bool,
    cannot: &mut Cannot,
) -> Result<Message, Unable> {
    let mut message = Message {
        role,
        content: String::new(),
        thinking: String::new(),
        images: Vec::new(),
        tool_calls: Vec::new(),
        tool_name: None,
        tool_call_id: None,
    };
    for Part { at, content, .. } in parts {
        match content {
            Content::Text(text) | Content::Refusal(text) => join(&mut message.content, text, "\n"),
            Content::Image { source, .. } => {
                if let Some(data) = image(at, source, sees, cannot)? {
                    message.images.push(data);
                }
            }
            Content::Audio { .. } => {
                cannot.carry(format!("{at}.input_audio"), "does not listen to sound")?;
            }
            Content::File { .. } => {
                let lacks = "takes no files; send their text, or pages as images";
                cannot.carry(format!("{at}.file"), lacks)?;
            }
        }
    }
    Ok(message)
}

/// The file of an image. The formats are those that the server can decode.
fn image(
    at: &str,
    source: &Source,
    sees: bool,
    cannot: &mut Cannot,
) -> Result<Option<String>, Unable> {
    let lacks = match source {
        _ if !sees => "sees no images with this model",
        Source::Inline { media_type, data } => match media_type.as_str() {
            "image/png" | "image/jpeg" | "image/jpg" | "image/webp" => {
                return Ok(Some(data.clone()));
            }
            _ => "takes images in PNG, JPEG and WebP only",
        },
        Source::Url(_) | Source::Id(_) => {
            "fetches no images; send them as data URLs (`data:image/png;base64,…`)"
        }
    };
    cannot.carry(format!("{at}.image_url"), lacks)?;
    Ok(None)
}

fn of_assistant(assistant: &Assistant, sees: bool, cannot: &mut Cannot) -> Result<Message, Unable> {
    let mut message = of_parts("assistant", &assistant.parts, sees, cannot)?;
    message.thinking = match &assistant.reasoning {
        Some(reasoning) => reasoning.clone(),
        None => {
            let thoughts = assistant.thinking.iter();
            let texts = thoughts.filter_map(|block| block.get("thinking")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
    };
    let calls = assistant.calls.iter().map(|call| ToolCall {
        id: call.id.clone(),
        function: ToolCallFunction {
            name: call.name.clone(),
            arguments: call.arguments_object(),
        },
    });
    message.tool_calls = calls.collect();
    Ok(message)
}

fn of_tool(result: &ToolResult, sees: bool, cannot: &mut Cannot) -> Result<Message, Unable> {
    let mut message = of_parts("tool", &result.parts, sees, cannot)?;
    message.tool_name = Some(result.name.clone());
    message.tool_call_id = Some(result.call_id.clone());
    Ok(message)
}
