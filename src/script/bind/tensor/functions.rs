//! Functions of each element, parts, shapes, products and joins.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod functions {
    use std::ops::{Range, RangeInclusive};

    use crate::script::bind::prelude::*;
    use crate::script::bind::tensor::convert::{Dims, operand, picks};
    use crate::tensor::{Axis, Binary, NamedTensor, Pick, Unary};

    type Tensor = NamedTensor;

    /// The absolute value of each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: a whole number whose absolute value 64 bits do not hold.
    ///
    /// Example: `tensor([-1.5, 2.0]).abs()` is `tensor [2] f32 [1.5, 2]`
    #[rhai_fn(return_raw)]
    pub fn abs(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Abs)?)
    }

    /// e to the power of each element. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([0.0, 1.0]).exp()` is `tensor [2] f32 [1, 2.7183]`
    #[rhai_fn(return_raw)]
    pub fn exp(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Exp)?)
    }

    /// The natural logarithm of each element: −∞ of 0, NaN of what is negative. The shape stays; whole
    /// numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([1.0, 2.0]).ln()` is `tensor [2] f32 [0, 0.69315]`
    #[rhai_fn(return_raw)]
    pub fn ln(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Log)?)
    }

    /// The square root of each element; NaN of what is negative. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([4.0, 2.0]).sqrt()` is `tensor [2] f32 [2, 1.4142]`
    #[rhai_fn(return_raw)]
    pub fn sqrt(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Sqrt)?)
    }

    /// The square of each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: a whole number whose square 64 bits do not hold.
    ///
    /// Example: `tensor([1, -2, 3]).square().mean()` is `tensor [] f32 4.6667`
    #[rhai_fn(return_raw)]
    pub fn square(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Square)?)
    }

    /// The hyperbolic tangent of each element, from −1 to 1. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([0.0, 1.0]).tanh()` is `tensor [2] f32 [0, 0.76159]`
    #[rhai_fn(return_raw)]
    pub fn tanh(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Tanh)?)
    }

    /// 1 / (1 + e⁻ˣ) of each element: a probability from log odds. The shape stays; whole numbers become
    /// `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([0.0, 2.0]).sigmoid()` is `tensor [2] f32 [0.5, 0.8808]`
    #[rhai_fn(return_raw)]
    pub fn sigmoid(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Sigmoid)?)
    }

    /// Each element, 0 where it is negative. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([-1.0, 2.0]).relu()` is `tensor [2] f32 [0, 2]`
    #[rhai_fn(return_raw)]
    pub fn relu(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Relu)?)
    }

    /// x · Φ(x) of each element, exactly (not by its tanh approximation). The shape stays; whole numbers
    /// become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([-1.0, 0.0, 1.0]).gelu()` is `tensor [3] f32 [-0.15866, 0, 0.84134]`
    #[rhai_fn(return_raw)]
    pub fn gelu(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Gelu)?)
    }

    /// The sine of each element, in radians. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([0.0, 1.0]).sin()` is `tensor [2] f32 [0, 0.84147]`
    #[rhai_fn(return_raw)]
    pub fn sin(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Sin)?)
    }

    /// The cosine of each element, in radians. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([0.0, 1.0]).cos()` is `tensor [2] f32 [1, 0.5403]`
    #[rhai_fn(return_raw)]
    pub fn cos(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Cos)?)
    }

    /// The greatest integer not above each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([1.5, -1.5]).floor()` is `tensor [2] f32 [1, -2]`
    #[rhai_fn(return_raw)]
    pub fn floor(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Floor)?)
    }

    /// The smallest integer not below each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([1.5, -1.5]).ceil()` is `tensor [2] f32 [2, -1]`
    #[rhai_fn(return_raw)]
    pub fn ceil(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Ceil)?)
    }

    /// The integer nearest to each element; halves go away from 0. The shape stays; whole numbers stay whole,
    /// as `i64`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([1.4, 2.5, -2.5]).round()` is `tensor [3] f32 [1, 3, -3]`
    #[rhai_fn(return_raw)]
    pub fn round(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Round)?)
    }

    /// −1, 0 or 1, after the sign of each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([-0.5, 0.0, 3.0]).sign()` is `tensor [3] f32 [-1, 0, 1]`
    #[rhai_fn(return_raw)]
    pub fn sign(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Sign)?)
    }

    /// 1 / x of each element. The shape stays; whole numbers become `f32`.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([4.0, -0.5]).reciprocal()` is `tensor [2] f32 [0.25, -2]`
    #[rhai_fn(return_raw)]
    pub fn reciprocal(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Reciprocal)?)
    }

    /// The greater of each element and that of `other`, a tensor or a number; shapes broadcast.
    ///
    /// Errors: shapes that do not broadcast, tensors on different devices, an `other` that is neither tensor
    /// nor number.
    ///
    /// Example: `tensor([1, 5]).maximum(tensor([3, 4]))` is `tensor [2] i64 [3, 5]`
    #[rhai_fn(return_raw)]
    pub fn maximum(tensor: Tensor, other: Dynamic) -> ScriptResult<Tensor> {
        let other = operand("maximum", "other", &other, &tensor)?;
        Ok(tensor.binary(Binary::Maximum, &other)?)
    }

    /// The smaller of each element and that of `other`, a tensor or a number; shapes broadcast.
    ///
    /// Errors: shapes that do not broadcast, tensors on different devices, an `other` that is neither tensor
    /// nor number.
    ///
    /// Example: `tensor([0.2, 1.7]).minimum(1.0)` is `tensor [2] f32 [0.2, 1]`
    #[rhai_fn(return_raw)]
    pub fn minimum(tensor: Tensor, other: Dynamic) -> ScriptResult<Tensor> {
        let other = operand("minimum", "other", &other, &tensor)?;
        Ok(tensor.binary(Binary::Minimum, &other)?)
    }

    /// Each element, not below `low` nor above `high`. The shape stays.
    ///
    /// Errors: `low` above `high`, a bound that is NaN.
    ///
    /// Example: `tensor([-3.0, 0.5, 9.0]).clamp(-1.0, 1.0)` is `tensor [3] f32 [-1, 0.5, 1]`
    #[rhai_fn(return_raw)]
    pub fn clamp(tensor: Tensor, low: Dynamic, high: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.clamp(argument("clamp", "low", &low)?, argument("clamp", "high", &high)?)?)
    }

    /// Elements of `yes` where the `mask` is not 0, of `no` elsewhere; each a tensor or a number, shapes
    /// broadcast.
    ///
    /// Errors: shapes that do not broadcast, something that is neither tensor nor number.
    ///
    /// Example: `let x = tensor([-1.0, 2.0]); where(x > 0, x, 0.0)` is `tensor [2] f32 [0, 2]`
    #[rhai_fn(name = "where", return_raw)]
    pub fn choose(mask: Tensor, yes: Dynamic, no: Dynamic) -> ScriptResult<Tensor> {
        // A plain number takes the format of the tensor it is chosen against.
        let like =
            Tensor::from_script(&yes).or_else(|| Tensor::from_script(&no)).unwrap_or_else(|| mask.clone());
        Ok(mask.choose(&operand("where", "yes", &yes, &like)?, &operand("where", "no", &no, &like)?)?)
    }

    /// The part of a tensor that an index names: an integer (negative from the end), a range, a tensor of
    /// places, or an array with an index for each axis, where `()` is the whole axis and an array names
    /// places: `t[0]`, `t[1..3]`, `t[[(), -1]]`, `t[[0, [2, 5]]]`. An integer takes its axis away; a range or
    /// places leave it with as many elements.
    ///
    /// Errors: a place outside an axis, more indices than axes.
    ///
    /// Example: `let t = tensor([[1, 2, 3], [4, 5, 6]]); t[[(), -1]]` is `tensor [2] i64 [3, 6]`
    #[rhai_fn(index_get, return_raw)]
    pub fn at(tensor: Tensor, index: i64) -> ScriptResult<Tensor> {
        Ok(tensor.pick(&[Pick::At(index)])?)
    }

    // Rhai asks the indexer for unknown properties too, with their name as a string: an index of any type
    // would hide that `t.shap` is misspelt.
    #[rhai_fn(index_get, return_raw)]
    pub fn at_range(tensor: Tensor, index: Range<i64>) -> ScriptResult<Tensor> {
        Ok(tensor.pick(&[Pick::Range(index.start, Some(index.end))])?)
    }

    #[rhai_fn(index_get, return_raw)]
    pub fn at_inclusive_range(tensor: Tensor, index: RangeInclusive<i64>) -> ScriptResult<Tensor> {
        Ok(tensor.pick(&picks("index", &index.into())?)?)
    }

    #[rhai_fn(index_get, return_raw)]
    pub fn at_each(tensor: Tensor, index: Array) -> ScriptResult<Tensor> {
        Ok(tensor.pick(&picks("index", &index.into())?)?)
    }

    #[rhai_fn(index_get, return_raw)]
    pub fn at_places(tensor: Tensor, index: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.pick(&picks("index", &Dynamic::from(index))?)?)
    }

    /// The part of one `axis`, which is named or numbered. The `index` is an integer, which takes the axis
    /// away, a range, an array or a tensor of places, or `()` for the whole axis.
    ///
    /// Errors: an axis that the tensor does not have, a place outside it.
    ///
    /// Example: `let t = zeros([2, 8, 64]).named(["batch", "pos", "d_model"]); t.slice("pos", 1..3).shape`
    /// is `[2, 2, 64]`
    #[rhai_fn(return_raw)]
    pub fn slice(tensor: Tensor, axis: Dynamic, index: Dynamic) -> ScriptResult<Tensor> {
        let axis = argument("slice", "axis", &axis)?;
        Ok(tensor.pick_axis(&axis, argument("slice", "index", &index)?)?)
    }

    /// A copy, of the same shape, in which the part that `index` names (see `[]`) holds `value`: a tensor
    /// that stretches to the part, or a number.
    ///
    /// Errors: a place outside an axis, an array of places, a value that does not stretch to the part.
    ///
    /// Example: `tensor([[1, 2], [3, 4]]).replaced([(), -1], 0)` is `tensor [2, 2] i64 [[1, 0], [3, 0]]`
    #[rhai_fn(return_raw)]
    pub fn replaced(tensor: Tensor, index: Dynamic, value: Dynamic) -> ScriptResult<Tensor> {
        let value = operand("replaced", "value", &value, &tensor)?;
        Ok(tensor.with_part(&picks("replaced", &index)?, &value)?)
    }

    /// The matrix product: [.., m, k] · [.., k, n] → [.., m, n]; leading axes broadcast, a vector is a row on
    /// the left and a column on the right.
    ///
    /// Errors: another number of columns on the left than of rows on the right, leading axes that do not
    /// broadcast, a tensor without axes.
    ///
    /// Example: `tensor([[1.0, 2.0], [3.0, 4.0]]).matmul(tensor([1.0, -1.0]))` is `tensor [2] f32 [-1, -1]`
    #[rhai_fn(return_raw)]
    pub fn matmul(left: Tensor, right: Tensor) -> ScriptResult<Tensor> {
        Ok(crate::tensor::matmul(&left, &right)?)
    }

    /// The axes `a` and `b` (by number or name) exchanged; without them, the last two: [.., m, n] → [.., n,
    /// m].
    ///
    /// Errors: an axis that the tensor does not have.
    ///
    /// Example: `tensor([[1, 2, 3], [4, 5, 6]]).transpose()` is `tensor [3, 2] i64 [[1, 4], [2, 5], [3, 6]]`
    #[rhai_fn(return_raw)]
    pub fn transpose(tensor: Tensor, a: Dynamic, b: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.transpose(&argument("transpose", "a", &a)?, &argument("transpose", "b", &b)?)?)
    }

    #[rhai_fn(name = "transpose", return_raw)]
    pub fn transpose_last(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.transpose(&Axis::Number(-2), &Axis::Number(-1))?)
    }

    /// The tensor with its `axes` in another order: all of them, by number or name.
    ///
    /// Errors: an axis that the tensor does not have, one that is left out or comes twice.
    ///
    /// Example: `let t = zeros([2, 5, 8]).named(["batch", "pos", "head"]); t.permute(["head", "batch",
    /// "pos"]).shape` is `[8, 2, 5]`
    #[rhai_fn(return_raw)]
    pub fn permute(tensor: Tensor, axes: Array) -> ScriptResult<Tensor> {
        let axes: Vec<Axis> = argument("permute", "axes", &axes.into())?;
        Ok(tensor.permute(&axes)?)
    }

    /// The same numbers in another `shape`; one length may be −1 and is worked out. Names are lost.
    ///
    /// Errors: a shape of another number of elements.
    ///
    /// Example: `arange(6).reshape([2, -1])` is `tensor [2, 3] i64 [[0, 1, 2], [3, 4, 5]]`
    #[rhai_fn(return_raw)]
    pub fn reshape(tensor: Tensor, shape: Array) -> ScriptResult<Tensor> {
        let shape: Vec<i64> = argument("reshape", "shape", &shape.into())?;
        Ok(tensor.reshape(&shape)?)
    }

    /// All numbers along one axis, [count], the last axis fastest.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([[1, 2], [3, 4]]).flatten()` is `tensor [4] i64 [1, 2, 3, 4]`
    #[rhai_fn(return_raw)]
    pub fn flatten(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.flatten()?)
    }

    /// Without the `axis`, of length 1, by number or name; without an argument, without all of them.
    ///
    /// Errors: an axis of another length, or one that the tensor does not have.
    ///
    /// Example: `zeros([1, 3, 1]).squeeze(0).shape` is `[3, 1]`
    #[rhai_fn(return_raw)]
    pub fn squeeze(tensor: Tensor, axis: Dynamic) -> ScriptResult<Tensor> {
        Ok(tensor.squeeze(&argument("squeeze", "axis", &axis)?)?)
    }

    #[rhai_fn(name = "squeeze", return_raw)]
    pub fn squeeze_all(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.squeeze_all()?)
    }

    /// With a new axis of length 1 at a `place`; −1 is the last.
    ///
    /// Errors: a place that is none: with n axes, below −n − 1 or above n.
    ///
    /// Example: `tensor([1, 2, 3]).unsqueeze(-1).shape` is `[3, 1]`
    #[rhai_fn(return_raw)]
    pub fn unsqueeze(tensor: Tensor, place: i64) -> ScriptResult<Tensor> {
        Ok(tensor.unsqueeze(place)?)
    }

    /// Stretched to a `shape`, an integer or an array of them: axes of length 1, and missing leading ones,
    /// repeat.
    ///
    /// Errors: a shape that the tensor does not stretch to.
    ///
    /// Example: `tensor([1, 2]).broadcast_to([3, 2])` is `tensor [3, 2] i64 [[1, 2], [1, 2], [1, 2]]`
    #[rhai_fn(return_raw)]
    pub fn broadcast_to(tensor: Tensor, shape: Dynamic) -> ScriptResult<Tensor> {
        let Dims(dims) = argument("broadcast_to", "shape", &shape)?;
        Ok(tensor.broadcast_to(&dims)?)
    }

    /// The `tensors` joined along an `axis` they have, by number or name; without an axis, the first. The
    /// other axes are equally long.
    ///
    /// Errors: no tensors, an axis that they do not have, other axes of different lengths.
    ///
    /// Example: `cat([tensor([[1], [2]]), tensor([[3], [4]])], 1)` is `tensor [2, 2] i64 [[1, 3], [2, 4]]`
    #[rhai_fn(return_raw)]
    pub fn cat(tensors: Array, axis: Dynamic) -> ScriptResult<Tensor> {
        let tensors: Vec<Tensor> = argument("cat", "tensors", &tensors.into())?;
        Ok(crate::tensor::cat(&tensors, &argument("cat", "axis", &axis)?)?)
    }

    #[rhai_fn(name = "cat", return_raw)]
    pub fn cat_first(tensors: Array) -> ScriptResult<Tensor> {
        cat(tensors, 0_i64.into())
    }

    /// The `tensors`, of one shape, joined along a new axis at a `place`; without a place, the first.
    ///
    /// Errors: no tensors, shapes that differ, a place beyond their axes.
    ///
    /// Example: `stack([tensor([1, 2]), tensor([3, 4])])` is `tensor [2, 2] i64 [[1, 2], [3, 4]]`
    #[rhai_fn(return_raw)]
    pub fn stack(tensors: Array, place: i64) -> ScriptResult<Tensor> {
        let tensors: Vec<Tensor> = argument("stack", "tensors", &tensors.into())?;
        Ok(crate::tensor::stack(&tensors, place)?)
    }

    #[rhai_fn(name = "stack", return_raw)]
    pub fn stack_first(tensors: Array) -> ScriptResult<Tensor> {
        stack(tensors, 0)
    }
}
