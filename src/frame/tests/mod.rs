//! Tests of tables: building, choosing, sorting, stacking.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod files;
mod groups;
mod printing;

use super::*;

fn attribution() -> Frame {
    Frame::new([
        ("component", Column::texts(["L8_MLP", "L2H3", "L8_MLP", "L2H3", "EMBED"])),
        ("layer", Column::Int(vec![Some(8), Some(2), Some(8), Some(2), None])),
        ("delta", Column::Float(vec![Some(1.5), Some(-0.25), Some(2.5), None, Some(f64::NAN)])),
        ("kept", Column::bools([true, false, true, true, false])),
    ])
    .unwrap()
}

fn texts(frame: &Frame, name: &str) -> Vec<String> {
    frame.labels(name).unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

fn words(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_string).collect()
}

#[test]
fn columns_are_checked_where_a_table_is_built() {
    let unequal = Frame::new([("a", Column::ints([1, 2])), ("b", Column::ints([1]))]);
    assert_eq!(message(unequal), "columns of one table have the same length: \"a\" has 2 rows, \"b\" has 1");
    let twice = Frame::new([("a", Column::ints([1])), ("a", Column::ints([2]))]);
    assert_eq!(message(twice), "column \"a\" stands twice");
    let none = Frame::new(Vec::<(String, Column)>::new()).unwrap();
    assert_eq!((none.height(), none.width(), none.to_string().as_str()), (0, 0, "0 rows × 0 columns"));
}

#[test]
fn rows_make_columns_of_the_kind_that_holds_them() {
    let row =
        |cells: &[(&str, Cell)]| cells.iter().map(|(n, c)| (n.to_string(), c.clone())).collect::<Vec<_>>();
    let rows = [
        row(&[("a", 1.into()), ("b", "x".into())]),
        row(&[("b", Cell::Null), ("a", 2.5.into()), ("c", true.into())]),
        row(&[]),
    ];
    let frame = Frame::from_rows(&rows).unwrap();
    assert_eq!(frame.names(), ["a", "b", "c"]);
    assert_eq!(frame.column("a").unwrap(), Column::Float(vec![Some(1.0), Some(2.5), None]));
    assert_eq!(frame.column("b").unwrap(), Column::Text(vec![Some("x".into()), None, None]));
    assert_eq!(frame.column("c").unwrap(), Column::Bool(vec![None, Some(true), None]));
    assert_eq!(frame.rows().unwrap()[1], row(&[("a", 2.5.into()), ("b", Cell::Null), ("c", true.into())]));
    let mixed = Frame::from_rows(&[row(&[("a", 1.into())]), row(&[("a", "x".into())])]);
    assert!(
        message(mixed)
            .starts_with("column \"a\": expected integer as in the rows above, found string in row 1")
    );
    let twice = Frame::from_rows(&[row(&[("a", 1.into()), ("a", 2.into())])]);
    assert_eq!(message(twice), "row 0 has two values for column \"a\"");
}

#[test]
fn an_unknown_column_is_answered_with_the_known_ones() {
    let frame = attribution();
    let found = message(frame.floats("detla"));
    assert_eq!(
        found,
        "no column \"detla\"; the columns are \"component\", \"layer\", \"delta\" and \"kept\"\n\
         hint: did you mean \"delta\"?"
    );
    let found = message(frame.floats("component"));
    assert_eq!(
        found,
        "expected numbers in column \"component\", found string\nhint: columns of numbers: \"layer\" and \"delta\""
    );
    assert!(message(frame.row(5)).starts_with("row 5 of a table of 5 rows"));
}

#[test]
fn columns_are_chosen_renamed_and_added() {
    let frame = attribution();
    assert_eq!(frame.select(&["delta", "component"]).unwrap().names(), ["delta", "component"]);
    assert_eq!(frame.drop(&["kept", "layer"]).unwrap().names(), ["component", "delta"]);
    assert_eq!(
        frame.rename(&[("delta", "effect")]).unwrap().names(),
        ["component", "layer", "effect", "kept"]
    );
    // Two columns can change names with each other.
    let swapped = frame.rename(&[("layer", "delta"), ("delta", "layer")]).unwrap();
    assert_eq!(swapped.names(), ["component", "delta", "layer", "kept"]);
    assert_eq!(message(frame.rename(&[("delta", "layer")])), "column \"layer\" stands twice");
    assert!(message(frame.select(&["delta", "delta"])).contains("stands twice"));
    let replaced = frame.with_column("layer", Column::repeat(&Cell::from("x"), 5)).unwrap();
    assert_eq!(replaced.names(), frame.names());
    assert_eq!(replaced.kind("layer").unwrap(), Kind::Text);
    assert_eq!(frame.kind("layer").unwrap(), Kind::Int, "the first table is as it was");
    let short = frame.with_column("x", Column::ints([1]));
    assert_eq!(message(short), "expected 5 values for column \"x\", one for each row, found 1");
}

