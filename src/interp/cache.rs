//! A cache: what chosen sites held during a forward.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::positions::Positions;
use crate::error::{Context, Error, Result, did_you_mean};
use crate::model::activation::Activation;
use crate::model::decoder::Decoder;
use crate::model::pass::{Pass, Read};
use crate::model::site::{Site, SiteGlob};
use crate::model::tap::{Tap, Taps};
use crate::model::tree::TokenTree;
use crate::save::write_whole;

/// Values by site, each in the site's axes.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    values: BTreeMap<Site, Held>,
}

/// Kept as the forward had it where all positions are wanted: prompts that share tokens then share memory.
#[derive(Debug, Clone)]
enum Held {
    Whole(Activation),
    Chosen(Tensor),
}

impl Cache {
    /// The value at `site`, in the site's axes. Where positions were chosen, the position axis holds those.
    ///
    /// # Errors
    /// Where the site is not in the cache.
    pub fn get(&self, site: &Site) -> Result<Tensor> {
        match self.values.get(site) {
            Some(Held::Whole(activation)) => activation.tensor(),
            Some(Held::Chosen(tensor)) => Ok(tensor.clone()),
            None => Err(self.missing(site)),
        }
    }

    /// The value at a site at (row, position) pairs: [pair, …].
    ///
    /// # Errors
    /// Where the site is not in the cache, or not at all positions.
    pub fn at(&self, site: &Site, cells: &[(usize, usize)]) -> Result<Tensor> {
        match self.values.get(site) {
            Some(Held::Whole(activation)) => activation.at(cells),
            Some(Held::Chosen(_)) => {
                Err(Error::new(format!("the cache holds only some positions of {site}")))
            }
            None => Err(self.missing(site)),
        }
    }

    /// The length of each row of a site that is held at all positions.
    ///
    /// # Errors
    /// Where the site is not in the cache, or not at all positions.
    pub fn lengths(&self, site: &Site) -> Result<Vec<usize>> {
        match self.values.get(site) {
            Some(Held::Whole(activation)) => Ok(activation.grid().lengths()),
            Some(Held::Chosen(_)) => {
                Err(Error::new(format!("the cache holds only some positions of {site}")))
            }
            None => Err(self.missing(site)),
        }
    }

    fn missing(&self, site: &Site) -> Error {
        let error = Error::new(format!("the cache does not hold {site}"));
        let names: Vec<String> = self.values.keys().map(Site::to_string).collect();
        match did_you_mean(&site.to_string(), names.iter().map(String::as_str)) {
            Some(hint) => error.hint(hint),
            None => error.hint("name it among the sites of run_with_cache"),
        }
    }

    /// The sites that the cache holds.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.values.keys()
    }

    /// Number of sites.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True where the cache holds nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Writes all values to a safetensors file, each under its site's name. The file appears whole.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self
            .values
            .keys()
            .map(|site| Ok((site.to_string(), self.get(site)?.contiguous()?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        let bytes = safetensors::serialize(&tensors, None)
            .map_err(|error| Error::new(error.to_string()).within(path.display()))?;
        write_whole(path, |file| Ok(file.write_all(&bytes)?))
    }

    /// Reads what [`Cache::save`] wrote.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds a tensor that is named after no site.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let tensors = candle_core::safetensors::load(path, device).map_err(|error| {
            Error::from(error)
                .within(path.display())
                .hint("expected a safetensors file that a cache was saved to")
        })?;
        let values = tensors
            .into_iter()
            .map(|(name, tensor)| Ok((name.parse::<Site>().within(|| path.display())?, Held::Chosen(tensor))))
            .collect::<Result<_>>()?;
        Ok(Self { values })
    }
}

/// The tap that fills a [`Cache`].
#[derive(Debug)]
pub struct CacheTap {
    wanted: std::collections::HashSet<Site>,
    positions: Positions,
    cache: Cache,
}

impl CacheTap {
    /// Keeps what `sites` hold at `positions`.
    pub fn new(sites: impl IntoIterator<Item = Site>, positions: Positions) -> Self {
        Self { wanted: sites.into_iter().collect(), positions, cache: Cache::default() }
    }

    /// What was seen.
    pub fn into_cache(self) -> Cache {
        self.cache
    }
}

impl Tap for CacheTap {
    fn wants(&self, site: &Site) -> bool {
        self.wanted.contains(site)
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let held = match &self.positions {
            // Scores and patterns have no single position axis: they are kept whole.
            Positions::All => Held::Whole(value.clone()),
            _ if !value.has_positions() => Held::Whole(value.clone()),
            positions => Held::Chosen(chosen(value, positions)?),
        };
        self.cache.values.insert(*site, held);
        Ok(None)
    }
}

/// The value at the chosen positions: [batch, chosen, …].
fn chosen(value: &Activation, positions: &Positions) -> Result<Tensor> {
    let lengths = value.grid().lengths();
    let cells = positions.cells(&lengths)?;
    let per_row = cells.len() / lengths.len().max(1);
    let counts = lengths.iter().enumerate().map(|(row, &len)| Ok(positions.of(row, len)?.len()));
    if !counts.collect::<Result<Vec<_>>>()?.iter().all(|&count| count == per_row) {
        return Err(Error::new("a cache needs the same number of positions in every prompt"));
    }
    let values = value.at(&cells)?;
    let mut shape = vec![lengths.len(), per_row];
    shape.extend(&values.dims()[1..]);
    Ok(values.reshape(shape)?)
}

/// Which sites to keep, and how far to run.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// Globs of sites; each must match one.
    pub sites: Vec<SiteGlob>,
    /// Positions to keep.
    pub positions: Positions,
    /// Blocks from this one on are not run; there are no logits then.
    pub stop_at_layer: Option<usize>,
    /// Which logits to compute.
    pub read: Read,
}

/// The sites that `globs` name, without repetition, in the order of a forward.
///
/// # Errors
/// Where a glob names no site of the model.
pub fn select_sites(decoder: &Decoder, globs: &[SiteGlob]) -> Result<Vec<Site>> {
    let sites = decoder.sites();
    let mut chosen = Vec::new();
    for glob in globs {
        chosen.extend(glob.select(&sites)?);
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// Runs `sequences` under `tap`, and keeps what the chosen sites held after the tap: the logits asked for
/// and the cache.
///
/// # Errors
/// Where a glob names no site, or the forward fails.
pub fn run_with_cache(
    decoder: &Decoder,
    sequences: &[Vec<u32>],
    options: &CacheOptions,
    tap: &mut dyn Tap,
) -> Result<(Option<Tensor>, Cache)> {
    if let Some(layer) = options.stop_at_layer.filter(|&layer| layer > decoder.config().n_layers()) {
        return Err(Error::new(format!("stop_at_layer is {layer}"))
            .hint(format!("this model has {} layers", decoder.config().n_layers())));
    }
    let mut kept = CacheTap::new(select_sites(decoder, &options.sites)?, options.positions.clone());
    let tree = TokenTree::for_tap(sequences, tap)?;
    let mut taps = Taps::new(vec![tap, &mut kept]);
    let pass = Pass::new(&mut taps, options.read.clone()).stop_at(options.stop_at_layer);
    let output = decoder.forward(&tree, pass)?;
    Ok((output.logits, kept.into_cache()))
}
