//! What the admin page has set, across restarts: `overrides.toml` in the data directory.
//!
//! A file that can't be understood stops the start, as the configuration does: it would not be what its operator wants.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{BuildError, small_file};
use crate::config::{Applied, Cache};

/// The name of the file.
const FILE: &str = "overrides.toml";
/// The longest file that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// Where it is; `None` if nothing outlives the process.
pub(super) fn path(cache: &Cache) -> Option<PathBuf> {
    Some(cache.data_dir.as_ref()?.join(FILE))
}

/// What it says; nothing, if there is none. Blocks.
pub(super) fn read(cache: &Cache) -> Result<Applied, BuildError> {
    let Some(path) = path(cache) else {
        return Ok(Applied::default());
    };
    let failed = |why: String| BuildError::Overrides {
        path: path.clone(),
        why,
    };
    let bytes = small_file::read(&path, LONGEST).map_err(|error| failed(error.to_string()))?;
    let Some(bytes) = bytes else {
        return Ok(Applied::default());
    };
    let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    let applied = Applied::parse(&path, &text).map_err(|problems| failed(problems.to_string()))?;
    if let Some(threshold) = applied.threshold {
        let path = path.display();
        tracing::warn!(%path, %threshold, "`cache.threshold` is what the admin page has set");
    }
    Ok(applied)
}

/// Writes it, or takes it away where nothing is set. Blocks.
pub(super) fn write(path: &Path, applied: &Applied) -> io::Result<()> {
    if *applied == Applied::default() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    small_file::replace(path, applied.text().as_bytes())
}
