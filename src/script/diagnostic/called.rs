//! How what failed is called: the signatures of a native function, or a module's function with what it does.

use std::path::Path;

use crate::script::diagnostic::Frame;
use crate::script::modules;
use crate::script::registry::{Entry, Kind, Registry};
use crate::script::source::Sources;

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
    let signatures = signatures(word, &candidates)?;
    Some(format!("{signatures}\nmora doc {word}"))
}

/// How the module's function is called in which a script's call ended with an error thrown in `source`: the first one
/// that another text called, and what it does.
pub fn of_module(source: &str, trace: &[Frame], sources: &Sources) -> Option<String> {
    let mut defined_in = source;
    for frame in trace {
        let called_from = &frame.called_at.as_ref()?.source;
        if called_from != defined_in {
            let name = frame.what.strip_prefix("in function ")?;
            let module = module_name(defined_in)?;
            let found = modules::read(&module, &sources.get(defined_in)?.text);
            let function = found.functions.into_iter().find(|function| function.name == name)?;
            let about = function.doc.lines().next().unwrap_or_default();
            return Some(format!("{}\n{about}", function.signature).trim_end().to_owned());
        }
        defined_in = called_from;
    }
    None
}

/// `prompts` of `stdlib/prompts.rhai` and of `mora:prompts`.
fn module_name(source: &str) -> Option<String> {
    let name = source.rsplit(':').next().unwrap_or(source);
    Some(Path::new(name).file_stem()?.to_str()?.to_owned())
}
