//! Pictures, sound and documents.
//!
//! Sources: <https://ai.google.dev/gemini-api/docs/image-understanding>, `/audio`,
//! `/document-processing` and `/file-input-methods` (seen 2026-11). Google refuses a request for one
//! part of a type that it does not know, so types are looked at here. Addresses must come with a type;
//! it is told by their ending, and is JPEG or PDF where that says nothing.

use super::wire::{Blob, FileData, Part};
use crate::wire::ask::{Cannot, Content, Part as Asked, Source, Unable};

/// Where uploaded files are; an id such as `files/abc-123` is a path below.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

const IMAGES: [&str; 5] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/heic",
    "image/heif",
];
/// By what OpenAI's clients call them.
const SOUNDS: [(&str, &str); 8] = [
    ("wav", "audio/wav"),
    ("x-wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("mpeg", "audio/mp3"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
];
const TEXTS: [&str; 9] = [
    "text/plain",
    "text/html",
    "text/css",
    "text/javascript",
    "text/csv",
    "text/markdown",
    "text/x-python",
    "text/xml",
    "text/rtf",
];
const VIDEOS: [&str; 6] = [
    "video/mp4",
    "video/mpeg",
    "video/quicktime",
    "video/webm",
    "video/x-flv",
    "video/3gpp",
];
/// By the ending of a name or an address.
const ENDINGS: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("json", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
];

/// What `part` becomes; `None` for an empty text, and for what is left out.
pub(super) fn part(part: &Asked, cannot: &mut Cannot) -> Result<Option<Part>, Unable> {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            Ok((!text.is_empty()).then(|| Part::text(text)))
        }
        Content::Image { source, .. } => image(&format!("{}.image_url", part.at), source, cannot),
        Content::Audio { data, format } => {
            let mut known = SOUNDS.iter();
            let Some((_, mime_type)) = known.find(|(name, _)| name == format) else {
                let at = format!("{}.input_audio.format", part.at);
                cannot.carry(at, "takes sound as wav, mp3, flac, ogg, aac or aiff")?;
                return Ok(None);
            };
            Ok(Some(inline(mime_type, data)))
        }
        Content::File { source, filename } => {
            let at = format!("{}.file", part.at);
            file(&at, source, filename.as_deref(), cannot)
        }
    }
}

fn image(at: &str, source: &Source, cannot: &mut Cannot) -> Result<Option<Part>, Unable> {
    match source {
        Source::Inline { media_type, data } => {
            // Browsers do not know `image/jpg`, people do.
            let media_type = match media_type.as_str() {
                "image/jpg" => "image/jpeg",
                other => other,
            };
            if !IMAGES.contains(&media_type) {
                cannot.carry(at, "takes images as PNG, JPEG, WebP, HEIC or HEIF")?;
                return Ok(None);
            }
            Ok(Some(inline(media_type, data)))
        }
        Source::Url(url) => {
            if path_of(url).to_ascii_lowercase().ends_with(".gif") {
                cannot.carry(at, "takes images as PNG, JPEG, WebP, HEIC or HEIF")?;
                return Ok(None);
            }
            Ok(Some(at_address(url, None, "image/jpeg")))
        }
        Source::Id(id) => uploaded(at, id, cannot),
    }
}

fn file(
    at: &str,
    source: &Source,
    filename: Option<&str>,
    cannot: &mut Cannot,
) -> Result<Option<Part>, Unable> {
    match source {
        Source::Inline { media_type, data } => {
            let Some(media_type) = document(media_type) else {
                let lacks = "takes PDF, text, images, sound and video only";
                cannot.carry(format!("{at}.file_data"), lacks)?;
                return Ok(None);
            };
            Ok(Some(inline(media_type, data)))
        }
        Source::Url(url) => Ok(Some(at_address(url, filename, "application/pdf"))),
        Source::Id(id) => uploaded(&format!("{at}.file_id"), id, cannot),
    }
}

/// Google's type for a document of this one; text that it has no name for is plain.
fn document(media_type: &str) -> Option<&str> {
    match media_type {
        "application/pdf" => Some(media_type),
        "application/json" | "application/yaml" | "application/x-yaml" | "application/toml" => {
            Some("text/plain")
        }
        "application/xml" => Some("text/xml"),
        "audio/mpeg" => Some("audio/mp3"),
        "audio/x-wav" => Some("audio/wav"),
        "image/jpg" => Some("image/jpeg"),
        text if text.starts_with("text/") => Some(if TEXTS.contains(&text) {
            text
        } else {
            "text/plain"
        }),
        known if IMAGES.contains(&known) || VIDEOS.contains(&known) => Some(known),
        sound => {
            let mut known = SOUNDS.iter().map(|(_, kind)| *kind);
            known.find(|kind| *kind == sound)
        }
    }
}

fn uploaded(at: &str, id: &str, cannot: &mut Cannot) -> Result<Option<Part>, Unable> {
    if !id.starts_with("files/") {
        let lacks = "knows only its own files (`files/…`, or their address)";
        cannot.carry(at, lacks)?;
        return Ok(None);
    }
    Ok(Some(data_at(format!("{FILES}{id}"), None)))
}

fn inline(mime_type: &str, data: &str) -> Part {
    Part {
        inline_data: Some(Blob {
            mime_type: mime_type.to_owned(),
            data: data.to_owned(),
        }),
        ..Part::default()
    }
}

fn at_address(url: &str, filename: Option<&str>, default: &str) -> Part {
    // Google knows the type of what was uploaded to it.
    if url.starts_with(FILES) {
        return data_at(url.to_owned(), None);
    }
    let known = [filename, Some(path_of(url))]
        .into_iter()
        .flatten()
        .find_map(by_ending);
    data_at(url.to_owned(), Some(known.unwrap_or(default).to_owned()))
}

fn path_of(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn by_ending(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let mut known = ENDINGS.iter();
    let (_, kind) = known.find(|(known, _)| ending.eq_ignore_ascii_case(known))?;
    Some(*kind)
}

fn data_at(file_uri: String, mime_type: Option<String>) -> Part {
    Part {
        file_data: Some(FileData {
            mime_type,
            file_uri,
        }),
        ..Part::default()
    }
}
