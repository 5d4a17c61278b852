//! Which of the targets of a route is asked first, and which can't be asked at all.
//!
//! Invariant: every order of targets holds each of them once.

pub mod ability;
pub mod conversation;
pub mod eligible;
pub mod peak_ewma;
pub mod strategy;
