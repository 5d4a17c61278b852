//! The gateway as its clients and providers see it: over real sockets, between a client and a fake
//! provider that is as strict as a real one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "helpers are not seen as tests; a test stops where something is not as it should be"
)]

mod support;

mod access;
mod admin;
mod admin_cache;
mod admin_providers;
mod binary;
mod cache;
mod completions;
mod console;
mod crash;
mod dialects;
mod embeddings;
mod encoder;
mod errors;
mod faults;
mod generate_content;
mod history;
mod keys;
mod limits;
mod messages;
mod metrics;
mod openapi;
mod overload;
mod panics;
mod paraphrase;
mod passing;
mod passthrough;
mod persistence;
mod quality;
mod reload;
mod responses;
mod responses_store;
mod routing;
mod routing_quality;
mod streams;
mod telemetry;
mod threshold;
mod tidy;
mod transfer;
mod variants;
mod why;
