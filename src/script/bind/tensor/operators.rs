//! `+ - * /` and comparisons between tensors and numbers, and unary minus and powers.

use rhai::plugin::*;

/// One operator between tensors, integers and numbers, either way around.
macro_rules! operator {
    ($module:ident, $symbol:tt, $op:ident, $($doc:tt),+ $(,)?) => {
        #[export_module(manifest)]
        pub mod $module {
            use crate::script::error::ScriptResult;
            use crate::tensor::{Binary, NamedTensor};

            type Tensor = NamedTensor;

            $(#[doc = $doc])+
            #[rhai_fn(name = $symbol, return_raw)]
            pub fn tensors(left: Tensor, right: Tensor) -> ScriptResult<Tensor> {
                Ok(left.binary(Binary::$op, &right)?)
            }

            #[rhai_fn(name = $symbol, return_raw)]
            pub fn number_right(left: Tensor, right: f64) -> ScriptResult<Tensor> {
                Ok(left.binary(Binary::$op, &left.scalar_like(right)?)?)
            }

            #[rhai_fn(name = $symbol, return_raw)]
            pub fn integer_right(left: Tensor, right: i64) -> ScriptResult<Tensor> {
                Ok(left.binary(Binary::$op, &left.integer_like(right)?)?)
            }

            #[rhai_fn(name = $symbol, return_raw)]
            pub fn number_left(left: f64, right: Tensor) -> ScriptResult<Tensor> {
                Ok(right.scalar_like(left)?.binary(Binary::$op, &right)?)
            }

            #[rhai_fn(name = $symbol, return_raw)]
            pub fn integer_left(left: i64, right: Tensor) -> ScriptResult<Tensor> {
                Ok(right.integer_like(left)?.binary(Binary::$op, &right)?)
            }
        }
    };
}

operator!(
    add,
    "+",
    Add,
    "The sum, element by element; shapes broadcast, as for all operators, and a number meets every element.",
    "",
    "Errors: shapes that do not broadcast, whole numbers whose result 64 bits do not hold.",
    "",
    "Example: `tensor([[1, 2], [3, 4]]) + tensor([10, 20])` is `tensor [2, 2] i64 [[11, 22], [13, 24]]`",
);
operator!(
    subtract,
    "-",
    Subtract,
    "The difference, element by element; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast, whole numbers whose result 64 bits do not hold.",
    "",
    "Example: `1.0 - tensor([0.25, 0.5])` is `tensor [2] f32 [0.75, 0.5]`",
);
operator!(
    multiply,
    "*",
    Multiply,
    "The product, element by element (for matrices see matmul); shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast, whole numbers whose result 64 bits do not hold.",
    "",
    "Example: `tensor([1, 2, 3]) * 2` is `tensor [3] i64 [2, 4, 6]`",
);
operator!(
    divide,
    "/",
    Divide,
    "The quotient, element by element, always with fractions; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([1, 2, 3]) / 2` is `tensor [3] f32 [0.5, 1, 1.5]`",
);
operator!(
    equal,
    "==",
    Equal,
    "1 where elements are equal, else 0, as `u8`; shapes broadcast. close_to compares whole tensors.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([1, 2]) == tensor([1, 3])` is `tensor [2] u8 [1, 0]`",
);
operator!(
    not_equal,
    "!=",
    NotEqual,
    "1 where elements differ, else 0, as `u8`; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([1, 2]) != 1` is `tensor [2] u8 [0, 1]`",
);
operator!(
    less,
    "<",
    Less,
    "1 where the left element is less, else 0, as `u8`; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([0.2, 0.7]) < 0.5` is `tensor [2] u8 [1, 0]`",
);
operator!(
    less_or_equal,
    "<=",
    LessOrEqual,
    "1 where the left element is less or equal, else 0, as `u8`; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([1, 2, 3]) <= 2` is `tensor [3] u8 [1, 1, 0]`",
);
operator!(
    greater,
    ">",
    Greater,
    "1 where the left element is greater, else 0, as `u8`; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `tensor([0.2, 0.7]) > tensor([0.1, 0.9])` is `tensor [2] u8 [1, 0]`",
);
operator!(
    greater_or_equal,
    ">=",
    GreaterOrEqual,
    "1 where the left element is greater or equal, else 0, as `u8`; shapes broadcast.",
    "",
    "Errors: shapes that do not broadcast.",
    "",
    "Example: `(tensor([1, 2, 3]) >= 2).sum().item()` is `2`",
);

#[export_module(manifest)]
pub mod others {
    use crate::script::error::ScriptResult;
    use crate::tensor::{NamedTensor, Unary};

    type Tensor = NamedTensor;

    /// The negative of each element. The shape stays; whole numbers stay whole, as `i64`.
    ///
    /// Errors: a whole number whose negative 64 bits do not hold.
    ///
    /// Example: `-tensor([1, -2])` is `tensor [2] i64 [-1, 2]`
    #[rhai_fn(name = "-", return_raw)]
    pub fn negative(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Negate)?)
    }

    /// The tensor itself, in its shape.
    ///
    /// Example: `+tensor([1, -2])` is `tensor [2] i64 [1, -2]`
    #[rhai_fn(name = "+")]
    pub fn positive(tensor: Tensor) -> Tensor {
        tensor
    }

    /// Each element to the power of `exponent`; whole numbers become `f32`. The shape stays.
    ///
    /// Errors: on a device other than the CPU, no memory for the result.
    ///
    /// Example: `tensor([1, 2, 3]) ** 2` is `tensor [3] f32 [1, 4, 9]`
    #[rhai_fn(name = "**", name = "pow", return_raw)]
    pub fn power(tensor: Tensor, exponent: f64) -> ScriptResult<Tensor> {
        Ok(tensor.power(exponent)?)
    }

    #[rhai_fn(name = "**", name = "pow", return_raw)]
    pub fn integer_power(tensor: Tensor, exponent: i64) -> ScriptResult<Tensor> {
        Ok(tensor.power(exponent as f64)?)
    }
}
