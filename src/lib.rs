//! Refrain: an LLM gateway that refrains from calling a model whose answer it already has.
//!
//! `ARCHITECTURE.md` has the picture. Modules import from lower floors only:
//!
//! | floor | modules | what they are |
//! |---|---|---|
//! | 7 | [`app`], [`tour`], [`eval`], [`transfer`], [`console`] | assembly; the scripted demo; the evaluation; export and import; the operator's commands |
//! | 6 | [`http`] | what clients see |
//! | 5 | [`gateway`] | one request from start to end |
//! | 4 | [`cache`] | answers that are there already |
//! | 3 | [`provider`], [`embed`], [`tokenizer`] | adapters to the outside |
//! | 2 | [`config`], [`telemetry`] | settings; numbers and logs |
//! | 1 | [`policy`] | decisions |
//! | 0 | [`units`], [`ident`], [`inert`], [`clock`], [`wire`], [`error`] | words |

pub mod app;
pub mod cache;
pub mod clock;
pub mod config;
pub mod console;
pub mod embed;
pub mod error;
pub mod eval;
pub mod gateway;
pub mod http;
pub mod ident;
pub mod inert;
pub mod policy;
pub mod provider;
pub mod telemetry;
pub mod tokenizer;
pub mod tour;
pub mod transfer;
pub mod units;
pub mod wire;
