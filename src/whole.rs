//! Writing files whole: a reader sees the old file or the new one, never half of one.

use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Context, Error, Result};

/// Writes `path` through `write`: a temporary file in the same folder, then a rename. Where writing fails,
/// what was at `path` before is still there.
///
/// # Errors
/// The folder or disk refuses, or `write` fails.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let inner = || -> Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // A temporary file is its owner's alone; a result has the permissions of any new file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        let mut buffer = BufWriter::new(file.as_file_mut());
        write(&mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        file.persist(path).map_err(|error| Error::from(error.error))?;
        Ok(())
    };
    inner().within(|| path.display().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        write_whole(&path, |file| Ok(file.write_all(b"old")?)).unwrap();
        let error = write_whole(&path, |file| {
            file.write_all(b"new")?;
            Err(Error::new("no"))
        });
        assert_eq!(error.unwrap_err().what(), format!("{}: no", path.display()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
