//! Tests of counts, and corrections for many tests.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;
use crate::stats::{self, Correction};

fn trials_of(function: &str, successes: i64, trials: i64) -> crate::Result<(u64, u64)> {
    let successes = argument::<u64>(function, "successes", &successes.into())?;
    Ok((successes, argument::<u64>(function, "trials", &trials.into())?))
}

fn adjusted(function: &str, p: &Array, correction: Correction) -> ScriptResult<Array> {
    let values: Vec<Dynamic> = p.iter().filter(|value| !value.is_unit()).cloned().collect();
    let mut numbers = convert::numbers(function, &values)?.into_iter();
    let values: Vec<Option<f64>> =
        p.iter().map(|value| if value.is_unit() { None } else { numbers.next() }).collect();
    let adjusted = stats::adjust(&values, correction).within(|| function.to_owned())?;
    Ok(adjusted.into_iter().map(|value| value.map_or(Dynamic::UNIT, Into::into)).collect())
}

#[export_module(manifest)]
pub mod counts {
    use super::{adjusted, trials_of};
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats::{self, BinomialInterval, Correction};

    /// Are rows and columns of a table of counts, an array of rows, independent? Pearson's χ² test. Estimate:
    /// Cramér's V, of the statistic without correction.
    ///
    /// Options: `yates` (bool, true): Yates's correction for continuity, which is taken for tables of 2 × 2
    /// alone.
    ///
    /// Errors: fewer than two rows or columns, rows of unequal length, a negative count, a row or column
    /// without any.
    ///
    /// Example: `chi_square_test([[10, 20, 30], [20, 20, 20]]).df` is `2.0`
    #[rhai_fn(return_raw)]
    pub fn chi_square_test(table: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("chi_square_test", options);
        let yates = options.get("yates", true)?;
        options.finish()?;
        let table = convert::groups("row", &table).within(|| "chi_square_test")?;
        let result = stats::chi_square_independence(&table, yates);
        Ok(convert::test(result.within(|| "chi_square_test")?))
    }

    #[rhai_fn(name = "chi_square_test", return_raw)]
    pub fn chi_square_test_plainly(table: Array) -> ScriptResult<Map> {
        chi_square_test(table, Map::new())
    }

    /// Do counts, the array `observed`, have their expected values? Pearson's χ² test of fit. Estimate:
    /// Cohen's w = √(χ² / n).
    ///
    /// Options: `expected` (array, all equal): the expected counts, of the same sum.
    ///
    /// Errors: fewer than two counts, a negative one, all zero; expected values of another number or sum.
    ///
    /// Example: `fixed(chi_square_fit_test([18, 22, 20]).p, 3)` is `0.819`
    #[rhai_fn(return_raw)]
    pub fn chi_square_fit_test(observed: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("chi_square_fit_test", options);
        let expected = options.maybe::<Vec<f64>>("expected")?;
        options.finish()?;
        let observed = convert::numbers("chi_square_fit_test", &observed)?;
        let result = stats::chi_square_fit(&observed, expected.as_deref());
        Ok(convert::test(result.within(|| "chi_square_fit_test")?))
    }

    #[rhai_fn(name = "chi_square_fit_test", return_raw)]
    pub fn chi_square_fit_test_plainly(observed: Array) -> ScriptResult<Map> {
        chi_square_fit_test(observed, Map::new())
    }

