//! Reductions and what looks along one axis.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::tensor::convert::Axes;
use crate::tensor::{NamedTensor, Ordered, Reduction};

/// Reduces over one axis or an array of them; `keep` leaves each with length 1.
fn over(
    call: &NativeCallContext,
    tensor: &NamedTensor,
    how: Reduction,
    axes: &Dynamic,
) -> ScriptResult<NamedTensor> {
    let Axes(axes) = argument(call.fn_name(), "axis", axes)?;
    Ok(tensor.reduce(how, Some(&axes), false)?)
}

fn all(tensor: &NamedTensor, how: Reduction) -> ScriptResult<NamedTensor> {
    Ok(tensor.reduce(how, None, false)?)
}

/// Reduces as `options` say: `keep`, and for spreads `correction`.
fn with_options(
    call: &NativeCallContext,
    tensor: &NamedTensor,
    how: Reduction,
    axes: &Dynamic,
    options: Map,
) -> ScriptResult<NamedTensor> {
    let name = match how {
        Reduction::Sum => "sum",
        Reduction::Mean => "mean",
        Reduction::Variance { .. } => "variance",
        Reduction::Deviation { .. } => "std",
        Reduction::Max => "max",
        Reduction::Min => "min",
        Reduction::Norm => "norm",
    };
    let mut options = Options::of(name, options);
    let keep = options.get("keep", false)?;
    let how = match how {
        Reduction::Variance { correction } => {
            Reduction::Variance { correction: options.get("correction", correction)? }
        }
        Reduction::Deviation { correction } => {
            Reduction::Deviation { correction: options.get("correction", correction)? }
        }
        how => how,
    };
    options.finish()?;
    if axes.is_unit() {
        return Ok(tensor.reduce(how, None, keep)?);
    }
    let Axes(axes) = argument(call.fn_name(), "axis", axes)?;
    Ok(tensor.reduce(how, Some(&axes), keep)?)
}

fn both(ordered: Ordered) -> Map {
    let mut map = Map::new();
    map.insert("values".into(), Dynamic::from(ordered.values));
    map.insert("indices".into(), Dynamic::from(ordered.indices));
    map
}

#[export_module(manifest)]
pub mod reductions {
    use super::{all, both, over, with_options};
    use crate::script::bind::prelude::*;
    use crate::tensor::{Axis, NamedTensor, Reduction};

    type Tensor = NamedTensor;

