//! One run at a time in an output folder.
//!
//! A run holds a lock on a small file in the folder from its beginning to its end. The system gives the lock back
//! when a process ends, however it ends, so a run that was killed is in nobody's way. The file says who holds the lock,
//! and is gone when the run has ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Context, Error, Result};
use crate::interrupt;

/// The file that is locked.
pub const FILE: &str = ".mora-lock";

/// How often a lock is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries before a lock counts as held: a new holder writes its name first.
const TRIES: usize = 4;

/// What to do where another run writes into the folder.
#[derive(Clone, Copy)]
pub enum Patience<'a> {
    /// Fail.
    Refuse,
    /// Wait for its end, and say so first.
    Wait(&'a dyn Fn(&str)),
}

/// The right to write into a folder, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Locked; none on a file system that has no locks.
    file: Option<File>,
}

impl Claim {
    /// Claims a folder for a script; the folder is there.
    ///
    /// # Errors
    /// Another run writes into the folder, or the folder cannot be written into. An interrupt ends the waiting.
    pub fn take(folder: &Path, script: &str, patience: Patience) -> Result<Self> {
        let path = folder.join(FILE);
        let mut waiting = Waiting::new(folder, patience);
        // A link would be followed, and what it leads to overwritten.
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(Error::new(format!("{} is no plain file", path.display()))
                .hint("remove it: no run of mora made it"));
        }
        loop {
            let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
            if file.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                // The holder before made the folder, and took it away again as it had written nothing.
                std::fs::create_dir_all(folder).within(|| folder.display().to_string())?;
                continue;
            }
            let file = file.within(|| format!("cannot write into {}", folder.display()))?;
            match file.try_lock() {
                // The holder before removed the file when it had ended: this one is nobody's any more.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => {
                    // Who holds the lock is for the eyes of others; the lock is what counts.
                    let _ = sign(&file, script);
                    return Ok(Self { path, file: Some(file) });
                }
                Err(TryLockError::WouldBlock) => waiting.go_on()?,
                // Some file systems know no locks: the run goes on without.
                Err(TryLockError::Error(_)) => return Ok(Self { path, file: None }),
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock is given back, so that nobody else's file is removed.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Tries so far.
struct Waiting<'a> {
    folder: &'a Path,
    patience: Patience<'a>,
    tries: usize,
}

impl<'a> Waiting<'a> {
    fn new(folder: &'a Path, patience: Patience<'a>) -> Self {
        Self { folder, patience, tries: 0 }
    }

    /// After a try that found the lock held: the next one may follow.
    fn go_on(&mut self) -> Result<()> {
        interrupt::check()?;
        self.tries += 1;
        if self.tries == TRIES {
            let folder = self.folder.display();
            let holder = holder(&self.folder.join(FILE));
            match self.patience {
                Patience::Refuse => {
                    return Err(Error::new(format!("{holder} is writing into {folder}"))
                        .hint("`--wait` waits for its end, `--out DIR` chooses another folder"));
                }
                Patience::Wait(remark) => remark(&format!("waiting: {holder} is writing into {folder}")),
            }
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

fn sign(mut file: &File, script: &str) -> std::io::Result<()> {
    let since = chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string();
    let text = json!({ "script": script, "process": std::process::id(), "since": since }).to_string();
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// Who holds the lock, as far as the file says.
fn holder(path: &Path) -> String {
    let said = std::fs::read_to_string(path).unwrap_or_default();
    let said: Value = serde_json::from_str(&said).unwrap_or_default();
    match (said["script"].as_str(), said["process"].as_u64(), said["since"].as_str()) {
        (Some(script), Some(process), Some(since)) => {
            format!("the run of \"{script}\" (process {process}, since {since})")
        }
        _ => "another run".to_owned(),
    }
}

/// True where a file that was opened is still the one of this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(opened), Ok(there)) => (opened.dev(), opened.ino()) == (there.dev(), there.ino()),
        (_, Err(error)) => error.kind() != ErrorKind::NotFound,
        _ => true,
    }
}

/// Elsewhere a file that is open cannot make way for another of its name.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    !matches!(std::fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_no_trace_of_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let first = Claim::take(folder.path(), "study", Patience::Refuse).unwrap();
        let error = Claim::take(folder.path(), "other", Patience::Refuse).map(|_| ()).unwrap_err();
        let process = format!("the run of \"study\" (process {}, since 2", std::process::id());
        assert!(error.what().contains(&process), "{error}");
        assert!(error.help().unwrap().contains("--wait"), "{error}");
        drop(first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(Claim::take(folder.path(), "other", Patience::Refuse).unwrap());
    }

    #[test]
    fn what_a_killed_run_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["", "{\"script\": \"st", "{\"script\":\"study\",\"process\":1,\"since\":\"then\"}"] {
            std::fs::write(folder.path().join(FILE), left).unwrap();
            drop(Claim::take(folder.path(), "other", Patience::Refuse).unwrap());
        }
    }

    /// Many threads want the folder; never two have it, though the file comes and goes.
    #[test]
    fn those_who_wait_come_one_after_another() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let claim = Claim::take(folder.path(), "study", Patience::Wait(&|_| {})).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(2));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }
}
