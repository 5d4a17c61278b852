//! `multipart/form-data` as it passes: where parts begin and end, and what they are called.
//!
//! Source: RFC 7578, RFC 2046 §5.1. Contents are not held, but for those of the one field that is asked for. Whoever
//! reads the same bytes behind the gateway must not find other parts in them than were found here, so whatever
//! parsers are known to read differently is refused: line ends that are not CRLF, a preamble, the boundary within
//! contents, folded headers, escaped quotes, names that are given twice. Invariant: the bytes handed out are, in
//! order, all bytes that came in, but for the contents of the captured field.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// The longest head of a part, in bytes.
const LONGEST_HEAD: usize = 8 << 10;
/// The longest value of the captured field, in bytes.
const LONGEST_VALUE: usize = 512;
/// The longest name of a part, in bytes.
const LONGEST_NAME: usize = 128;
/// The most parts.
const MOST_PARTS: usize = 256;

/// What separates parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(Vec<u8>);

/// Why a body is no `multipart/form-data` that can be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another media type.
    #[error("the body must be `multipart/form-data`; send it with this `Content-Type`")]
    OtherType,
    /// No boundary, several, or one that is none.
    #[error(
        "the `Content-Type` must have one `boundary`, of 1 to 70 characters as RFC 2046 allows them; \
         let your HTTP library set this header"
    )]
    NoBoundary,
    /// The body begins otherwise.
    #[error("the body does not begin with the boundary that its `Content-Type` says")]
    WrongBoundary,
    /// The boundary is part of a content, or something follows it in its line.
    #[error(
        "the boundary stands where no part begins or ends; take one that is in none of the contents"
    )]
    StrayBoundary,
    /// A head that can't be read.
    #[error(
        "a part has a head that can't be read: it needs one `Content-Disposition: form-data` with one plain \
         `name`, and lines that end with CRLF"
    )]
    Head,
    /// A head that is too long.
    #[error("a part has a head of more than {LONGEST_HEAD} bytes")]
    LongHead,
    /// Too many parts.
    #[error("there are more than {MOST_PARTS} parts")]
    ManyParts,
    /// The captured field is too long, no text, or encoded.
    #[error("the part `model` must be a plain text of at most {LONGEST_VALUE} bytes")]
    Value,
    /// Something follows the end.
    #[error("there is something behind the last boundary")]
    AfterEnd,
    /// The end is missing.
    #[error("the body ends before its last boundary")]
    Truncated,
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A part begins.
    Part {
        /// Its name.
        name: String,
        /// Whether it says what its file is called, so that it is one.
        is_file: bool,
    },
    /// What is around contents.
    Frame(Bytes),
    /// Some of the contents of the present part.
    Content(Bytes),
    /// All of the contents of the captured field, to be put there by whoever hands the rest on.
    Captured(String),
    /// All parts are over, and only their end is left.
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was read.
    Start,
    /// The boundary was read, up to here.
    Boundary(usize),
    /// A head begins here.
    Head(usize),
    Content {
        captured: bool,
    },
    Closed,
}

/// Reads a body piece by piece.
#[derive(Debug)]
pub struct Scanner {
    /// Two hyphens and the boundary.
    delimiter: memmem::Finder<'static>,
    /// The name of the field whose contents are held.
    captures: &'static str,
    state: State,
    /// What was not handed out yet.
    buffer: BytesMut,
    parts: usize,
}

impl Boundary {
    /// The boundary that a `Content-Type` says.
    ///
    /// # Errors
    /// [`Malformed::OtherType`], [`Malformed::NoBoundary`].
    pub fn of(content_type: &[u8]) -> Result<Self, Malformed> {
        const TYPE: &[u8] = b"multipart/form-data";
        let end = content_type.iter().position(|byte| *byte == b';');
        let (media_type, rest) = content_type.split_at(end.unwrap_or(content_type.len()));
        if !media_type.trim_ascii().eq_ignore_ascii_case(TYPE) {
            return Err(Malformed::OtherType);
        }
        let parameters = parameters(rest).ok_or(Malformed::NoBoundary)?;
        let mut found = parameters
            .into_iter()
            .filter(|(name, _)| name == b"boundary");
        let (Some((_, boundary)), None) = (found.next(), found.next()) else {
            return Err(Malformed::NoBoundary);
        };
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
        let is_one = (1..=70).contains(&boundary.len())
            && boundary.iter().all(allowed)
            && boundary.last() != Some(&b' ');
        is_one
            .then(|| Self(boundary.to_vec()))
            .ok_or(Malformed::NoBoundary)
    }
}