    /// The sum over an axis (by number or name) or an array of axes; without one, over all. An axis of ()
    /// means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice.
    ///
    /// Example: `tensor([[1, 2], [3, 4]]).sum(0)` is `tensor [2] i64 [4, 6]`
    #[rhai_fn(return_raw)]
    pub fn sum(call: NativeCallContext, tensor: Tensor, axis: Dynamic, options: Map) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Sum, &axis, options)
    }

    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Sum, &axis)
    }

    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Sum)
    }

    /// The mean over an axis (by number or name) or an array of axes; without one, over all. An axis of ()
    /// means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice, or one of length 0.
    ///
    /// Example: `tensor([[1.0, 3.0], [5.0, 7.0]]).mean(1, #{ keep: true })` is `tensor [2, 1] f32 [[2], [6]]`
    #[rhai_fn(return_raw)]
    pub fn mean(
        call: NativeCallContext,
        tensor: Tensor,
        axis: Dynamic,
        options: Map,
    ) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Mean, &axis, options)
    }

    #[rhai_fn(name = "mean", return_raw)]
    pub fn mean_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Mean, &axis)
    }

    #[rhai_fn(name = "mean", return_raw)]
    pub fn mean_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Mean)
    }

    /// The variance over an axis (by number or name) or an array of axes; without one, over all. An axis of
    /// () means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `correction` (integer, 1): what the number of elements n is lessened by in the divisor, so that
    /// 1 means n − 1 and 0 means n; `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice, or one of no more elements than
    /// `correction`.
    ///
    /// Example: `tensor([1.0, 2.0, 3.0, 4.0]).variance(0, #{ correction: 0 })` is `tensor [] f32 1.25`
    #[rhai_fn(return_raw)]
    pub fn variance(
        call: NativeCallContext,
        tensor: Tensor,
        axis: Dynamic,
        options: Map,
    ) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Variance { correction: 1 }, &axis, options)
    }

    #[rhai_fn(name = "variance", return_raw)]
    pub fn variance_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Variance { correction: 1 }, &axis)
    }

    #[rhai_fn(name = "variance", return_raw)]
    pub fn variance_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Variance { correction: 1 })
    }

    /// The standard deviation over an axis (by number or name) or an array of axes; without one, over all. An
    /// axis of () means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `correction` (integer, 1): what the number of elements n is lessened by in the divisor, so that
    /// 1 means n − 1 and 0 means n; `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice, or one of no more elements than
    /// `correction`.
    ///
    /// Example: `tensor([1.0, 3.0, 5.0]).std(0)` is `tensor [] f32 2`
    #[rhai_fn(name = "std", return_raw)]
    pub fn deviation(
        call: NativeCallContext,
        tensor: Tensor,
        axis: Dynamic,
        options: Map,
    ) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Deviation { correction: 1 }, &axis, options)
    }

    #[rhai_fn(name = "std", return_raw)]
    pub fn deviation_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Deviation { correction: 1 }, &axis)
    }

    #[rhai_fn(name = "std", return_raw)]
    pub fn deviation_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Deviation { correction: 1 })
    }

    /// The greatest element over an axis (by number or name) or an array of axes; without one, of all. An
    /// axis of () means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice, or one of length 0.
    ///
    /// Example: `tensor([[1, 9], [5, 2]]).max(1)` is `tensor [2] i64 [9, 5]`
    #[rhai_fn(return_raw)]
    pub fn max(call: NativeCallContext, tensor: Tensor, axis: Dynamic, options: Map) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Max, &axis, options)
    }

    #[rhai_fn(name = "max", return_raw)]
    pub fn max_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Max, &axis)
    }

    #[rhai_fn(name = "max", return_raw)]
    pub fn max_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Max)
    }

    /// The smallest element over an axis (by number or name) or an array of axes; without one, of all. An
    /// axis of () means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice, or one of length 0.
    ///
    /// Example: `tensor([[1, 9], [5, 2]]).min(0)` is `tensor [2] i64 [1, 2]`
    #[rhai_fn(return_raw)]
    pub fn min(call: NativeCallContext, tensor: Tensor, axis: Dynamic, options: Map) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Min, &axis, options)
    }

    #[rhai_fn(name = "min", return_raw)]
    pub fn min_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Min, &axis)
    }

    #[rhai_fn(name = "min", return_raw)]
    pub fn min_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Min)
    }

    /// The Euclidean norm over an axis (by number or name) or an array of axes; without one, over all. An
    /// axis of () means all. Axes that are reduced are gone from the shape.
    ///
    /// Options: `keep` (bool, false): true leaves the axis with length 1.
    ///
    /// Errors: an axis that the tensor does not have or that comes twice.
    ///
    /// Example: `tensor([[3.0, 4.0], [0.0, 2.0]]).norm(1)` is `tensor [2] f32 [5, 2]`
    #[rhai_fn(return_raw)]
    pub fn norm(
        call: NativeCallContext,
        tensor: Tensor,
        axis: Dynamic,
        options: Map,
    ) -> ScriptResult<Tensor> {
        with_options(&call, &tensor, Reduction::Norm, &axis, options)
    }

    #[rhai_fn(name = "norm", return_raw)]
    pub fn norm_over(call: NativeCallContext, tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        over(&call, &tensor, Reduction::Norm, &axis)
    }

    #[rhai_fn(name = "norm", return_raw)]
    pub fn norm_all(tensor: Tensor) -> ScriptResult<Tensor> {
        all(&tensor, Reduction::Norm)
    }

    /// Where the greatest element lies along `axis` (the first of equals), `i64`; without an axis, in the
    /// flattened tensor. The axis is gone from the shape.
    ///
    /// Errors: an axis that the tensor does not have, or one of length 0.
    ///
    /// Example: `tensor([[0.1, 0.9], [0.8, 0.2]]).argmax(1)` is `tensor [2] i64 [1, 0]`
    #[rhai_fn(return_raw)]
    pub fn argmax(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.arg_extreme(&argument("argmax", "axis", &axis)?, true)?)
    }

    #[rhai_fn(name = "argmax", return_raw)]
    pub fn argmax_all(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.flatten()?.arg_extreme(&Axis::Number(0), true)?)
    }

    /// Where the smallest element lies along `axis` (the first of equals), `i64`; without an axis, in the
    /// flattened tensor. The axis is gone from the shape.
    ///
    /// Errors: an axis that the tensor does not have, or one of length 0.
    ///
    /// Example: `tensor([0.3, -0.2, 0.5]).argmin().item()` is `1`
    #[rhai_fn(return_raw)]
    pub fn argmin(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.arg_extreme(&argument("argmin", "axis", &axis)?, false)?)
    }

    #[rhai_fn(name = "argmin", return_raw)]
    pub fn argmin_all(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.flatten()?.arg_extreme(&Axis::Number(0), false)?)
    }

    /// eˣ / Σ eˣ along `axis`, by number or name: probabilities from logits. The shape stays.
    ///
    /// Errors: an axis that the tensor does not have.
    ///
    /// Example: `tensor([0.0, 0.0, 0.0, 0.0]).softmax(-1)` is `tensor [4] f32 [0.25, 0.25, 0.25, 0.25]`
    #[rhai_fn(return_raw)]
    pub fn softmax(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.softmax(&argument("softmax", "axis", &axis)?)?)
    }

    /// x − ln Σ eˣ along `axis`, by number or name: log-probabilities, in nats, from logits. The shape stays.
    ///
    /// Errors: an axis that the tensor does not have.
    ///
    /// Example: `tensor([0.0, 0.0]).log_softmax(-1)` is `tensor [2] f32 [-0.69315, -0.69315]`
    #[rhai_fn(return_raw)]
    pub fn log_softmax(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.log_softmax(&argument("log_softmax", "axis", &axis)?)?)
    }

    /// Running sums along `axis`, by number or name. The shape stays.
    ///
    /// Errors: an axis that the tensor does not have, a sum of whole numbers that 64 bits do not hold.
    ///
    /// Example: `tensor([1, 2, 3]).cumsum(0)` is `tensor [3] i64 [1, 3, 6]`
    #[rhai_fn(return_raw)]
    pub fn cumsum(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.running_sum(&argument("cumsum", "axis", &axis)?)?)
    }

    /// The `count` greatest elements along `axis` (without one, the last), the greatest first: a map with
    /// `values` and `indices`, tensors with `count` in the place of the axis's length.
    ///
    /// Errors: a count below 0 or above the axis's length, an axis that the tensor does not have.
    ///
    /// Example: `tensor([0.1, 0.7, 0.2]).top_k(2).indices` is `tensor [2] i64 [1, 2]`
    #[rhai_fn(return_raw)]
    pub fn top_k(tensor: Tensor, count: Dynamic, axis: Dynamic) -> ScriptResult<Map> {
        Ok(both(tensor.top(argument("top_k", "count", &count)?, &argument("top_k", "axis", &axis)?)?))
    }

    #[rhai_fn(name = "top_k", return_raw)]
    pub fn top_k_last(tensor: Tensor, count: Dynamic) -> ScriptResult<Map> {
        top_k(tensor, count, (-1_i64).into())
    }

    /// Elements along `axis`, by number or name, in order, NaN last, equal ones in the order they had: a map
    /// with `values` and `indices`, tensors of the same shape.
    ///
    /// Options: `descending` (bool, false): the greatest first.
    ///
    /// Errors: an axis that the tensor does not have.
    ///
    /// Example: `tensor([2, 3, 1]).sort(0, #{ descending: true }).values` is `tensor [3] i64 [3, 2, 1]`
    #[rhai_fn(return_raw)]
    pub fn sort(tensor: Tensor, axis: Dynamic, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("sort", options);
        let descending = options.get("descending", false)?;
        options.finish()?;
        Ok(both(tensor.sorted(&argument("sort", "axis", &axis)?, descending)?))
    }

    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort_ascending(tensor: Tensor, axis: Dynamic) -> ScriptResult<Map> {
        sort(tensor, axis, Map::new())
    }
}
