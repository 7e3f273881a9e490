//! Pearson's χ² tests.

use super::distribution::chi_squared_tails;
use super::result::Test;
use super::sample;
use crate::error::{Error, Result};

/// Are rows and columns of a table of counts independent?
///
/// `yates` takes Yates's correction for continuity where there is one degree of freedom, and only there.
/// Estimate: Cramér's V, of the statistic without correction.
///
/// # Errors
/// Fewer than two rows or columns, rows of unequal length, a count that is negative or not finite, a row or
/// column without any.
pub fn chi_square_independence(table: &[Vec<f64>], yates: bool) -> Result<Test> {
    let columns = table.first().map_or(0, Vec::len);
    if table.len() < 2 || columns < 2 {
        return Err(Error::new(format!(
            "expected a table of at least 2 rows and 2 columns, found {} and {columns}",
            table.len()
        )));
    }
    for (place, row) in table.iter().enumerate() {
        if row.len() != columns {
            let (found, first) = (row.len(), columns);
            return Err(Error::new(format!(
                "row {place} of the table has {found} columns, row 0 has {first}"
            )));
        }
        check_counts(&format!("row {place} of the table"), row)?;
    }
    let row_sums: Vec<f64> = table.iter().map(|row| row.iter().sum()).collect();
    let column_sums: Vec<f64> = (0..columns).map(|place| table.iter().map(|row| row[place]).sum()).collect();
    for (kind, sums) in [("row", &row_sums), ("column", &column_sums)] {
        if let Some(place) = sums.iter().position(|sum| *sum == 0.0) {
            return Err(Error::new(format!("{kind} {place} of the table has no counts")));
        }
    }
    let total: f64 = row_sums.iter().sum();
    let df = ((table.len() - 1) * (columns - 1)) as f64;
    let corrected = yates && df == 1.0;
    let statistic = |correction: f64| {
        let rows = table.iter().zip(&row_sums);
        sample::sum(rows.flat_map(|(row, row_sum)| {
            row.iter().zip(&column_sums).map(move |(observed, column_sum)| {
                let expected = row_sum * column_sum / total;
                let off = (observed - expected).abs();
                let off = off - off.min(correction);
                off * off / expected
            })
        }))
    };
    let plain = statistic(0.0);
    let chi_squared = if corrected { statistic(0.5) } else { plain };
    let method = match corrected {
        true => "chi-square test of independence (Yates's correction)",
        false => "chi-square test of independence",
    };
    let cramers_v = (plain / total / (table.len().min(columns) - 1) as f64).sqrt();
    Ok(Test::new(method, chi_squared, chi_squared_tails(chi_squared, df).upper, total as usize)
        .df(df)
        .estimate("Cramér's V", cramers_v))
}

/// Do counts have the `expected` values? Without these, are all equally frequent?
///
/// Estimate: Cohen's w = √(χ² / n).
///
/// # Errors
/// Fewer than two counts, one that is negative or not finite, none above zero; expected values that are not
/// above zero, of another number, or of another sum.
pub fn chi_square_fit(observed: &[f64], expected: Option<&[f64]>) -> Result<Test> {
    sample::check("the counts", observed, 2)?;
    check_counts("the counts", observed)?;
    let total: f64 = observed.iter().sum();
    if total == 0.0 {
        return Err(Error::new(format!("all {} counts are 0", observed.len())));
    }
    let equal = vec![total / observed.len() as f64; observed.len()];
    let expected = expected.unwrap_or(&equal);
    if expected.len() != observed.len() {
        return Err(Error::new(format!(
            "found {} counts and {} expected values",
            observed.len(),
            expected.len()
        )));
    }
    sample::check("the expected values", expected, 2)?;
    if let Some(place) = expected.iter().position(|value| *value <= 0.0) {
        let value = expected[place];
        return Err(Error::new(format!("expected values must be above 0, value {place} is {value}")));
    }
    let sum: f64 = expected.iter().sum();
    if (sum - total).abs() > 1e-8 * total {
        return Err(Error::new(format!("the counts sum to {total}, the expected values to {sum}"))
            .hint("multiply expected shares by the sum of the counts"));
    }
    let chi_squared = sample::sum(observed.iter().zip(expected).map(|(o, e)| (o - e) * (o - e) / e));
    let df = (observed.len() - 1) as f64;
    let p = chi_squared_tails(chi_squared, df).upper;
    Ok(Test::new("chi-square test of fit", chi_squared, p, total as usize)
        .df(df)
        .estimate("Cohen's w", (chi_squared / total).sqrt()))
}

fn check_counts(name: &str, counts: &[f64]) -> Result<()> {
    sample::check(name, counts, 1)?;
    match counts.iter().position(|count| *count < 0.0) {
        None => Ok(()),
        Some(place) => Err(Error::new(format!("{name}: count {place} is {}, below 0", counts[place]))),
    }
}
