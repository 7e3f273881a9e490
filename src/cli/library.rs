//! `mora lib`: the script library, and where its modules come from. `mora new`: a script to begin with.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::{self, terminal};
use crate::error::{Error, Result, did_you_mean};
use crate::save::write_whole;
use crate::script::library::{self, STDLIB, summary};
use crate::script::resolver;

#[derive(Args)]
pub struct Library {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// All modules, with their first lines, and where an import finds them
    List,
    /// A module's text
    Show {
        /// Its name
        name: String,
    },
    /// Where a module is found, or without a name the folders that are searched
    Path {
        /// Its name
        name: Option<String>,
    },
}

/// Where an import of a module finds it.
enum Place {
    File(PathBuf),
    Inside(&'static str),
}

impl Library {
    pub fn run(self) -> u8 {
        let done = match self.what {
            What::List => list(),
            What::Show { name } => find(&name).and_then(|place| {
                let text = match place {
                    Place::File(path) => std::fs::read_to_string(path)?,
                    Place::Inside(text) => text.to_owned(),
                };
                terminal::say(text.trim_end());
                Ok(())
            }),
            What::Path { name: Some(name) } => find(&name).map(|place| match place {
                Place::File(path) => terminal::say(&path.display().to_string()),
                Place::Inside(_) => terminal::say(&format!("mora:{name} (inside the program)")),
            }),
            What::Path { name: None } => {
                for folder in resolver::folders() {
                    terminal::say(&folder.display().to_string());
                }
                terminal::say("mora: (inside the program)");
                Ok(())
            }
        };
        match done {
            Ok(()) => 0,
            Err(error) => cli::complain(&error),
        }
    }
}

fn list() -> Result<()> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    for folder in resolver::folders() {
        for path in modules_of(&folder) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !found.iter().any(|(known, _, _)| *known == name) {
                let text = std::fs::read_to_string(&path)?;
                found.push((name, path.display().to_string(), summary(&text).to_owned()));
            }
        }
    }
    for (name, text) in STDLIB {
        if !found.iter().any(|(known, _, _)| known == name) {
            found.push(((*name).to_owned(), format!("mora:{name}"), summary(text).to_owned()));
        }
    }
    found.sort();
    let widest = |pick: fn(&(String, String, String)) -> &String| {
        found.iter().map(|module| pick(module).chars().count()).max().unwrap_or(0)
    };
    let (names, places) = (widest(|module| &module.0), widest(|module| &module.1));
    for (name, place, about) in &found {
        terminal::say(format!("{name:names$}  {place:places$}  {about}").trim_end());
    }
    Ok(())
}

fn modules_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| library::is_script(path)).collect()
}

fn find(name: &str) -> Result<Place> {
    let in_folder = resolver::folders().into_iter().map(|folder| folder.join(library::file_of(name)));
    if let Some(path) = in_folder.into_iter().find(|path| path.is_file()) {
        return Ok(Place::File(path));
    }
    if let Some((_, text)) = STDLIB.iter().find(|(known, _)| *known == name) {
        return Ok(Place::Inside(text));
    }
    let error = Error::new(format!("no module \"{name}\""));
    Err(match did_you_mean(name, STDLIB.iter().map(|(known, _)| *known)) {
        Some(hint) => error.hint(hint),
        None => error.hint("`mora lib list` shows the modules there are"),
    })
}

#[derive(Args)]
pub struct New {
    /// The script's name, without folder and extension
    name: String,
}

impl New {
    pub fn run(self) -> u8 {
        match create(&self.name) {
            Ok(files) => {
                for file in files {
                    terminal::say(&format!("wrote {file}"));
                }
                terminal::say(&format!(
                    "\nmora script {}    runs it\nmora test {}    tests it",
                    self.name,
                    library::file_of(&self.name)
                ));
                0
            }
            Err(error) => cli::complain(&error),
        }
    }
}

/// Writes the script and its golden output into the working folder.
fn create(name: &str) -> Result<[String; 2]> {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !is_plain {
        return Err(Error::new(format!("expected a name of letters, digits, _ and -, found \"{name}\"")));
    }
    let files = [library::file_of(name), format!("{name}.out")];
    if let Some(file) = files.iter().find(|file| Path::new(file).exists()) {
        return Err(Error::new(format!("{file} is there already")).hint("choose another name"));
    }
    for (file, text) in files.iter().zip([library::NEW_SCRIPT, library::NEW_OUTPUT]) {
        write_whole(Path::new(file), |out| Ok(out.write_all(text.replace("NAME", name).as_bytes())?))?;
    }
    Ok(files)
}
