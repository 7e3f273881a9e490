//! `mora doc`: what scripts can call.

use clap::Args;

use crate::cli::{self, terminal};
use crate::script::help;
use crate::script::registry::Registry;

#[derive(Args)]
pub struct Doc {
    /// A function, a property, a type or a room; without one, an overview of all
    name: Option<String>,
    /// Print everything
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

impl Doc {
    pub fn run(self) -> u8 {
        let text = Registry::read().and_then(|registry| match &self.name {
            Some(name) => help::about(&registry, name),
            None if self.all => help::reference(&registry),
            None => Ok(help::overview(&registry)),
        });
        match text {
            Ok(text) => {
                terminal::say(&text);
                0
            }
            Err(error) => cli::complain(&error),
        }
    }
}
