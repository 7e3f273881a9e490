//! `mora definitions`: what editors read to complete and explain scripts.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{self, doc, terminal};
use crate::error::Result;
use crate::script::definitions;
use crate::script::registry::Registry;

#[derive(Args)]
pub struct Definitions {
    /// The folder to write the .d.rhai files into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Definitions {
    pub fn run(self) -> u8 {
        match self.write() {
            Ok(said) => {
                terminal::say(&said);
                0
            }
            Err(error) => cli::complain(&error),
        }
    }

    fn write(&self) -> Result<String> {
        doc::write(&self.folder, &definitions::files(&Registry::read()?))
    }
}
