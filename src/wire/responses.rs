//! OpenAI's responses interface, as a client asks it and hears it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses> and the types of OpenAI's Python client
//! (seen 2026-11). [`Request`] reads a request and says what it means as a chat request; [`Teller`] tells a
//! chat answer as a response, whole or event by event; [`Passing`] looks at the words of a provider that
//! speaks the interface itself. Invariants: every field of a request is carried, refused by its path, or named as
//! something that only such a provider can do; events are numbered from 0 without a gap.

mod echo;
mod event;
mod id;
mod input;
mod items;
mod native;
mod owned;
mod passing;
mod request;
mod teller;
mod tools;
mod typed;
mod usage;

pub use self::{
    echo::Echo,
    owned::ids,
    passing::Passing,
    request::{History, Inbound, Request},
    teller::Teller,
};

#[cfg(test)]
mod tests;
