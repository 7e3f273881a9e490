//! Making tensors and asking what they are.

use rhai::plugin::*;

use crate::device::dtype as parse_dtype;
use crate::script::bind::prelude::*;
use crate::script::bind::tensor::convert::Dims;
use crate::tensor::NamedTensor;

/// A tensor with one value everywhere.
fn filled(call: &NativeCallContext, value: f64, shape: &Dynamic, dtype: &str) -> ScriptResult<NamedTensor> {
    let Dims(dims) = argument(call.fn_name(), "shape", shape)?;
    Ok(NamedTensor::full(value, &dims, parse_dtype(dtype)?, Context::of(call)?.device())?)
}

#[export_module(manifest)]
pub mod make {
    use super::filled;
    use crate::device::{device_name, dtype as parse_dtype};
    use crate::script::bind::prelude::*;
    use crate::script::bind::tensor::convert::{Dims, from_arrays, to_dynamic};
    use crate::tensor::NamedTensor;

    /// Numbers along axes: a candle tensor, with names for its axes where they are known ("batch", "pos",
    /// "head", "d_model", …). Cheap to copy; no function changes a tensor in place.
    ///
    /// Index with `t[i]`, `t[-1]`, `t[1..3]`, or an array with an index for each axis: `t[[0, 1..3, ()]]`, where
    /// `()` is the whole axis.
    pub type Tensor = NamedTensor;

    /// A tensor of `values`, a number (shape []) or nested arrays of numbers, whose lengths are its shape;
    /// `i64` where all are integers, `u8` (1 and 0) where all are true or false, else `f32`.
    ///
    /// Options: `dtype` ("f32" | "f64" | "f16" | "bf16" | "i64" | "u32" | "u8", what the numbers are): the
    /// number format; `names` (array, none): a name for each axis.
    ///
    /// Errors: rows of unequal length, another number of names than of axes.
    ///
    /// Example: `tensor([[0.5, 1.0]], #{ names: ["batch", "d_model"] })`
    /// is `tensor [batch 1, d_model 2] f32 [[0.5, 1]]`
    #[rhai_fn(return_raw)]
    pub fn tensor(call: NativeCallContext, values: Dynamic, options: Map) -> ScriptResult<Tensor> {
        let context = Context::of(&call)?;
        let mut options = Options::of("tensor", options);
        let dtype = options.maybe::<String>("dtype")?.map(|name| parse_dtype(&name)).transpose()?;
        let names = options.maybe::<Vec<String>>("names")?;
        options.finish()?;
        let made = from_arrays(&values, dtype, context.device())?;
        match names {
            Some(names) => Ok(NamedTensor::named(made.into_tensor(), &names)?),
            None => Ok(made),
        }
    }

    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor_plainly(call: NativeCallContext, values: Dynamic) -> ScriptResult<Tensor> {
        tensor(call, values, Map::new())
    }

    /// A tensor of zeros. The `shape` is an integer or an array of them; the number format `f32` unless
    /// `dtype` says otherwise.
    ///
    /// Errors: a shape with a length below 0 or of more numbers than memory holds, an unknown number format.
    ///
    /// Example: `zeros([2, 3])` is `tensor [2, 3] f32 [[0, 0, 0], [0, 0, 0]]`
    #[rhai_fn(return_raw)]
    pub fn zeros(call: NativeCallContext, shape: Dynamic, dtype: &str) -> ScriptResult<Tensor> {
        filled(&call, 0.0, &shape, dtype)
    }

    #[rhai_fn(name = "zeros", return_raw)]
    pub fn zeros_f32(call: NativeCallContext, shape: Dynamic) -> ScriptResult<Tensor> {
        filled(&call, 0.0, &shape, "f32")
    }

    /// A tensor of ones. The `shape` is an integer or an array of them; the number format `f32` unless
    /// `dtype` says otherwise.
    ///
    /// Errors: a shape with a length below 0 or of more numbers than memory holds, an unknown number format.
    ///
    /// Example: `ones(3, "i64")` is `tensor [3] i64 [1, 1, 1]`
    #[rhai_fn(return_raw)]
    pub fn ones(call: NativeCallContext, shape: Dynamic, dtype: &str) -> ScriptResult<Tensor> {
        filled(&call, 1.0, &shape, dtype)
    }

