//! Tables: building, operations, printing and files.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

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

/// Expected values: numpy 2.4.6, with `v = np.array([3.25, -1.5, 0.125, 9.75, 4.0, -2.0, 7.5])`: `v.mean()`,
/// `v.std(ddof=1)`, `v.var(ddof=1)`, `np.median(v)`, `np.quantile(v, [0.1, 0.25, 0.9])`.
#[test]
fn statistics_agree_with_numpy() {
    let values = [3.25, -1.5, 0.125, 9.75, 4.0, -2.0, 7.5];
    let frame = Frame::new([("v", Column::floats(values))]).unwrap();
    let keys: [&str; 0] = [];
    for (stat, expected) in [
        ("mean", 3.017857142857143),
        ("sum", 21.125),
        ("min", -2.0),
        ("max", 9.75),
        ("median", 3.25),
        ("std", 4.479367381992366),
        ("var", 20.064732142857142),
        ("q0.1", -1.7),
        ("q0.25", -0.6875),
        ("q0.9", 8.4),
    ] {
        let stat: Stat = stat.parse().unwrap();
        let told = frame.group_by(&keys, &[Aggregate::new("v", stat)]).unwrap();
        let found = told.floats(&format!("{stat}_v")).unwrap()[0];
        // A handful of operations on numbers below 100.
        assert!((found - expected).abs() < 1e-13, "{stat}: {found} for {expected}");
    }
}

#[test]
fn groups_stand_in_the_order_they_first_appear() {
    let stats = ["mean", "count", "first", "last", "std", "sum", "max"].map(|stat| stat.parse().unwrap());
    let aggregates: Vec<Aggregate> = stats.iter().map(|&stat| Aggregate::new("delta", stat)).collect();
    let told = attribution().group_by(&["component"], &aggregates).unwrap();
    assert_eq!(
        told.names(),
        [
            "component",
            "mean_delta",
            "count_delta",
            "first_delta",
            "last_delta",
            "std_delta",
            "sum_delta",
            "max_delta"
        ]
    );
    assert_eq!(texts(&told, "component"), ["L8_MLP", "L2H3", "EMBED"]);
    assert_eq!(texts(&told, "mean_delta"), ["2.0", "-0.25", "NaN"]);
    assert_eq!(texts(&told, "count_delta"), ["2", "1", "1"]);
    assert_eq!(texts(&told, "last_delta"), ["2.5", "null", "NaN"]);
    assert_eq!(texts(&told, "std_delta"), ["0.7071067811865476", "null", "null"]);
    assert_eq!(texts(&told, "max_delta"), ["2.5", "-0.25", "NaN"]);
}

#[test]
fn aggregates_keep_the_kind_where_there_is_one_to_keep() {
    let frame = Frame::new([
        ("key", Column::Int(vec![Some(1), None, Some(1), None])),
        ("n", Column::ints([3, 4, 5, -1])),
        ("t", Column::texts(["b", "z", "a", "y"])),
        ("b", Column::bools([true, false, false, false])),
    ])
    .unwrap();
    let one = |column: &str, stat: Stat| {
        frame.group_by(&["key"], &[Aggregate::new(column, stat).named("v")]).unwrap().column("v").unwrap()
    };
    assert_eq!(one("n", Stat::Sum), Column::ints([8, 3]));
    assert_eq!(one("n", Stat::Min), Column::ints([3, -1]));
    assert_eq!(one("t", Stat::Max), Column::texts(["b", "z"]));
    assert_eq!(one("b", Stat::Mean), Column::floats([0.5, 0.0]));
    let found = message(frame.group_by(&["key"], &[Aggregate::new("t", Stat::Mean)]));
    assert!(found.starts_with("column \"t\": expected numbers for \"mean\", found string"), "{found}");
    let large = Frame::new([("n", Column::ints([i64::MAX, 1]))]).unwrap();
    let keys: [&str; 0] = [];
    let found = message(large.group_by(&keys, &[Aggregate::new("n", Stat::Sum)]));
    assert!(found.contains("does not fit in 64 bits"), "{found}");
    assert!(message("q1.5".parse::<Stat>()).contains("from q0 to q1"));
    assert!(message("mena".parse::<Stat>()).contains("did you mean \"mean\"?"));
}

#[test]
fn mean_by_takes_every_column_of_numbers() {
    let told = attribution().mean_by(&["component", "kept"]).unwrap();
    assert_eq!(told.names(), ["component", "kept", "layer", "delta"]);
    assert_eq!(texts(&told, "delta"), ["2.0", "-0.25", "null", "NaN"]);
    assert_eq!(texts(&told, "layer"), ["8.0", "2.0", "2.0", "null"]);
}

