//! Direct logit attribution: which component wrote how much of a logit difference.
//!
//! The residual stream at the read position is the sum of what every component added to it:
//! x = embedding + Σ attention outputs + Σ MLP outputs. With the final norm's divisor s frozen at the value
//! it had, the difference of two logits before any soft-cap is linear in x:
//!
//! ```text
//! Δ = u · x + b,   u = centre(w_final ⊙ (W_U[plus] − W_U[minus])) / s
//! ```
//!
//! (`centre` takes the mean out, for norms that do so), and each component's share is u · its output. A
//! post-norm is linear in the same sense and is folded into u. The shares sum to Δ; what float32 leaves is
//! reported as `remainder`.

use candle_core::{D, DType, Tensor};

use super::cache::{Cache, CacheTap};
use super::component::Component;
use super::metric::Contrast;
use super::positions::Positions;
use crate::error::{Error, Result};
use crate::frame::{Column, Frame};
use crate::model::block::Block;
use crate::model::config::NormKind;
use crate::model::decoder::Decoder;
use crate::model::norm::Norm;
use crate::model::pass::{Pass, Read};
use crate::model::site::{Point, Site};
use crate::model::tree::TokenTree;
use crate::{interrupt, progress};

/// What is taken apart, and how finely.
#[derive(Debug, Clone, Default)]
pub struct AttributionOptions {
    /// One row a head instead of one an attention layer.
    pub heads: bool,
    /// Layers whose MLP is taken apart by neurons.
    pub neurons: Vec<usize>,
    /// Where the difference is read; [`AttributionPositions::Last`] by default.
    pub positions: AttributionPositions,
    /// The earlier study's form: each component normalised by itself, before post-norms, and every head
    /// given the same share of its layer. The shares do not sum to Δ.
    pub own_norm: bool,
}

/// Positions of attribution: the last by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributionPositions(pub Positions);

impl Default for AttributionPositions {
    fn default() -> Self {
        Self(Positions::Last)
    }
}

/// The frame of a decoder's attribution of `contrasts`, one a prompt, read at the last position of its
/// sequence or at the positions asked for.
///
/// Columns: `prompt`, `position`, `component`, `layer`, `kind`, `head`, `contribution` (logits), and for
/// the whole row's prompt and position `logit_diff` (before the soft-cap) and `remainder`
/// (`logit_diff` − Σ `contribution`).
///
/// # Errors
/// Where a layer or position does not exist, or a forward fails.
pub fn logit_attribution(
    decoder: &Decoder,
    contrasts: &[Contrast],
    options: &AttributionOptions,
) -> Result<Frame> {
    let n_layers = decoder.config().n_layers();
    if let Some(layer) = options.neurons.iter().find(|&&layer| layer >= n_layers) {
        return Err(Error::new(format!("there is no layer {layer} to take neurons of"))
            .hint(format!("this model has {n_layers} layers: 0–{}", n_layers - 1)));
    }
    let sequences: Vec<Vec<u32>> = contrasts.iter().map(|contrast| contrast.tokens.clone()).collect();
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    let cells = options.positions.0.cells(&lengths)?;

    let mut tap = CacheTap::new(sites(decoder, options), Positions::All);
    decoder.forward(&TokenTree::shared(&sequences)?, Pass::new(&mut tap, Read::Nothing))?;
    let values = Values { cache: tap.into_cache(), cells: &cells };

    let direction = direction(decoder, contrasts, &cells)?;
    let parts = match options.own_norm {
        false => shares(decoder, &values, &direction, options)?,
        true => own_norm_shares(decoder, &values, &direction, options)?,
    };
    let normed =
        values.at(Site::global(Point::LnFinalNormalized))?.broadcast_mul(&decoder.ln_final().weight)?;
    let normed = match &decoder.ln_final().bias {
        Some(bias) => normed.broadcast_add(bias)?,
        None => normed,
    };
    frame(&cells, parts, dot(&normed, &direction)?)
}

/// Component and its contribution at each cell.
type Part = (Component, Vec<f64>);

/// Cached values at the cells that are taken apart, in float32.
struct Values<'a> {
    cache: Cache,
    cells: &'a [(usize, usize)],
}

impl Values<'_> {
    /// [cell, …]
    fn at(&self, site: Site) -> Result<Tensor> {
        Ok(self.cache.at(&site, self.cells)?.to_dtype(DType::F32)?)
    }

    fn block(&self, layer: usize, point: Point) -> Result<Tensor> {
        self.at(Site::block(layer, point))
    }
}

