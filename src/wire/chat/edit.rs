//! What a provider wants otherwise in the body of a request than OpenAI does.
//!
//! Edits are data of the configuration; [`ChatRequest::body_for`](super::ChatRequest::body_for) makes
//! them. Invariant: no edit touches what a request is: its model, its messages' roles and contents, and
//! whether it is answered as a stream.

/// The field is needed by the gateway, or by everybody.
const NEEDED: [&str; 3] = ["model", "messages", "stream"];
/// The same in a message.
const NEEDED_IN_MESSAGES: [&str; 2] = ["role", "content"];
const IN_MESSAGES: &str = "messages[].";

/// One change of a body. An edit whose field is not there changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit(pub(super) Change);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The field is left out.
    Drop(String),
    /// The field is left out of every message.
    DropInMessages(String),
    /// The field has the name `to`, unless there is one of that name with a value other than `null`:
    /// then it is left out.
    Rename { from: String, to: String },
    /// The role `developer` is called `system`.
    DeveloperAsSystem,
}

impl Edit {
    /// Leaves out a field of the body (`logprobs`) or of each of its messages (`messages[].name`).
    ///
    /// # Errors
    /// Why there is no such edit: it is no field's name, or the field can't be missed.
    pub fn drop(field: &str) -> Result<Self, &'static str> {
        let (name, needed, change): (_, &[&str], fn(String) -> Change) =
            match field.strip_prefix(IN_MESSAGES) {
                Some(name) => (name, &NEEDED_IN_MESSAGES, Change::DropInMessages),
                None => (field, &NEEDED, Change::Drop),
            };
        if needed.contains(&name) {
            return Err("a field that no request does without");
        }
        if !is_name(name) {
            return Err(
                "not the name of a field (such as `logprobs`) or of a field of every message \
                 (such as `messages[].name`)",
            );
        }
        Ok(Self(change(name.to_owned())))
    }

    /// Gives the field `from` of the body the name `to`. Where both are given, the one that is called
    /// `to` already counts, unless it is `null`.
    ///
    /// # Errors
    /// Why there is no such edit: one is no field's name, or it is one that stays as it is.
    pub fn rename(from: &str, to: &str) -> Result<Self, &'static str> {
        if [from, to].iter().any(|name| NEEDED.contains(name)) {
            return Err(
                "`model`, `messages` and `stream` keep their names, which are theirs alone",
            );
        }
        if !is_name(from) || !is_name(to) {
            return Err("not two names of fields (such as `max_tokens`)");
        }
        if from == to {
            return Err("the old and the new name are the same");
        }
        Ok(Self(Change::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        }))
    }

    /// The field that it leaves out, as [`Edit::drop`] takes it.
    #[must_use]
    pub fn dropped(&self) -> Option<String> {
        match &self.0 {
            Change::Drop(name) => Some(name.clone()),
            Change::DropInMessages(name) => Some(format!("{IN_MESSAGES}{name}")),
            Change::Rename { .. } | Change::DeveloperAsSystem => None,
        }
    }

    /// The old and the new name of the field that it renames.
    #[must_use]
    pub fn renamed(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Change::Rename { from, to } => Some((from, to)),
            Change::Drop(_) | Change::DropInMessages(_) | Change::DeveloperAsSystem => None,
        }
    }

    /// Sends messages of the role `developer` as such of the role `system`.
    #[must_use]
    pub fn developer_as_system() -> Self {
        Self(Change::DeveloperAsSystem)
    }
}

/// Whether this may be a field's name: 1–64 of `a-z A-Z 0-9 _ -`.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_is_is_not_edited() {
        for field in [
            "model",
            "messages",
            "stream",
            "messages[].role",
            "messages[].content",
        ] {
            assert!(Edit::drop(field).is_err(), "{field}");
        }
        for (from, to) in [
            ("model", "m"),
            ("stream", "s"),
            ("x", "messages"),
            ("x", "x"),
        ] {
            assert!(Edit::rename(from, to).is_err(), "{from} {to}");
        }
        for field in [
            "",
            "messages[]",
            "messages[].",
            "a.b",
            "messages[0].name",
            "é",
            "a b",
        ] {
            assert!(Edit::drop(field).is_err(), "{field}");
            assert!(Edit::rename(field, "x").is_err(), "{field}");
        }
        assert!(Edit::drop(&"a".repeat(65)).is_err());
        assert!(Edit::drop("stream_options").is_ok() && Edit::drop("messages[].name").is_ok());
    }
}
