//! The parts of a message.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use super::cannot::{Cannot, Unable};

/// One part of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where it stands in the request, such as `messages[0].content[1]`.
    pub at: String,
    /// What it is.
    pub content: Content,
    /// The client's mark for Anthropic's prompt cache, such as `{"type": "ephemeral"}`.
    pub cache_control: Option<Value>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text; may be empty.
    Text(String),
    /// A picture; `detail` as the client wrote it (`low`, `high`, `auto`).
    Image {
        /// Where it is.
        source: Source,
        /// How closely to look.
        detail: Option<String>,
    },
    /// Sound, in base64; `format` is `wav` or `mp3`, or what the client calls it.
    Audio {
        /// Base64 with padding.
        data: String,
        /// The file type.
        format: String,
    },
    /// A document.
    File {
        /// Where it is.
        source: Source,
        /// What the client calls it.
        filename: Option<String>,
    },
    /// What the model refused with, in an assistant message.
    Refusal(String),
}

/// Where an image or a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the request.
    Inline {
        /// The media type, lower case, such as `image/png`.
        media_type: String,
        /// Base64 with padding, known to be readable and not empty.
        data: String,
    },
    /// At an address.
    Url(String),
    /// At the provider, under this id.
    Id(String),
}

/// Base64 of the standard alphabet, with or without padding, as clients send both.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parts of `content`: a text is one part. Empty texts stay; `null` has none.
pub(super) fn parts(
    at: &str,
    content: Option<&Value>,
    cannot: &mut Cannot,
) -> Result<Vec<Part>, Unable> {
    match content {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part {
            at: at.to_owned(),
            content: Content::Text(text.clone()),
            cache_control: None,
        }]),
        Some(Value::Array(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (position, value) in list.iter().enumerate() {
                let at = format!("{at}[{position}]");
                if let Some(content) = part(&at, value, cannot)? {
                    let cache_control = value.get("cache_control");
                    parts.push(Part {
                        at,
                        content,
                        cache_control: cache_control.filter(|mark| mark.is_object()).cloned(),
                    });
                }
            }
            Ok(parts)
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(Unable::invalid(
            at,
            format!("invalid type for `{at}`: expected a string or an array of parts"),
        )),
    }
}

fn part(at: &str, value: &Value, cannot: &mut Cannot) -> Result<Option<Content>, Unable> {
    let kind = value
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let body = |field: &str| {
        let body = value.get(field).and_then(Value::as_object);
        body.ok_or_else(|| {
            Unable::invalid(
                format!("{at}.{field}"),
                format!("`{at}` is a part of type `{kind}` and needs an object `{field}`"),
            )
        })
    };
    Ok(Some(match kind {
        "text" | "input_text" => Content::Text(string(at, "text", value.get("text"))?),
        "refusal" => Content::Refusal(string(at, "refusal", value.get("refusal"))?),
        "image_url" => {
            // Some clients send the address itself in place of the object.
            let (url, detail) = match value.get("image_url") {
                Some(Value::String(url)) => (url.clone(), None),
                _ => {
                    let body = body("image_url")?;
                    let url = string(&format!("{at}.image_url"), "url", body.get("url"))?;
                    (url, body.get("detail").and_then(Value::as_str))
                }
            };
            Content::Image {
                source: address(&format!("{at}.image_url.url"), &url)?,
                detail: detail.map(str::to_owned),
            }
        }
        "input_audio" => {
            let body = body("input_audio")?;
            let at = format!("{at}.input_audio");
            let data = string(&at, "data", body.get("data"))?;
            Content::Audio {
                data: base64(&format!("{at}.data"), &data)?,
                format: string(&at, "format", body.get("format"))?.to_ascii_lowercase(),
            }
        }
        "file" => file(&format!("{at}.file"), body("file")?)?,
        _ => {
            let lacks = "has no such kind of content";
            cannot.carry(format!("{at}.type"), lacks)?;
            return Ok(None);
        }
    }))
}

