//! Colours, where the terminal shows them and NO_COLOR is not set.

use console::{Style, StyledObject};

use crate::script::diagnostic::{Diagnostic, Part};
use crate::script::scan::{Class, pieces};

/// An error for stderr.
pub fn diagnostic(diagnostic: &Diagnostic) -> String {
    diagnostic.render(&|part, text| {
        let style = Style::new().for_stderr();
        let style = match part {
            Part::Error => style.red().bold(),
            Part::Message => style.bold(),
            Part::Margin => style.blue().bright(),
            Part::Caret => style.red(),
            Part::Hint => style.cyan(),
        };
        style.apply_to(text).to_string()
    })
}

/// A script's text for stdout.
pub fn code(text: &str) -> String {
    pieces(text)
        .into_iter()
        .map(|piece| {
            let part = &text[piece.range];
            let style = Style::new();
            let style = match piece.class {
                Class::Comment => style.dim(),
                Class::Text => style.green(),
                Class::Number => style.yellow(),
                Class::Keyword => style.magenta(),
                Class::Name | Class::Sign | Class::Space => return part.to_owned(),
            };
            style.apply_to(part).to_string()
        })
        .collect()
}

/// What stands back: hints, remarks.
pub fn faint<D>(text: D) -> StyledObject<D> {
    Style::new().dim().apply_to(text)
}

/// What a person looks for: prompts, names.
pub fn strong<D>(text: D) -> StyledObject<D> {
    Style::new().bold().apply_to(text)
}
