//! `mora doc`: what scripts can call.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli;
use crate::error::{Context, Result};
use crate::save::write_whole;
use crate::script::registry::Registry;
use crate::script::search::Search;
use crate::script::{help, reference};

#[derive(Args)]
pub struct Doc {
    /// A function, a property, a type, a room, a module of the library or one of its functions; several words are looked
    /// for in all texts; without any, an overview
    #[arg(value_name = "NAME|WORD")]
    names: Vec<String>,
    /// Print everything
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Write the reference into this folder as one HTML page that can be searched
    #[arg(long, value_name = "DIR", conflicts_with_all = ["names", "all"])]
    html: Option<PathBuf>,
    /// Write the reference into this folder as Markdown: how docs/reference is renewed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["names", "all", "html"])]
    reference: Option<PathBuf>,
}

impl Doc {
    pub fn run(self) -> u8 {
        cli::answer(self.text())
    }

    fn text(&self) -> Result<String> {
        let registry = Registry::read()?;
        if let Some(folder) = &self.html {
            return write(folder, &[("index.html".to_owned(), reference::html(&registry)?)]);
        }
        if let Some(folder) = &self.reference {
            return write(folder, &reference::markdown(&registry)?);
        }
        match self.all {
            true => help::reference(&registry),
            false => {
                let asked = self.names.first().map_or("", String::as_str);
                let library = Search::default().docs(Some(Path::new("")), asked, |_| true);
                help::look_up(&registry, &library, &self.names)
            }
        }
    }
}

/// Writes pages into a folder; says where.
pub fn write(folder: &Path, pages: &[reference::Page]) -> Result<String> {
    for (name, text) in pages {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).within(|| parent.display().to_string())?;
        write_whole(&path, |file| Ok(file.write_all(text.as_bytes())?))?;
    }
    Ok(format!("wrote {} files into {}", pages.len(), folder.display()))
}
