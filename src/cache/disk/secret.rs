//! The secret that scopes are hashed with, in a file beside the entries: without it, none of them
//! would be found again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use super::{
    file::{make_directory, private},
    stored::{seal, unseal},
};

const FILE: &str = "secret";

/// The secret of a directory, made at the first call.
///
/// # Errors
/// When the file can't be read or written, or is damaged ([`ErrorKind::InvalidData`]); the message
/// says what to do. A damaged secret is not replaced: that would orphan all entries silently.
pub fn secret(directory: &Path) -> io::Result<[u8; 32]> {
    let path = directory.join(FILE);
    match File::open(&path) {
        Ok(file) => read(file, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_directory(directory)?;
            create(directory, &path)?;
            // Another process may have been faster; what is there counts.
            read(File::open(&path)?, &path)
        }
        Err(error) => Err(error),
    }
}

fn read(file: File, path: &Path) -> io::Result<[u8; 32]> {
    let mut content = Vec::new();
    // A little more than it can have, should it be another file.
    file.take(256).read_to_end(&mut content)?;
    let secret = unseal(FILE.as_bytes(), &content).ok();
    secret.and_then(|secret| secret.try_into().ok()).ok_or_else(|| {
        let path = path.display();
        io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "{path} is damaged; restore it from a backup, or delete it and start with an empty cache"
            ),
        )
    })
}

/// Makes the file whole or not at all, and never in place of another.
fn create(directory: &Path, path: &Path) -> io::Result<()> {
    let mut random = [0; 32 + 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let (secret, name) = random.split_at(32);
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = directory.join(format!("{FILE}.{name}"));
    let made = write(&temporary, &seal(FILE.as_bytes(), secret), &mut private())
        .and_then(|()| link(&temporary, path));
    let _gone_already = fs::remove_file(&temporary);
    made?;
    File::open(directory)?.sync_all()
}

fn write(path: &Path, content: &[u8], options: &mut OpenOptions) -> io::Result<()> {
    let mut file = options.create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links.
        Err(_) if !to.exists() => fs::rename(from, to),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("new");
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| secret(&directory).unwrap()));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        assert!(
            all.iter()
                .all(|secret| *secret == all[0] && *secret != [0; 32])
        );
        let names: Vec<_> = fs::read_dir(&directory).unwrap().collect();
        assert_eq!(names.len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&directory.join(FILE)), 0o600);
            assert_eq!(mode(&directory), 0o700);
        }
    }

    #[test]
    fn a_damaged_one_is_an_error_that_helps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        secret(directory.path()).unwrap();
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[20] ^= 1;
        for bad in [
            &flipped[..],
            &good[..good.len() - 1],
            b"",
            &[0; 41],
            &[b'x'; 9_000],
        ] {
            fs::write(&path, bad).unwrap();
            let error = secret(directory.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("delete it"));
            assert_eq!(fs::read(&path).unwrap(), bad, "it is left as it is");
        }
    }
}
