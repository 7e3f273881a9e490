//! Effect sizes and power.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;
use crate::stats::{self, Differences, Estimate, Settings};

/// An effect size of two samples.
type OfTwo = fn(&[f64], &[f64], Settings) -> crate::Result<Estimate>;

fn of_two(function: &'static str, a: &Array, b: &Array, options: Map, effect: OfTwo) -> ScriptResult<Map> {
    let mut options = Options::of(function, options);
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let a = convert::numbers("a", a).within(|| function)?;
    let b = convert::numbers("b", b).within(|| function)?;
    Ok(convert::estimate(effect(&a, &b, settings).within(|| function)?))
}

fn d_z(differences: crate::Result<Differences>, options: Map) -> ScriptResult<Map> {
    let mut options = Options::of("cohens_d_z", options);
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| stats::cohens_d_z(&differences, settings));
    Ok(convert::estimate(result.within(|| "cohens_d_z")?))
}

fn biserial(differences: crate::Result<Differences>, options: Map) -> ScriptResult<Map> {
    let mut options = Options::of("rank_biserial", options);
    let zeros = convert::zeros(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| stats::matched_rank_biserial(&differences, zeros));
    Ok(convert::estimate(result.within(|| "rank_biserial")?))
}

#[export_module(manifest)]
pub mod effects {
    use super::{biserial, d_z, of_two};
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats::{self, Alternative};

    /// Cohen's d of two independent samples: the difference of means, a less b, in pooled standard deviations.
    ///
    /// The result of this and the other effect sizes is a map: `method`, `estimate`, `low`, `high`,
    /// `confidence`, `n`; of two samples also `n_a` and `n_b`. The interval is that of noncentrality parameters
    /// (Steiger and Fouladi, 1997).
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"): on which side the interval is
    /// open; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: fewer than two values in a sample, NaN, no variation in either.
    ///
    /// Example: `fixed(cohens_d([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).estimate, 3)` is `1.838`
    #[rhai_fn(return_raw)]
    pub fn cohens_d(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        of_two("cohens_d", &a, &b, options, stats::cohens_d)
    }

