//! What a script may touch: files to read, folders to write into, the network.
//!
//! A script may come from a stranger. It reads, and imports modules from, the working folder, its own, its output folder,
//! the hub's cache, `MORA_PATH` and what the command line named, and writes below its output folder alone; everything else is asked for by `--allow-read`,
//! `--allow-write` and `--allow-net`. Paths are compared after symbolic links and `..` are resolved.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::reference::Reference;

/// What is allowed.
#[derive(Debug, Clone, Default)]
pub struct Permissions {
    /// Folders and files that may be read, resolved; none where everything may.
    readable: Option<Vec<PathBuf>>,
    /// Folders, besides the output folder, that may be written into.
    writable: Vec<PathBuf>,
    /// Models may be downloaded.
    network: bool,
    /// What the command line named: these may be read, or downloaded.
    named: Vec<String>,
}

impl Permissions {
    /// A person's own work: everything may be read and downloaded. Writing stays below the output folder.
    pub fn trusted() -> Self {
        Self { readable: None, writable: Vec::new(), network: true, named: Vec::new() }
    }

    /// A script's: what stands below the working folder and the hub's cache may be read, and what `named` (values from the
    /// command line), `output` (the folder that was chosen, where one was) and `read` name.
    pub fn limited(
        output: Option<&Path>,
        read: &[PathBuf],
        write: &[PathBuf],
        network: bool,
        named: Vec<String>,
    ) -> Self {
        let mut readable: Vec<PathBuf> = read.iter().chain(write).map(|path| resolved(path)).collect();
        readable.extend(std::env::current_dir().ok().map(|folder| resolved(&folder)));
        readable.extend(output.map(resolved));
        readable.extend(crate::model::reference::hub::Hub::from_env().ok().map(|hub| resolved(&hub.cache)));
        readable.extend(named.iter().map(Path::new).filter(|path| path.exists()).map(resolved));
        let writable = write.iter().map(|path| resolved(path)).collect();
        Self { readable: Some(readable), writable, network, named }
    }

    /// Fails where a file or folder may not be read. What does not exist is left to whoever opens it.
    ///
    /// # Errors
    /// Names the path, where a link leads, and the option that would allow it.
    pub fn check_read(&self, path: &Path) -> Result<()> {
        let Some(readable) = &self.readable else { return Ok(()) };
        let real = resolved(path);
        if readable.iter().any(|allowed| real.starts_with(allowed)) {
            return Ok(());
        }
        let leads = if real == path { String::new() } else { format!(" (it is {})", real.display()) };
        let folder = real.parent().unwrap_or(&real).display().to_string();
        Err(Error::new(format!("the script may not read {}{leads}", path.display()))
            .hint(format!("scripts read below the working folder; --allow-read {folder} allows this")))
    }

    /// A model's or adapter's reference as the script may open it: a path is checked, and a repository of the hub opens
    /// from the cache alone, unless it may be downloaded.
    ///
    /// # Errors
    /// As [`Permissions::check_read`].
    pub fn check_reference(&self, text: &str, reference: Reference) -> Result<Reference> {
        match reference {
            Reference::Directory(ref path) | Reference::Gguf(ref path) => {
                self.check_read(path)?;
                Ok(reference)
            }
            Reference::Hub(mut repository) => {
                repository.is_offline = !(self.network || self.named.iter().any(|named| named == text));
                Ok(Reference::Hub(repository))
            }
            Reference::Embedded(_) => Ok(reference),
        }
    }

    /// True where an absolute path may be written to.
    pub fn may_write(&self, path: &Path) -> bool {
        let real = resolved(path);
        self.writable.iter().any(|allowed| real.starts_with(allowed))
    }
}

/// An absolute path without links and `..`, as far as it exists.
pub fn resolved(path: &Path) -> PathBuf {
    // An empty path is the working folder; as a prefix it would stand for everything.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        // `..` at the end of what does not exist: the path it would be.
        (Some(parent), None) => resolved(parent).parent().unwrap_or(parent).to_owned(),
        _ => absolute,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_and_dots_do_not_lead_out() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret.csv");
        std::fs::write(&secret, "a\n1\n").unwrap();
        let permissions = Permissions::limited(Some(inside.path()), &[], &[], false, Vec::new());
        assert!(permissions.check_read(&inside.path().join("own.csv")).is_ok());
        let name = outside.path().file_name().unwrap();
        let dotted = inside.path().join("..").join(name).join("secret.csv");
        assert!(permissions.check_read(&dotted).is_err());
        assert!(permissions.check_read(&inside.path().join("nothing/../../x")).is_err());
        #[cfg(unix)]
        {
            let link = inside.path().join("link.csv");
            std::os::unix::fs::symlink(&secret, &link).unwrap();
            let error = permissions.check_read(&link).unwrap_err();
            assert!(error.what().contains("secret.csv") && error.help().unwrap().contains("--allow-read"));
        }
        let allowed =
            Permissions::limited(Some(inside.path()), &[outside.path().to_owned()], &[], false, Vec::new());
        assert!(allowed.check_read(&dotted).is_ok());
        let empty =
            Permissions::limited(Some(inside.path()), &[PathBuf::new()], &[], false, vec![String::new()]);
        assert!(empty.check_read(&dotted).is_err());
        let named =
            Permissions::limited(Some(inside.path()), &[], &[], false, vec![secret.display().to_string()]);
        assert!(named.check_read(&secret).is_ok());
        assert!(Permissions::trusted().check_read(&secret).is_ok());
    }

    #[test]
    fn a_repository_is_downloaded_only_where_it_was_named_or_allowed() {
        let offline = |permissions: &Permissions| {
            let opened = permissions.check_reference("org/name", "org/name".parse().unwrap()).unwrap();
            matches!(opened, Reference::Hub(repository) if repository.is_offline)
        };
        let out = Path::new("out");
        assert!(offline(&Permissions::limited(Some(out), &[], &[], false, Vec::new())));
        assert!(!offline(&Permissions::limited(Some(out), &[], &[], true, Vec::new())));
        assert!(!offline(&Permissions::limited(Some(out), &[], &[], false, vec!["org/name".into()])));
        assert!(!offline(&Permissions::trusted()));
    }
}
