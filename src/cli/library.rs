//! `mora lib`: the script library, and where its modules come from. `mora new`: a script to begin with.

use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::{self, terminal};
use crate::error::{Error, Result, did_you_mean};
use crate::save::write_whole;
use crate::script::library::{self, summary};
use crate::script::search::{self, Place, Search};

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

impl Library {
    pub fn run(self) -> u8 {
        let done = match self.what {
            What::List => {
                list();
                Ok(())
            }
            What::Show { name } => find(&name).and_then(|place| {
                terminal::say(place.text()?.trim_end());
                Ok(())
            }),
            What::Path { name: Some(name) } => find(&name).map(|place| match place.file() {
                Some(path) => terminal::say(&path.display().to_string()),
                None => terminal::say(&format!("{} (inside the program)", place.source())),
            }),
            What::Path { name: None } => {
                for folder in search::folders() {
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

fn list() {
    let found: Vec<(String, String, String)> = Search::default()
        .list()
        .into_iter()
        .map(|place| {
            let about = match place.text() {
                Ok(text) => summary(&text).to_owned(),
                Err(error) => error.what().to_owned(),
            };
            (place.name.clone(), place.source(), about)
        })
        .collect();
    let widest = |pick: fn(&(String, String, String)) -> &String| {
        found.iter().map(|module| pick(module).chars().count()).max().unwrap_or(0)
    };
    let (names, places) = (widest(|module| &module.0), widest(|module| &module.1));
    for (name, place, about) in &found {
        terminal::say(format!("{name:names$}  {place:places$}  {about}").trim_end());
    }
}

/// The module that every script imports by this name.
fn find(name: &str) -> Result<Place> {
    let places = Search::default().list();
    let error = match did_you_mean(name, places.iter().map(|place| place.name.as_str())) {
        Some(hint) => Error::new(format!("no module \"{name}\"")).hint(hint),
        None => {
            Error::new(format!("no module \"{name}\"")).hint("`mora lib list` shows the modules there are")
        }
    };
    places.into_iter().find(|place| place.name == name).ok_or(error)
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
    if is_plain && name.starts_with('-') {
        let what = format!("expected a name that begins with a letter, a digit or _, found \"{name}\"");
        return Err(Error::new(what).hint("mora takes what begins with a dash for an option"));
    }
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