impl Scanner {
    /// Reads what `boundary` separates; the contents of the field `captures` are held.
    #[must_use]
    pub fn new(boundary: &Boundary, captures: &'static str) -> Self {
        let delimiter = [b"--", boundary.0.as_slice()].concat();
        Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            captures,
            state: State::Start,
            buffer: BytesMut::new(),
            parts: 0,
        }
    }

    /// Takes in the next bytes, and hands out what they make certain.
    ///
    /// # Errors
    /// What is wrong with them; nothing can be handed on after that.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, Malformed> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        while self.step(&mut out)? {}
        Ok(out)
    }

    /// Takes in that nothing more comes.
    ///
    /// # Errors
    /// [`Malformed::Truncated`].
    pub fn finish(&self) -> Result<(), Malformed> {
        (self.state == State::Closed)
            .then_some(())
            .ok_or(Malformed::Truncated)
    }

    /// Goes on by one state; `false` if more bytes are needed for it.
    fn step(&mut self, out: &mut Vec<Piece>) -> Result<bool, Malformed> {
        match self.state {
            State::Start => self.start(),
            State::Boundary(end) => self.behind_boundary(end, out),
            State::Head(start) => self.head(start, out),
            State::Content { captured } => self.content(captured, out),
            State::Closed => self.epilogue(out),
        }
    }

    fn start(&mut self) -> Result<bool, Malformed> {
        let delimiter = self.delimiter.needle();
        let common = delimiter.len().min(self.buffer.len());
        if self.buffer.get(..common) != delimiter.get(..common) {
            return Err(Malformed::WrongBoundary);
        }
        let is_whole = common == delimiter.len();
        if is_whole {
            self.state = State::Boundary(common);
        }
        Ok(is_whole)
    }

    fn behind_boundary(&mut self, end: usize, out: &mut Vec<Piece>) -> Result<bool, Malformed> {
        match self.buffer.get(end..end + 2) {
            None => Ok(false),
            Some(b"\r\n") => {
                self.state = State::Head(end + 2);
                Ok(true)
            }
            Some(b"--") => {
                out.push(Piece::Closing);
                out.push(Piece::Frame(self.take(end + 2)));
                self.state = State::Closed;
                Ok(true)
            }
            Some(_) => Err(Malformed::StrayBoundary),
        }
    }

    fn head(&mut self, start: usize, out: &mut Vec<Piece>) -> Result<bool, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        let rest = self.buffer.get(start..).unwrap_or_default();
        if rest.starts_with(b"\r\n") {
            return Err(Malformed::Head);
        }
        let end = memmem::find(rest, END);
        if end.unwrap_or(rest.len()) > LONGEST_HEAD {
            return Err(Malformed::LongHead);
        }
        let Some(head) = end.and_then(|end| rest.get(..end)) else {
            return Ok(false);
        };
        let Head {
            name,
            is_file,
            is_encoded,
        } = Head::read(head).ok_or(Malformed::Head)?;
        let captured = name == self.captures;
        if captured && (is_file || is_encoded) {
            return Err(Malformed::Value);
        }
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(Malformed::ManyParts);
        }
        let length = start + head.len() + END.len();
        out.push(Piece::Part { name, is_file });
        out.push(Piece::Frame(self.take(length)));
        self.state = State::Content { captured };
        Ok(true)
    }

    fn content(&mut self, captured: bool, out: &mut Vec<Piece>) -> Result<bool, Malformed> {
        const LINE_END: &[u8] = b"\r\n";
        let delimiter = self.delimiter.needle().len();
        let Some(at) = self.delimiter.find(&self.buffer) else {
            // The line end before the boundary, and all of it but one byte, may be here already.
            let certain = self.buffer.len().saturating_sub(delimiter + 1);
            if captured && certain > LONGEST_VALUE {
                return Err(Malformed::Value);
            }
            if !captured && certain > 0 {
                let content = self.take(certain);
                out.push(Piece::Content(content));
            }
            return Ok(false);
        };
        let length = at.checked_sub(LINE_END.len());
        let Some(length) = length.filter(|length| self.buffer.get(*length..at) == Some(LINE_END))
        else {
            return Err(Malformed::StrayBoundary);
        };
        let content = self.take(length);
        if captured {
            let value = std::str::from_utf8(&content).map_err(|_| Malformed::Value)?;
            if value.len() > LONGEST_VALUE {
                return Err(Malformed::Value);
            }
            out.push(Piece::Captured(value.to_owned()));
        } else if !content.is_empty() {
            out.push(Piece::Content(content));
        }
        self.state = State::Boundary(LINE_END.len() + delimiter);
        Ok(true)
    }

    fn epilogue(&mut self, out: &mut Vec<Piece>) -> Result<bool, Malformed> {
        if !self.buffer.iter().all(u8::is_ascii_whitespace) {
            return Err(Malformed::AfterEnd);
        }
        if self.buffer.has_remaining() {
            let rest = self.take(self.buffer.len());
            out.push(Piece::Frame(rest));
        }
        Ok(false)
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.buffer.split_to(length.min(self.buffer.len())).freeze()
    }
}

