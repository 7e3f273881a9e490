//! What one run leaves behind: a folder of files, and `run.json` that says how they came about.
//!
//! The same run twice gives the same record, its `times` aside.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use rhai::Dynamic;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::save::{remove_temporaries, write_whole};
use crate::script::claim::{self, Claim, Patience};
use crate::script::library::PACKAGES;
use crate::script::permissions::{Permissions, resolved};

/// The record's own name in the output folder.
const RECORD: &str = "run.json";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The script came to its end.
    Completed,
    /// The script failed.
    Failed,
    /// The script was stopped from outside.
    Interrupted,
}

/// What the record says of the surroundings, fixed when the run begins.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The script's name.
    pub script: String,
    /// SHA-256 of the script's text, in hexadecimal.
    pub script_sha256: String,
    /// Seed of the script's random numbers.
    pub seed: u64,
    /// Device that models and tensors live on.
    pub device: String,
    /// Number format of weights.
    pub dtype: String,
}

/// The output folder of a run and the files written into it.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    /// A person chose the folder.
    is_chosen: bool,
    surroundings: Surroundings,
    files: RefCell<Vec<String>>,
    /// Held from the beginning to the end; at the prompt, and of a test, from the first file on.
    claim: RefCell<Option<Claim>>,
    /// The folder and those above it that this run made, the innermost first.
    made: RefCell<Vec<PathBuf>>,
    /// Folders in which what a killed run left behind has been removed.
    cleaned: RefCell<BTreeSet<PathBuf>>,
    modules: RefCell<BTreeMap<String, String>>,
    models: RefCell<BTreeMap<String, Value>>,
    begun: Instant,
    begun_at: chrono::DateTime<chrono::Utc>,
}

/// Where a run writes.
#[derive(Debug, Clone)]
pub enum Folder {
    /// Below the working folder, and nowhere else by a link.
    Usual(PathBuf),
    /// What a person chose, wherever it leads.
    Chosen(PathBuf),
}

impl Folder {
    /// `out/<script>`
    pub fn usual(script: &str) -> Self {
        Self::Usual(Path::new("out").join(script))
    }
}

impl Run {
    /// A run that writes into `folder`.
    pub fn begin(folder: Folder, surroundings: Surroundings) -> Self {
        let (folder, is_chosen) = match folder {
            Folder::Usual(folder) => (folder, false),
            Folder::Chosen(folder) => (folder, true),
        };
        Self {
            folder,
            is_chosen,
            surroundings,
            files: RefCell::default(),
            claim: RefCell::default(),
            made: RefCell::default(),
            cleaned: RefCell::default(),
            modules: RefCell::default(),
            models: RefCell::default(),
            begun: Instant::now(),
            begun_at: chrono::Utc::now(),
        }
    }

    /// The output folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder this run's own before the work is begun, so that no other run gets into it meanwhile.
    ///
    /// # Errors
    /// As [`Claim::take`]; a folder that was chosen cannot be made, or is a file.
    pub fn reserve(&self, patience: Patience) -> Result<()> {
        // What nobody chose is in the way of those alone that write, who are told then.
        let made = self.check_folder().and_then(|()| self.make());
        match made {
            Ok(()) => self.claim(patience),
            Err(error) if self.is_chosen => Err(error.hint("`--out DIR` chooses another folder")),
            Err(_) => Ok(()),
        }
    }

    /// Makes the folder, and remembers what of its path was not there before.
    fn make(&self) -> Result<()> {
        let missing =
            self.folder.ancestors().take_while(|path| !path.exists() && !path.as_os_str().is_empty());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        std::fs::create_dir_all(&self.folder).within(|| self.folder.display().to_string())?;
        self.made.borrow_mut().extend(missing);
        Ok(())
    }

    /// Makes the folder this run's own, until it ends.
    fn claim(&self, patience: Patience) -> Result<()> {
        if self.claim.borrow().is_none() {
            self.check_folder()?;
            let claim = Claim::take(&self.folder, &self.surroundings.script, patience)?;
            *self.claim.borrow_mut() = Some(claim);
        }
        Ok(())
    }

    /// Fails where nobody chose the folder and a link leads out of the working folder: a script that came with such a
    /// link would write there.
    fn check_folder(&self) -> Result<()> {
        let real = resolved(&self.folder);
        match self.is_chosen || real.starts_with(resolved(Path::new("."))) {
            true => Ok(()),
            false => Err(Error::new(format!("{} is a link to {}", self.folder.display(), real.display()))
                .hint(format!("`--out {}` writes there", real.display()))),
        }
    }

