//! `mora definitions`: what editors read to complete and explain scripts.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{self, doc};
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
        cli::answer(self.write())
    }

    fn write(&self) -> Result<String> {
        doc::write(&self.folder, &definitions::files(&Registry::read()?))
    }
}
