//! `mora script`: runs a script, or lists those there are.

use clap::Args;

use crate::cli::{self, Running, terminal};
use crate::script::library;

#[derive(Args)]
pub struct Script {
    /// A script by path, or by name: looked for in the working folder, scripts/, examples/, and in mora itself
    #[arg(value_name = "NAME|PATH", required_unless_present = "list")]
    name: Option<String>,
    /// List the scripts that can be run by name
    #[arg(long, conflicts_with = "name")]
    list: bool,
    #[command(flatten)]
    running: Running,
}

impl Script {
    pub fn run(self) -> u8 {
        if self.list {
            list();
            return 0;
        }
        let Some(name) = self.name else { return cli::usage("script", "no script is named") };
        let script = match library::find(&name) {
            Ok(script) => script,
            Err(error) => return cli::complain(&error),
        };
        let running = self.running;
        cli::with_stack(move || cli::run(&script, running))
    }
}

fn list() {
    let scripts = library::list();
    if scripts.is_empty() {
        terminal::say("no scripts here, nor in mora itself");
    }
    let width = scripts.iter().map(|script| script.name.chars().count()).max().unwrap_or(0);
    for script in scripts {
        terminal::say(format!("{:width$}  {}", script.name, script.summary()).trim_end());
    }
}
