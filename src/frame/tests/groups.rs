//! Tests of grouping, joining and reshaping.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

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