    #[rhai_fn(name = "cohens_d", return_raw)]
    pub fn cohens_d_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        cohens_d(a, b, Map::new())
    }

    /// Hedges' g of two independent samples, `a` and `b`: Cohen's d without its bias in small samples, by the
    /// exact factor of Hedges (1981). A map as of `cohens_d`.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"): on which side the interval is
    /// open; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: fewer than two values in a sample, NaN, no variation in either.
    ///
    /// Example: `fixed(hedges_g([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).estimate, 3)` is `1.659`
    #[rhai_fn(return_raw)]
    pub fn hedges_g(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        of_two("hedges_g", &a, &b, options, stats::hedges_g)
    }

    #[rhai_fn(name = "hedges_g", return_raw)]
    pub fn hedges_g_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        hedges_g(a, b, Map::new())
    }

    /// Cliff's delta of two independent samples: P(a > b) − P(a < b) over all pairs of values, from −1 to 1;
    /// the rank-biserial correlation of the Mann–Whitney test. A map as of `cohens_d`.
    ///
    /// The interval is the asymmetric one of Cliff (1996); none where the samples do not overlap or one has a
    /// single value.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"): on which side the interval is
    /// open; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: an empty sample, NaN.
    ///
    /// Example: `fixed(cliffs_delta([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).estimate, 2)`
    /// is `0.76`
    #[rhai_fn(return_raw)]
    pub fn cliffs_delta(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        of_two("cliffs_delta", &a, &b, options, stats::cliffs_delta)
    }

    #[rhai_fn(name = "cliffs_delta", return_raw)]
    pub fn cliffs_delta_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        cliffs_delta(a, b, Map::new())
    }

    /// Cohen's d_z of pairs: the mean difference, a less b, in standard deviations of the differences; of two
    /// arrays, or of one of differences. A map as of `cohens_d`.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"): on which side the interval is
    /// open; `confidence` (number, 0.95): of the interval.
    ///
    /// Errors: unequal lengths, fewer than two pairs, NaN, differences that are all equal.
    ///
    /// Example: `cohens_d_z([1.0, 2.0, 3.0]).estimate` is `2.0`
    #[rhai_fn(return_raw)]
    pub fn cohens_d_z(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        d_z(convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "cohens_d_z", return_raw)]
    pub fn cohens_d_z_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        d_z(convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "cohens_d_z", return_raw)]
    pub fn cohens_d_z_of_differences(differences: Array, options: Map) -> ScriptResult<Map> {
        d_z(convert::differences(&differences), options)
    }

    #[rhai_fn(name = "cohens_d_z", return_raw)]
    pub fn cohens_d_z_of_differences_plainly(differences: Array) -> ScriptResult<Map> {
        d_z(convert::differences(&differences), Map::new())
    }

    /// The rank-biserial correlation of pairs, from −1 to 1: (T⁺ − T⁻) / (T⁺ + T⁻) of the signed ranks of their
    /// differences, a less b (Kerby, 2014); of two arrays, or of one of differences. That of independent
    /// samples is `cliffs_delta`. A map as of `cohens_d`, without an interval: `bootstrap_interval` gives one.
    ///
    /// Options: `zeros` ("wilcox" | "pratt" | "zsplit", "wilcox"): what becomes of differences of zero, as in
    /// `wilcoxon_test`.
    ///
    /// Errors: unequal lengths, NaN, all differences zero.
    ///
    /// Example: `fixed(rank_biserial([1.0, -0.1, 1.8, 0.6, 1.4]).estimate, 3)` is `0.867`
    #[rhai_fn(return_raw)]
    pub fn rank_biserial(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        biserial(convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "rank_biserial", return_raw)]
    pub fn rank_biserial_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        biserial(convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "rank_biserial", return_raw)]
    pub fn rank_biserial_of_differences(differences: Array, options: Map) -> ScriptResult<Map> {
        biserial(convert::differences(&differences), options)
    }

    #[rhai_fn(name = "rank_biserial", return_raw)]
    pub fn rank_biserial_of_differences_plainly(differences: Array) -> ScriptResult<Map> {
        biserial(convert::differences(&differences), Map::new())
    }

    /// The probability that a paired t test of `pairs` pairs finds an effect of `d_z` (Cohen's d_z), from 0 to
    /// 1, by the noncentral t distribution.
    ///
    /// Options: `alpha` (number, 0.05): the level; `alternative` ("two-sided" | "less" | "greater",
    /// "two-sided").
    ///
    /// Errors: fewer than two pairs.
    ///
    /// Example: `fixed(paired_t_power(0.5, 34), 3)` is `0.808`
    #[rhai_fn(return_raw)]
    pub fn paired_t_power(d_z: Dynamic, pairs: i64, options: Map) -> ScriptResult<f64> {
        let mut options = Options::of("paired_t_power", options);
        let alpha = options.get("alpha", 0.05)?;
        let alternative = options.choice("alternative", &Alternative::ALL)?;
        options.finish()?;
        let d_z = argument::<f64>("paired_t_power", "d_z", &d_z)?;
        Ok(stats::paired_t_power(d_z, pairs as f64, alpha, alternative).within(|| "paired_t_power")?)
    }

    #[rhai_fn(name = "paired_t_power", return_raw)]
    pub fn paired_t_power_plainly(d_z: Dynamic, pairs: i64) -> ScriptResult<f64> {
        paired_t_power(d_z, pairs, Map::new())
    }

    /// The pairs with which a paired t test finds an effect of `d_z` (Cohen's d_z) with probability `power`: a
    /// map of `n`, the least number of pairs, `exact`, where between whole numbers the power is reached, and
    /// `power`, that with n.
    ///
    /// Options: `alpha` (number, 0.05): the level; `alternative` ("two-sided" | "less" | "greater",
    /// "two-sided").
    ///
    /// Errors: an effect of 0 or opposed to the alternative, a power that is not between alpha and 1.
    ///
    /// Example: `paired_t_required_pairs(0.5, 0.8).n` is `34`
    #[rhai_fn(return_raw)]
    pub fn paired_t_required_pairs(d_z: Dynamic, power: Dynamic, options: Map) -> ScriptResult<Map> {
        const NAME: &str = "paired_t_required_pairs";
        let mut options = Options::of(NAME, options);
        let alpha = options.get("alpha", 0.05)?;
        let alternative = options.choice("alternative", &Alternative::ALL)?;
        options.finish()?;
        let d_z = argument::<f64>(NAME, "d_z", &d_z)?;
        let power = argument::<f64>(NAME, "power", &power)?;
        let found = stats::paired_t_required_size(d_z, power, alpha, alternative).within(|| NAME)?;
        let mut map = Map::new();
        map.insert("n".into(), (found.n as i64).into());
        map.insert("exact".into(), found.exact.into());
        map.insert("power".into(), found.power.into());
        Ok(map)
    }

    #[rhai_fn(name = "paired_t_required_pairs", return_raw)]
    pub fn paired_t_required_pairs_plainly(d_z: Dynamic, power: Dynamic) -> ScriptResult<Map> {
        paired_t_required_pairs(d_z, power, Map::new())
    }
}
