//! Adapters in files: folders as peft writes them, on disk, on the hub or in the program.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};

use super::config::{self, AdapterConfig};
use super::fields::brief;
use super::{Adapter, Factors, Place};
use crate::error::{Context, Error, Result};
use crate::model::open::Files;
use crate::model::reference::Reference;
use crate::model::reference::files::Folder;
use crate::model::reference::hub::OFFLINE;
use crate::model::weights::modules::Modules;
use crate::model::weights::store::{Entry, Store};
use crate::model::weights::{read_plain, safetensors};
use crate::save::write_whole;

/// The weights' file name.
pub const WEIGHTS: &str = "adapter_model.safetensors";
const PICKLED: &str = "adapter_model.bin";

/// What peft puts before every module's name.
const PEFT: &str = "base_model.model.";

/// The tensors of one module.
#[derive(Default)]
struct Found<'a> {
    a: Option<(&'a str, &'a Entry)>,
    b: Option<(&'a str, &'a Entry)>,
    magnitude: Option<(&'a str, &'a Entry)>,
}

/// Opens an adapter: a directory, or a repository on the hub, with `adapter_config.json` and
/// `adapter_model.safetensors`. Gives the files it came from as well.
///
/// # Errors
/// Whatever is wrong with the files, by file, field and tensor: a configuration that asks for what mora
/// does not compute, tensors without a place, halves of a pair, ranks and shapes that contradict each
/// other, values that are not finite.
pub fn open(reference: &Reference) -> Result<(Adapter, Files)> {
    let Some(folder) = Folder::of(reference)? else {
        return Err(Error::new(format!("{reference} holds a model, expected an adapter's folder")));
    };
    open_folder(&reference.short(), &folder)
}

/// Opens the adapter in a folder, wherever it is, under a name.
///
/// # Errors
/// As [`open`].
pub fn open_folder(name: &str, folder: &Folder) -> Result<(Adapter, Files)> {
    let Some(config_file) = folder.find(config::FILE)? else { return Err(missing(folder, config::FILE)) };
    let Some(weights) = folder.find(WEIGHTS)? else { return Err(missing(folder, WEIGHTS)) };
    let config = AdapterConfig::from_json(&config_file.json()?).within(|| config_file.name())?;
    let mut store = Store::default();
    safetensors::add(&mut store, weights.clone())?;
    let adapter = read(name, config, &store).within(|| weights.name())?;
    Ok((adapter, Files::new(vec![config_file, weights])))
}

/// What to say of a folder that lacks one of the two files.
fn missing(folder: &Folder, file: &str) -> Error {
    let names = folder.names();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let error = Error::new(format!("{}: no {file}", folder.label()));
    if let Folder::Hub(snapshot) = folder
        && snapshot.is_offline()
    {
        return error.hint(OFFLINE);
    }
    if file == WEIGHTS && has(PICKLED) {
        return error.hint(format!(
            "{PICKLED} is pickled, and mora reads no pickles: in Python, PeftModel.from_pretrained(…).save_pretrained(folder)"
        ));
    }
    match file == config::FILE && has("config.json") {
        true => error.hint("this is a model's folder: load_model opens it"),
        false => error.hint(format!("an adapter is a folder with {} and {WEIGHTS}", config::FILE)),
    }
}

/// An adapter from its configuration and the tensors of its file.
fn read(name: &str, config: AdapterConfig, store: &Store) -> Result<Adapter> {
    let (names, prefix) = naming(store)?;
    let mut found: BTreeMap<Place, Found> = BTreeMap::new();
    let (mut strangers, mut unselected) = (Vec::new(), Vec::new());
    for (key, entry) in &store.entries {
        let Some((module, place, half)) = locate(key, names, prefix) else {
            strangers.push(key.as_str());
            continue;
        };
        if !config.targets.selects(module)? {
            unselected.push(module);
            continue;
        }
        let found = found.entry(place).or_default();
        let slot = match half {
            Half::A => &mut found.a,
            Half::B => &mut found.b,
            Half::Magnitude if config.use_dora => &mut found.magnitude,
            Half::Magnitude => {
                strangers.push(key.as_str());
                continue;
            }
        };
        *slot = Some((key, entry));
    }
    if !strangers.is_empty() {
        return Err(Error::new(format!("{} no place: {}", have(strangers.len()), listed(&strangers)))
            .hint("mora places lora_A, lora_B and (with use_dora) lora_magnitude_vector of the linear modules in a decoder's layers"));
    }
    unselected.dedup();
    if !unselected.is_empty() {
        return Err(Error::new(format!(
            "target_modules {} in {} {} of the file's modules: {}",
            brief(&config.targets.modules.to_json()),
            config::FILE,
            if found.is_empty() { "selects none" } else { "does not select all" },
            listed(&unselected)
        )));
    }
    let mut modules = BTreeMap::new();
    let mut incomplete = Vec::new();
    for (place, found) in found {
        let Some(module) = names.inner.get(place.index) else { continue };
        let module = names.name(prefix, place.layer, module);
        match (found.a, found.b, found.magnitude) {
            (Some(a), Some(b), magnitude) if magnitude.is_some() == config.use_dora => {
                let factors = factors(&config, store, &module, a, b, magnitude).within(|| &module)?;
                modules.insert(place, factors);
            }
            (None, ..) => incomplete.push(format!("{module}.lora_A")),
            (_, None, _) => incomplete.push(format!("{module}.lora_B")),
            _ => incomplete.push(format!("{module}.lora_magnitude_vector")),
        }
    }
    match incomplete.is_empty() {
        true => Adapter::new(name, config, names, prefix, modules),
        false => Err(Error::new(format!("the file lacks {}", listed(&incomplete)))
            .hint("a module without one of its tensors would change nothing, or by chance")),
    }
}