/// The sites that attribution reads.
fn sites(decoder: &Decoder, options: &AttributionOptions) -> Vec<Site> {
    let wanted = |site: &Site| match site.point {
        Point::Embed | Point::PosEmbed | Point::LnFinalScale | Point::LnFinalNormalized => true,
        Point::AttnOut | Point::MlpOut => true,
        Point::Ln1PostScale | Point::Ln2PostScale => true,
        Point::Ln1PostNormalized | Point::Ln2PostNormalized => options.own_norm,
        Point::Z => options.heads && !options.own_norm,
        Point::MlpPost => site.layer.is_some_and(|layer| options.neurons.contains(&layer)),
        _ => false,
    };
    decoder.sites().into_iter().filter(wanted).collect()
}

/// W_U[plus] − W_U[minus] for each cell: [cell, d_model].
fn direction(decoder: &Decoder, contrasts: &[Contrast], cells: &[(usize, usize)]) -> Result<Tensor> {
    let rows = cells
        .iter()
        .map(|&(row, _)| {
            let contrast = &contrasts[row];
            let unembed = |token: u32| -> Result<Tensor> {
                Ok(decoder.unembed_weight().get(token as usize)?.to_dtype(DType::F32)?)
            };
            let plus = unembed(contrast.plus)?;
            Ok(match contrast.minus {
                Some(minus) => (plus - unembed(minus)?)?,
                None => plus,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::stack(&rows, 0)?)
}

/// The exact shares: frozen divisors, post-norms folded in.
fn shares(
    decoder: &Decoder,
    values: &Values,
    direction: &Tensor,
    options: &AttributionOptions,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let (u, bias) = fold(decoder.ln_final(), &values.at(Site::global(Point::LnFinalScale))?, direction)?;
    parts.push((Component::Embed, dot(&values.at(Site::global(Point::Embed))?, &u)?));
    if decoder.config().learned_positions {
        parts.push((Component::PosEmbed, dot(&values.at(Site::global(Point::PosEmbed))?, &u)?));
    }
    let mut bar = progress::bar("attributing layers", decoder.blocks().len() as u64);
    for (layer, block) in decoder.blocks().iter().enumerate() {
        interrupt::check()?;
        match options.heads {
            true => parts.extend(head_shares(block, layer, values, &u)?),
            false => parts.push((Component::Attn { layer }, dot(&values.block(layer, Point::AttnOut)?, &u)?)),
        }
        match options.neurons.contains(&layer) {
            true => parts.extend(neuron_shares(block, layer, values, &u)?),
            false => parts.push((Component::Mlp { layer }, dot(&values.block(layer, Point::MlpOut)?, &u)?)),
        }
        bar.advance(1);
    }
    if let Some(bias) = bias {
        parts.push((Component::FinalBias, bias));
    }
    Ok(parts)
}

/// Each head's share: u · W_O,h z_h, and that of the biases beside the heads.
fn head_shares(block: &Block, layer: usize, values: &Values, u: &Tensor) -> Result<Vec<Part>> {
    let (u, norm_bias) = fold_post(block.ln1_post.as_ref(), layer, Point::Ln1PostScale, values, u)?;
    let z = values.block(layer, Point::Z)?;
    let back = u.matmul(&block.attn.o.effective_weight()?.to_dtype(DType::F32)?)?.reshape(z.shape())?;
    let by_head = columns(&(z * back)?.sum(D::Minus1)?)?;
    let mut parts: Vec<Part> = by_head
        .into_iter()
        .enumerate()
        .map(|(head, values)| (Component::Head { layer, head }, values))
        .collect();
    let bias = add(dot_bias(block.attn.o.bias.as_ref(), &u)?, norm_bias);
    parts.extend(bias.map(|values| (Component::AttnBias { layer }, values)));
    Ok(parts)
}

/// Each neuron's share: u · W_down column · activation, and that of the biases beside them.
fn neuron_shares(block: &Block, layer: usize, values: &Values, u: &Tensor) -> Result<Vec<Part>> {
    let (u, norm_bias) = fold_post(block.ln2_post.as_ref(), layer, Point::Ln2PostScale, values, u)?;
    let hidden = values.block(layer, Point::MlpPost)?;
    let back = u.matmul(&block.mlp.down.effective_weight()?.to_dtype(DType::F32)?)?;
    let by_neuron = columns(&(hidden * back)?)?;
    let mut parts: Vec<Part> = by_neuron
        .into_iter()
        .enumerate()
        .map(|(neuron, values)| (Component::Neuron { layer, neuron }, values))
        .collect();
    let bias = add(dot_bias(block.mlp.down.bias.as_ref(), &u)?, norm_bias);
    parts.extend(bias.map(|values| (Component::MlpBias { layer }, values)));
    Ok(parts)
}

/// The earlier study's shares: norm(component) · (W_U[plus] − W_U[minus]), heads an equal part of their
/// layer's attention, outputs as they are before post-norms.
fn own_norm_shares(
    decoder: &Decoder,
    values: &Values,
    direction: &Tensor,
    options: &AttributionOptions,
) -> Result<Vec<Part>> {
    let n_heads = decoder.config().n_heads;
    let before = |norm: &Option<Norm>, layer, normalized, scale, out| -> Result<Tensor> {
        match norm {
            Some(_) => Ok(values.block(layer, normalized)?.broadcast_mul(&values.block(layer, scale)?)?),
            None => values.block(layer, out),
        }
    };
    let own = |output: &Tensor| dot(&decoder.ln_final().forward(output, false)?, direction);
    let mut parts = Vec::new();
    let mut bar = progress::bar("attributing layers", decoder.blocks().len() as u64);
    for (layer, block) in decoder.blocks().iter().enumerate() {
        interrupt::check()?;
        let attn =
            before(&block.ln1_post, layer, Point::Ln1PostNormalized, Point::Ln1PostScale, Point::AttnOut)?;
        match options.heads {
            true => {
                let share = own(&(attn / n_heads as f64)?)?;
                parts.extend((0..n_heads).map(|head| (Component::Head { layer, head }, share.clone())));
            }
            false => parts.push((Component::Attn { layer }, own(&attn)?)),
        }
        let mlp =
            before(&block.ln2_post, layer, Point::Ln2PostNormalized, Point::Ln2PostScale, Point::MlpOut)?;
        parts.push((Component::Mlp { layer }, own(&mlp)?));
        bar.advance(1);
    }
    Ok(parts)
}

/// `u` [cell, d] carried back through `norm` with its divisor frozen at `scale` [cell, 1], and what the
/// norm's bias adds at each cell.
fn fold(norm: &Norm, scale: &Tensor, u: &Tensor) -> Result<(Tensor, Option<Vec<f64>>)> {
    let bias = norm.bias.as_ref().map(|bias| dot_bias(Some(bias), u)).transpose()?.flatten();
    let u = u.broadcast_mul(&norm.weight)?.broadcast_div(scale)?;
    let u = match norm.kind {
        NormKind::Rms => u,
        NormKind::Layer => u.broadcast_sub(&u.mean_keepdim(D::Minus1)?)?,
    };
    Ok((u, bias))
}

fn fold_post(
    norm: Option<&Norm>,
    layer: usize,
    scale: Point,
    values: &Values,
    u: &Tensor,
) -> Result<(Tensor, Option<Vec<f64>>)> {
    match norm {
        Some(norm) => fold(norm, &values.block(layer, scale)?, u),
        None => Ok((u.clone(), None)),
    }
}

/// Row by row: [cell, d] · [cell, d].
fn dot(a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
    let products: Vec<Vec<f32>> = (a * b)?.to_vec2()?;
    Ok(products.iter().map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect())
}

fn dot_bias(bias: Option<&Tensor>, u: &Tensor) -> Result<Option<Vec<f64>>> {
    bias.map(|bias| dot(&u.broadcast_mul(&bias.to_dtype(DType::F32)?)?, &u.ones_like()?)).transpose()
}

fn add(a: Option<Vec<f64>>, b: Option<Vec<f64>>) -> Option<Vec<f64>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.iter().zip(&b).map(|(a, b)| a + b).collect()),
        (a, b) => a.or(b),
    }
}

