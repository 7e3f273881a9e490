//! Scripts that ask for too much: each ends in an error or in a sensible value, at once, and none takes the process down.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::script::run;

/// What a script prints, or the error that it ends with, holds a text.
fn says(text: &str, expected: &str) {
    let begun = Instant::now();
    let ran = run(text);
    let found = ran.error.unwrap_or_else(|| ran.printed.join("\n") + "\n");
    assert!(found.contains(expected), "expected {expected:?} of {text} in: {found}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?} for {text}", begun.elapsed());
}

#[test]
fn what_memory_does_not_hold_is_refused_before_it_is_asked_for() {
    for (text, what) in [
        ("let a = []; a.pad(4000000000000, 0);", "an array of 4000000000000 elements needs"),
        ("let a = [1]; a.pad(9223372036854775807, 0);", "an array of 9223372036854775807 elements needs"),
        ("let t = \"x\"; t.pad(9223372036854775807, \"ab\");", "a text of 9223372036854775807 characters"),
        ("let t = \"x\"; t.pad(9223372036854775807, 'a');", "a text of 9223372036854775807 characters"),
        ("blob(9223372036854775807);", "a blob of 9223372036854775807 bytes needs"),
        ("blob(9223372036854775807, 1);", "a blob of 9223372036854775807 bytes needs"),
        ("let b = blob(1); b.pad(9223372036854775807, 1);", "a blob of 9223372036854775807 bytes needs"),
        (
            "let t = load_model(\"mora/tiny-ipd\").tokenizer;
            new_model(#{ model_type: \"llama\", hidden_size: 268435456, vocab_size: 268435456 }, t);",
            "a model of this configuration needs",
        ),
    ] {
        says(text, what);
    }
}

// Expected values: Rhai's documentation of the functions.
#[test]
fn padding_gives_what_it_gives_in_rhai() {
    says("let a = [1, 2, 3]; a.pad(5, 42); a.pad(3, 1); a.pad(-1, 1); print(a);", "[1, 2, 3, 42, 42]");
    says("let t = \"hello\"; t.pad(10, \"(!)\"); print(t);", "hello(!)(!\n");
    says("let t = \"hello\"; t.pad(8, '!'); t.pad(2, '?'); print(t);", "hello!!!\n");
    says("let t = \"é\"; t.pad(9, \"\"); print(t.len());", "1\n");
    says("let b = blob(2, 0x142); b.pad(4, 7); print(b);", "[42420707]");
}

#[test]
fn sleeping_ends() {
    says("sleep(1e300);", "longer than any clock counts");
    says("sleep(0.0 / 0.0); sleep(-1); sleep(-1.0); sleep(0.001); print(\"awake\");", "awake");
}

#[test]
fn sorting_keeps_every_element_whatever_it_is_told() {
    // NaN among numbers, of many lengths: the standard library looks closely at few of them.
    says(
        "let x = 17; let n_nan = 0;
        for n in [12, 21, 22, 30, 41, 59] {
            for again in 0..40 {
                let a = [];
                for i in 0..n { x = (x * 1103515245 + 12345) % 2147483648; let v = x / 65536; a.push(if v % 3 == 0 { 0.0 / 0.0 } else { v * 1.0 }); }
                let down = a.order_desc();
                a.sort();
                let numbers = a.filter(|v| v == v);
                let nan = n - numbers.len();
                n_nan += nan;
                for i in 1..numbers.len() { assert(a[i - 1] <= a[i], \"up\"); assert(down[i - 1] >= down[i], \"down\"); }
                assert(a.len() == n && down.len() == n, \"kept\");
            }
        }
        print(n_nan > 500);",
        "true",
    );
    // Whether one is smaller says of equal ones that each is before, or behind, the other.
    says(
        "let a = []; for i in 0..200 { a.push(i * 7919 % 10); }
        let b = a.order_by(|p, q| p <= q); a.sort(|p, q| p < q);
        for i in 1..200 { assert(a[i - 1] <= a[i] && b[i - 1] <= b[i], \"in order\"); }
        print(a.len() + b.len());",
        "400",
    );
    says(
        "let a = []; for i in 0..200 { a.push(i * 7919 % 101); }
        a.sort(|p, q| if (p * 31 + q * 17) % 3 == 0 { 1 } else { -1 }); print(a.len());",
        "200",
    );
    says(
        "print([3, 1, 2].order_by(|p, q| q - p)); print([\"b\", \"a\"].order());",
        "[3, 2, 1]\n[\"a\", \"b\"]",
    );
    says(
        "print(['b', 'a'].order_desc()); print([true, false].order()); print([].order());",
        "[b, a]\n[false, true]\n[]",
    );
    says("[2, 1].sort(|p, q| \"p\");", "a comparison gives an integer or a bool");
    says("[2, 1].sort(|p, q| throw \"no\");", "error: no");
    says("[2, \"a\"].order();", "elements of different types cannot be sorted");
}