    #[rhai_fn(name = "ones", return_raw)]
    pub fn ones_f32(call: NativeCallContext, shape: Dynamic) -> ScriptResult<Tensor> {
        filled(&call, 1.0, &shape, "f32")
    }

    /// A tensor with `value` everywhere. The `shape` is an integer or an array of them; the number format
    /// `f32` unless `dtype` says otherwise.
    ///
    /// Errors: a shape with a length below 0 or of more numbers than memory holds, a value that is no number,
    /// an unknown number format.
    ///
    /// Example: `full([2, 2], 0.5)` is `tensor [2, 2] f32 [[0.5, 0.5], [0.5, 0.5]]`
    #[rhai_fn(return_raw)]
    pub fn full(
        call: NativeCallContext,
        shape: Dynamic,
        value: Dynamic,
        dtype: &str,
    ) -> ScriptResult<Tensor> {
        filled(&call, argument("full", "value", &value)?, &shape, dtype)
    }

    #[rhai_fn(name = "full", return_raw)]
    pub fn full_f32(call: NativeCallContext, shape: Dynamic, value: Dynamic) -> ScriptResult<Tensor> {
        full(call, shape, value, "f32")
    }

    /// The integers from `start` (0) up to but not including `end`, `step` (1) apart: a tensor [count],
    /// `i64`.
    ///
    /// Errors: a step of 0, more numbers than memory holds.
    ///
    /// Example: `arange(0, 10, 3)` is `tensor [4] i64 [0, 3, 6, 9]`
    #[rhai_fn(return_raw)]
    pub fn arange(call: NativeCallContext, start: i64, end: i64, step: i64) -> ScriptResult<Tensor> {
        Ok(NamedTensor::arange(start, end, step, Context::of(&call)?.device())?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_between(call: NativeCallContext, start: i64, end: i64) -> ScriptResult<Tensor> {
        arange(call, start, end, 1)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_from_zero(call: NativeCallContext, end: i64) -> ScriptResult<Tensor> {
        arange(call, 0, end, 1)
    }

    /// `count` numbers from `start` to `end`, both included, at equal distances: a tensor [count], `f32`.
    ///
    /// Errors: a count below 0 or above what memory holds, an end that is no number.
    ///
    /// Example: `linspace(0, 1, 5)` is `tensor [5] f32 [0, 0.25, 0.5, 0.75, 1]`
    #[rhai_fn(return_raw)]
    pub fn linspace(
        call: NativeCallContext,
        start: Dynamic,
        end: Dynamic,
        count: Dynamic,
    ) -> ScriptResult<Tensor> {
        let (start, end) = (argument("linspace", "start", &start)?, argument("linspace", "end", &end)?);
        let count = argument("linspace", "count", &count)?;
        Ok(NamedTensor::linspace(start, end, count, Context::of(&call)?.device())?)
    }

    /// The identity matrix, [size, size], `f32`.
    ///
    /// Errors: a size below 0 or above what memory holds.
    ///
    /// Example: `eye(2)` is `tensor [2, 2] f32 [[1, 0], [0, 1]]`
    #[rhai_fn(return_raw)]
    pub fn eye(call: NativeCallContext, size: Dynamic) -> ScriptResult<Tensor> {
        Ok(NamedTensor::eye(argument("eye", "size", &size)?, Context::of(&call)?.device())?)
    }

    /// Numbers of the standard normal distribution from the run's seeded stream, `f32`. The `shape` is an
    /// integer or an array of them.
    ///
    /// Errors: a shape with a length below 0 or of more numbers than memory holds.
    ///
    /// Example: `randn([2, 64]).shape` is `[2, 64]`
    #[rhai_fn(return_raw, volatile)]
    pub fn randn(call: NativeCallContext, shape: Dynamic) -> ScriptResult<Tensor> {
        let context = Context::of(&call)?;
        let Dims(dims) = argument("randn", "shape", &shape)?;
        let mut random = context.random();
        Ok(NamedTensor::random(&dims, context.device(), &mut random, |random| random.normal())?)
    }

    /// Numbers in [0, 1) from the run's seeded stream, `f32`. The `shape` is an integer or an array of them;
    /// without one, one number.
    ///
    /// Errors: a shape with a length below 0 or of more numbers than memory holds.
    ///
    /// Example: `let r = rand([100]); (r >= 0).all() && (r < 1).all()` is `true`
    #[rhai_fn(name = "rand", return_raw, volatile)]
    pub fn rand_tensor(call: NativeCallContext, shape: Dynamic) -> ScriptResult<Tensor> {
        let context = Context::of(&call)?;
        let Dims(dims) = argument("rand", "shape", &shape)?;
        let mut random = context.random();
        Ok(NamedTensor::random(&dims, context.device(), &mut random, |random| random.uniform())?)
    }

    /// Length of each axis.
    ///
    /// Example: `zeros([2, 3]).shape` is `[2, 3]`
    #[rhai_fn(get = "shape")]
    pub fn shape(tensor: Tensor) -> Array {
        array(tensor.dims().iter().map(|length| *length as i64))
    }

    /// Number of axes.
    ///
    /// Example: `zeros([2, 3]).rank` is `2`
    #[rhai_fn(get = "rank")]
    pub fn rank(tensor: Tensor) -> i64 {
        tensor.rank() as i64
    }

    /// Number of elements.
    ///
    /// Example: `zeros([2, 3]).count` is `6`
    #[rhai_fn(get = "count")]
    pub fn count(tensor: Tensor) -> i64 {
        tensor.len() as i64
    }

    /// Length of the first axis.
    ///
    /// Errors: a tensor without axes.
    ///
    /// Example: `zeros([2, 3]).len()` is `2`
    #[rhai_fn(return_raw)]
    pub fn len(tensor: Tensor) -> ScriptResult<i64> {
        match tensor.dims().first() {
            Some(length) => Ok(*length as i64),
            None => Err(Error::new("len: a tensor of one number has no axes").into()),
        }
    }

    /// Number format: "f32", "f64", "f16", "bf16", "i64", "u32" or "u8".
    ///
    /// Example: `tensor([1, 2]).dtype` is `i64`
    #[rhai_fn(get = "dtype")]
    pub fn dtype(tensor: Tensor) -> String {
        tensor.dtype().as_str().to_owned()
    }

    /// Where the tensor lies: "cpu", "cuda:0", …
    ///
    /// Example: `zeros([2, 3]).device` is `cpu`
    #[rhai_fn(get = "device")]
    pub fn device(tensor: Tensor) -> String {
        device_name(tensor.device())
    }

    /// Names of the axes, "" for an axis without one; empty where none has a name.
    ///
    /// Example: `load_model("mora/tiny-ipd").run("Choose.").logits.names` is `["batch", "d_vocab"]`
    #[rhai_fn(get = "names")]
    pub fn names(tensor: Tensor) -> Array {
        array(tensor.names().unwrap_or_default().iter().cloned())
    }

    /// The same numbers, in the same shape, with `names`, one for each axis, "" for none.
    ///
    /// Errors: another number of names than of axes, a name that comes twice.
    ///
    /// Example: `zeros([2, 5]).named(["batch", "pos"]).mean("pos").names` is `["batch"]`
    #[rhai_fn(return_raw)]
    pub fn named(tensor: Tensor, names: Array) -> ScriptResult<Tensor> {
        let names: Vec<String> = argument("named", "names", &names.into())?;
        Ok(NamedTensor::named(tensor.into_tensor(), &names)?)
    }

    /// In another number format, `dtype`, and the same shape: "f32", "f64", "f16", "bf16", "i64", "u32",
    /// "u8". Fractions are cut off on the way to integers.
    ///
    /// Errors: an unknown number format.
    ///
    /// Example: `tensor([1.9, -1.9]).to_dtype("i64")` is `tensor [2] i64 [1, -1]`
    #[rhai_fn(return_raw)]
    pub fn to_dtype(tensor: Tensor, dtype: &str) -> ScriptResult<Tensor> {
        Ok(tensor.to_dtype(parse_dtype(dtype)?)?)
    }

    /// The numbers as nested arrays; a tensor without axes gives its number.
    ///
    /// Errors: none on a CPU; on another device, numbers that cannot be copied from it.
    ///
    /// Example: `tensor([[1, 2], [3, 4]]).to_array()[1]` is `[3, 4]`
    #[rhai_fn(return_raw)]
    pub fn to_array(tensor: Tensor) -> ScriptResult<Dynamic> {
        Ok(to_dynamic(tensor.to_nested()?))
    }

    /// The only number of a tensor that holds one.
    ///
    /// Errors: a tensor of more elements.
    ///
    /// Example: `tensor([1, 2, 3]).sum().item() + 1` is `7`
    #[rhai_fn(return_raw)]
    pub fn item(tensor: Tensor) -> ScriptResult<Dynamic> {
        Ok(to_dynamic(tensor.item()?))
    }

    /// Shape, number format and some of the values.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn tensor_to_string(tensor: Tensor) -> String {
        tensor.summary()
    }

    /// True where no element differs from that of `other` by more than `tolerance`; NaN is close to nothing.
    /// `other` is of the same shape: a tensor, a number or nested arrays of numbers.
    ///
    /// Errors: another shape, something that holds no numbers, a tolerance below 0.
    ///
    /// Example: `tensor([0.1, 0.2]).close_to([0.1, 0.2001], 0.001)` is `true`
    #[rhai_fn(return_raw)]
    pub fn close_to(tensor: Tensor, other: Dynamic, tolerance: Dynamic) -> ScriptResult<bool> {
        let other = from_arrays(&other, None, tensor.device())?;
        let tolerance = argument::<f64>("close_to", "tolerance", &tolerance)?;
        if tolerance.is_nan() || tolerance < 0.0 {
            return Err(
                Error::new(format!("close_to: a tolerance of {tolerance}, expected 0 or more")).into()
            );
        }
        Ok(tensor.is_close(&other, tolerance)?)
    }

    /// The slices along the first axis, an array of tensors: `for row in t.rows() { … }`.
    ///
    /// Errors: a tensor without axes.
    ///
    /// Example: `tensor([[1, 2], [3, 4]]).rows().map(|row| row.sum().item())` is `[3, 7]`
    #[rhai_fn(return_raw)]
    pub fn rows(tensor: Tensor) -> ScriptResult<Array> {
        let Some(length) = tensor.dims().first().copied() else {
            return Err(Error::new("rows: a tensor of one number has no axes").into());
        };
        let row = |index| Ok(Dynamic::from(tensor.pick(&[crate::tensor::Pick::At(index)])?));
        (0..length as i64).map(row).collect()
    }

    /// True where some element is NaN or infinite.
    ///
    /// Errors: none on a CPU; on another device, numbers that cannot be copied from it.
    ///
    /// Example: `tensor([1.0, 0.0]).ln().has_non_finite()` is `true`
    #[rhai_fn(return_raw)]
    pub fn has_non_finite(tensor: Tensor) -> ScriptResult<bool> {
        Ok(tensor.numbers()?.iter().any(|value| !value.is_finite()))
    }

    /// True where some element is not 0: makes one answer of a comparison.
    ///
    /// Errors: none on a CPU; on another device, numbers that cannot be copied from it.
    ///
    /// Example: `(tensor([0.2, 0.7]) > 0.5).any()` is `true`
    #[rhai_fn(return_raw)]
    pub fn any(tensor: Tensor) -> ScriptResult<bool> {
        Ok(tensor.numbers()?.iter().any(|value| *value != 0.0))
    }

    /// True where no element is 0: makes one answer of a comparison.
    ///
    /// Errors: none on a CPU; on another device, numbers that cannot be copied from it.
    ///
    /// Example: `(tensor([0.2, 0.7]) > 0.5).all()` is `false`
    #[rhai_fn(return_raw)]
    pub fn all(tensor: Tensor) -> ScriptResult<bool> {
        Ok(tensor.numbers()?.iter().all(|value| *value != 0.0))
    }
}
