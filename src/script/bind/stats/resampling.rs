//! Permutation tests and bootstrap intervals.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;
use crate::stats::{self, Differences};

fn sign_flip(
    call: &NativeCallContext,
    differences: crate::Result<Differences>,
    options: Map,
) -> ScriptResult<Map> {
    let mut options = Options::of("sign_flip_test", options);
    let draws = convert::draws(&mut options, Context::of(call)?.seed())?;
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| stats::sign_flip_test(&differences, draws, settings));
    Ok(convert::test(result.within(|| "sign_flip_test")?))
}

/// Takes the option `statistic` where it is a function: as one of several names it would be refused.
fn take_function(options: &mut Map) -> Option<FnPtr> {
    let function = options.get("statistic").and_then(FnPtr::from_script)?;
    options.remove("statistic");
    Some(function)
}

#[export_module(manifest)]
pub mod resampling {
    use super::{sign_flip, take_function};
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats::{self, PairStatistic, Statistic};

    /// Are the differences of pairs, a − b, symmetric around zero? The permutation test that flips their signs,
    /// of two arrays or of one of differences. Statistic and estimate: the mean difference.
    ///
    /// Up to 40 differences all sign patterns are counted; for more they are drawn, and p = (1 + those as far
    /// out) / (1 + drawn). Two-sided p is twice that of the nearer side.
    ///
    /// Options: `draws` (integer, 9999): how many patterns are drawn; `seed` (integer, the run's): of the
    /// draws; `always_draw` (bool, false): draws for few differences too; `alternative` ("two-sided" | "less" |
    /// "greater", "two-sided"); `confidence` (number, 0.95): without effect, for this test has no interval.
    ///
    /// Errors: unequal lengths, NaN, all differences zero.
    ///
    /// Example: `sign_flip_test([1.0, -0.1, 1.8, 0.6, 1.4]).p` is `0.125`
    #[rhai_fn(return_raw)]
    pub fn sign_flip_test(call: NativeCallContext, a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        sign_flip(&call, convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "sign_flip_test", return_raw)]
    pub fn sign_flip_test_plainly(call: NativeCallContext, a: Array, b: Array) -> ScriptResult<Map> {
        sign_flip(&call, convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "sign_flip_test", return_raw)]
    pub fn sign_flip_test_of_differences(
        call: NativeCallContext,
        differences: Array,
        options: Map,
    ) -> ScriptResult<Map> {
        sign_flip(&call, convert::differences(&differences), options)
    }

    #[rhai_fn(name = "sign_flip_test", return_raw)]
    pub fn sign_flip_test_of_differences_plainly(
        call: NativeCallContext,
        differences: Array,
    ) -> ScriptResult<Map> {
        sign_flip(&call, convert::differences(&differences), Map::new())
    }

    /// Have two independent samples the same distribution? The permutation test that exchanges values between
    /// them. Statistic and estimate: mean of a less mean of b.
    ///
    /// Up to 40 values in all, all divisions are counted; for more they are drawn, as in `sign_flip_test`.
    ///
    /// Options: `draws` (integer, 9999): how many divisions are drawn; `seed` (integer, the run's): of the
    /// draws; `always_draw` (bool, false): draws for few values too; `alternative` ("two-sided" | "less" |
    /// "greater", "two-sided"); `confidence` (number, 0.95): without effect, for this test has no interval.
    ///
    /// Errors: an empty sample, NaN, all values equal.
    ///
    /// Example: `fixed(permutation_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).p, 4)`
    /// is `0.0397`
    #[rhai_fn(return_raw)]
    pub fn permutation_test(call: NativeCallContext, a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("permutation_test", options);
        let draws = convert::draws(&mut options, Context::of(&call)?.seed())?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let a = convert::numbers("permutation_test: a", &a)?;
        let b = convert::numbers("permutation_test: b", &b)?;
        let result = stats::permutation_test(&a, &b, draws, settings);
        Ok(convert::test(result.within(|| "permutation_test")?))
    }

    #[rhai_fn(name = "permutation_test", return_raw)]
    pub fn permutation_test_plainly(call: NativeCallContext, a: Array, b: Array) -> ScriptResult<Map> {
        permutation_test(call, a, b, Map::new())
    }

    /// A bootstrap interval of a statistic of a sample: a map of `method`, `estimate`, `low`, `high`,
    /// `confidence`, `n`.
    ///
    /// Options: `statistic` ("mean" | "median" | "std" | function, "mean"): of the sample; a function gets an
    /// array and returns a number; `method` ("bca" | "percentile", "bca"): "bca" is the bias-corrected and
    /// accelerated interval (Efron, 1987); `resamples` (integer, 9999): how many samples are drawn; `seed`
    /// (integer, the run's): of the draws; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: fewer than two values, NaN, a statistic that is not finite; for "bca" a statistic that never
    /// changes.
    ///
    /// Example: `let share = bootstrap_interval([0.1, 0.4, 0.2, 0.7, 0.3], #{ resamples: 999, seed: 1 });
    /// share.low < 0.34 && share.high > 0.34` is `true`
    #[rhai_fn(return_raw)]
    pub fn bootstrap_interval(call: NativeCallContext, values: Array, options: Map) -> ScriptResult<Map> {
        let mut options = options;
        let function = take_function(&mut options);
        let mut options = Options::of("bootstrap_interval", options);
        let named = options.choice("statistic", &Statistic::ALL)?;
        let plan = convert::plan(&mut options, Context::of(&call)?.seed())?;
        options.finish()?;
        let values = convert::numbers("bootstrap_interval", &values)?;
        let callbacks = Callbacks::new(&call);
        let result = stats::bootstrap_sample(&values, plan, |values| match &function {
            None => Ok(named.of(values)),
            Some(function) => callbacks.call(function, (array(values.iter().copied()),)),
        });
        callbacks.settle(result.map(convert::estimate).within(|| "bootstrap_interval"))
    }

