//! Files that appear whole or not at all.

use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Context, Error, Result};

/// How names of temporary files begin.
const TEMPORARY: &str = ".mora-new-";

/// Writes a file into a temporary one in the same folder, which then takes its name. What stood at `path`
/// before stays until the new file is complete.
///
/// # Errors
/// The folder does not exist or cannot be written, the disk is full, or `write` fails; the message names the
/// file.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let attempt = || -> Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = builder().tempfile_in(folder)?;
        let mut buffer = BufWriter::new(file.as_file_mut());
        write(&mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        file.persist(path).map_err(|error| Error::from(error.error))?;
        Ok(())
    };
    attempt().within(|| format!("cannot write {}", path.display()))
}

/// Removes the temporary files that a process left in a folder when it was killed. For a folder in which nobody else
/// is writing.
pub fn remove_temporaries(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes());
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // One that stays takes space, and nothing else.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Temporary files are private to their maker; the finished one is as open as any new file of the user.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        write_whole(&path, |file| Ok(file.write_all(b"old")?)).unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(Error::new("the disk is full"))
        });
        let message = failed.unwrap_err().to_string();
        assert!(message.contains("table.csv") && message.contains("the disk is full"), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporaries_are_told_from_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let temporary = builder().tempfile_in(folder.path()).unwrap();
        let (_, left) = temporary.keep().unwrap();
        for name in ["table.csv", ".hidden", ".mora-lock"] {
            std::fs::write(folder.path().join(name), "kept").unwrap();
        }
        std::fs::create_dir(folder.path().join(".mora-new-folder")).unwrap();
        remove_temporaries(folder.path());
        assert!(!left.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
        remove_temporaries(&folder.path().join("none"));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = write_whole(&folder.path().join("none/a.csv"), |_| Ok(())).unwrap_err().to_string();
        assert!(message.starts_with("cannot write") && message.contains("none"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_as_open_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_whole(&ours, |_| Ok(())).unwrap();
        std::fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
