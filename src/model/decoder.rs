//! The decoder: embed, blocks, final norm, unembed.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::attention::Attention;
use super::block::Block;
use super::config::{ArchConfig, NormConfig};
use super::kernels;
use super::kv::KvCache;
use super::linear::Linear;
use super::mlp::Mlp;
use super::norm::{Norm, NormSites};
use super::pass::{Pass, Read, Stage};
use super::site::{Point, Site};
use super::tree::TokenTree;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::{interrupt, progress};

/// A decoder language model's weights and arithmetic. A forward takes `&self` and leaves nothing behind.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: ArchConfig,
    /// [d_vocab, d_model], unscaled.
    embed: Tensor,
    /// [n_ctx, d_model], in families with learned positions.
    pos_embed: Option<Tensor>,
    blocks: Vec<Block>,
    ln_final: Norm,
    /// [d_vocab, d_model]
    unembed: Linear,
}

/// What a forward gives, besides what its taps saw.
#[derive(Debug, Clone)]
pub struct Output {
    /// The logits that were asked for, in float32; see [`Read`] for the shapes.
    pub logits: Option<Tensor>,
    /// What the unembedding multiplied: the normed residual at the same places, [.., d_model] in the weights'
    /// dtype; where the [`Pass`] keeps it and logits are read.
    pub normed: Option<Tensor>,
}

impl Output {
    const NOTHING: Self = Self { logits: None, normed: None };
}

impl Decoder {
    /// A decoder from its configuration and weights.
    ///
    /// Weights that are trained (candle's `Var`s) stay tracked. A family that adds an offset to its norms'
    /// weights gets the sum here: such a decoder is made anew after each step of training.
    ///
    /// # Errors
    /// Where a weight is missing.
    pub fn new(config: ArchConfig, weights: &mut Weights) -> Result<Self> {
        let embed = weights.take("embed.weight")?;
        let pos_embed = config.learned_positions.then(|| weights.take("pos_embed.weight")).transpose()?;
        let blocks =
            (0..config.n_layers()).map(|layer| block(&config, weights, layer)).collect::<Result<Vec<_>>>()?;
        let ln_final = norm(&config.norm, weights, "ln_final")?;
        let unembed = match config.tied_embeddings {
            true => embed.clone(),
            false => weights.take("unembed.weight")?,
        };
        let unembed = Linear::new(unembed, None);
        Ok(Self { config, embed, pos_embed, blocks, ln_final, unembed })
    }

    /// Shape and arithmetic.
    pub fn config(&self) -> &ArchConfig {
        &self.config
    }

