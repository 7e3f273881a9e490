//! How what failed is called: the signatures of a native function, or a module's function with what it does.

use std::path::Path;

use crate::script::diagnostic::Frame;
use crate::script::modules;
use crate::script::registry::{Entry, Kind, Registry};
use crate::script::source::{INPUT, Sources};

/// The signatures of what is called `name`, as a hint.
pub fn signatures(name: &str, candidates: &[&Entry]) -> Option<String> {
    const SHOWN: usize = 4;
    let mut lines: Vec<String> = Vec::new();
    for candidate in candidates {
        let line = candidate.signature();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    let mut hint = lines.join("\n");
    if more > 0 {
        hint.push_str(&format!("\n… and {more} more: help(\"{name}\")"));
    }
    (!hint.is_empty()).then_some(hint)
}

/// How the native function is called that `word` names, and where more is to be read.
pub fn native(registry: &Registry, word: &str) -> Option<String> {
    let candidates: Vec<&Entry> =
        registry.named(word).filter(|entry| matches!(entry.kind, Kind::Function)).collect();
    let mut hint = signatures(word, &candidates)?;
    if !hint.contains("help(") {
        hint.push_str(&format!("\nhelp(\"{word}\") says more"));
    }
    Some(hint)
}

/// How the module's function is called in which a script's call ended with an error thrown in `source`, and what it
/// does: the outermost one, which is what the script's author wrote.
pub fn of_module(source: &str, trace: &[Frame], sources: &Sources) -> Option<String> {
    let mut defined_in = source;
    let mut outermost = None;
    for frame in trace {
        let called_from = &frame.called_at.as_ref()?.source;
        if called_from != defined_in {
            outermost = Some((frame, defined_in));
        }
        defined_in = called_from;
    }
    let (frame, defined_in) = outermost?;
    // What was typed a moment ago needs no explanation.
    if defined_in.starts_with(INPUT) {
        return None;
    }
    let name = frame.what.strip_prefix("in function ")?;
    let module = modules::read(&module_name(defined_in)?, &sources.get(defined_in)?.text);
    let function = module.functions.into_iter().find(|function| function.name == name)?;
    let about: Vec<&str> = function.doc.lines().take_while(|line| !line.is_empty()).collect();
    Some(format!("{}\n{}", function.signature, first_sentence(&about.join(" "))))
}

/// A text up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

/// `prompts` of `stdlib/prompts.rhai` and of `mora:prompts`.
fn module_name(source: &str) -> Option<String> {
    let name = source.rsplit(':').next().unwrap_or(source);
    Some(Path::new(name).file_stem()?.to_str()?.to_owned())
}
