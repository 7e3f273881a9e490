//! The scripts that travel inside the program, and where scripts are looked for.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, did_you_mean};
use crate::script::source::read_text;

/// Tables made at build time.
mod carried {
    include!(concat!(env!("OUT_DIR"), "/carried.rs"));
}
pub use carried::{EXAMPLES, PACKAGES, SCRIPTS, STDLIB};

/// The script that `mora new` writes, and what it prints; `NAME` stands for its name.
pub const NEW_SCRIPT: &str = include_str!("new_script.rhai");
/// What [`NEW_SCRIPT`] prints.
pub const NEW_OUTPUT: &str = include_str!("new_script.out");

/// True for a file that is a script or module by its name.
pub fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rhai")
}

/// The file's name of a script or module.
pub fn file_of(name: &str) -> String {
    format!("{name}.rhai")
}

/// A script that was found.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name without folder and extension; names the output folder.
    pub name: String,
    /// How people know it: the path as they gave it, or `mora:name`.
    pub source: String,
    /// Its text.
    pub text: String,
    /// The folder it lies in; none for one inside the program.
    pub folder: Option<PathBuf>,
}

impl Script {
    /// The first line of the script's leading comment.
    pub fn summary(&self) -> &str {
        summary(&self.text)
    }
}

/// The first line of a text's leading comment.
pub fn summary(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty() || line.starts_with("#!"))
        .map_while(|line| line.strip_prefix("//"))
        .map(|line| line.trim_start_matches(['/', '!']).trim())
        .find(|line| !line.is_empty())
        .unwrap_or("")
}

/// Finds a script by path or bare name: a file as given, then `scripts/` and `examples/` of the working
/// folder, then the scripts inside the program.
///
/// # Errors
/// No such script; the hint names the nearest.
pub fn find(name: &str) -> Result<Script> {
    let with_extension = |path: PathBuf| match path.extension().is_some_and(|extension| extension == "rhai") {
        true => path,
        false => PathBuf::from(format!("{}.rhai", path.display())),
    };
    let mut places = vec![PathBuf::from(name), with_extension(PathBuf::from(name))];
    if is_bare(name) {
        places.extend(["scripts", "examples"].map(|folder| with_extension(Path::new(folder).join(name))));
    }
    if let Some(path) = places.iter().find(|path| path.is_file()) {
        return read(path);
    }
    // A pipe is read by another command, not opened: it may never end.
    if name == "-" || Path::new(name).metadata().is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        let from = if name == "-" { "FILE" } else { name };
        return Err(Error::new(format!("\"{name}\" is no script file"))
            .hint(format!("what is piped in runs with `mora repl < {from}`")));
    }
    let bare = name.strip_suffix(".rhai").unwrap_or(name);
    for table in [SCRIPTS, EXAMPLES] {
        if let Some((name, text)) = table.iter().find(|(known, _)| *known == bare) {
            return Ok(Script {
                name: (*name).to_owned(),
                source: format!("mora:{name}"),
                text: (*text).to_owned(),
                folder: None,
            });
        }
    }
    let known: Vec<Script> = list();
    let error = Error::new(format!("no script \"{name}\": no such file, nor in scripts/, nor in mora's own"));
    Err(match did_you_mean(bare, known.iter().map(|script| script.name.as_str())) {
        Some(hint) => error.hint(hint),
        None => error.hint("`mora script --list` shows the scripts there are"),
    })
}

fn is_bare(name: &str) -> bool {
    Path::new(name).components().count() == 1
}

fn read(path: &Path) -> Result<Script> {
    let text = read_text(path)?;
    Ok(Script {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        source: path.display().to_string(),
        text,
        folder: Some(path.parent().unwrap_or(Path::new("")).to_owned()),
    })
}

/// All scripts that a bare name can find; a name that is found earlier hides later ones.
pub fn list() -> Vec<Script> {
    let mut found: Vec<Script> = Vec::new();
    let mut add = |script: Script| {
        if !found.iter().any(|known| known.name == script.name) {
            found.push(script);
        }
    };
    for folder in [".", "scripts", "examples"] {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            // Regular files alone: to read a named pipe waits for whoever writes into it.
            .filter(|path| is_script(path) && path.is_file())
            .collect();
        paths.sort();
        let paths = paths.iter().map(|path| path.strip_prefix(".").unwrap_or(path));
        paths.filter_map(|path| read(path).ok()).for_each(&mut add);
    }
    for (name, text) in SCRIPTS.iter().chain(EXAMPLES) {
        add(Script {
            name: (*name).to_owned(),
            source: format!("mora:{name}"),
            text: (*text).to_owned(),
            folder: None,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_first_line_of_the_leading_comment() {
        assert_eq!(summary("#!/usr/bin/env mora\n//! First look.\n//! More.\nlet x = 1;"), "First look.");
        assert_eq!(summary("//\n// A study.\n"), "A study.");
        assert_eq!(summary("let x = 1; // no summary"), "");
    }

    #[test]
    fn package_versions_are_those_of_the_lock_file() {
        let rhai = PACKAGES.iter().find(|(name, _)| *name == "rhai").map(|(_, version)| *version);
        assert!(rhai.is_some_and(|version| version.starts_with("1.")), "{rhai:?}");
    }
}
