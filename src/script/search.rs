//! Where modules are looked for: what an import finds, `mora lib` lists and `help` explains.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, did_you_mean};
use crate::script::library::{STDLIB, file_of, is_script};
use crate::script::modules::{self, ModuleDoc};
use crate::script::source::read_text;

/// The folders in which modules are looked for before those inside the program: `./stdlib`, then those of `MORA_PATH`.
pub fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("stdlib")];
    if let Some(paths) = std::env::var_os("MORA_PATH") {
        folders.extend(std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()));
    }
    folders
}

/// A module that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name by which it is imported.
    pub name: String,
    at: At,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    File(PathBuf),
    Inside(&'static str),
}

impl Place {
    /// How people know it: its path, or `mora:name`.
    pub fn source(&self) -> String {
        match &self.at {
            At::File(path) => path.display().to_string(),
            At::Inside(_) => format!("mora:{}", self.name),
        }
    }

    /// Its file; none for one inside the program.
    pub fn file(&self) -> Option<&Path> {
        match &self.at {
            At::File(path) => Some(path),
            At::Inside(_) => None,
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn text(&self) -> Result<String> {
        match &self.at {
            At::File(path) => read_text(path),
            At::Inside(text) => Ok((*text).to_owned()),
        }
    }
}

/// A search for modules: beside a script, in the folders of the library, inside the program, in this order.
#[derive(Debug, Clone)]
pub struct Search {
    folders: Vec<PathBuf>,
}

impl Default for Search {
    fn default() -> Self {
        Self { folders: folders() }
    }
}

impl Search {
    /// The module that `path` means in a script that lies in the folder `beside`. `./name` and `../name` mean beside the
    /// script alone.
    ///
    /// # Errors
    /// No such module; the hint names the nearest, or where it was looked for.
    pub fn find(&self, beside: Option<&Path>, path: &str) -> Result<Place> {
        let file = if path.ends_with(".rhai") { path.to_owned() } else { file_of(path) };
        let only_beside = path.starts_with("./") || path.starts_with("../");
        let mut places: Vec<PathBuf> = beside.iter().map(|folder| join(folder, &file)).collect();
        if !only_beside {
            places.extend(self.folders.iter().map(|folder| join(folder, &file)));
        }
        if let Some(place) = places.iter().find(|place| place.is_file()) {
            return Ok(Place { name: path.to_owned(), at: At::File(place.clone()) });
        }
        if let Some((name, text)) = STDLIB.iter().find(|(name, _)| !only_beside && *name == path) {
            return Ok(Place { name: (*name).to_owned(), at: At::Inside(text) });
        }
        let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
        let error = Error::new(format!("no module \"{path}\""));
        Err(match did_you_mean(path, self.list().iter().map(|place| place.name.as_str())) {
            Some(hint) => error.hint(hint),
            None if looked.is_empty() => error.hint("it is not in mora's library"),
            None => error.hint(format!("looked for {looked}, and in mora's library")),
        })
    }

    /// All modules that every script finds, by name; one that is found earlier hides later ones.
    pub fn list(&self) -> Vec<Place> {
        let mut found: Vec<Place> = Vec::new();
        let in_folders = self.folders.iter().flat_map(|folder| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            paths.sort();
            paths
        });
        let files = in_folders.filter(|path| is_script(path) && path.is_file()).map(|path| Place {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            at: At::File(path),
        });
        let inside =
            STDLIB.iter().map(|(name, text)| Place { name: (*name).to_owned(), at: At::Inside(text) });
        for place in files.chain(inside) {
            if !found.iter().any(|known| known.name == place.name) {
                found.push(place);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// What the modules that can be read say of themselves: those that every script finds, and the one that a script
    /// in the folder `beside` finds there by the name `asked`, or by what stands before its `::`.
    pub fn docs(
        &self,
        beside: Option<&Path>,
        asked: &str,
        may_read: impl Fn(&Path) -> bool,
    ) -> Vec<ModuleDoc> {
        let asked = asked.split("::").next().unwrap_or(asked);
        // A name, not a path that leads elsewhere.
        let is_name = asked.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let near = if is_name && !asked.is_empty() { self.find(beside, asked).ok() } else { None };
        let is_hidden = |place: &Place| near.as_ref().is_some_and(|near| near.name == place.name);
        let others: Vec<Place> = self.list().into_iter().filter(|place| !is_hidden(place)).collect();
        let readable = near.iter().chain(&others).filter(|place| place.file().is_none_or(&may_read));
        readable.filter_map(|place| Some(modules::read(&place.name, &place.text().ok()?))).collect()
    }
}

/// `folder` and `file` joined without `./` and `a/../`, so that one file has one name.
fn join(folder: &Path, file: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if joined.file_name().is_some() => {
                joined.pop();
            }
            part => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        assert_eq!(join(Path::new("a/b"), "../c.rhai"), Path::new("a/c.rhai"));
        assert_eq!(join(Path::new(""), "./c.rhai"), Path::new("c.rhai"));
        assert_eq!(join(Path::new(".."), "../c.rhai"), Path::new("../../c.rhai"));
    }
}
