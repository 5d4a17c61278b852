//! Requests that are wrong, and providers that are.

mod bad_input;
mod keys;
mod limits;
mod upstream;
