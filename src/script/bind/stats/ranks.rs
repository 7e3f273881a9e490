//! Tests of ranks, signs and distributions.

use rhai::plugin::*;

use crate::script::bind::prelude::*;
use crate::script::bind::stats::convert;
use crate::stats::{self, Differences};

fn wilcoxon(differences: crate::Result<Differences>, options: Map) -> ScriptResult<Map> {
    let mut options = Options::of("wilcoxon_test", options);
    let approach = convert::approach(&mut options)?;
    let zeros = convert::zeros(&mut options)?;
    let continuity = options.get("continuity", false)?;
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| {
        stats::wilcoxon_signed_rank(&differences, zeros, approach, continuity, settings)
    });
    Ok(convert::test(result.within(|| "wilcoxon_test")?))
}

fn sign(differences: crate::Result<Differences>, options: Map) -> ScriptResult<Map> {
    let mut options = Options::of("sign_test", options);
    let settings = convert::settings(&mut options)?;
    options.finish()?;
    let result = differences.and_then(|differences| stats::sign_test(&differences, settings));
    Ok(convert::test(result.within(|| "sign_test")?))
}

#[export_module(manifest)]
pub mod ranks {
    use super::{sign, wilcoxon};
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats;

    /// Do values of one independent sample, `a`, tend to be greater or less than those of another, `b`?
    /// Mann–Whitney U test, as scipy's `mannwhitneyu`.
    ///
    /// Statistic: U of a, the number of pairs in which a is the greater, an equal pair counting ½. Estimate:
    /// rank-biserial correlation 2 U / (m n) − 1, which is Cliff's delta (`cliffs_delta` gives its interval).
    ///
    /// Options: `method` ("auto" | "exact" | "asymptotic", "auto"): "auto" is exact where a sample has at most
    /// eight values and none are equal, else the normal approximation, corrected for ties; `continuity` (bool,
    /// true): corrects the approximation for continuity; `alternative` ("two-sided" | "less" | "greater",
    /// "two-sided"); `confidence` (number, 0.95): without effect, for this test has no interval.
    ///
    /// Errors: an empty sample, NaN, all values equal, "exact" with equal values.
    ///
    /// Example: `mann_whitney_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).statistic` is `22.0`
    #[rhai_fn(return_raw)]
    pub fn mann_whitney_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("mann_whitney_test", options);
        let approach = convert::approach(&mut options)?;
        let continuity = options.get("continuity", true)?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let a = convert::numbers("mann_whitney_test: a", &a)?;
        let b = convert::numbers("mann_whitney_test: b", &b)?;
        let result = stats::mann_whitney(&a, &b, approach, continuity, settings);
        Ok(convert::test(result.within(|| "mann_whitney_test")?))
    }

    #[rhai_fn(name = "mann_whitney_test", return_raw)]
    pub fn mann_whitney_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        mann_whitney_test(a, b, Map::new())
    }

    /// Are the differences of pairs, a − b, symmetric around zero? Wilcoxon's signed-rank test of two arrays,
    /// or of one of differences; as scipy's `wilcoxon`, except "exact" with ties.
    ///
    /// Statistic: two-sided the lesser of T⁺ and T⁻, the rank sums of positive and negative differences, else
    /// T⁺. Estimate: the matched-pairs rank-biserial correlation (T⁺ − T⁻) / (T⁺ + T⁻).
    ///
    /// Options: `method` ("auto" | "exact" | "asymptotic", "auto"): "auto" is exact for up to 50 pairs without
    /// zeros and equal magnitudes and for up to 13 with them, else the normal approximation, corrected for
    /// ties; "exact" counts all signs of the ranks that are there, for up to 1,500 pairs, zeros and ties or
    /// not; `zeros` ("wilcox" | "pratt" | "zsplit", "wilcox"): "wilcox" leaves out differences of zero, "pratt"
    /// ranks them first, "zsplit" counts half of their ranks on each side; `continuity` (bool, false): corrects
    /// the approximation for continuity; `alternative` ("two-sided" | "less" | "greater", "two-sided");
    /// `confidence` (number, 0.95): without effect, for this test has no interval.
    ///
    /// Errors: unequal lengths, NaN, all differences zero.
    ///
    /// Example: `wilcoxon_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).p` is `0.125`
    #[rhai_fn(return_raw)]
    pub fn wilcoxon_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        wilcoxon(convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "wilcoxon_test", return_raw)]
    pub fn wilcoxon_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        wilcoxon(convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "wilcoxon_test", return_raw)]
    pub fn wilcoxon_test_of_differences(differences: Array, options: Map) -> ScriptResult<Map> {
        wilcoxon(convert::differences(&differences), options)
    }

    #[rhai_fn(name = "wilcoxon_test", return_raw)]
    pub fn wilcoxon_test_of_differences_plainly(differences: Array) -> ScriptResult<Map> {
        wilcoxon(convert::differences(&differences), Map::new())
    }

    /// Are as many differences of pairs, a − b, positive as negative? The exact sign test of two arrays, or of
    /// one of differences; zeros are left out.
    ///
    /// Statistic: (positive − negative) / 2. Estimate: the share of positive differences among those that are
    /// not zero, with the interval of Clopper and Pearson.
    ///
    /// Options: `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95): of
    /// the interval.
    ///
    /// Errors: unequal lengths, NaN, all differences zero.
    ///
    /// Example: `sign_test([1.0, -0.1, 1.8, 0.6, 1.4]).estimate` is `0.8`
    #[rhai_fn(return_raw)]
    pub fn sign_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        sign(convert::between(&a, &b), options)
    }

    #[rhai_fn(name = "sign_test", return_raw)]
    pub fn sign_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        sign(convert::between(&a, &b), Map::new())
    }

    #[rhai_fn(name = "sign_test", return_raw)]
    pub fn sign_test_of_differences(differences: Array, options: Map) -> ScriptResult<Map> {
        sign(convert::differences(&differences), options)
    }

    #[rhai_fn(name = "sign_test", return_raw)]
    pub fn sign_test_of_differences_plainly(differences: Array) -> ScriptResult<Map> {
        sign(convert::differences(&differences), Map::new())
    }

    /// Have independent groups, an array of arrays, the same location, by ranks? Kruskal and Wallis's test.
    /// Statistic: H, corrected for ties; p from the χ² distribution. Estimate: ε² = H / (n − 1).
    ///
    /// Errors: fewer than two groups, an empty one, NaN, all values equal.
    ///
    /// Example: `fixed(kruskal_wallis_test([[1, 2, 3], [4, 5, 6]]).statistic, 3)` is `3.857`
    #[rhai_fn(return_raw)]
    pub fn kruskal_wallis_test(groups: Array) -> ScriptResult<Map> {
        let groups = convert::groups("group", &groups).within(|| "kruskal_wallis_test")?;
        Ok(convert::test(stats::kruskal_wallis(&groups).within(|| "kruskal_wallis_test")?))
    }

    /// Do two independent samples come from the same distribution? Kolmogorov and Smirnov's test, as scipy's
    /// `ks_2samp`.
    ///
    /// Statistic: the greatest distance of the empirical distribution functions; for "greater" how far that of
    /// a rises above that of b (a tends to be the smaller), for "less" how far it falls below. With values that
    /// are equal in both samples p is too large.
    ///
    /// Options: `method` ("auto" | "exact" | "asymptotic", "auto"): "auto" is exact for up to 10,000 values in
    /// each sample; `alternative` ("two-sided" | "less" | "greater", "two-sided"); `confidence` (number, 0.95):
    /// without effect, for this test has no interval.
    ///
    /// Errors: an empty sample, NaN.
    ///
    /// Example: `kolmogorov_smirnov_test([5.1, 4.9, 6.2, 5.8, 6.0], [4.1, 5.0, 4.4, 5.2, 4.6]).statistic`
    /// is `0.6`
    #[rhai_fn(return_raw)]
    pub fn kolmogorov_smirnov_test(a: Array, b: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("kolmogorov_smirnov_test", options);
        let approach = convert::approach(&mut options)?;
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let a = convert::numbers("kolmogorov_smirnov_test: a", &a)?;
        let b = convert::numbers("kolmogorov_smirnov_test: b", &b)?;
        let result = stats::kolmogorov_smirnov(&a, &b, approach, settings);
        Ok(convert::test(result.within(|| "kolmogorov_smirnov_test")?))
    }

    #[rhai_fn(name = "kolmogorov_smirnov_test", return_raw)]
    pub fn kolmogorov_smirnov_test_plainly(a: Array, b: Array) -> ScriptResult<Map> {
        kolmogorov_smirnov_test(a, b, Map::new())
    }

    /// Does a sample come from a given normal distribution? Kolmogorov and Smirnov's test, as scipy's
    /// `ks_1samp`.
    ///
    /// Two-sided p is exact for up to 140 values, beyond that the approximation of Simard and L'Ecuyer (2011);
    /// one-sided p is exact. The distribution must not be made from the sample: p is then too large.
    ///
    /// Options: `mean` (number, 0.0): of the distribution; `std` (number, 1.0): of the distribution;
    /// `alternative` ("two-sided" | "less" | "greater", "two-sided"), of the empirical distribution function
    /// against the normal one; `confidence` (number, 0.95): without effect, for this test has no interval.
    ///
    /// Errors: an empty sample, NaN, a deviation that is not above 0.
    ///
    /// Example: `fixed(kolmogorov_smirnov_normal_test([5.1, 4.9, 6.2, 5.8], #{ mean: 5.5,
    /// std: 0.5 }).statistic, 3)` is `0.288`
    #[rhai_fn(return_raw)]
    pub fn kolmogorov_smirnov_normal_test(values: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("kolmogorov_smirnov_normal_test", options);
        let (mean, std) = (options.get("mean", 0.0)?, options.get("std", 1.0)?);
        let settings = convert::settings(&mut options)?;
        options.finish()?;
        let values = convert::numbers("kolmogorov_smirnov_normal_test", &values)?;
        let result = stats::kolmogorov_smirnov_normal(&values, mean, std, settings);
        Ok(convert::test(result.within(|| "kolmogorov_smirnov_normal_test")?))
    }

    #[rhai_fn(name = "kolmogorov_smirnov_normal_test", return_raw)]
    pub fn kolmogorov_smirnov_normal_test_plainly(values: Array) -> ScriptResult<Map> {
        kolmogorov_smirnov_normal_test(values, Map::new())
    }
}
