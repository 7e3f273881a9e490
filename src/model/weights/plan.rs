//! Which stored tensor becomes which weight, decided and checked by headers alone.

use std::collections::BTreeSet;

use super::Dialect;
use super::arrange::{Arrange, Source};
use super::names::{self, Name, Naming};
use super::store::{Entry, Store, Stored};
use crate::error::{Error, Result};
use crate::model::config::{ArchConfig, TensorSpec};

/// Everything that a load will read, in the order of a forward.
pub(super) struct Plan<'a> {
    pub steps: Vec<Step<'a>>,
}

/// One weight and where it lies.
pub(super) struct Step<'a> {
    pub spec: TensorSpec,
    pub entry: &'a Entry,
    arrange: Arrange,
    shift: f32,
}

impl Step<'_> {
    /// What the reader needs to know.
    pub fn source<'a>(&'a self, store: &'a Store, d_head: usize) -> Source<'a> {
        Source {
            bytes: store.bytes(self.entry),
            stored: &self.entry.stored,
            arrange: self.arrange,
            d_head,
            shift: self.shift,
        }
    }
}

impl<'a> Plan<'a> {
    /// Finds every weight of the config in the store.
    ///
    /// # Errors
    /// Lists what is missing or unexpected, or names the tensor of another shape or type than
    /// expected, and the file.
    pub fn new(store: &'a Store, dialect: Dialect, config: &ArchConfig) -> Result<Self> {
        let naming = naming(dialect, config);
        let prefix = prefix(store, naming);
        // Headers are cheap to claim: a config with more weights than there are tensors is refused
        // before its list is written out.
        let least = config.n_layers().saturating_mul(6);
        if least > store.entries.len() {
            return Err(Error::new(format!(
                "{}: {} tensors, expected at least {least} for {} layers",
                store.label(),
                store.entries.len(),
                config.n_layers()
            )));
        }
        let (mut steps, mut missing) = (Vec::new(), Vec::new());
        let mut used = BTreeSet::new();
        for spec in config.tensors() {
            match find(store, naming, prefix, &spec.name) {
                Some((stored_name, entry, name)) => {
                    check(store, stored_name.as_str(), entry, &spec, name.arrange)?;
                    used.insert(stored_name);
                    let shift =
                        if name.norm && spec.name.ends_with(".weight") { naming.norm_shift } else { 0.0 };
                    steps.push(Step { spec, entry, arrange: name.arrange, shift });
                }
                None => missing.push(stored_names(naming, prefix, &spec.name)),
            }
        }
        if !missing.is_empty() {
            return Err(Error::new(format!(
                "{}: {} of {} tensors are missing: {}",
                store.label(),
                missing.len(),
                missing.len() + steps.len(),
                listed(&missing)
            ))
            .hint("the file is another model's, or a shard is absent"));
        }
        let unexpected: Vec<&str> = store
            .entries
            .keys()
            .map(String::as_str)
            .filter(|name| !used.contains(*name) && !is_ignored(naming, name, config.tied_embeddings))
            .collect();
        if !unexpected.is_empty() {
            return Err(Error::new(format!(
                "{}: {} tensors have no place in a {} decoder: {}",
                store.label(),
                unexpected.len(),
                config.family,
                listed(&unexpected)
            )));
        }
        Ok(Self { steps })
    }

    /// Bytes that the load will read.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().map(|step| step.entry.range.len() as u64).sum()
    }
}

/// True where the files hold an unembedding of their own.
pub(super) fn has_unembed(store: &Store, dialect: Dialect, config: &ArchConfig) -> bool {
    let naming = naming(dialect, config);
    find(store, naming, prefix(store, naming), "unembed.weight").is_some()
}

fn naming(dialect: Dialect, config: &ArchConfig) -> &'static Naming {
    match dialect {
        Dialect::HuggingFace => names::hugging_face(&config.family),
        Dialect::Gguf => names::gguf(&config.family),
    }
}

/// The first prefix under which the embedding is found; the usual one where none fits.
fn prefix(store: &Store, naming: &Naming) -> &'static str {
    let found = naming.prefixes.iter().find(|prefix| {
        naming
            .outer
            .iter()
            .filter(|name| name.canonical == "embed")
            .any(|name| store.entries.contains_key(&format!("{prefix}{}.weight", name.stored)))
    });
    found.or(naming.prefixes.first()).copied().unwrap_or_default()
}

fn find<'a>(
    store: &'a Store,
    naming: &'static Naming,
    prefix: &str,
    canonical: &str,
) -> Option<(String, &'a Entry, &'static Name)> {
    candidates(naming, prefix, canonical)
        .find_map(|(stored, name)| store.entries.get(&stored).map(|entry| (stored, entry, name)))
}

/// The names under which a weight may be stored, in order of preference.
fn candidates(
    naming: &'static Naming,
    prefix: &str,
    canonical: &str,
) -> impl Iterator<Item = (String, &'static Name)> {
    let (stem, part) = canonical.rsplit_once('.').unwrap_or((canonical, ""));
    let (names, stem, place) = match stem.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        Some((layer, stem)) => (naming.inner, stem, naming.layer.replace('#', layer)),
        None => (naming.outer, stem, String::new()),
    };
    let found: Vec<_> = names
        .iter()
        .filter(|name| name.canonical == stem)
        .map(|name| {
            let prefix = if name.bare { "" } else { prefix };
            (format!("{prefix}{place}{}.{part}", name.stored), name)
        })
        .collect();
    found.into_iter()
}

fn stored_names(naming: &'static Naming, prefix: &str, canonical: &str) -> String {
    match candidates(naming, prefix, canonical).next() {
        Some((stored, _)) => stored,
        None => canonical.to_owned(),
    }
}

fn check(store: &Store, stored_name: &str, entry: &Entry, spec: &TensorSpec, arrange: Arrange) -> Result<()> {
    let fault =
        |what: String| Error::new(format!("{}: tensor \"{stored_name}\": {what}", store.file_name(entry)));
    if let Stored::Other(name) = &entry.stored {
        return Err(fault(format!("type {name}, expected a float type or a common quantisation")));
    }
    let expected = arrange.stored_shape(&spec.shape);
    if entry.shape != expected {
        return Err(fault(format!("shape {:?}, expected {expected:?}", entry.shape)));
    }
    // Rows move whole, so a block must not reach over a row's end.
    let row = spec.shape.last().copied().unwrap_or(1);
    let transposed = matches!(arrange, Arrange::Transposed | Arrange::TransposedThird(_));
    let by_rows = arrange != Arrange::AsIs;
    if by_rows && entry.stored.block() > 1 && (transposed || !row.is_multiple_of(entry.stored.block())) {
        return Err(fault(format!("{} blocks cannot be rearranged by rows of {row}", entry.stored)));
    }
    Ok(())
}

fn is_ignored(naming: &Naming, name: &str, tied: bool) -> bool {
    let unembed =
        |stored: &Name| stored.canonical == "unembed" && name.strip_suffix(".weight") == Some(stored.stored);
    naming.ignored_endings.iter().any(|ending| name.ends_with(ending))
        || naming.ignored_beginnings.iter().any(|beginning| name.starts_with(beginning))
        || (tied && naming.outer.iter().any(unembed))
}

/// The first few names, and how many more there are.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
