//! Anthropic's Messages interface, as clients speak it to the gateway.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> and the types of the official Python package,
//! 2.12 (seen 2026-11). What a request says falls into four kinds:
//!
//! | kind | examples | for a provider of another interface |
//! |---|---|---|
//! | has a word in a chat request | texts, images, tools, results, `stop_sequences` | said in that word |
//! | advises | `thinking`, `output_config.effort`, `top_k` | said, and left out where it can't be followed |
//! | tunes: prices, prompt caches, pace, and how a long conversation is kept short | `cache_control`, `context_management`, `betas`, `service_tier`, `metadata` | left out |
//! | asks for more than a chat answer can give | built-in tools, citations, `container`, `mcp_servers`, files by id, where it is computed | refused by name ([`Only`](super::native::Only)) |
//!
//! Coding agents tune in every request, so that can't be a reason to refuse them. A field that nobody here has
//! heard of is of the last kind. A provider of this interface gets the client's own words, all four kinds.

mod answer;
mod error;
mod models;
mod request;

pub use self::{
    error::error_body,
    models::{model, model_list},
    request::{Inbound, read, read_to_count},
};
