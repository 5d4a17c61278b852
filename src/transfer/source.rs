//! What an import reads: twice, since all lines are checked before the first is taken in.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Write},
    path::Path,
};

use super::TransferError;

/// By this name standard input is meant.
const STANDARD_INPUT: &str = "-";

/// What is at `path`, so that it can be read from its beginning again and again. What can't, a pipe say, is read to
/// its end first, into a file without a name: nobody else can open it, and it is gone with this process.
pub(super) fn open(path: &Path) -> Result<File, TransferError> {
    if path == Path::new(STANDARD_INPUT) {
        return copied(io::stdin().lock(), Path::new("standard input"));
    }
    let failed = |source| at(path, source);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_file() {
        return Ok(file);
    }
    copied(BufReader::new(file), path)
}

fn copied(mut input: impl BufRead, path: &Path) -> Result<File, TransferError> {
    let not_kept = |source| at(&env::temp_dir(), source);
    let mut copy = tempfile::tempfile().map_err(not_kept)?;
    loop {
        let piece = match input.fill_buf() {
            Ok([]) => return Ok(copy),
            Ok(piece) => piece,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(at(path, error)),
        };
        copy.write_all(piece).map_err(not_kept)?;
        let read = piece.len();
        input.consume(read);
    }
}

fn at(path: &Path, source: io::Error) -> TransferError {
    let path = path.to_owned();
    TransferError::File { path, source }
}
