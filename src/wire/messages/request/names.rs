//! Names of tools. Anthropic's have up to 128 characters, those of chat requests 64.

use std::collections::HashMap;

use crate::wire::chat::Invalid;

/// The longest name of a tool here.
const LONGEST: usize = 128;
/// The longest name in a chat request.
const LONGEST_IN_CHAT: usize = 64;
/// What is kept of a longer one, before `_` and eight digits of its hash.
const KEPT: usize = 55;

/// The names that had to be shortened.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::wire::messages) struct Names {
    /// The client's names by those of the chat request.
    long: HashMap<String, String>,
}

impl Names {
    /// The name in the chat request of the tool that the client calls `name`, at `at`.
    pub(super) fn put(&mut self, at: &str, name: &str) -> Result<String, Invalid> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(fits) {
            let message = format!("`{at}` must be 1 to {LONGEST} of letters, digits, `_` and `-`");
            return Err(Invalid::at(at, message));
        }
        if name.len() <= LONGEST_IN_CHAT {
            return Ok(name.to_owned());
        }
        let hash = blake3::hash(name.as_bytes()).to_hex();
        let kept: String = name.chars().take(KEPT).collect();
        let digits: String = hash.chars().take(8).collect();
        let short = format!("{kept}_{digits}");
        self.long.insert(short.clone(), name.to_owned());
        Ok(short)
    }

    /// What the client calls the tool that has this name in the chat request.
    pub(in crate::wire::messages) fn of(&self, name: String) -> String {
        self.long.get(&name).cloned().unwrap_or(name)
    }
}
