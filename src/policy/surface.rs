//! The surface form.

/// The surface form.
#[must_use]
pub fn surface(_question: &str) -> Option<String> {
    None
}
