//! What the `refrain` program does besides calling the library.

pub(crate) mod arguments;
pub(crate) mod console;
pub(crate) mod keys;
pub(crate) mod serve;
pub(crate) mod settings;