#[derive(Clone, Copy)]
enum Half {
    A,
    B,
    Magnitude,
}

const HALVES: [(&str, Half); 3] =
    [(".lora_A.weight", Half::A), (".lora_B.weight", Half::B), (".lora_magnitude_vector", Half::Magnitude)];

/// The module that a key speaks of, its place, and which of its tensors it is.
fn locate<'a>(key: &'a str, names: &Modules, prefix: &str) -> Option<(&'a str, Place, Half)> {
    let rest = key.strip_prefix(PEFT)?;
    let (module, half) =
        HALVES.iter().find_map(|(ending, half)| Some((rest.strip_suffix(ending)?, *half)))?;
    let (layer, index) = names.find(prefix, module)?;
    Some((module, Place { layer, index }, half))
}

/// How the file names modules: as most of its tensors are understood.
fn naming(store: &Store) -> Result<(&'static Modules, &'static str)> {
    let keys = || store.entries.keys().map(String::as_str);
    let all =
        Modules::all().iter().flat_map(|names| names.prefixes.iter().map(move |prefix| (names, *prefix)));
    let counted = all.map(|(names, prefix)| {
        (keys().filter(|key| locate(key, names, prefix).is_some()).count(), names, prefix)
    });
    match counted.max_by_key(|(count, ..)| *count) {
        Some((1.., names, prefix)) => Ok((names, prefix)),
        _ if store.entries.is_empty() => Err(Error::new("the file holds no tensors")),
        _ => {
            let keys: Vec<&str> = keys().collect();
            Err(Error::new(format!("{} no place: {}", have(keys.len()), listed(&keys))).hint(
                "expected names such as base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            ))
        }
    }
}

/// Reads a module's tensors, once their shapes and the configured rank are seen to agree.
fn factors(
    config: &AdapterConfig,
    store: &Store,
    module: &str,
    a: (&str, &Entry),
    b: (&str, &Entry),
    magnitude: Option<(&str, &Entry)>,
) -> Result<Factors> {
    let rank = config.rank_of(module)?;
    let (&[a_rank, _], &[out, b_rank]) = (a.1.shape.as_slice(), b.1.shape.as_slice()) else {
        return Err(Error::new(format!(
            "lora_A {:?} and lora_B {:?}, expected [r, in] and [out, r]",
            a.1.shape, b.1.shape
        )));
    };
    if a_rank != rank || b_rank != rank {
        return Err(Error::new(format!(
            "lora_A {:?} and lora_B {:?} do not have the rank {rank} of {}",
            a.1.shape,
            b.1.shape,
            config::FILE
        )));
    }
    if let Some((_, entry)) = magnitude
        && entry.shape != [out]
    {
        return Err(Error::new(format!("lora_magnitude_vector {:?}, expected [{out}]", entry.shape)));
    }
    let tensor = |(key, entry): (&str, &Entry)| -> Result<Tensor> {
        let tensor = read_plain(store, key, entry)?;
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(tensor),
            false => Err(Error::new(format!("tensor \"{key}\" holds values that are not finite"))),
        }
    };
    Ok(Factors {
        a: tensor(a)?,
        b: tensor(b)?,
        scale: config.scale_of(module, rank)?,
        magnitude: magnitude.map(tensor).transpose()?,
    })
}

impl Adapter {
    /// Writes the adapter as peft does: `adapter_config.json` and `adapter_model.safetensors`, in float32,
    /// into `folder`, which is made where it is not there. The same adapter gives the same bytes.
    ///
    /// # Errors
    /// An adapter that changes nothing, or a folder that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.save_as(folder, DType::F32)
    }

    /// The same, with tensors in another number format.
    ///
    /// # Errors
    /// As [`Adapter::save`].
    pub fn save_as(&self, folder: &Path, dtype: DType) -> Result<()> {
        if !dtype.is_float() {
            return Err(Error::new(format!("adapters are not saved as {}", dtype.as_str()))
                .hint("one of: f32, bf16, f16, f64"));
        }
        if self.modules().is_empty() {
            return Err(Error::new(format!("{} changes no module: there is nothing to save", self.name())));
        }
        let mut data: Vec<(String, Tensor)> = Vec::new();
        for (place, factors) in self.modules() {
            let module = self.module_name(*place);
            let parts = [Some(&factors.a), Some(&factors.b), factors.magnitude.as_ref()];
            for ((ending, _), tensor) in HALVES.iter().zip(parts) {
                if let Some(tensor) = tensor {
                    let tensor = tensor.detach().to_dtype(dtype)?.contiguous()?;
                    data.push((format!("{PEFT}{module}{ending}"), tensor));
                }
            }
        }
        // transformers and peft look for this entry.
        let info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes =
            ::safetensors::serialize(data, Some(info)).map_err(|error| Error::new(error.to_string()))?;
        std::fs::create_dir_all(folder).within(|| format!("cannot make {}", folder.display()))?;
        // The weights first: a configuration stands for weights that are there.
        write_whole(&folder.join(WEIGHTS), |file| Ok(file.write_all(&bytes)?))?;
        write_whole(&folder.join(config::FILE), |file| {
            serde_json::to_writer_pretty(&mut *file, &self.config().to_json())?;
            Ok(file.write_all(b"\n")?)
        })
    }
}

fn have(count: usize) -> String {
    if count == 1 { "1 tensor has".to_owned() } else { format!("{count} tensors have") }
}

/// The first few names, and how many more there are.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
