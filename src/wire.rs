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
pub mod controls;
pub mod embeddings;
pub mod error_body;
pub mod models;
mod object;
pub mod said;
pub mod sse;
mod strict;
