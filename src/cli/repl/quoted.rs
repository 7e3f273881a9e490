//! What may stand in the string that is being typed: keys, columns, values of options, references, files, sites.

use std::path::{MAIN_SEPARATOR, Path};

use rustyline::completion::Pair;

use crate::cli::repl::complete::{Candidates, described, matching, pair};
use crate::cli::repl::known::Asking;
use crate::cli::repl::typed::Typed;
use crate::model::reference::embedded::MODELS;
use crate::script::docs::OptionDoc;
use crate::script::host::Host;
use crate::script::scan::Class;
use crate::script::search::Search;
use crate::script::session::Session;

/// Candidates for the string that is open at the end of what is typed.
pub fn in_string(host: &Host, session: &Session, typed: &Typed) -> Candidates {
    let Some(at) = typed.pieces.len().checked_sub(1) else { return matching(0, "", []) };
    let content = typed.piece(at).get(1..).unwrap_or_default();
    let start = typed.text.len() - content.len();
    let all = |names: Vec<String>| matching(start, content, names.into_iter().map(pair));
    let asking = Asking { host, session, typed };
    let before = at.checked_sub(1).map_or("", |before| typed.piece(before));
    if before == "import" {
        return all(Search::default().list().into_iter().map(|place| place.name).collect());
    }
    // `frame["…`, `map["…`
    if before == "[" {
        let keys = asking.before(at - 1).map(|known| known.keys()).unwrap_or_default();
        if !keys.is_empty() {
            return all(keys);
        }
    }
    let values = option_values(host, typed, at);
    if !values.is_empty() {
        return all(values);
    }
    let call = typed.call(at);
    let name = call.map_or("", |call| typed.piece(call));
    let point = call.and_then(|call| call.checked_sub(1)).filter(|point| typed.piece(*point) == ".");
    if before == "(" && point.is_none() {
        let embedded = |are_adapters: bool| {
            let is_it = move |name: &&str| name.contains('/') == are_adapters;
            MODELS.iter().map(|model| model.name).filter(is_it).map(|name| pair(format!("mora/{name}")))
        };
        match name {
            "load_model" => return matching(start, content, embedded(false).chain(files(content))),
            "load_adapter" => return matching(start, content, embedded(true).chain(files(content))),
            "setting" => return all(settings(host)),
            "help" => return all(explained(host)),
            _ => {}
        }
    }
    // `rows.column("…`: columns of the frame whose method is called.
    let of = point.and_then(|point| asking.before(point));
    let columns = of.map(|known| known.keys()).unwrap_or_default().into_iter().map(pair);
    if ["load", "read", "save", "write", "open"].iter().any(|word| name.contains(word)) {
        return matching(start, content, columns.chain(files(content)));
    }
    let files = if content.contains(MAIN_SEPARATOR) { files(content) } else { Vec::new() };
    let sites = by_segment(&host.sites(session), content).into_iter().map(pair);
    matching(start, content, columns.chain(files).chain(sites))
}

/// Settings that have been given or declared, and the one that `--model` gives.
fn settings(host: &Host) -> Vec<String> {
    let settings = host.context().settings();
    let known = settings.given().into_keys().chain(settings.values().into_keys());
    known.chain(["model".to_owned()]).collect()
}

/// What `help` explains.
fn explained(host: &Host) -> Vec<String> {
    let names = host.registry().into_iter().flat_map(|registry| registry.names().map(str::to_owned));
    names.chain(Search::default().list().into_iter().map(|place| place.name)).collect()
}

/// Entries of the folder that the path being typed lies in.
pub fn files(typed: &str) -> Vec<Pair> {
    let (folder, _) = typed.rsplit_once(MAIN_SEPARATOR).map_or(("", typed), |(folder, name)| (folder, name));
    let prefix =
        if typed.contains(MAIN_SEPARATOR) { format!("{folder}{MAIN_SEPARATOR}") } else { String::new() };
    let read = if prefix.is_empty() { "." } else { prefix.as_str() };
    let entries = std::fs::read_dir(Path::new(read)).into_iter().flatten().flatten();
    let entry = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        // Hidden ones only where they are asked for.
        let is_wanted =
            !name.starts_with('.') || typed.get(prefix.len()..).is_some_and(|name| name.starts_with('.'));
        let slash = if entry.path().is_dir() { "/" } else { "" };
        is_wanted.then(|| Pair {
            display: format!("{name}{slash}"),
            replacement: format!("{prefix}{name}{slash}"),
        })
    };
    entries.filter_map(entry).collect()
}

/// Sites up to the point behind what is typed, and `*` for the layers: `blocks.`, then `blocks.3.`, then its sites.
fn by_segment(sites: &[String], typed: &str) -> Vec<String> {
    let depth = typed.matches('.').count();
    let segment = |site: &str| -> String {
        let end = site.match_indices('.').nth(depth).map_or(site.len(), |(at, _)| at + 1);
        site[..end].to_owned()
    };
    let globs = sites.iter().filter_map(|site| {
        let (head, rest) = site.strip_prefix("blocks.")?.split_once('.')?;
        head.parse::<usize>().ok()?;
        Some(format!("blocks.*.{rest}"))
    });
    let mut found: Vec<String> = sites.iter().cloned().chain(globs).map(|site| segment(&site)).collect();
    found.sort();
    found.dedup();
    found
}

/// The words that the option takes whose value is the string at piece `at`; none elsewhere.
fn option_values(host: &Host, typed: &Typed, at: usize) -> Vec<String> {
    let key =
        at.checked_sub(2).filter(|key| typed.piece(key + 1) == ":" && typed.class(*key) == Some(Class::Name));
    let Some((key, call)) = key.and_then(|key| Some((typed.piece(key), typed.call(key)?))) else {
        return Vec::new();
    };
    let options = described(host, typed.piece(call));
    let values = options.iter().filter(|option| option.name == key).flat_map(OptionDoc::values);
    values.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_completed_segment_by_segment() {
        let sites: Vec<String> =
            ["hook_embed", "blocks.0.hook_mlp_out", "blocks.0.attn.hook_z", "blocks.1.hook_mlp_out"]
                .map(str::to_owned)
                .into();
        assert_eq!(by_segment(&sites, "bl"), ["blocks.", "hook_embed"]);
        let layers = by_segment(&sites, "blocks.");
        assert_eq!(layers, ["blocks.*.", "blocks.0.", "blocks.1.", "hook_embed"]);
        let inner = by_segment(&sites, "blocks.*.");
        assert!(inner.contains(&"blocks.*.attn.".into()) && inner.contains(&"blocks.*.hook_mlp_out".into()));
    }
}
