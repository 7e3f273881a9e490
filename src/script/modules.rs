//! The documentation of library modules, read from their text: `//!` on top, `///` above each function.

use crate::script::library::STDLIB;

/// A module as its text documents it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDoc {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub doc: String,
    /// Its public functions, in the order of the text.
    pub functions: Vec<FunctionDoc>,
}

/// A function of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its name.
    pub name: String,
    /// How it is called: `games::game(name)`.
    pub signature: String,
    /// What it does.
    pub doc: String,
}

/// The modules inside the program.
pub fn library() -> Vec<ModuleDoc> {
    STDLIB.iter().map(|(name, text)| read(name, text)).collect()
}

/// Reads a module's text.
pub fn read(name: &str, text: &str) -> ModuleDoc {
    let lines: Vec<&str> = text.lines().collect();
    let comment = |line: &str, mark: &str| {
        line.strip_prefix(mark).map(|rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned())
    };
    let doc: Vec<String> = lines.iter().map_while(|line| comment(line, "//!")).collect();
    let functions = lines.iter().enumerate().filter_map(|(place, line)| {
        let declared = line.strip_prefix("fn ")?;
        let (head, _) = declared.split_once('{').unwrap_or((declared, ""));
        let mut doc: Vec<String> =
            lines[..place].iter().rev().map_while(|line| comment(line, "///")).collect();
        doc.reverse();
        Some(FunctionDoc {
            name: head.split('(').next().unwrap_or_default().trim().to_owned(),
            signature: format!("{name}::{}", head.trim()),
            doc: doc.join("\n").trim().to_owned(),
        })
    });
    ModuleDoc { name: name.to_owned(), doc: doc.join("\n").trim().to_owned(), functions: functions.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_and_signatures_are_read() {
        let text = "//! Games.\n//!\n//! Two.\n\n/// One.\n/// More.\nfn one(a, b) { a }\n\nprivate fn two() {}\nfn three() {}\n";
        let module = read("games", text);
        assert_eq!(module.doc, "Games.\n\nTwo.");
        assert_eq!(module.functions.len(), 2);
        assert_eq!(module.functions[0].signature, "games::one(a, b)");
        assert_eq!(module.functions[0].doc, "One.\nMore.");
        assert_eq!(module.functions[1].doc, "");
    }
}
