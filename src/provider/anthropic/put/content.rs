//! Parts of a message as content blocks.
//!
//! Sources: <https://platform.claude.com/docs/en/build-with-claude/vision>, `…/pdf-support`, `…/files`
//! (seen 2026-11).
//!
//! | part | block |
//! |---|---|
//! | text, refusal | `text`; white space alone is refused by Anthropic, and left out |
//! | image as data URL (JPEG, PNG, GIF, WebP) | `image`, `base64` |
//! | image at an https address | `image`, `url` |
//! | PDF as data URL or base64, at an https address | `document`, `base64` or `url` |
//! | other text (`text/*`, JSON) | `document`, `text` |
//! | id of a file | `document`, `file`, with the header of the Files API |

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::wire::{Block, Source as Sent};
use crate::wire::ask::{Cannot, Content, Part, Source, Unable};

/// Whose message a part is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

/// The block that `part` is; `None` if it says nothing, or is left out.
pub(super) fn block<'a>(
    part: &'a Part,
    speaker: Speaker,
    cannot: &mut Cannot,
) -> Result<Option<Block<'a>>, Unable> {
    let only_text = match speaker {
        Speaker::System => Some("takes text only in instructions"),
        Speaker::Assistant => Some("takes text only in the model's messages"),
        Speaker::User | Speaker::Tool => None,
    };
    let mut block = match (&part.content, only_text) {
        (Content::Text(text) | Content::Refusal(text), _) => {
            (!text.trim().is_empty()).then(|| Block::text(text))
        }
        (_, Some(why)) => {
            cannot.carry(part.at.as_str(), why)?;
            None
        }
        (Content::Audio { .. }, None) => {
            cannot.carry(
                format!("{}.input_audio", part.at),
                "does not listen to sound",
            )?;
            None
        }
        (Content::Image { source, .. }, None) => attached(
            source,
            None,
            &format!("{}.image_url", part.at),
            true,
            cannot,
        )?,
        (Content::File { source, filename }, None) => attached(
            source,
            filename.as_deref(),
            &format!("{}.file", part.at),
            false,
            cannot,
        )?,
    };
    // The mark of a result is on the result itself.
    if speaker != Speaker::Tool
        && let Some(slot) = block.as_mut().and_then(Block::mark)
    {
        *slot = part.cache_control.as_ref().map(Cow::Borrowed);
    }
    Ok(block)
}

fn attached<'a>(
    source: &'a Source,
    filename: Option<&'a str>,
    at: &str,
    is_image: bool,
    cannot: &mut Cannot,
) -> Result<Option<Block<'a>>, Unable> {
    let image = |source| Block::Image {
        source,
        cache_control: None,
    };
    let document = |source| Block::Document {
        source,
        title: filename.filter(|name| !name.trim().is_empty()),
        cache_control: None,
    };
    Ok(Some(match source {
        Source::Url(url) => {
            let is_https = url
                .get(..8)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
            if !is_https {
                cannot.carry(at, "fetches from https addresses only")?;
                return Ok(None);
            }
            let source = Sent::Url { url };
            if is_image {
                image(source)
            } else {
                document(source)
            }
        }
        Source::Id(file_id) => document(Sent::File { file_id }),
        Source::Inline { media_type, data } => {
            let base64 = |media_type| Sent::Base64 { media_type, data };
            match media_type.as_str() {
                "image/jpeg" | "image/jpg" => image(base64("image/jpeg")),
                "image/png" | "image/gif" | "image/webp" => image(base64(media_type)),
                "application/pdf" => document(base64(media_type)),
                text if text.starts_with("text/") || text == "application/json" => {
                    let text = STANDARD.decode(data).ok();
                    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                    let Some(data) = text else {
                        let message = format!("`{at}` says that it is text, but is not in UTF-8");
                        return Err(Unable::invalid(at, message));
                    };
                    document(Sent::Text {
                        media_type: "text/plain",
                        data,
                    })
                }
                _ => {
                    let lacks = "reads JPEG, PNG, GIF and WebP images, PDF and text, nothing else";
                    cannot.carry(at, lacks)?;
                    return Ok(None);
                }
            }
        }
    }))
}
