//! Streams that break, answers that are none, clients that leave, and calls that many share.

mod broken;
mod commit;
mod flight;
mod framing;
mod hangup;
mod mixed;
mod thousand;
mod timeouts;
mod unusable;
