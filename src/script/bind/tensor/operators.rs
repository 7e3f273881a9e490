//! `+ - * /` and comparisons between tensors and numbers, and unary minus and powers.

use rhai::plugin::*;

/// One operator between tensors, integers and numbers, either way around.
macro_rules! operator {
    ($module:ident, $symbol:tt, $op:ident, $doc:tt) => {
        #[export_module(manifest)]
        pub mod $module {
            use crate::script::error::ScriptResult;
            use crate::tensor::{Binary, NamedTensor};

            type Tensor = NamedTensor;

            #[doc = $doc]
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

operator!(add, "+", Add, "The sum, element by element; shapes broadcast, as for all operators.");
operator!(subtract, "-", Subtract, "The difference, element by element.");
operator!(multiply, "*", Multiply, "The product, element by element (for matrices see matmul).");
operator!(divide, "/", Divide, "The quotient, element by element, always with fractions.");
operator!(equal, "==", Equal, "1 where elements are equal, else 0; close_to compares whole tensors.");
operator!(not_equal, "!=", NotEqual, "1 where elements differ, else 0.");
operator!(less, "<", Less, "1 where the left element is less, else 0.");
operator!(less_or_equal, "<=", LessOrEqual, "1 where the left element is less or equal, else 0.");
operator!(greater, ">", Greater, "1 where the left element is greater, else 0.");
operator!(greater_or_equal, ">=", GreaterOrEqual, "1 where the left element is greater or equal, else 0.");

#[export_module(manifest)]
pub mod others {
    use crate::script::error::ScriptResult;
    use crate::tensor::{NamedTensor, Unary};

    type Tensor = NamedTensor;

    /// The negative of each element.
    #[rhai_fn(name = "-", return_raw)]
    pub fn negative(tensor: Tensor) -> ScriptResult<Tensor> {
        Ok(tensor.unary(Unary::Negate)?)
    }

    /// The tensor itself.
    #[rhai_fn(name = "+")]
    pub fn positive(tensor: Tensor) -> Tensor {
        tensor
    }

    /// Each element to the power of `exponent`.
    #[rhai_fn(name = "**", name = "pow", return_raw)]
    pub fn power(tensor: Tensor, exponent: f64) -> ScriptResult<Tensor> {
        Ok(tensor.power(exponent)?)
    }

    #[rhai_fn(name = "**", name = "pow", return_raw)]
    pub fn integer_power(tensor: Tensor, exponent: i64) -> ScriptResult<Tensor> {
        Ok(tensor.power(exponent as f64)?)
    }
}