fn file(at: &str, body: &Map<String, Value>) -> Result<Content, Unable> {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let filename = text("filename").map(str::to_owned);
    let source = match (text("file_data"), text("file_id")) {
        (Some(data), _) if data.starts_with("data:") => address(&format!("{at}.file_data"), data)?,
        // OpenAI takes the bare base64 as well; the name says what it is.
        (Some(data), _) => Source::Inline {
            media_type: media_type_of(at, filename.as_deref())?.to_owned(),
            data: base64(&format!("{at}.file_data"), data)?,
        },
        (None, Some(id)) if id.contains("://") => Source::Url(id.to_owned()),
        (None, Some(id)) => Source::Id(id.to_owned()),
        (None, None) => {
            return Err(Unable::invalid(
                at,
                format!("`{at}` needs `file_data` (a data URL) or `file_id`"),
            ));
        }
    };
    Ok(Content::File { source, filename })
}

/// Endings of names, and the media types of such files.
const ENDINGS: [(&[&str], &str); 17] = [
    (&["pdf"], "application/pdf"),
    (&["json"], "application/json"),
    (&["md", "markdown"], "text/markdown"),
    (&["csv"], "text/csv"),
    (&["html", "htm"], "text/html"),
    (&["css"], "text/css"),
    (&["xml"], "text/xml"),
    (&["js", "mjs"], "text/javascript"),
    (&["py"], "text/x-python"),
    (&["png"], "image/png"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["gif"], "image/gif"),
    (&["webp"], "image/webp"),
    (&["mp3"], "audio/mpeg"),
    (&["wav"], "audio/wav"),
    (&["mp4"], "video/mp4"),
    (&PLAIN, "text/plain"),
];

/// Endings of names of plain text.
const PLAIN: [&str; 28] = [
    "txt", "text", "log", "tsv", "rst", "tex", "yaml", "yml", "toml", "ini", "jsonl", "sql", "sh",
    "ts", "tsx", "jsx", "c", "h", "cpp", "hpp", "cs", "go", "java", "kt", "php", "rb", "rs",
    "swift",
];

/// What a file of this name is; without an ending, a PDF, which OpenAI's own files are.
fn media_type_of(at: &str, filename: Option<&str>) -> Result<&'static str, Unable> {
    let name = filename.and_then(|name| name.trim().rsplit(['/', '\\']).next());
    let ending = name.and_then(|name| name.rsplit_once('.'));
    let ending = ending.map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
    if ending.is_empty() {
        return Ok("application/pdf");
    }
    let known = ENDINGS
        .iter()
        .find(|(endings, _)| endings.contains(&ending.as_str()));
    known.map(|(_, media_type)| *media_type).ok_or_else(|| {
        let message = format!(
            "`{at}.filename` does not tell what the file is; send `file_data` as a data URL with its \
             media type"
        );
        Unable::invalid(format!("{at}.filename"), message)
    })
}

/// What a URL leads to: `data:` URLs (RFC 2397) are read.
fn address(at: &str, url: &str) -> Result<Source, Unable> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("data") => {
            let (head, data) = url
                .split_once(',')
                .ok_or_else(|| Unable::invalid(at, format!("`{at}` is a data URL without data")))?;
            let head = head.get(5..).unwrap_or_default();
            let mut words = head.split(';').map(str::trim);
            let media_type = words.next().unwrap_or_default().to_ascii_lowercase();
            if !words.any(|word| word.eq_ignore_ascii_case("base64")) {
                let message = format!("`{at}` is a data URL that is not in base64");
                return Err(Unable::invalid(at, message));
            }
            if !media_type.contains('/') {
                let message = format!("`{at}` is a data URL without a media type");
                return Err(Unable::invalid(at, message));
            }
            Ok(Source::Inline {
                media_type,
                data: base64(at, data)?,
            })
        }
        Some("http" | "https" | "gs") => Ok(Source::Url(url.to_owned())),
        _ => Err(Unable::invalid(
            at,
            format!("`{at}` must be an https address or a data URL"),
        )),
    }
}

/// `data` with padding and without line ends.
fn base64(at: &str, data: &str) -> Result<String, Unable> {
    let mut text: String = data.split_ascii_whitespace().collect();
    let readable = FORGIVING.decode(&text).is_ok_and(|bytes| !bytes.is_empty());
    if !readable {
        return Err(Unable::invalid(
            at,
            format!("`{at}` can't be read as base64, or is empty"),
        ));
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    Ok(text)
}

pub(super) fn string(at: &str, field: &str, value: Option<&Value>) -> Result<String, Unable> {
    let text = value.and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| {
        let at = format!("{at}.{field}");
        Unable::invalid(at.clone(), format!("`{at}` must be a string"))
    })
}