#[test]
fn rows_are_filtered_and_cut() {
    let frame = attribution();
    let kept = frame.filter(&[true, false, false, true, true]).unwrap();
    assert_eq!(texts(&kept, "component"), ["L8_MLP", "L2H3", "EMBED"]);
    assert_eq!(message(frame.filter(&[true])), "expected 5 truth values, one for each row, found 1");
    assert_eq!(texts(&frame.head(2), "component"), ["L8_MLP", "L2H3"]);
    assert_eq!(texts(&frame.tail(1), "component"), ["EMBED"]);
    assert_eq!((frame.tail(9).height(), frame.head(0).height(), frame.slice(7, 2).height()), (5, 0, 0));
    assert_eq!(frame.slice(3, usize::MAX).height(), 2);
    assert_eq!(texts(&frame.unique(&["component"]).unwrap(), "delta"), ["1.5", "-0.25", "NaN"]);
    let none: [&str; 0] = [];
    assert_eq!(frame.unique(&none).unwrap().height(), 5);
}

#[test]
fn sorting_is_stable_and_sets_missing_values_last() {
    let frame = attribution();
    let by = |keys: &[(&str, Order)]| texts(&frame.sort(keys).unwrap(), "delta");
    assert_eq!(by(&[("delta", Order::Ascending)]), ["-0.25", "1.5", "2.5", "NaN", "null"]);
    assert_eq!(by(&[("delta", Order::Descending)]), ["2.5", "1.5", "-0.25", "NaN", "null"]);
    assert_eq!(by(&[("component", Order::Ascending)]), ["NaN", "-0.25", "null", "1.5", "2.5"]);
    let both = by(&[("layer", Order::Descending), ("delta", Order::Descending)]);
    assert_eq!(both, ["2.5", "1.5", "-0.25", "null", "NaN"]);
}

#[test]
fn the_largest_values_come_first_whatever_their_sign() {
    let frame = Frame::new([
        ("id", Column::ints(0..6)),
        ("v", Column::Float([0.5, -3.0, f64::NAN, 3.0, 0.0, -1.0].map(Some).to_vec())),
    ]);
    let frame = frame.unwrap().with_column("id", Column::texts(words("a b c d e f"))).unwrap();
    assert_eq!(texts(&frame.top("v", 4).unwrap(), "id"), words("b d f a"));
    assert_eq!(texts(&frame.top("v", 9).unwrap(), "id"), words("b d f a e c"));
    assert!(message(frame.top("id", 1)).contains("expected numbers"));
}

#[test]
fn rows_that_agree_are_told() {
    let frame = attribution();
    frame.check_single(&["component", "delta"]).unwrap();
    assert_eq!(
        message(frame.check_single(&["component", "layer"])),
        "expected one row for component = L8_MLP, layer = 8, found 2\n\
         hint: take a mean first, as with mean_by([\"component\", \"layer\"]), or filter the rows"
    );
}

#[test]
fn tables_stack_by_name() {
    let a = Frame::new([("x", Column::ints([1])), ("y", Column::texts(["a"]))]).unwrap();
    let b = Frame::new([("y", Column::nulls(Kind::Float, 1)), ("x", Column::floats([0.5]))]).unwrap();
    let stacked = Frame::concat(&[a.clone(), b]).unwrap();
    assert_eq!(stacked.column("x").unwrap(), Column::floats([1.0, 0.5]));
    assert_eq!(stacked.column("y").unwrap(), Column::Text(vec![Some("a".into()), None]));
    let lacks = message(Frame::concat(&[a.clone(), a.select(&["x"]).unwrap()]));
    assert!(lacks.starts_with("table 1 lacks \"y\""), "{lacks}");
    let more = message(Frame::concat(&[a.select(&["x"]).unwrap(), a.clone()]));
    assert!(more.starts_with("table 1 has \"y\" beyond the first"), "{more}");
    let other = a.with_column("y", Column::ints([1])).unwrap();
    let kinds = message(Frame::concat(&[a, other]));
    assert_eq!(kinds, "column \"y\": expected string as in the tables before, found integer in table 1");
    assert!(message(Frame::concat(&[])).contains("found none"));
}