    /// Are rows and columns of a table [[a, b], [c, d]] of counts independent? Fisher's exact test.
    ///
    /// Statistic: the sample odds ratio a d / (b c). Estimate: the conditional maximum-likelihood odds ratio
    /// with its exact interval, as R's `fisher.test` gives it.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"), of the odds ratio against 1;
    /// `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: a table of another shape, a row or column without counts.
    ///
    /// Example: `fixed(fisher_exact_test([[8, 2], [1, 5]]).p, 3)` is `0.035`
    #[rhai_fn(return_raw)]
    pub fn fisher_exact_test(table: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("fisher_exact_test", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let rows = argument::<Vec<Vec<u64>>>("fisher_exact_test", "table", &table.into())?;
        let cells: Option<Vec<[u64; 2]>> = rows.iter().map(|row| row.as_slice().try_into().ok()).collect();
        let Some(Ok(table)) = cells.map(<[[u64; 2]; 2]>::try_from) else {
            return Err(Error::new("fisher_exact_test: expected a table of 2 rows and 2 columns").into());
        };
        Ok(convert::test(stats::fisher_exact(table, settings).within(|| "fisher_exact_test")?))
    }

    #[rhai_fn(name = "fisher_exact_test", return_raw)]
    pub fn fisher_exact_test_plainly(table: Array) -> ScriptResult<Map> {
        fisher_exact_test(table, Map::new())
    }

    /// Do successes among trials come with a given probability? The exact binomial test. Statistic and
    /// estimate: the share of successes. Two-sided, p is the sum over all counts that are no more probable than
    /// the observed one.
    ///
    /// Options: `probability` (number, 0.5): that of a success; `interval` ("clopper-pearson" | "wilson",
    /// "clopper-pearson"): which interval of the share is given; `alternative` ("two-sided" | "less" |
    /// "greater", "two-sided"); `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: more successes than trials, no trials.
    ///
    /// Example: `fixed(binomial_test(9, 10).p, 3)` is `0.021`
    #[rhai_fn(return_raw)]
    pub fn binomial_test(successes: i64, trials: i64, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("binomial_test", options);
        let probability = options.get("probability", 0.5)?;
        let interval = options.choice("interval", &BinomialInterval::ALL)?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (k, n) = trials_of("binomial_test", successes, trials)?;
        let result = stats::binomial_test(k, n, probability, interval, settings);
        Ok(convert::test(result.within(|| "binomial_test")?))
    }

    #[rhai_fn(name = "binomial_test", return_raw)]
    pub fn binomial_test_plainly(successes: i64, trials: i64) -> ScriptResult<Map> {
        binomial_test(successes, trials, Map::new())
    }

    /// The Wilson interval of a proportion (Wilson, 1927): a map of `method`, `estimate`, `low`, `high`,
    /// `confidence`, `n`.
    ///
    /// Options: `confidence` (number, 0.95): of the interval; `alternative` ("two-sided" | "less" | "greater",
    /// "two-sided"): on which side it is open.
    ///
    /// Errors: more successes than trials, no trials.
    ///
    /// Example: `let share = wilson_interval(9, 10); [fixed(share.low, 3), fixed(share.high, 3)]`
    /// is `["0.596", "0.982"]`
    #[rhai_fn(return_raw)]
    pub fn wilson_interval(successes: i64, trials: i64, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("wilson_interval", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (k, n) = trials_of("wilson_interval", successes, trials)?;
        Ok(convert::estimate(stats::wilson_interval(k, n, settings).within(|| "wilson_interval")?))
    }

    #[rhai_fn(name = "wilson_interval", return_raw)]
    pub fn wilson_interval_plainly(successes: i64, trials: i64) -> ScriptResult<Map> {
        wilson_interval(successes, trials, Map::new())
    }

    /// The interval of Clopper and Pearson (1934) of a proportion, which never covers less than its confidence:
    /// a map as of `wilson_interval`.
    ///
    /// Options: `confidence` (number, 0.95): of the interval; `alternative` ("two-sided" | "less" | "greater",
    /// "two-sided"): on which side it is open.
    ///
    /// Errors: more successes than trials, no trials.
    ///
    /// Example: `fixed(clopper_pearson_interval(9, 10, #{ confidence: 0.9 }).low, 3)` is `0.606`
    #[rhai_fn(return_raw)]
    pub fn clopper_pearson_interval(successes: i64, trials: i64, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("clopper_pearson_interval", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (k, n) = trials_of("clopper_pearson_interval", successes, trials)?;
        let result = stats::clopper_pearson_interval(k, n, settings);
        Ok(convert::estimate(result.within(|| "clopper_pearson_interval")?))
    }

    #[rhai_fn(name = "clopper_pearson_interval", return_raw)]
    pub fn clopper_pearson_interval_plainly(successes: i64, trials: i64) -> ScriptResult<Map> {
        clopper_pearson_interval(successes, trials, Map::new())
    }

    /// p-values adjusted so that the probability of any false rejection stays below the level (Bonferroni): an
    /// array in the same order. `()` stays `()` and counts as no test.
    ///
    /// Errors: a number outside 0 to 1.
    ///
    /// Example: `bonferroni([0.01, 0.04, ()])` is `[0.02, 0.08, ()]`
    #[rhai_fn(return_raw)]
    pub fn bonferroni(p: Array) -> ScriptResult<Array> {
        adjusted("bonferroni", &p, Correction::Bonferroni)
    }

    /// p-values adjusted so that the probability of any false rejection stays below the level (Holm, 1979),
    /// never less powerful than Bonferroni: an array in the same order. `()` stays `()` and counts as no test.
    ///
    /// Errors: a number outside 0 to 1.
    ///
    /// Example: `holm([0.01, 0.04, 0.03])` is `[0.03, 0.06, 0.06]`
    #[rhai_fn(return_raw)]
    pub fn holm(p: Array) -> ScriptResult<Array> {
        adjusted("holm", &p, Correction::Holm)
    }

    /// p-values adjusted so that the expected share of false rejections stays below the level, for independent
    /// or positively dependent tests (Benjamini and Hochberg, 1995): an array in the same order. `()` stays
    /// `()` and counts as no test.
    ///
    /// Errors: a number outside 0 to 1.
    ///
    /// Example: `benjamini_hochberg([0.01, 0.04, 0.03]).map(|p| fixed(p, 3))` is `["0.030", "0.040", "0.040"]`
    #[rhai_fn(return_raw)]
    pub fn benjamini_hochberg(p: Array) -> ScriptResult<Array> {
        adjusted("benjamini_hochberg", &p, Correction::BenjaminiHochberg)
    }

    /// p-values adjusted so that the expected share of false rejections stays below the level, under any
    /// dependence (Benjamini and Yekutieli, 2001): an array in the same order. `()` stays `()` and counts as no
    /// test.
    ///
    /// Errors: a number outside 0 to 1.
    ///
    /// Example: `benjamini_yekutieli([0.01, 0.04, 0.03]).map(|p| fixed(p, 3))` is `["0.055", "0.073", "0.073"]`
    #[rhai_fn(return_raw)]
    pub fn benjamini_yekutieli(p: Array) -> ScriptResult<Array> {
        adjusted("benjamini_yekutieli", &p, Correction::BenjaminiYekutieli)
    }
}