/// The columns of [cell, n].
fn columns(values: &Tensor) -> Result<Vec<Vec<f64>>> {
    let columns: Vec<Vec<f32>> = values.t()?.contiguous()?.to_vec2()?;
    Ok(columns.into_iter().map(|column| column.into_iter().map(f64::from).collect()).collect())
}

fn frame(cells: &[(usize, usize)], parts: Vec<Part>, logit_diff: Vec<f64>) -> Result<Frame> {
    let sums: Vec<f64> =
        (0..cells.len()).map(|cell| parts.iter().map(|(_, values)| values[cell]).sum()).collect();
    let rows: Vec<(usize, &Component, f64)> = (0..cells.len())
        .flat_map(|cell| parts.iter().map(move |(component, values)| (cell, component, values[cell])))
        .collect();
    let number = |n: Option<usize>| n.map(|n| n as i64);
    Frame::new([
        ("prompt", Column::ints(rows.iter().map(|row| cells[row.0].0 as i64))),
        ("position", Column::ints(rows.iter().map(|row| cells[row.0].1 as i64))),
        ("component", Column::texts(rows.iter().map(|row| row.1.to_string()))),
        ("layer", Column::Int(rows.iter().map(|row| number(row.1.layer())).collect())),
        ("kind", Column::texts(rows.iter().map(|row| row.1.kind()))),
        ("head", Column::Int(rows.iter().map(|row| number(row.1.head())).collect())),
        ("contribution", Column::floats(rows.iter().map(|row| row.2))),
        ("logit_diff", Column::floats(rows.iter().map(|row| logit_diff[row.0]))),
        ("remainder", Column::floats(rows.iter().map(|row| logit_diff[row.0] - sums[row.0]))),
    ])
}