    #[rhai_fn(name = "bootstrap_interval", return_raw)]
    pub fn bootstrap_interval_plainly(call: NativeCallContext, values: Array) -> ScriptResult<Map> {
        bootstrap_interval(call, values, Map::new())
    }

    /// A bootstrap interval of the difference of a statistic of two independent samples, that of a less that of
    /// b: a map as of `bootstrap_interval`. Each sample is drawn from itself.
    ///
    /// Options: `statistic` ("mean" | "median" | "std" | function, "mean"): of a sample; a function gets an
    /// array and returns a number; `method` ("bca" | "percentile", "bca"): see `bootstrap_interval`;
    /// `resamples` (integer, 9999): how many samples are drawn; `seed` (integer, the run's): of the draws;
    /// `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: fewer than two values in a sample, NaN, a statistic that is not finite; for "bca" a statistic
    /// that never changes.
    ///
    /// Example: `let found = bootstrap_difference([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6],
    /// #{ seed: 1 }); found.low > 0.0` is `true`
    #[rhai_fn(return_raw)]
    pub fn bootstrap_difference(
        call: NativeCallContext,
        a: Array,
        b: Array,
        options: Map,
    ) -> ScriptResult<Map> {
        let mut options = options;
        let function = take_function(&mut options);
        let mut options = Options::of("bootstrap_difference", options);
        let named = options.choice("statistic", &Statistic::ALL)?;
        let plan = convert::plan(&mut options, Context::of(&call)?.seed())?;
        options.finish()?;
        let a = convert::numbers("bootstrap_difference: a", &a)?;
        let b = convert::numbers("bootstrap_difference: b", &b)?;
        let callbacks = Callbacks::new(&call);
        let result = stats::bootstrap_difference(&a, &b, plan, |values| match &function {
            None => Ok(named.of(values)),
            Some(function) => callbacks.call(function, (array(values.iter().copied()),)),
        });
        callbacks.settle(result.map(convert::estimate).within(|| "bootstrap_difference"))
    }

    #[rhai_fn(name = "bootstrap_difference", return_raw)]
    pub fn bootstrap_difference_plainly(call: NativeCallContext, a: Array, b: Array) -> ScriptResult<Map> {
        bootstrap_difference(call, a, b, Map::new())
    }

    /// A bootstrap interval of a statistic of pairs, of the arrays `a` and `b`, which are drawn together: a
    /// map as of `bootstrap_interval`.
    ///
    /// Options: `statistic` ("pearson" | "spearman" | "kendall" | function, "pearson"): of the pairs; a
    /// function gets two arrays and returns a number; `method` ("bca" | "percentile", "bca"): see
    /// `bootstrap_interval`; `resamples` (integer, 9999): how many sets of pairs are drawn; `seed` (integer,
    /// the run's): of the draws; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: unequal lengths, NaN, a resample without variation, which has no correlation: very few pairs are
    /// too few for this.
    ///
    /// Example: `let found = bootstrap_pairs([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 1, 4, 3, 6, 5, 8, 7, 10, 9],
    /// #{ resamples: 999, seed: 1 }); fixed(found.estimate, 3)` is `0.939`
    #[rhai_fn(return_raw)]
    pub fn bootstrap_pairs(call: NativeCallContext, a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = options;
        let function = take_function(&mut options);
        let mut options = Options::of("bootstrap_pairs", options);
        let named = options.choice("statistic", &PairStatistic::ALL)?;
        let plan = convert::plan(&mut options, Context::of(&call)?.seed())?;
        options.finish()?;
        let a = convert::numbers("bootstrap_pairs: a", &a)?;
        let b = convert::numbers("bootstrap_pairs: b", &b)?;
        let callbacks = Callbacks::new(&call);
        let result = stats::bootstrap_pairs(&a, &b, plan, |a, b| match &function {
            None => named.of(a, b),
            Some(function) => callbacks.call(function, (array(a.iter().copied()), array(b.iter().copied()))),
        });
        callbacks.settle(result.map(convert::estimate).within(|| "bootstrap_pairs"))
    }

    #[rhai_fn(name = "bootstrap_pairs", return_raw)]
    pub fn bootstrap_pairs_plainly(call: NativeCallContext, a: Array, b: Array) -> ScriptResult<Map> {
        bootstrap_pairs(call, a, b, Map::new())
    }
}
