//! What operators are told of the configuration in force.

/// How the configuration in force stands to the file that it was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigStatus {
    /// When it was taken into force, in seconds since 1970.
    pub loaded_at: u64,
    /// Why the file, as it was read last, is not in force, in lines for people; empty if it is. Holds no
    /// secret.
    pub problems: Vec<String>,
    /// What is accepted but has no effect, in lines for people.
    pub notices: Vec<String>,
    /// Settings of the file that take effect only at the next start.
    pub needs_restart: Vec<&'static str>,
}

impl ConfigStatus {
    /// Whether the file, as it was read last, is in force.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.problems.is_empty()
    }

    /// The same as a word of JSON.
    pub(super) fn word(&self) -> &'static str {
        if self.is_current() {
            "current"
        } else {
            "last_good"
        }
    }

    /// The same as a value of a header.
    pub(super) fn header(&self) -> &'static str {
        if self.is_current() {
            "current"
        } else {
            "last-good"
        }
    }
}
