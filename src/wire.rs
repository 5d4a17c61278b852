//! The words of the OpenAI wire format, as types: what comes in, what goes out, and the pieces of a
//! stream.
//!
//! Nothing here decides or does IO. Invariant: fields that these types do not know survive a round
//! trip.

pub mod answer;
pub mod ask;
pub mod assemble;
pub mod chat;
pub mod chunk;
pub mod completions;
pub mod controls;
pub mod embeddings;
pub mod error_body;
pub mod generate_content;
pub mod heard;
pub mod messages;
pub mod models;
pub mod multipart;
pub mod native;
mod object;
pub mod operation;
pub mod responses;
pub mod said;
pub mod sse;
mod strict;
