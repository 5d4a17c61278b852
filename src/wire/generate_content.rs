//! Gemini's `generateContent` interface, as clients speak it to the gateway.
//!
//! What they ask becomes a chat request ([`read()`]), and a chat answer becomes Google's ([`ResponseWriter`]).
//! Names are taken in camelCase and in `snake_case`, as Google's servers do. Source:
//! <https://ai.google.dev/api/generate-content> and the types of the `google-genai` package 3.4 (seen 2026-11).

mod apart;
mod config;
mod contents;
mod embed;
mod error;
mod fields;
mod models;
mod parts;
mod read;
mod schema;
mod stream;
mod tools;
mod writer;

pub use self::{
    embed::Embedding,
    error::error_body,
    models::{Model, Page},
    read::{Inbound, read, read_count},
    stream::{Elements, Form},
    writer::ResponseWriter,
};
