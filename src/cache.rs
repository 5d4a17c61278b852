//! Answers that are already there: kept by identity, found by equality or by meaning, and shared
//! while they are being made.
//!
//! What may be kept and what may answer is decided in `policy`; this module holds and finds.
//! Invariant: a cache can make a request faster, never make it fail.

pub mod disk;
pub mod entry;
pub mod flight;
pub mod memory;
pub mod mirror;
pub mod partition;
pub mod pointer;
pub mod portable;
pub mod responses;
pub mod semantic;
pub mod shared;
pub mod store;
pub mod vectors;
