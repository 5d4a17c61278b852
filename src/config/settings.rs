//! The settings of the process itself: `[server]`, `[admin]`, `[embedding]`.
//!
//! Plain data as used by the rest of the program; reading and checking happen in `file` and
//! `resolve`. Invariant: every number is within the range its documentation names.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{quantity::ByteSize, secret::Secret};

/// `[server]`: the listening side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// The largest request body that is read; more is refused with 413.
    pub max_body: ByteSize,
    /// How long requests in flight may go on after a signal to stop.
    pub drain_timeout: Duration,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body.
    pub read_timeout: Duration,
    /// How long a client may take nothing of an answer that is there.
    pub write_timeout: Duration,
    /// Connections held at the same time, 1 or more.
    pub max_connections: usize,
    /// Requests answered at the same time, 1 or more; one more is refused with 503.
    pub max_in_flight: usize,
    /// Bytes of all request bodies that are held at the same time, no less than `max_body`; a body for which there is
    /// no room is refused with 503.
    pub max_in_flight_bytes: ByteSize,
    /// JSON answers longer than this are compressed for clients that accept it.
    pub compress_above: ByteSize,
    /// Whether an address that others reach may be listened on without keys.
    pub allow_public: bool,
    /// Whether the file is read again when it changes.
    pub reload: bool,
}

/// `[admin]`: the admin page and its API.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The variable that the key is taken from, for messages.
    pub key_env: String,
    /// The key; `None` if its variable is unset or empty.
    pub key: Option<Secret>,
    /// Where operators are answered, and nowhere else; `None` for where clients are.
    pub listen: Option<SocketAddr>,
}

/// `[embedding]`: the encoder of the semantic tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// The model directory; a relative path in the file counts from the file's directory.
    pub model: PathBuf,
    /// The ONNX Runtime library, found like `model`.
    pub runtime: PathBuf,
    /// Encoder threads, 1 to 64; `None` leaves the number to the program.
    pub threads: Option<usize>,
    /// Texts that may wait for the encoder, 1 or more; one more is a miss.
    pub queue: usize,
    /// How long a lookup waits for its embedding before it is a miss.
    pub deadline: Duration,
}
