//! How large an adapter's changes are, and how alike two adapters are, through the low-rank factors alone.
//!
//! With ΔW = s·B·A and the Gram matrices G_A = A·Aᵀ and G_B = Bᵀ·B [r, r]:
//!
//! ```text
//! ‖ΔW‖² = s² Σ G_B ⊙ G_A          ⟨ΔW₁, ΔW₂⟩ = s₁ s₂ Σ (B₁ᵀ·B₂) ⊙ (A₁·A₂ᵀ)
//! ```
//!
//! and the singular values of ΔW are those of s · √G_B · √G_A. All in float64. Of a DoRA these are the norms
//! of s·B·A, before its magnitude.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use nalgebra::DMatrix;

use super::part::Kind;
use super::{Adapter, Factors, Place};
use crate::error::{Context, Error, Result};
use crate::interrupt;

/// Sweeps after which an eigenvalue is given up; usual ones take two or three each.
const MOST_SWEEPS: usize = 100;

/// What one row speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// A module.
    Module,
    /// A layer's attention or MLP.
    Component,
    /// A layer.
    Layer,
}

/// A group of modules: its layer, and its half of the layer and its module where it is smaller than a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The layer.
    pub layer: usize,
    /// The module's index in a layer: groups come in the order of a forward.
    order: usize,
    /// The half of the layer.
    pub kind: Option<Kind>,
    /// The module's name inside the layer.
    pub module: Option<&'static str>,
}

/// The norms of a group's change.
#[derive(Debug, Clone)]
pub struct Norms {
    /// What they are of.
    pub group: Group,
    /// r, for a module.
    pub rank: Option<usize>,
    /// s, for a module.
    pub scale: Option<f64>,
    /// ‖ΔW‖, Frobenius: of all modules of the group together.
    pub norm: f64,
    /// The largest singular values of ΔW in falling order, for a module: as many as were asked for, or r.
    pub singular_values: Vec<f64>,
}

/// How alike two adapters change a group.
#[derive(Debug, Clone)]
pub struct Likeness {
    /// What it is of.
    pub group: Group,
    /// ⟨ΔW₁, ΔW₂⟩ / ‖ΔW₁‖ ‖ΔW₂‖; `None` where one of them is zero.
    pub cosine: Option<f64>,
    /// ‖ΔW₁‖
    pub norm: f64,
    /// ‖ΔW₂‖
    pub other_norm: f64,
}

/// The norms of an adapter's changes, by layer and in the order of a forward, with up to `most` singular
/// values of each module.
///
/// # Errors
/// Values that are not finite, or Ctrl-C.
pub fn norms(adapter: &Adapter, grouping: Grouping, most: usize) -> Result<Vec<Norms>> {
    let mut rows: Vec<Norms> = Vec::new();
    for (place, factors) in adapter.modules() {
        interrupt::check()?;
        let group = group(adapter, *place, grouping);
        let square = inner(factors, factors)?.max(0.0);
        let is_module = grouping == Grouping::Module;
        match rows.last_mut().filter(|row| row.group == group) {
            Some(row) => row.norm += square,
            None => rows.push(Norms {
                group,
                rank: is_module.then(|| factors.rank()),
                scale: is_module.then_some(factors.scale),
                norm: square,
                singular_values: match is_module && most > 0 {
                    true => singular_values(factors, most).within(|| adapter.module_name(*place))?,
                    false => Vec::new(),
                },
            }),
        }
    }
    rows.iter_mut().for_each(|row| row.norm = row.norm.sqrt());
    Ok(rows)
}

/// How alike two adapters of one base are, in every group that either changes.
///
/// # Errors
/// Adapters of different bases, a DoRA, or Ctrl-C.
pub fn cosines(one: &Adapter, other: &Adapter, grouping: Grouping) -> Result<Vec<Likeness>> {
    let mut sums: BTreeMap<Group, Sums> = BTreeMap::new();
    each_pair(one, other, |place, pair| {
        *sums.entry(group(one, place, grouping)).or_default() += pair;
        Ok(())
    })?;
    Ok(sums
        .into_iter()
        .map(|(group, sums)| Likeness {
            group,
            cosine: sums.cosine(),
            norm: sums.one.sqrt(),
            other_norm: sums.other.sqrt(),
        })
        .collect())
}

/// The cosine between the changes of two adapters of one base, over all modules together.
///
/// # Errors
/// As [`cosines`]; an adapter that changes nothing.
pub fn cosine(one: &Adapter, other: &Adapter) -> Result<f64> {
    let mut sums = Sums::default();
    each_pair(one, other, |_, pair| {
        sums += pair;
        Ok(())
    })?;
    sums.cosine().ok_or_else(|| {
        let zero = if sums.one > 0.0 { other } else { one };
        Error::new(format!("{} changes nothing and has no direction", zero.name()))
    })
}