    /// The layers.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(super) fn blocks_mut(&mut self) -> &mut [Block] {
        &mut self.blocks
    }

    /// The norm before the unembedding.
    pub fn ln_final(&self) -> &Norm {
        &self.ln_final
    }

    /// [d_vocab, d_model]
    pub fn unembed_weight(&self) -> &Tensor {
        &self.unembed.weight
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        self.embed.device()
    }

    /// What the weights are stored as.
    pub fn dtype(&self) -> DType {
        self.embed.dtype()
    }

    /// Runs all sequences of `tree`.
    ///
    /// # Errors
    /// Where a token or position lies outside the model, a tap fails, or the work is interrupted.
    pub fn forward(&self, tree: &TokenTree, pass: Pass) -> Result<Output> {
        self.run(tree, 0, None, pass)
    }

    /// Runs the sequences of `kv` from where its last forward ended. Taps see the new positions alone.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; `kv` is then as it was before.
    pub fn forward_with(&self, kv: &mut KvCache, pass: Pass) -> Result<Output> {
        if kv.layers.len() != self.blocks.len() {
            return Err(Error::new(format!(
                "a cache of {} layers for a model of {}",
                kv.layers.len(),
                self.blocks.len()
            )));
        }
        if pass.stop_at_layer.is_some() {
            return Err(Error::new("a forward that stops early cannot leave keys and values of all layers"));
        }
        let tree = std::mem::take(&mut kv.tree);
        let output = self.run(&tree, kv.done, Some(kv), pass);
        if output.is_ok() {
            kv.done = tree.len();
            kv.layers.iter_mut().for_each(|layer| layer.settle(tree.len()));
        }
        kv.tree = tree;
        output
    }

    fn run(
        &self,
        tree: &TokenTree,
        first_node: usize,
        mut kv: Option<&mut KvCache>,
        pass: Pass,
    ) -> Result<Output> {
        self.check(tree, first_node)?;
        let Pass { tap, read, stop_at_layer, plain, keep_normed } = pass;
        let mut stage = Stage::new(&self.config, tree, first_node, tap, plain, self.device());

        let mut resid = self.embed(tree, first_node, &mut stage)?;
        let mut bar = progress::bar("running layers", stop_at_layer.unwrap_or(self.blocks.len()) as u64);
        for (layer, block) in self.blocks.iter().enumerate() {
            if stop_at_layer.is_some_and(|stop| layer >= stop) {
                return Ok(Output::NOTHING);
            }
            interrupt::check()?;
            let kv = kv.as_deref_mut().map(|kv| &mut kv.layers[layer]);
            resid = block.forward(resid, layer, kv, &mut stage)?;
            bar.advance(1);
        }
        if stop_at_layer.is_some() {
            return Ok(Output::NOTHING);
        }
        self.read(resid, read, keep_normed, &mut stage)
    }

    /// Token embeddings, with positions where they are learned: [node, d_model].
    fn embed(&self, tree: &TokenTree, first_node: usize, stage: &mut Stage) -> Result<Tensor> {
        let tokens = Tensor::new(&tree.tokens()[first_node..], self.device())?;
        let embedded = self.embed.index_select(&tokens, 0)?;
        let embedded = match self.config.embed_scale {
            1.0 => embedded,
            scale => (embedded * scale)?,
        };
        let embedded = stage.see(Site::global(Point::Embed), embedded)?;
        let Some(table) = &self.pos_embed else { return Ok(embedded) };
        let positions = Tensor::new(stage.positions(), self.device())?;
        let placed = stage.see(Site::global(Point::PosEmbed), table.index_select(&positions, 0)?)?;
        Ok((embedded + placed)?)
    }

    /// The logits that `read` asks for, from the last residual [node, d_model].
    fn read(&self, resid: Tensor, read: Read, keep_normed: bool, stage: &mut Stage) -> Result<Output> {
        let grid = stage.grid().clone();
        let cells = match read {
            Read::All => None,
            Read::Nothing => Some(Vec::new()),
            Read::Last => Some(
                grid.lengths()
                    .iter()
                    .enumerate()
                    .filter(|(_, len)| **len > 0)
                    .map(|(r, len)| (r, len - 1))
                    .collect(),
            ),
            Read::At(cells) => Some(cells),
        };
        let final_sites = [Site::global(Point::LnFinalScale), Site::global(Point::LnFinalNormalized)];
        let is_seen = final_sites.iter().any(|site| stage.wants(site));
        if cells.as_ref().is_some_and(Vec::is_empty) && !is_seen {
            return Ok(Output::NOTHING);
        }
        let nodes = cells
            .as_ref()
            .map(|cells| {
                cells
                    .iter()
                    .map(|&(row, pos)| {
                        grid.node(row, pos)
                            .map(|node| node as u32)
                            .ok_or_else(|| Error::new(format!("row {row} has no position {pos} to read")))
                    })
                    .collect::<Result<Vec<u32>>>()
            })
            .transpose()?;
        // Only what is read goes through the norm, unless a tap wants to see it everywhere.
        let (resid, nodes) = match nodes {
            Some(nodes) if !is_seen => (resid.index_select(&Tensor::new(nodes, self.device())?, 0)?, None),
            nodes => (resid, nodes),
        };
        let x = self.ln_final.forward_at(&resid, None, NormSites::FINAL, stage)?;
        let x = match nodes {
            Some(nodes) if nodes.is_empty() => return Ok(Output::NOTHING),
            Some(nodes) => x.index_select(&Tensor::new(nodes, self.device())?, 0)?,
            None => x,
        };
        let logits = self.unembed(&x, stage.is_fused())?;
        let placed = |value: Tensor| if cells.is_none() { grid.pad(&value) } else { Ok(value) };
        let normed = if keep_normed { Some(placed(x)?) } else { None };
        Ok(Output { logits: Some(placed(logits)?), normed })
    }

    /// Logits [n, d_vocab] in float32 of normed residuals [n, d_model], soft-capped where the family does;
    /// `fused` where kernels may be taken.
    pub fn unembed(&self, normed: &Tensor, fused: bool) -> Result<Tensor> {
        self.softcapped(&self.unembed.forward(normed, fused)?, fused)
    }

    /// Logits as the family leaves them, in float32.
    pub(crate) fn softcapped(&self, logits: &Tensor, fused: bool) -> Result<Tensor> {
        let logits = logits.to_dtype(DType::F32)?;
        Ok(match self.config.final_softcap {
            Some(cap) if fused && kernels::apply_to(&[&logits]) => kernels::softcap::softcap(&logits, cap)?,
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        })
    }

    /// Every weight by its canonical name, as files hold it, in the order of
    /// [`ArchConfig::tensors`].
    ///
    /// # Errors
    /// Where a weight that the configuration names is not there.
    pub fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = HashMap::new();
        let mut add = |name: String, tensor: Option<&Tensor>| tensor.map(|t| tensors.insert(name, t.clone()));
        add("embed.weight".into(), Some(&self.embed));
        add("pos_embed.weight".into(), self.pos_embed.as_ref());
        add("unembed.weight".into(), Some(&self.unembed.weight));
        add("ln_final.weight".into(), Some(&self.ln_final.stored));
        add("ln_final.bias".into(), self.ln_final.bias.as_ref());
        for (layer, block) in self.blocks.iter().enumerate() {
            for (name, norm) in block.norms() {
                add(format!("blocks.{layer}.{name}.weight"), Some(&norm.stored));
                add(format!("blocks.{layer}.{name}.bias"), norm.bias.as_ref());
            }
            for (name, linear) in block.linears() {
                add(format!("blocks.{layer}.{name}.weight"), Some(&linear.weight));
                add(format!("blocks.{layer}.{name}.bias"), linear.bias.as_ref());
            }
        }
        self.config
            .tensors()
            .into_iter()
            .map(|spec| match tensors.remove(&spec.name) {
                Some(tensor) => Ok((spec.name, tensor)),
                None => Err(Error::new(format!("the decoder has no weight \"{}\"", spec.name))),
            })
            .collect()
    }

    /// Numbers in all weights.
    pub fn n_parameters(&self) -> usize {
        self.config.tensors().iter().map(|spec| spec.shape.iter().product::<usize>()).sum()
    }

    /// Every site of this model, in the order of a forward.
    pub fn sites(&self) -> Vec<Site> {
        self.config.sites()
    }

    fn check(&self, tree: &TokenTree, first_node: usize) -> Result<()> {
        if tree.len() == first_node {
            return Err(Error::new("no new tokens to run"));
        }
        if let Some(token) = tree.tokens().iter().find(|&&token| token as usize >= self.config.vocab_size) {
            return Err(Error::new(format!(
                "token {token} lies outside the vocabulary of {} tokens",
                self.config.vocab_size
            )));
        }
        let longest = tree.rows().iter().map(Vec::len).max().unwrap_or(0);
        if self.config.learned_positions && longest > self.config.n_ctx {
            return Err(Error::new(format!(
                "a sequence of {longest} tokens, but the model has positions for {}",
                self.config.n_ctx
            )));
        }
        Ok(())
    }
}