#[test]
fn a_group_of_no_rows_tells_nothing_but_its_count() {
    let empty = attribution().head(0);
    assert_eq!(empty.group_by(&["component"], &[Aggregate::new("delta", Stat::Mean)]).unwrap().height(), 0);
    let keys: [&str; 0] = [];
    let stats = [Stat::Count, Stat::Sum, Stat::Mean, Stat::First].map(|stat| Aggregate::new("delta", stat));
    let told = empty.group_by(&keys, &stats).unwrap();
    assert_eq!(
        told.rows().unwrap()[0].iter().map(|(_, c)| c.to_string()).collect::<Vec<_>>(),
        ["0", "0.0", "null", "null"]
    );
}

#[test]
fn a_table_splits_into_its_groups() {
    let parts = attribution().split(&["component"]).unwrap();
    assert_eq!(parts.iter().map(Frame::height).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(Frame::concat(&parts).unwrap().height(), 5);
}

fn sides() -> (Frame, Frame) {
    let left = Frame::new([
        ("id", Column::Int(vec![Some(2), Some(1), None, Some(2)])),
        ("v", Column::texts(["a", "b", "c", "d"])),
    ]);
    let right = Frame::new([
        ("v", Column::texts(["R", "S", "T", "U"])),
        ("id", Column::Float(vec![Some(2.0), Some(3.0), Some(2.0), None])),
        ("w", Column::ints([10, 20, 30, 40])),
    ]);
    (left.unwrap(), right.unwrap())
}

#[test]
fn joins_keep_the_rows_they_say() {
    let (left, right) = sides();
    let join = |how: &str| left.join(&right, &["id"], how.parse().unwrap(), "_right").unwrap();
    let inner = join("inner");
    assert_eq!(inner.names(), ["id", "v", "v_right", "w"]);
    assert_eq!((texts(&inner, "v"), texts(&inner, "v_right")), (words("a a d d"), words("R T R T")));
    let all = join("left");
    assert_eq!((texts(&all, "v"), texts(&all, "w")), (words("a a b c d d"), words("10 30 null null 10 30")));
    let outer = join("outer");
    assert_eq!(texts(&outer, "v"), words("a a b c d d null null"));
    assert_eq!(texts(&outer, "id"), words("2.0 2.0 1.0 null 2.0 2.0 3.0 null"));
    assert_eq!(texts(&outer, "w"), words("10 30 null null 10 30 20 40"));
    let anti = join("anti");
    assert_eq!((anti.names(), texts(&anti, "v")), (vec!["id", "v"], words("b c")));
}

fn words(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_string).collect()
}

#[test]
fn joins_say_what_does_not_go_together() {
    let (left, right) = sides();
    assert!(message(left.join(&right, &["w"], Join::Left, "_right")).starts_with("no column \"w\""));
    let text = right.with_column("id", Column::texts(["1", "2", "3", "4"])).unwrap();
    let found = message(left.join(&text, &["id"], Join::Left, "_right"));
    assert!(found.contains("column \"id\": expected integer"), "{found}");
    assert!(message(left.join(&right, &["id"], Join::Left, "")).contains("\"v\" stands twice"));
    assert!(message("innre".parse::<Join>()).contains("did you mean \"inner\"?"));
}

#[test]
fn wide_and_long_are_each_other_s_inverse() {
    let long = Frame::new([
        ("layer", Column::ints([0, 0, 1, 1])),
        ("head", Column::ints([1, 0, 0, 1])),
        ("delta", Column::floats([0.1, 0.2, 0.3, 0.4])),
    ])
    .unwrap();
    let wide = long.pivot(&["layer"], "head", "delta", Stat::Mean).unwrap();
    assert_eq!(wide.names(), ["layer", "1", "0"]);
    assert_eq!(wide.floats("0").unwrap(), [0.2, 0.3]);
    let none: [&str; 0] = [];
    let back = wide.unpivot(&["layer"], &none, "head", "delta").unwrap();
    assert_eq!(texts(&back, "head"), ["1", "0", "1", "0"]);
    assert_eq!(back.floats("delta").unwrap(), [0.1, 0.2, 0.4, 0.3]);
    // A cell that no row meets is null, also for a statistic that is defined for none.
    let gap = long.head(3).pivot(&["layer"], "head", "delta", Stat::Sum).unwrap();
    assert_eq!(gap.column("1").unwrap(), Column::Float(vec![Some(0.1), None]));
    let clash = long.with_column("head", Column::texts(["layer", "a", "b", "c"])).unwrap();
    let found = message(clash.pivot(&["layer"], "head", "delta", Stat::Mean));
    assert_eq!(found, "the values of \"head\" become columns: column \"layer\" stands twice");
}

#[test]
fn describe_tells_of_every_column() {
    let told = attribution().describe().unwrap();
    assert_eq!(texts(&told, "column"), ["component", "layer", "delta", "kept"]);
    assert_eq!(texts(&told, "kind"), ["string", "integer", "number", "bool"]);
    assert_eq!(texts(&told, "nulls"), ["0", "1", "1", "0"]);
    assert_eq!(texts(&told, "median"), ["null", "5.0", "NaN", "null"]);
}

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
