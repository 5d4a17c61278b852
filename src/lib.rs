//! Refrain.
pub mod clock;
pub mod error;
pub mod ident;
pub mod policy;
pub mod units;
pub mod wire;