fn block(config: &ArchConfig, weights: &mut Weights, layer: usize) -> Result<Block> {
    let name = |part: &str| format!("blocks.{layer}.{part}");
    let linear = |weights: &mut Weights, part: &str, bias: bool| -> Result<Linear> {
        let weight = weights.take(&name(&format!("{part}.weight")))?;
        let bias = bias.then(|| weights.take(&name(&format!("{part}.bias")))).transpose()?;
        Ok(Linear::new(weight, bias))
    };
    let ln1 = norm(&config.norm, weights, &name("ln1"))?;
    let projections = [
        linear(weights, "attn.q", config.qkv_bias)?,
        linear(weights, "attn.k", config.qkv_bias)?,
        linear(weights, "attn.v", config.qkv_bias)?,
        linear(weights, "attn.o", config.attn_out_bias)?,
    ];
    let qk_norm = match config.qk_norm {
        true => Some((
            norm(&config.norm, weights, &name("attn.q_norm"))?,
            norm(&config.norm, weights, &name("attn.k_norm"))?,
        )),
        false => None,
    };
    let mut post_norm = |part: &str| -> Result<Option<Norm>> {
        config.post_norms.then(|| norm(&config.norm, weights, &name(part))).transpose()
    };
    let (ln1_post, ln2_post) = (post_norm("ln1_post")?, post_norm("ln2_post")?);
    let gate = config.gated.then(|| linear(weights, "mlp.gate", config.mlp_bias)).transpose()?;
    Ok(Block {
        ln1,
        attn: Attention::new(config, layer, projections, qk_norm),
        ln1_post,
        ln2: norm(&config.norm, weights, &name("ln2"))?,
        mlp: Mlp {
            gate,
            up: linear(weights, "mlp.up", config.mlp_bias)?,
            down: linear(weights, "mlp.down", config.mlp_bias)?,
            activation: config.activation,
        },
        ln2_post,
        is_parallel: config.parallel_residual,
    })
}

fn norm(config: &NormConfig, weights: &mut Weights, name: &str) -> Result<Norm> {
    let weight = weights.take(&format!("{name}.weight"))?;
    let bias = match config.kind {
        super::config::NormKind::Rms => None,
        super::config::NormKind::Layer => Some(weights.take(&format!("{name}.bias"))?),
    };
    Norm::new(&weight, bias, config)
}