    /// Leaves the folder to other runs; of one that this run made and wrote nothing into nothing is left.
    pub fn release(&self) {
        drop(self.claim.borrow_mut().take());
        // Fails where something lies in it, and that is meant.
        for folder in self.made.borrow_mut().drain(..) {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// A file that an earlier run, or this one, may have left in the output folder, for going on from it.
    ///
    /// # Errors
    /// As [`Claim::take`].
    pub fn kept_path(&self, name: &str, patience: Patience) -> Result<PathBuf> {
        // Another run must not go on from the same file meanwhile.
        if self.folder.is_dir() {
            self.claim(patience)?;
        }
        Ok(self.folder.join(name))
    }

    /// Where a script's file `name` goes; the folder is there afterwards, this run's own, and the record will list the
    /// file.
    ///
    /// # Errors
    /// The name leaves the output folder or is that of mora's own files, the folder cannot be made, or another run
    /// writes into it.
    pub fn output_path(&self, name: &str, permissions: &Permissions, patience: Patience) -> Result<PathBuf> {
        if Path::new(name).is_absolute() && permissions.may_write(Path::new(name)) {
            return self.elsewhere(Path::new(name));
        }
        let relative: PathBuf =
            Path::new(name).components().filter(|part| *part != Component::CurDir).collect();
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Error::new(format!("\"{name}\" leaves the output folder {}", self.folder.display()))
                .hint(
                    "give a relative path; `--out DIR` chooses another folder, `--allow-write DIR` one more",
                ));
        }
        if relative.as_os_str().is_empty() || name.ends_with(['/', '\\']) {
            return Err(Error::new(format!("expected a file name, found \"{name}\"")));
        }
        if [RECORD, claim::FILE].iter().any(|own| relative == Path::new(own)) {
            return Err(Error::new(format!("\"{name}\" is the name of a file that the run itself writes")));
        }
        self.check_folder()?;
        self.make()?;
        self.claim(patience)?;
        let path = self.folder.join(&relative);
        let parent = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(parent).within(|| parent.display().to_string())?;
        if !resolved(parent).starts_with(resolved(&self.folder)) {
            let real = resolved(parent);
            return Err(Error::new(format!(
                "\"{name}\" leaves the output folder by a link to {}",
                real.display()
            )));
        }
        if self.cleaned.borrow_mut().insert(parent.to_owned()) {
            remove_temporaries(parent);
        }
        let listed = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let mut files = self.files.borrow_mut();
        if !files.contains(&listed) {
            files.push(listed);
        }
        Ok(path)
    }

    /// A file in a folder that `--allow-write` named. The record lists what lies in the output folder alone.
    fn elsewhere(&self, path: &Path) -> Result<PathBuf> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).within(|| parent.display().to_string())?;
        }
        Ok(path.to_owned())
    }

    /// Notes a module that the script imported.
    pub fn note_module(&self, source: &str, text: &str) {
        self.modules.borrow_mut().insert(source.to_owned(), sha256(text.as_bytes()));
    }

    /// Notes a model or adapter that the script opened: `details` is what identifies it (hashes, revision).
    pub fn note_model(&self, reference: &str, details: Value) {
        self.models.borrow_mut().insert(reference.to_owned(), details);
    }

    /// True where a file was written.
    pub fn has_files(&self) -> bool {
        !self.files.borrow().is_empty()
    }

    /// Writes `run.json`, where the run has written anything, and leaves the folder to others. `limit` is what stopped
    /// it, where a limit did.
    ///
    /// # Errors
    /// A file cannot be read again, or the record cannot be written.
    pub fn finish(
        &self,
        outcome: Outcome,
        limit: Option<&str>,
        settings: &BTreeMap<String, Dynamic>,
    ) -> Result<()> {
        let written = if self.has_files() { self.write_record(outcome, limit, settings) } else { Ok(()) };
        self.release();
        written
    }

    fn write_record(
        &self,
        outcome: Outcome,
        limit: Option<&str>,
        settings: &BTreeMap<String, Dynamic>,
    ) -> Result<()> {
        let mut record = self.record(outcome, settings)?;
        if let (Some(limit), Some(record)) = (limit, record.as_object_mut()) {
            record.insert("limit".to_owned(), limit.into());
        }
        write_whole(&self.folder.join(RECORD), |file| {
            serde_json::to_writer_pretty(&mut *file, &record)?;
            Ok(file.write_all(b"\n")?)
        })
    }

    fn record(&self, outcome: Outcome, settings: &BTreeMap<String, Dynamic>) -> Result<Value> {
        let mut files = Map::new();
        let mut names = self.files.borrow().clone();
        names.sort();
        for name in names {
            let path = self.folder.join(&name);
            // A writer that failed leaves no file, and nothing to list.
            if path.is_file() {
                let (hash, bytes) = sha256_of_file(&path).within(|| path.display().to_string())?;
                files.insert(name, json!({ "sha256": hash, "bytes": bytes }));
            }
        }
        let given = &self.surroundings;
        Ok(json!({
            "mora": env!("CARGO_PKG_VERSION"),
            "outcome": match outcome {
                Outcome::Completed => "completed",
                Outcome::Failed => "failed",
                Outcome::Interrupted => "interrupted",
            },
            "script": { "name": given.script, "sha256": given.script_sha256 },
            "modules": table(self.modules.borrow().iter().map(|(name, hash)| (name, json!({ "sha256": hash })))),
            "settings": table(settings.iter().map(|(name, value)| (name, setting(value)))),
            "seed": given.seed,
            "device": given.device,
            "dtype": given.dtype,
            "threads": rayon::current_num_threads(),
            "models": table(self.models.borrow().iter().map(|(name, details)| (name, details.clone()))),
            "packages": table(PACKAGES.iter().map(|(name, version)| (name, Value::from(*version)))),
            "files": files,
            "times": {
                "begun": self.begun_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                "seconds": (self.begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            },
        }))
    }
}

