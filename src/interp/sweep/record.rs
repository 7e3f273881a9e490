//! What a clean run leaves for a sweep: packed values of chosen sites, keys and values, logits.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::interp::positions::Positions;
use crate::model::activation::Activation;
use crate::model::decoder::Decoder;
use crate::model::kv::KvCache;
use crate::model::pass::{Pass, Read};
use crate::model::site::Site;
use crate::model::tap::Tap;
use crate::model::tree::TokenTree;

/// A clean run over a tree of sequences.
pub struct Recording {
    /// What was run, with the keys and values of every layer.
    pub kv: KvCache,
    /// [node, …] by site.
    values: HashMap<Site, Tensor>,
    logits: Option<Tensor>,
}

impl Recording {
    /// Runs `sequences`, keeping what `sites` held and the logits at `reads`.
    pub fn new(
        decoder: &Decoder,
        sequences: &[Vec<u32>],
        sites: HashSet<Site>,
        reads: Vec<(usize, usize)>,
    ) -> Result<Self> {
        let mut tap = Keep { sites, means: false, values: HashMap::new() };
        let mut kv = KvCache::new(TokenTree::shared(sequences)?, decoder.config().n_layers());
        let output = decoder.forward_with(&mut kv, Pass::new(&mut tap, Read::At(reads)))?;
        Ok(Self { kv, values: tap.values, logits: output.logits })
    }

    /// The mean of what `sites` held over all positions of `sequences`: [1, …] each.
    pub fn means(
        decoder: &Decoder,
        sequences: &[Vec<u32>],
        sites: HashSet<Site>,
    ) -> Result<HashMap<Site, Tensor>> {
        let mut tap = Keep { sites, means: true, values: HashMap::new() };
        decoder.forward(&TokenTree::shared(sequences)?, Pass::new(&mut tap, Read::Nothing))?;
        Ok(tap.values)
    }

    /// The logits that were asked for: [read, d_vocab].
    pub fn logits(&self) -> Result<&Tensor> {
        self.logits.as_ref().ok_or_else(|| Error::new("the forward gave no logits"))
    }

    /// The tree that was run.
    pub fn tree(&self) -> &TokenTree {
        self.kv.tree()
    }

    /// What a site held: [node, …].
    pub fn get(&self, site: Site) -> Result<&Tensor> {
        self.values.get(&site).ok_or_else(|| Error::new(format!("{site} was not recorded")))
    }

    /// Keys and values of a layer as they enter attention.
    pub fn keys_and_values(&self, layer: usize) -> Result<(Tensor, Tensor)> {
        let kept = self.kv.layer(layer).cloned();
        kept.ok_or_else(|| Error::new(format!("the keys of layer {layer} were not recorded")))
    }
}

struct Keep {
    sites: HashSet<Site>,
    means: bool,
    values: HashMap<Site, Tensor>,
}

impl Tap for Keep {
    fn wants(&self, site: &Site) -> bool {
        self.sites.contains(site)
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let kept = match self.means {
            true => value.at(&Positions::All.covered(value.grid())?)?.mean_keepdim(0)?,
            false => value.raw().clone(),
        };
        self.values.insert(*site, kept);
        Ok(None)
    }
}
