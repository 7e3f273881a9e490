//! Correlations, and the likeness of vectors and representations.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;

fn pairs(function: &str, a: &Array, b: &Array) -> crate::Result<(Vec<f64>, Vec<f64>)> {
    let a = convert::numbers("a", a).within(|| function.to_owned())?;
    Ok((a, convert::numbers("b", b).within(|| function.to_owned())?))
}

#[export_module(manifest)]
pub mod correlations {
    use super::pairs;
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats::{self, Correlation};

    /// Pearson's correlation of two arrays, `a` and `b`, with its test against zero: `statistic` and
    /// `estimate` are r, p from Student's t distribution, the interval through Fisher's z.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: unequal lengths, fewer than three pairs, NaN, a sample that does not vary.
    ///
    /// Example: `fixed(pearson([1, 2, 3, 4], [1, 3, 2, 4]).estimate, 3)` is `0.800`
    #[rhai_fn(return_raw)]
    pub fn pearson(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("pearson", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (a, b) = pairs("pearson", &a, &b)?;
        Ok(convert::test(stats::pearson(&a, &b, settings).within(|| "pearson")?))
    }

    #[rhai_fn(name = "pearson", return_raw)]
    pub fn pearson_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        pearson(a, b, Map::new())
    }

    /// Spearman's rank correlation of two arrays, `a` and `b`, with its test against zero: `statistic` and
    /// `estimate` are ρ, p from Student's t distribution (exact where the ranks agree altogether), the
    /// interval through Fisher's z with the variance of Bonett and Wright (2000).
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: unequal lengths, fewer than three pairs, NaN, a sample that does not vary.
    ///
    /// Example: `fixed(spearman([1, 2, 3, 4], [1, 10, 5, 100]).estimate, 3)` is `0.800`
    #[rhai_fn(return_raw)]
    pub fn spearman(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("spearman", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (a, b) = pairs("spearman", &a, &b)?;
        Ok(convert::test(stats::spearman(&a, &b, settings).within(|| "spearman")?))
    }

    #[rhai_fn(name = "spearman", return_raw)]
    pub fn spearman_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        spearman(a, b, Map::new())
    }

    /// Kendall's rank correlation τ_b of two arrays, `a` and `b`, with its test against zero: `statistic` and
    /// `estimate` are τ, the interval through Fisher's z with the variance of Fieller, Hartley and Pearson
    /// (1957).
    ///
    /// Options: `method` ("auto" | "exact" | "asymptotic", "auto"): "auto" is exact for up to 33 pairs without
    /// equal values, else the normal approximation, corrected for ties; `alternative` ("two-sided" | "less" |
    /// "greater", "two-sided"); `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: unequal lengths, fewer than three pairs, NaN, a sample that does not vary, "exact" with equal
    /// values.
    ///
    /// Example: `fixed(kendall([1, 2, 3, 4], [1, 3, 2, 4]).estimate, 3)` is `0.667`
    #[rhai_fn(return_raw)]
    pub fn kendall(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("kendall", options);
        let approach = convert::approach(&mut options)?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (a, b) = pairs("kendall", &a, &b)?;
        Ok(convert::test(stats::kendall(&a, &b, approach, settings).within(|| "kendall")?))
    }

    #[rhai_fn(name = "kendall", return_raw)]
    pub fn kendall_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        kendall(a, b, Map::new())
    }

    /// Do two correlations of independent sets of pairs differ? Fisher's z test of `r_a` from `n_a` pairs and
    /// `r_b` from `n_b`. Estimate: r_a − r_b, with the interval of Zou (2007).
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: a correlation not between −1 and 1, fewer than four pairs.
    ///
    /// Example: `fixed(correlation_difference_test(0.8, 50, 0.5, 50).p, 4)` is `0.0077`
    #[rhai_fn(return_raw)]
    pub fn correlation_difference_test(
        r_a: Dynamic,
        n_a: i64,
        r_b: Dynamic,
        n_b: i64,
        options: Map,
    ) -> ScriptResult<Map> {
        const NAME: &str = "correlation_difference_test";
        let mut options = Options::of(NAME, options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let a = Correlation { r: argument(NAME, "r_a", &r_a)?, n: argument(NAME, "n_a", &n_a.into())? };
        let b = Correlation { r: argument(NAME, "r_b", &r_b)?, n: argument(NAME, "n_b", &n_b.into())? };
        Ok(convert::test(stats::correlation_difference(a, b, settings).within(|| NAME)?))
    }

    #[rhai_fn(name = "correlation_difference_test", return_raw)]
    pub fn correlation_difference_test_plainly(
        r_a: Dynamic,
        n_a: i64,
        r_b: Dynamic,
        n_b: i64,
    ) -> ScriptResult<Map> {
        correlation_difference_test(r_a, n_a, r_b, n_b, Map::new())
    }

    /// Cosine of the angle between two vectors, `a` and `b`, from −1 to 1: arrays, or tensors of one axis.
    ///
    /// Errors: unequal lengths, NaN, a vector of zeros.
    ///
    /// Example: `fixed(cosine_similarity([1.0, 0.0], tensor([1.0, 1.0])), 3)` is `0.707`
    #[rhai_fn(return_raw)]
    pub fn cosine_similarity(a: Dynamic, b: Dynamic) -> ScriptResult<f64> {
        let (a, b) =
            (convert::vector("cosine_similarity: a", &a)?, convert::vector("cosine_similarity: b", &b)?);
        Ok(stats::cosine_similarity(&a, &b).within(|| "cosine_similarity")?)
    }

    /// Euclidean distance of two vectors, `a` and `b`, in their unit: arrays, or tensors of one axis.
    ///
    /// Errors: unequal lengths, NaN.
    ///
    /// Example: `euclidean_distance([0, 0], [3, 4])` is `5.0`
    #[rhai_fn(return_raw)]
    pub fn euclidean_distance(a: Dynamic, b: Dynamic) -> ScriptResult<f64> {
        let a = convert::vector("euclidean_distance: a", &a)?;
        let b = convert::vector("euclidean_distance: b", &b)?;
        Ok(stats::euclidean_distance(&a, &b).within(|| "euclidean_distance")?)
    }

    /// Centred kernel alignment of two representations, `x` and `y`, of the same observations, with linear
    /// kernels, from 0 to 1 (Kornblith et al., 2019): ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred columns. Rotating,
    /// scaling or moving one does not change it.
    ///
    /// Each is a tensor [observation, feature] or an array of rows; they may differ in width. With more
    /// features than observations the alignment of unrelated representations is well above 0.
    ///
    /// Errors: unequal numbers of rows, fewer than two, NaN, rows that are all equal.
    ///
    /// Example: `let x = tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]]); fixed(linear_cka(x, x * 2.0 + 1.0), 3)`
    /// is `1.000`
    #[rhai_fn(return_raw)]
    pub fn linear_cka(x: Dynamic, y: Dynamic) -> ScriptResult<f64> {
        let (x, y) = (convert::matrix("linear_cka: x", &x)?, convert::matrix("linear_cka: y", &y)?);
        Ok(stats::linear_cka(&x, &y).within(|| "linear_cka")?)
    }
}
