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
fn a_model_larger_than_memory_is_refused_before_it_is_made() {
    says(
        "let t = load_model(\"mora/tiny-ipd\").tokenizer;
        new_model(#{ model_type: \"llama\", hidden_size: 268435456, vocab_size: 268435456 }, t);",
        "a model of this configuration needs",
    );
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
