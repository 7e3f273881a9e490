//! Do several groups differ: analysis of variance, and its counterpart on ranks.

use super::distribution::{chi_squared_tails, fisher_f_tails};
use super::rank::ranks;
use super::result::Test;
use super::sample;
use crate::error::{Error, Result};

/// Have independent groups the same mean, where their variances are equal?
///
/// Statistic: F. Estimate: η², the share of the variation that lies between the groups.
///
/// # Errors
/// Fewer than two groups, an empty one, a value that is not finite, no more values than groups, no variation
/// within any group.
pub fn one_way_anova(groups: &[Vec<f64>]) -> Result<Test> {
    let all = check_groups(groups)?;
    let scale = sample::scale(&all);
    if all.len() <= groups.len() {
        return Err(Error::new(format!(
            "expected more values than groups, found {} in {} groups",
            all.len(),
            groups.len()
        )));
    }
    if !groups.iter().any(|group| sample::varies(group, scale)) {
        return Err(Error::new(format!("no variation within any of the {} groups", groups.len())));
    }
    let centre = sample::mean(&all);
    let between = sample::sum(groups.iter().map(|group| {
        let off = sample::mean(group) - centre;
        group.len() as f64 * off * off
    }));
    let within = sample::sum(groups.iter().map(|group| sample::squares(group)));
    let (df, df_within) = ((groups.len() - 1) as f64, (all.len() - groups.len()) as f64);
    let f = (between / df) / (within / df_within);
    let p = fisher_f_tails(f, df, df_within).upper;
    let mut test = Test::new("one-way analysis of variance", f, p, all.len())
        .df(df)
        .estimate("eta squared", between / (between + within));
    test.df_within = Some(df_within);
    Ok(test)
}

/// Have independent groups the same location, by ranks (Kruskal and Wallis, 1952)?
///
/// Statistic: H, corrected for ties; p from the χ² distribution. Estimate: ε² = H / (n − 1).
///
/// # Errors
/// Fewer than two groups, an empty one, a value that is not finite, all values equal.
pub fn kruskal_wallis(groups: &[Vec<f64>]) -> Result<Test> {
    let all = check_groups(groups)?;
    sample::check_differ("what all groups hold", &all)?;
    let n = all.len() as f64;
    let ranked = ranks(&all);
    let mut rest = ranked.ranks.as_slice();
    let spread = sample::sum(groups.iter().map(|group| {
        let (own, others) = rest.split_at(group.len());
        rest = others;
        // Ranks less their mean, so that nothing large cancels.
        let off = sample::sum(own.iter().map(|rank| rank - 0.5 * (n + 1.0)));
        off * off / group.len() as f64
    }));
    let h = 12.0 * spread / (n * (n + 1.0)) / (1.0 - ranked.tie_sum() / (n * n * n - n));
    let df = (groups.len() - 1) as f64;
    let p = chi_squared_tails(h, df).upper;
    Ok(Test::new("Kruskal-Wallis test", h, p, all.len()).df(df).estimate("epsilon squared", h / (n - 1.0)))
}

/// All values, group after group.
fn check_groups(groups: &[Vec<f64>]) -> Result<Vec<f64>> {
    if groups.len() < 2 {
        return Err(Error::new(format!("expected at least two groups, found {}", groups.len())));
    }
    for (place, group) in groups.iter().enumerate() {
        sample::check(&format!("group {place}"), group, 1)?;
    }
    Ok(groups.concat())
}
