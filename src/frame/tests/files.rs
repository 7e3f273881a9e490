//! Tests of CSV and Parquet files, sound and damaged, and of any table through both.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

#[test]
fn csv_is_what_other_programs_write_and_read() {
    let frame = Frame::new([
        ("name, unit", Column::Text(vec![Some("a \"b\"".into()), None, Some("".into()), Some("1".into())])),
        ("x", Column::Float(vec![Some(0.1), Some(f64::NAN), None, Some(1e-300)])),
        ("n", Column::ints([1, -2, 3, 4])),
        ("yes", Column::bools([true, false, true, true])),
    ])
    .unwrap();
    let text = "\"name, unit\",x,n,yes\n\"a \"\"b\"\"\",0.1,1,true\n,NaN,-2,false\n\"\",,3,true\n\"1\",1e-300,4,true\n";
    assert_eq!(frame.to_csv().unwrap(), text);
    assert_eq!(Frame::from_csv(text).unwrap(), frame);
    let windows = Frame::from_csv("\u{feff}a,b\r\n\r\n1,\"x\r\ny\"\r\n2,z").unwrap();
    assert_eq!(windows.column("a").unwrap(), Column::ints([1, 2]));
    assert_eq!(texts(&windows, "b"), ["x\r\ny", "z"]);
    let widened = Frame::from_csv("a,b\n1,True\n2.5,False\n,").unwrap();
    assert_eq!(widened.column("a").unwrap(), Column::Float(vec![Some(1.0), Some(2.5), None]));
    assert_eq!(widened.column("b").unwrap(), Column::Bool(vec![Some(true), Some(false), None]));
}

#[test]
fn bad_csv_is_answered_with_its_line() {
    let bad = |text: &str| message(Frame::from_csv(text));
    assert_eq!(bad(""), "line 1: expected a header, found an empty file");
    assert_eq!(bad("a,a\n1,2"), "line 1: column \"a\" stands twice");
    assert!(bad("a,b\n1,2\n\n3\n").starts_with("line 4: expected 2 fields as in the header, found 1"));
    assert!(bad("a,b\n\"x\ny\",1\n1,2,3").starts_with("line 4: expected 2 fields as in the header, found 3"));
    assert!(bad("a\n1\n\"x").starts_with("line 3: a quoted field is not closed"));
    assert!(bad("a\n\"x\"y\n").starts_with("line 2: expected a comma after a quoted field, found 'y'"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, b"a\nx\n\xff\n").unwrap();
    let found = message(Frame::read(&path));
    assert!(found.contains("bad.csv: line 3: not UTF-8 text"), "{found}");
    assert!(message(Frame::read(&folder.path().join("none.csv"))).contains("none.csv: No such file"));
    let found = message(attribution().write(&folder.path().join("table.csvv")));
    assert!(
        found.contains("expected a table file, .csv or .parquet") && found.contains("did you mean \"csv\"?")
    );
}

#[test]
fn parquet_gives_the_same_table_and_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let frame = attribution();
    frame.write(&path).unwrap();
    assert_eq!(Frame::read(&path).unwrap(), frame);
    let first = std::fs::read(&path).unwrap();
    // The same rows put together from pieces.
    Frame::concat(&[frame.head(2), frame.slice(2, 3)]).unwrap().write(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    frame.head(0).write(&path).unwrap();
    assert_eq!(Frame::read(&path).unwrap(), frame.head(0));
}

#[test]
fn damaged_parquet_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    attribution().write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let found = message(Frame::read(&path));
        assert!(found.contains("table.parquet"), "{found}");
    }
    // A changed byte may go unnoticed or give an error; it never stops the program.
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x55;
        std::fs::write(&path, &changed).unwrap();
        if let Err(error) = Frame::read(&path) {
            assert!(error.to_string().contains("table.parquet"), "{error}");
        }
    }
}

fn any_column(rows: usize) -> impl Strategy<Value = Column> {
    use proptest::collection::vec;
    use proptest::option::of;
    prop_oneof![
        vec(of(any::<f64>()), rows).prop_map(Column::Float),
        vec(of(any::<i64>()), rows).prop_map(Column::Int),
        vec(of(".{0,6}|[,\"\n\r -]{0,4}|-?[0-9]{1,3}(\\.[0-9])?|true|NaN|inf"), rows).prop_map(Column::Text),
        vec(of(any::<bool>()), rows).prop_map(Column::Bool),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    (1usize..5, 0usize..7).prop_flat_map(|(columns, rows)| {
        proptest::collection::vec(any_column(rows), columns).prop_map(|columns| {
            Frame::new(columns.into_iter().enumerate().map(|(n, column)| (format!("c\n{n}"), column)))
                .unwrap()
        })
    })
}

proptest! {
    /// Columns without a value have no kind in CSV; all others come back, floats to the bit.
    #[test]
    fn tables_go_through_csv_unchanged(frame in any_frame()) {
        let back = Frame::from_csv(&frame.to_csv().unwrap()).unwrap();
        prop_assert_eq!(back.height(), frame.height());
        for (name, column) in frame.columns().unwrap() {
            let found = back.column(&name).unwrap();
            if column.null_count() == column.len() {
                prop_assert_eq!(found.null_count(), column.len());
            } else {
                // Debug text tells zeros and NaNs apart as far as CSV has to.
                prop_assert_eq!(format!("{found:?}"), format!("{column:?}"));
            }
        }
    }

    #[test]
    fn tables_go_through_parquet_unchanged(frame in any_frame()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        frame.write_parquet(&path).unwrap();
        prop_assert_eq!(Frame::read_parquet(&path).unwrap(), frame);
    }

    #[test]
    fn printing_never_fails_and_keeps_its_width(frame in any_frame(), width in 0usize..120, rows in 0usize..9) {
        let text = frame.render(width, rows);
        prop_assert!(text.lines().count() <= rows + 4);
    }

    #[test]
    fn sorting_only_moves_rows(frame in any_frame()) {
        let name = frame.names()[0].to_string();
        let sorted = frame.sort(&[(name.as_str(), Order::Descending)]).unwrap();
        let back = sorted.sort(&[(name.as_str(), Order::Ascending)]).unwrap();
        let mut cells = [frame.labels(&name).unwrap(), sorted.labels(&name).unwrap(), back.labels(&name).unwrap()];
        cells.iter_mut().for_each(|cells| cells.sort());
        prop_assert_eq!(&cells[0], &cells[1]);
        prop_assert_eq!(&cells[1], &cells[2]);
    }
}
