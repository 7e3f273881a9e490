//! Tests of tables as text.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

#[test]
fn a_table_prints_in_columns() {
    assert_eq!(
        attribution().to_string(),
        "component │ layer │ delta │ kept\n\
         ──────────┼───────┼───────┼──────\n\
         L8_MLP    │     8 │  1.50 │ true\n\
         L2H3      │     2 │ -0.25 │ false\n\
         L8_MLP    │     8 │  2.50 │ true\n\
         L2H3      │     2 │  null │ true\n\
         EMBED     │  null │   NaN │ false\n\
         5 rows × 4 columns"
    );
}

#[test]
fn long_and_wide_tables_are_cut_in_the_middle() {
    let columns =
        (0..30).map(|n| (format!("column {n}"), Column::floats((0..50).map(|row| f64::from(row * n) / 7.0))));
    let frame = Frame::new(columns).unwrap();
    let text = frame.render(60, 5);
    assert_eq!(
        text,
        "column 0 │ column 1 │ column 2 │ … │ column 28 │ column 29\n\
         ─────────┼──────────┼──────────┼───┼───────────┼──────────\n     \
         0.0 │   0.0000 │    0.000 │   │       0.0 │      0.00\n     \
         0.0 │   0.1429 │    0.286 │   │       4.0 │      4.14\n     \
         0.0 │   0.2857 │    0.571 │   │       8.0 │      8.29\n       \
         … │        … │        … │   │         … │         …\n     \
         0.0 │   6.8571 │   13.714 │   │     192.0 │    198.86\n     \
         0.0 │   7.0000 │   14.000 │   │     196.0 │    203.00\n\
         50 rows × 30 columns"
    );
}

#[test]
fn numbers_of_a_column_share_their_decimals() {
    let shown = |values: &[f64]| {
        let frame = Frame::new([("v", Column::floats(values.iter().copied()))]).unwrap();
        let text = frame.render(80, 20);
        let lines: Vec<String> = text.lines().skip(2).map(|line| line.trim().to_string()).collect();
        lines[..values.len()].to_vec()
    };
    assert_eq!(shown(&[1.0, 2.0]), ["1.0", "2.0"]);
    assert_eq!(shown(&[123456.0, 0.5]), ["123456.0", "0.5"]);
    assert_eq!(shown(&[0.5, 1e-12, 0.0]), ["0.5", "1.0e-12", "0.0"]);
    assert_eq!(shown(&[1e-9, 2e-8]), ["1.0000e-9", "2.0000e-8"]);
    assert_eq!(shown(&[-0.0, f64::INFINITY]), ["0.0", "inf"]);
    assert_eq!(shown(&[1e300, -5.0]), ["1.0000e300", "-5.0000e0"]);
}

#[test]
fn text_prints_on_one_line() {
    let frame = Frame::new([("token", Column::texts(["\n", "日本", &"x".repeat(60)]))]).unwrap();
    let text = frame.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2], "\\n");
    assert_eq!(lines[3], "日本");
    assert_eq!(lines[4], format!("{}…", "x".repeat(39)));
}