/// ⟨ΔW₁, ΔW₂⟩, ‖ΔW₁‖² and ‖ΔW₂‖².
#[derive(Default, Clone, Copy)]
struct Sums {
    both: f64,
    one: f64,
    other: f64,
}

impl Sums {
    fn cosine(&self) -> Option<f64> {
        let norms = self.one.sqrt() * self.other.sqrt();
        (norms > 0.0).then(|| (self.both / norms).clamp(-1.0, 1.0))
    }
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, more: Self) {
        self.both += more.both;
        self.one += more.one;
        self.other += more.other;
    }
}

fn each_pair(one: &Adapter, other: &Adapter, mut take: impl FnMut(Place, Sums) -> Result<()>) -> Result<()> {
    for adapter in [one, other] {
        if adapter.is_dora() {
            return Err(Error::new(format!(
                "{} is a DoRA: its change depends on the base's weights and cannot be compared without them",
                adapter.name()
            )));
        }
    }
    one.check_same_base(other)?;
    let mut places: Vec<Place> = one.modules().keys().chain(other.modules().keys()).copied().collect();
    places.sort();
    places.dedup();
    for place in places {
        interrupt::check()?;
        let (mine, others) = (one.modules().get(&place), other.modules().get(&place));
        let square = |factors: Option<&Factors>| -> Result<f64> {
            factors.map_or(Ok(0.0), |factors| Ok(inner(factors, factors)?.max(0.0)))
        };
        let both = match (mine, others) {
            (Some(mine), Some(others)) => inner(mine, others)?,
            _ => 0.0,
        };
        take(place, Sums { both, one: square(mine)?, other: square(others)? })?;
    }
    Ok(())
}

fn group(adapter: &Adapter, place: Place, grouping: Grouping) -> Group {
    let module = adapter.inner_name(place);
    let kind = Kind::of(module);
    let layer = place.layer;
    match grouping {
        Grouping::Layer => Group { layer, kind: None, module: None, order: 0 },
        Grouping::Component => Group { layer, kind: Some(kind), module: None, order: 0 },
        Grouping::Module => Group { layer, kind: Some(kind), module: Some(module), order: place.index },
    }
}

/// ⟨ΔW₁, ΔW₂⟩
fn inner(one: &Factors, other: &Factors) -> Result<f64> {
    let (a, other_a) = (double(&one.a)?, double(&other.a)?);
    let (b, other_b) = (double(&one.b)?, double(&other.b)?);
    let product = (b.t()?.matmul(&other_b)? * a.matmul(&other_a.t()?)?)?;
    Ok(product.sum_all()?.to_scalar::<f64>()? * one.scale * other.scale)
}

fn double(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.detach().to_dtype(DType::F64)?)
}

/// The largest singular values of ΔW, in falling order.
fn singular_values(factors: &Factors, most: usize) -> Result<Vec<f64>> {
    let (a, b) = (double(&factors.a)?, double(&factors.b)?);
    let core = root(&b.t()?.matmul(&b)?)? * root(&a.matmul(&a.t()?)?)?.transpose();
    let values =
        nalgebra::SVD::try_new_unordered(core, false, false, f64::EPSILON, MOST_SWEEPS * factors.rank())
            .ok_or_else(|| Error::new("the singular values cannot be computed: values that are not finite"))?
            .singular_values;
    let mut values: Vec<f64> = values.iter().map(|value| value * factors.scale.abs()).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values.truncate(most);
    Ok(values)
}

/// R with Rᵀ·R = `gram` [r, r], which is symmetric and has no negative eigenvalue but by rounding.
fn root(gram: &Tensor) -> Result<DMatrix<f64>> {
    let rank = gram.dim(0)?;
    let values: Vec<f64> = gram.flatten_all()?.to_vec1()?;
    let gram = DMatrix::from_row_slice(rank, rank, &values);
    let eigen = nalgebra::SymmetricEigen::try_new(gram, f64::EPSILON, MOST_SWEEPS * rank)
        .ok_or_else(|| Error::new("the singular values cannot be computed: values that are not finite"))?;
    let mut root = eigen.eigenvectors.transpose();
    for (mut row, value) in root.row_iter_mut().zip(eigen.eigenvalues.iter()) {
        row *= value.max(0.0).sqrt();
    }
    Ok(root)
}
