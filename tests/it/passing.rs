//! What passes through the gateway unchanged, and what it adds.

mod bytes;
mod compression;
mod headers;
mod routes;
