//! Descriptions, and tests of means.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;
use crate::stats;

fn paired_t(differences: crate::Result<stats::Differences>, options: Map) -> ScriptResult<Map> {
    let mut options = Options::of("paired_t_test", options);
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| stats::paired_t(&differences, settings));
    Ok(convert::test(result.within(|| "paired_t_test")?))
}

#[export_module(manifest)]
pub mod means {
    use super::paired_t;
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats;

    /// What describes a sample: a map of `n`, `mean`, `std` and `standard_error` (divisor n − 1; NaN for a
    /// single value), `min`, `q25`, `median`, `q75`, `max`, `skewness` (m₃ / m₂^1.5) and `kurtosis` (m₄ / m₂² −
    /// 3; both of central moments with divisor n, NaN where all values are equal).
    ///
    /// Options: `quantiles` (array, none): fractions from 0 to 1, whose values are then the array `quantiles`.
    ///
    /// Errors: an empty sample, NaN.
    ///
    /// Example: `describe([1.0, 2.0, 3.0, 6.0], #{ quantiles: [0.9] }).quantiles.map(|q| fixed(q, 2))`
    /// is `["5.10"]`
    #[rhai_fn(name = "describe", return_raw)]
    pub fn describe_sample(values: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("describe", options);
        let asked = options.maybe::<Vec<f64>>("quantiles")?;
        options.finish()?;
        let fractions = [&[0.25, 0.5, 0.75], asked.as_deref().unwrap_or_default()].concat();
        let values = convert::numbers("describe", &values)?;
        let found = stats::describe(&values, &fractions).within(|| "describe")?;
        let mut map = Map::new();
        map.insert("n".into(), (found.n as i64).into());
        for (name, value) in [
            ("mean", found.mean),
            ("std", found.std),
            ("standard_error", found.standard_error),
            ("min", found.min),
            ("q25", found.quantiles[0]),
            ("median", found.quantiles[1]),
            ("q75", found.quantiles[2]),
            ("max", found.max),
            ("skewness", found.skewness),
            ("kurtosis", found.kurtosis),
        ] {
            map.insert(name.into(), value.into());
        }
        if asked.is_some() {
            map.insert("quantiles".into(), array(found.quantiles.into_iter().skip(3)).into());
        }
        Ok(map)
    }

    #[rhai_fn(name = "describe", return_raw)]
    pub fn describe_sample_plainly(values: Array) -> ScriptResult<Map> {
        describe_sample(values, Map::new())
    }

    /// The value below which a share `fraction` of the sample `values` lies, from 0 to 1, linear between
    /// neighbours (type 7 of Hyndman and Fan, 1996; numpy's default).
    ///
    /// Errors: an empty sample, NaN, a fraction outside 0 to 1.
    ///
    /// Example: `quantile([1, 2, 3, 4], 0.5)` is `2.5`
    #[rhai_fn(return_raw)]
    pub fn quantile(values: Array, fraction: Dynamic) -> ScriptResult<f64> {
        let fraction = argument::<f64>("quantile", "fraction", &fraction)?;
        let values = convert::numbers("quantile", &values)?;
        Ok(stats::quantile(&values, fraction).within(|| "quantile")?)
    }

    /// Is the mean of a sample a given one? Student's t test.
    ///
    /// The result of this and every other test is a map: `method`, `statistic`, `df` (degrees of freedom), `p`,
    /// `alternative`, `estimate` (the effect, in the sample's unit or as it says) and what that is,
    /// `estimate_of`, its interval `low` to `high` at `confidence`, and `n`, the number of observations or
    /// pairs; `()` for what a test has not. Tests of two independent samples add `n_a` and `n_b`. An array of
    /// such maps makes a `frame`.
    ///
    /// Options: `mean` (number, 0.0): the mean to compare with; `alternative` ("two-sided" | "less" |
    /// "greater", "two-sided"); `confidence` (number, 0.95): of the interval, which for a one-sided test
    /// reaches to infinity.
    ///
    /// Errors: fewer than two values, NaN, values that are all equal up to rounding.
    ///
    /// Example: `fixed(one_sample_t_test([1.2, 0.4, 2.2], #{ alternative: "greater" }).p, 3)` is `0.068`
    #[rhai_fn(return_raw)]
    pub fn one_sample_t_test(values: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("one_sample_t_test", options);
        let mean = options.get("mean", 0.0)?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let values = convert::numbers("one_sample_t_test", &values)?;
        Ok(convert::test(stats::one_sample_t(&values, mean, settings).within(|| "one_sample_t_test")?))
    }

