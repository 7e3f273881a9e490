//! Comparisons of floats as IEEE 754 has them.
//!
//! Rhai's own take two floats for equal whose difference is below 2.2e-16 of the larger one, or below 2.2e-16 where one of
//! them is 0: of 1e-20 it says that it is not above 0, and of infinity that it is neither equal to anything, itself
//! included, nor above it. A p-value, a norm and an odds ratio are such numbers.

use rhai::{FuncRegistration, INT, Module};

/// Puts the six comparisons of two floats, and of a float and an integer, into a module.
pub fn register(module: &mut Module) {
    macro_rules! compare {
        ($($name:literal $operator:tt),*) => {$(
            let operator = || FuncRegistration::new($name);
            operator().set_into_module(module, |a: f64, b: f64| a $operator b);
            operator().set_into_module(module, |a: f64, b: INT| a $operator b as f64);
            operator().set_into_module(module, |a: INT, b: f64| (a as f64) $operator b);
        )*};
    }
    #[allow(clippy::float_cmp)]
    {
        compare!("==" ==, "!=" !=, "<" <, "<=" <=, ">" >, ">=" >=);
    }
}
