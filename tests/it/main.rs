//! The gateway as its clients and providers see it: over real sockets, between a client and a fake
//! provider that is as strict as a real one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers are not seen as tests; a test stops where something is not as it should be"
)]

mod support;

mod cache;
mod encoder;
mod passing;