    #[rhai_fn(name = "one_sample_t_test", return_raw)]
    pub fn one_sample_t_test_plainly(values: Array) -> ScriptResult<Map> {
        one_sample_t_test(values, Map::new())
    }

    /// Is the mean of the differences of pairs, a − b, zero? Student's t test of two arrays, whose values
    /// belong together in their order, or of one array of differences. Estimate: the mean difference.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: unequal lengths, fewer than two pairs, NaN, differences that are all equal up to rounding.
    ///
    /// Example: `fixed(paired_t_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).p, 3)` is `0.046`
    #[rhai_fn(return_raw)]
    pub fn paired_t_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        paired_t(convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "paired_t_test", return_raw)]
    pub fn paired_t_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        paired_t(convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "paired_t_test", return_raw)]
    pub fn paired_t_test_of_differences(differences: Array, options: Map) -> ScriptResult<Map> {
        paired_t(convert::differences(&differences), options)
    }

    #[rhai_fn(name = "paired_t_test", return_raw)]
    pub fn paired_t_test_of_differences_plainly(differences: Array) -> ScriptResult<Map> {
        paired_t(convert::differences(&differences), Map::new())
    }

    /// Have two independent samples the same mean, where their variances are equal? Student's t test. Estimate:
    /// mean of a less mean of b. Where the variances may differ take `welch_t_test`.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: fewer than two values in a sample, NaN, no variation in either sample.
    ///
    /// Example: `student_t_test([5.1, 4.9, 6.2], [4.1, 5.0, 4.4, 5.2]).df` is `5.0`
    #[rhai_fn(return_raw)]
    pub fn student_t_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("student_t_test", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (a, b) = (convert::numbers("student_t_test: a", &a)?, convert::numbers("student_t_test: b", &b)?);
        Ok(convert::test(stats::student_t(&a, &b, settings).within(|| "student_t_test")?))
    }

    #[rhai_fn(name = "student_t_test", return_raw)]
    pub fn student_t_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        student_t_test(a, b, Map::new())
    }

    /// Have two independent samples the same mean, whatever their variances? Welch's t test, with the degrees
    /// of freedom of Satterthwaite (1946). Estimate: mean of a less mean of b.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: fewer than two values in a sample, NaN, no variation in either sample.
    ///
    /// Example: `let test = welch_t_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]); fixed(test.p,
    /// 3)` is `0.021`
    #[rhai_fn(return_raw)]
    pub fn welch_t_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("welch_t_test", options);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let (a, b) = (convert::numbers("welch_t_test: a", &a)?, convert::numbers("welch_t_test: b", &b)?);
        Ok(convert::test(stats::welch_t(&a, &b, settings).within(|| "welch_t_test")?))
    }

    #[rhai_fn(name = "welch_t_test", return_raw)]
    pub fn welch_t_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        welch_t_test(a, b, Map::new())
    }

    /// Have independent groups, an array of arrays, the same mean, where their variances are equal? One-way
    /// analysis of variance. Statistic: F, with `df` between and `df_within` within groups. Estimate: η², the
    /// share of the variation that lies between the groups.
    ///
    /// Errors: fewer than two groups, an empty one, NaN, no more values than groups, no variation within any
    /// group.
    ///
    /// Example: `fixed(anova([[1.0, 2.0], [3.0, 4.0]]).estimate, 3)` is `0.800`
    #[rhai_fn(return_raw)]
    pub fn anova(groups: Array) -> ScriptResult<Map> {
        let groups = convert::groups("group", &groups).within(|| "anova")?;
        Ok(convert::test(stats::one_way_anova(&groups).within(|| "anova")?))
    }
}
