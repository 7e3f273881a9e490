//! Student's and Welch's t tests.

use super::distribution::{student_t_quantile, student_t_tails};
use super::result::{Settings, Test};
use super::sample::{self, Differences};
use crate::error::{Error, Result};

/// An estimate that is t-distributed around the null hypothesis, in standard errors.
struct Studentised {
    estimate: f64,
    standard_error: f64,
    df: f64,
    null: f64,
}

impl Studentised {
    fn test(self, method: &str, of: &'static str, n: usize, settings: Settings) -> Test {
        let t = (self.estimate - self.null) / self.standard_error;
        let p = student_t_tails(t, self.df).p(settings.alternative());
        let reach = -student_t_quantile(settings.outside(), self.df) * self.standard_error;
        let interval =
            settings.interval(self.estimate - reach, self.estimate + reach, f64::NEG_INFINITY, f64::INFINITY);
        Test::new(method, t, p, n)
            .directed(settings)
            .df(self.df)
            .estimate(of, self.estimate)
            .interval(interval)
    }
}

/// Is the mean of a sample `mean`?
///
/// Estimate: the mean.
///
/// # Errors
/// Fewer than two values, a value that is not finite, no variation.
pub fn one_sample_t(values: &[f64], mean: f64, settings: Settings) -> Result<Test> {
    sample::check("the sample", values, 2)?;
    sample::check("the mean to compare with", &[mean], 1)?;
    sample::check_varies("the sample", values, sample::scale(values))?;
    Ok(of_one(values, mean).test("one-sample t test", "mean", values.len(), settings))
}

/// Is the mean of the differences of pairs zero?
///
/// Estimate: the mean difference.
///
/// # Errors
/// Fewer than two pairs, differences that do not vary.
pub fn paired_t(differences: &Differences, settings: Settings) -> Result<Test> {
    differences.check_varies()?;
    let values = differences.values();
    Ok(of_one(values, 0.0).test("paired t test", "mean difference", values.len(), settings))
}

fn of_one(values: &[f64], null: f64) -> Studentised {
    let n = values.len() as f64;
    Studentised {
        estimate: sample::mean(values),
        standard_error: (sample::variance(values) / n).sqrt(),
        df: n - 1.0,
        null,
    }
}

/// Have two independent samples the same mean, where their variances are equal?
///
/// Estimate: mean of a less mean of b.
///
/// # Errors
/// Fewer than two values in a sample, a value that is not finite, no variation in either sample.
pub fn student_t(a: &[f64], b: &[f64], settings: Settings) -> Result<Test> {
    check_two(a, b)?;
    let (m, n) = (a.len() as f64, b.len() as f64);
    let df = m + n - 2.0;
    let pooled = (sample::squares(a) + sample::squares(b)) / df;
    let standard_error = (pooled * (1.0 / m + 1.0 / n)).sqrt();
    Ok(of_two("Student's t test", a, b, standard_error, df, settings))
}

/// Have two independent samples the same mean, whatever their variances?
///
/// Degrees of freedom after Satterthwaite (1946) and Welch (1947). Estimate: mean of a less mean of b.
///
/// # Errors
/// Fewer than two values in a sample, a value that is not finite, no variation in either sample.
pub fn welch_t(a: &[f64], b: &[f64], settings: Settings) -> Result<Test> {
    check_two(a, b)?;
    let (m, n) = (a.len() as f64, b.len() as f64);
    let (of_a, of_b) = (sample::variance(a) / m, sample::variance(b) / n);
    let both = of_a + of_b;
    let (share_a, share_b) = (of_a / both, of_b / both);
    let df = 1.0 / (share_a * share_a / (m - 1.0) + share_b * share_b / (n - 1.0));
    Ok(of_two("Welch's t test", a, b, both.sqrt(), df, settings))
}

fn check_two(a: &[f64], b: &[f64]) -> Result<()> {
    sample::check("a", a, 2)?;
    sample::check("b", b, 2)?;
    let scale = sample::scale_of_both(a, b);
    if sample::varies(a, scale) || sample::varies(b, scale) {
        return Ok(());
    }
    Err(Error::new(format!("neither sample varies: a is {} throughout, b is {}", a[0], b[0])))
}

fn of_two(method: &str, a: &[f64], b: &[f64], standard_error: f64, df: f64, settings: Settings) -> Test {
    let estimate = sample::mean(a) - sample::mean(b);
    Studentised { estimate, standard_error, df, null: 0.0 }
        .test(method, "difference of means", a.len() + b.len(), settings)
        .sizes(a.len(), b.len())
}