/// What the head of a part says.
struct Head {
    name: String,
    is_file: bool,
    /// Whether its contents are not what they are, but say it in another way.
    is_encoded: bool,
}

impl Head {
    fn read(head: &[u8]) -> Option<Self> {
        let (mut found, mut is_encoded) = (None, false);
        let mut rest = Some(head);
        while let Some(lines) = rest {
            let end = memmem::find(lines, b"\r\n");
            let (line, next) = lines.split_at(end.unwrap_or(lines.len()));
            rest = end.and(next.get(2..));
            let is_plain = line
                .iter()
                .all(|byte| *byte == b'\t' || !byte.is_ascii_control());
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            let is_name = !name.is_empty() && name.iter().all(is_token);
            if !is_plain || !is_name {
                return None;
            }
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"content-disposition") {
                if found.is_some() {
                    return None;
                }
                found = Some(disposition(value)?);
            } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
                let plain: [&[u8]; 3] = [b"7bit", b"8bit", b"binary"];
                is_encoded |= !plain.iter().any(|plain| value.eq_ignore_ascii_case(plain));
            }
        }
        let (name, is_file) = found?;
        Some(Self {
            name,
            is_file,
            is_encoded,
        })
    }
}

/// The name that a `Content-Disposition` says, and whether it is a file's.
fn disposition(value: &[u8]) -> Option<(String, bool)> {
    let end = value.iter().position(|byte| *byte == b';')?;
    let (kind, rest) = value.split_at(end);
    if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let parameters = parameters(rest)?;
    let named = |wanted: &[u8]| {
        let found = parameters.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let (names, files) = (named(b"name"), named(b"filename"));
    let ([name], true, true) = (
        names.as_slice(),
        named(b"name*").is_empty(),
        files.len() <= 1,
    ) else {
        return None;
    };
    // No blanks, no quotes, nothing that some unescape or cut off.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\%;,".contains(byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(is_plain) {
        return None;
    }
    let is_file = !files.is_empty() || !named(b"filename*").is_empty();
    Some((String::from_utf8_lossy(name).into_owned(), is_file))
}

/// `; name=value; name="value"`, with names in small letters. `None` if it is anything else, or if a quote is escaped.
fn parameters(mut rest: &[u8]) -> Option<Vec<(Vec<u8>, &[u8])>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix(b";")?.trim_ascii_start();
        if rest.is_empty() {
            return Some(found);
        }
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (name, value) = rest.split_at(equals);
        if name.is_empty() || !name.iter().all(is_token) {
            return None;
        }
        let value = value.get(1..)?;
        let (value, next) = match value.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = quoted.iter().position(|byte| *byte == b'"')?;
                let (inside, behind) = quoted.split_at(end);
                if inside.last() == Some(&b'\\') {
                    return None;
                }
                (inside, behind.get(1..)?)
            }
            None => {
                let end = value
                    .iter()
                    .position(|byte| *byte == b';' || byte.is_ascii_whitespace());
                let (bare, behind) = value.split_at(end.unwrap_or(value.len()));
                if bare.is_empty() || bare.contains(&b'"') {
                    return None;
                }
                (bare, behind)
            }
        };
        found.push((name.to_ascii_lowercase(), value));
        rest = next;
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

#[cfg(test)]
mod tests;