fn table<K: ToString>(entries: impl Iterator<Item = (K, Value)>) -> Value {
    Value::Object(entries.map(|(key, value)| (key.to_string(), value)).collect())
}

fn setting(value: &Dynamic) -> Value {
    serde_json::to_value(value).unwrap_or_else(|_| Value::from(value.to_string()))
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file in hexadecimal, and its size in bytes.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((hex(&hasher.finalize()), bytes));
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(folder: &Path) -> Run {
        let surroundings = Surroundings {
            script: "look".into(),
            script_sha256: sha256(b""),
            seed: 1,
            device: "cpu".into(),
            dtype: "f32".into(),
        };
        Run::begin(Folder::Chosen(folder.join("look")), surroundings)
    }

    #[test]
    fn a_run_has_its_folder_alone_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (run(folder.path()), run(folder.path()));
        let output = |run: &Run| run.output_path("a.txt", &Permissions::trusted(), Patience::Refuse);
        std::fs::write(output(&first).unwrap(), b"first").unwrap();
        assert!(output(&second).is_err() && second.reserve(Patience::Refuse).is_err());
        assert!(second.kept_path("a.checkpoint", Patience::Refuse).is_err());
        // The refused one leaves the record alone, too.
        second.finish(Outcome::Failed, None, &BTreeMap::new()).unwrap();
        assert!(!folder.path().join("look/run.json").exists());
        first.finish(Outcome::Completed, None, &BTreeMap::new()).unwrap();
        let left = std::fs::read_dir(folder.path().join("look")).unwrap().count();
        assert_eq!(left, 2, "a.txt and run.json");
        output(&second).unwrap();
    }

    // Expected: the empty message's digest in FIPS 180-4's example file.
    #[test]
    fn the_digest_is_sha_256() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path());
        for name in
            ["../x.csv", "/tmp/x.csv", "a/../../x", "", ".", "a/", "run.json", "./run.json", ".mora-lock"]
        {
            assert!(run.output_path(name, &Permissions::trusted(), Patience::Refuse).is_err(), "{name}");
        }
        assert!(!folder.path().join("look").exists());
        let output = |name: &str| run.output_path(name, &Permissions::trusted(), Patience::Refuse).unwrap();
        assert_eq!(output("./sub/x.csv"), folder.path().join("look/sub/x.csv"));
        assert!(folder.path().join("look/sub").is_dir());
    }

    #[test]
    fn nothing_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path()).finish(Outcome::Completed, None, &BTreeMap::new()).unwrap();
        assert!(!folder.path().join("look").exists());
    }

    #[test]
    fn the_record_is_the_same_twice_but_for_the_times() {
        let records: Vec<Value> = [0, 1]
            .map(|_| {
                let folder = tempfile::tempdir().unwrap();
                let run = run(folder.path());
                let output =
                    |name: &str| run.output_path(name, &Permissions::trusted(), Patience::Refuse).unwrap();
                std::fs::write(output("b.txt"), b"").unwrap();
                std::fs::write(output("a.txt"), b"abc").unwrap();
                output("never.txt");
                run.note_module("mora:ipd", "text");
                run.note_model("mora/tiny-ipd", json!({ "sha256": "0" }));
                let settings = BTreeMap::from([("n".to_owned(), Dynamic::from(3_i64))]);
                run.finish(Outcome::Completed, None, &settings).unwrap();
                let text = std::fs::read_to_string(folder.path().join("look/run.json")).unwrap();
                let mut record: Value = serde_json::from_str(&text).unwrap();
                record.as_object_mut().unwrap().remove("times").unwrap();
                record
            })
            .into();
        assert_eq!(records[0].to_string(), records[1].to_string());
        assert_eq!(records[0]["files"]["a.txt"]["bytes"], 3);
        assert_eq!(records[0]["files"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a.txt", "b.txt"]);
        assert_eq!(records[0]["settings"]["n"], 3);
    }
}
