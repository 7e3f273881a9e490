//! What statistics refuse, and that nothing else passes for a result.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mora::Result;
use mora::stats::{self, *};
use proptest::prelude::*;

const NONE: [f64; 0] = [];
const ONE: [f64; 1] = [2.5];
const EQUAL: [f64; 4] = [0.1; 4];
const GOOD: [f64; 4] = [1.0, -0.5, 2.0, 0.25];
const WITH_NAN: [f64; 4] = [1.0, 2.0, f64::NAN, 4.0];
const WITH_INFINITY: [f64; 4] = [1.0, f64::NEG_INFINITY, 2.0, 4.0];

fn settings() -> Settings {
    Settings::default()
}

/// What a test says, called with two samples. Tests of differences take those of the two.
type OfTwo = (&'static str, fn(&[f64], &[f64]) -> Result<f64>);

/// Tests of two independent samples.
const INDEPENDENT: [OfTwo; 8] = [
    ("student_t", |a, b| Ok(student_t(a, b, settings())?.p)),
    ("welch_t", |a, b| Ok(welch_t(a, b, settings())?.p)),
    ("mann_whitney", |a, b| Ok(mann_whitney(a, b, Approach::Auto, true, settings())?.p)),
    ("permutation_test", |a, b| Ok(permutation_test(a, b, Draws::default(), settings())?.p)),
    ("kolmogorov_smirnov", |a, b| Ok(kolmogorov_smirnov(a, b, Approach::Auto, settings())?.p)),
    ("cohens_d", |a, b| Ok(cohens_d(a, b, settings())?.value)),
    ("hedges_g", |a, b| Ok(hedges_g(a, b, settings())?.value)),
    ("cliffs_delta", |a, b| Ok(cliffs_delta(a, b, settings())?.value)),
];

/// Tests of pairs.
const PAIRED: [OfTwo; 9] = [
    ("paired_t", |a, b| Ok(paired_t(&Differences::between(a, b)?, settings())?.p)),
    ("wilcoxon", |a, b| {
        let differences = Differences::between(a, b)?;
        Ok(wilcoxon_signed_rank(&differences, Zeros::Wilcox, Approach::Auto, false, settings())?.p)
    }),
    ("sign_test", |a, b| Ok(sign_test(&Differences::between(a, b)?, settings())?.p)),
    ("sign_flip", |a, b| Ok(sign_flip_test(&Differences::between(a, b)?, Draws::default(), settings())?.p)),
    ("cohens_d_z", |a, b| Ok(cohens_d_z(&Differences::between(a, b)?, settings())?.value)),
    ("rank_biserial", |a, b| Ok(matched_rank_biserial(&Differences::between(a, b)?, Zeros::Wilcox)?.value)),
    ("pearson", |a, b| Ok(pearson(a, b, settings())?.p)),
    ("spearman", |a, b| Ok(spearman(a, b, settings())?.p)),
    ("kendall", |a, b| Ok(kendall(a, b, Approach::Auto, settings())?.p)),
];

fn says(result: Result<f64>) -> String {
    match result {
        Ok(value) => panic!("{value} instead of an error"),
        Err(error) => error.what().to_owned(),
    }
}

#[test]
fn empty_nan_and_infinite_samples_are_named() {
    for (name, test) in INDEPENDENT.iter().chain(&PAIRED) {
        assert!(says(test(&NONE, &NONE)).starts_with("a is empty: expected at least "), "{name}");
        assert_eq!(says(test(&WITH_NAN, &GOOD)), "a: value 2 of 4 is NaN", "{name}");
        assert_eq!(says(test(&GOOD, &WITH_NAN)), "b: value 2 of 4 is NaN", "{name}");
        assert_eq!(says(test(&GOOD, &WITH_INFINITY)), "b: value 1 of 4 is -inf", "{name}");
    }
    for (name, test) in &INDEPENDENT {
        assert!(says(test(&GOOD, &NONE)).starts_with("b is empty"), "{name}");
    }
}

#[test]
fn pairs_of_unequal_length_are_refused() {
    for (name, test) in &PAIRED {
        let expected = "expected pairs, found 4 values in a and 1 in b";
        assert_eq!(says(test(&GOOD, &ONE)), expected, "{name}");
    }
}

#[test]
fn a_single_value_is_refused_where_there_is_no_spread() {
    for name in ["student_t", "welch_t", "cohens_d", "hedges_g"] {
        let test = INDEPENDENT.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(says(test(&ONE, &GOOD)), "a: expected at least 2 values, found 1", "{name}");
        assert_eq!(says(test(&GOOD, &ONE)), "b: expected at least 2 values, found 1", "{name}");
    }
    for name in ["paired_t", "cohens_d_z"] {
        let test = PAIRED.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(
            says(test(&ONE, &[1.0])),
            "the differences: expected at least 2 values, found 1",
            "{name}"
        );
    }
    for name in ["pearson", "spearman", "kendall"] {
        let test = PAIRED.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(says(test(&GOOD[..2], &GOOD[1..3])), "a: expected at least 3 values, found 2", "{name}");
    }
    assert_eq!(
        says(one_sample_t(&ONE, 0.0, settings()).map(|test| test.p)),
        "the sample: expected at least 2 values, found 1"
    );
    // A description of one value has no spread, and says so.
    let found = stats::describe(&ONE, &[0.5]).unwrap();
    assert!(found.std.is_nan() && found.standard_error.is_nan() && found.skewness.is_nan());
    assert_eq!((found.mean, found.quantiles[0]), (2.5, 2.5));
}

#[test]
fn samples_that_do_not_vary_are_refused() {
    // What the message of each begins with, where both samples are constant (and differ).
    let other = [0.3; 4];
    let expected = [
        ("student_t", "neither sample varies: a is 0.1 throughout, b is 0.3"),
        ("welch_t", "neither sample varies"),
        ("cohens_d", "neither sample varies"),
        ("hedges_g", "neither sample varies"),
        ("paired_t", "the difference does not vary: all 4 values are -0.19999999999999998"),
        ("cohens_d_z", "the difference does not vary"),
        ("pearson", "a does not vary: all 4 values are 0.1"),
        ("spearman", "a does not vary"),
        ("kendall", "a does not vary"),
    ];
    for (name, message) in expected {
        let test = INDEPENDENT.iter().chain(&PAIRED).find(|(known, _)| *known == name).unwrap().1;
        assert!(says(test(&EQUAL, &other)).starts_with(message), "{name}: {}", says(test(&EQUAL, &other)));
    }
    let same =
        [("mann_whitney", "what a and b hold does not vary"), ("permutation_test", "what a and b hold")];
    for (name, message) in same {
        let test = INDEPENDENT.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(says(test(&EQUAL, &EQUAL)).starts_with(message), "{name}");
    }
    for name in ["wilcoxon", "sign_test", "sign_flip", "rank_biserial"] {
        let test = PAIRED.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(says(test(&EQUAL, &EQUAL)), "all 4 differences are zero", "{name}");
    }
    // Equal on paper, but not to the last digit: no t statistic of 1e16.
    let (a, b) = ([1.1, 2.1, 3.1, 4.1], [1.0, 2.0, 3.0, 4.0]);
    let error = says(paired_t(&Differences::between(&a, &b).unwrap(), settings()).map(|test| test.p));
    assert!(error.starts_with("the difference varies only by rounding, from 0.0999"), "{error}");
}

#[test]
fn one_constant_sample_of_two_is_no_fault() {
    // scipy 1.17.1: ttest_ind([1, -0.5, 2, 0.25], [0.1] * 4, equal_var=False).
    let found = welch_t(&GOOD, &EQUAL, settings()).unwrap();
    assert!((found.statistic - 1.1001867836436274).abs() < 1e-10, "{found:?}");
    assert!((found.df.unwrap() - 3.0).abs() < 1e-10);
}

#[test]
fn groups_are_checked_one_by_one() {
    fn groups(groups: &[&[f64]]) -> Vec<Vec<f64>> {
        groups.iter().map(|group| group.to_vec()).collect()
    }
    let anova: fn(&[&[f64]]) -> String = |of| says(one_way_anova(&groups(of)).map(|test| test.p));
    let kruskal: fn(&[&[f64]]) -> String = |of| says(kruskal_wallis(&groups(of)).map(|test| test.p));
    for test in [anova, kruskal] {
        assert_eq!(test(&[&GOOD]), "expected at least two groups, found 1");
        assert_eq!(test(&[&GOOD, &[]]), "group 1 is empty: expected at least 1 value");
        assert_eq!(test(&[&WITH_NAN, &GOOD]), "group 0: value 2 of 4 is NaN");
    }
    assert_eq!(anova(&[&ONE, &[3.0]]), "expected more values than groups, found 2 in 2 groups");
    assert_eq!(anova(&[&EQUAL, &[0.5; 3]]), "no variation within any of the 2 groups");
    assert_eq!(kruskal(&[&EQUAL, &EQUAL]), "what all groups hold does not vary: all 8 values are 0.1");
}

#[test]
fn tables_and_counts_are_checked() {
    let chi = |table: &[&[f64]]| {
        let rows: Vec<Vec<f64>> = table.iter().map(|row| row.to_vec()).collect();
        says(chi_square_independence(&rows, true).map(|test| test.p))
    };
    assert_eq!(chi(&[]), "expected a table of at least 2 rows and 2 columns, found 0 and 0");
    assert_eq!(chi(&[&[1.0, 2.0]]), "expected a table of at least 2 rows and 2 columns, found 1 and 2");
    assert_eq!(chi(&[&[1.0, 2.0], &[3.0]]), "row 1 of the table has 1 columns, row 0 has 2");
    assert_eq!(chi(&[&[1.0, 2.0], &[-3.0, 4.0]]), "row 1 of the table: count 0 is -3, below 0");
    assert_eq!(chi(&[&[1.0, 0.0], &[3.0, 0.0]]), "column 1 of the table has no counts");
    let fit = |observed: &[f64], expected: Option<&[f64]>| {
        says(chi_square_fit(observed, expected).map(|test| test.p))
    };
    assert_eq!(fit(&[0.0, 0.0], None), "all 2 counts are 0");
    assert_eq!(fit(&[1.0, 2.0], Some(&[3.0])), "found 2 counts and 1 expected values");
    assert_eq!(fit(&[1.0, 2.0], Some(&[0.5, 0.5])), "the counts sum to 3, the expected values to 1");
    let fisher = |table| says(fisher_exact(table, settings()).map(|test| test.p));
    assert_eq!(fisher([[0, 0], [1, 2]]), "row 0 of the table has no counts");
    assert!(fisher([[1 << 40, 1 << 40], [1 << 40, 1 << 40]]).starts_with("the margins allow more than"));
    assert!(fisher([[u64::MAX, 1], [1, 1]]).starts_with("the margins allow more than"));
    let binomial =
        |k, n, p| says(binomial_test(k, n, p, BinomialInterval::Wilson, settings()).map(|test| test.p));
    assert_eq!(binomial(0, 0, 0.5), "expected at least one trial, found none");
    assert_eq!(binomial(3, 2, 0.5), "expected at most 2 successes, found 3");
    assert_eq!(binomial(1, 2, f64::NAN), "expected a probability from 0 to 1, found NaN");
    let difference = |r, n| {
        let of = |r, n| Correlation { r, n };
        says(correlation_difference(of(r, n), of(0.5, 10), settings()).map(|test| test.p))
    };
    assert_eq!(difference(1.0, 10), "a: expected a correlation between -1 and 1, found 1");
    assert_eq!(difference(f64::NAN, 10), "a: expected a correlation between -1 and 1, found NaN");
    assert_eq!(difference(0.2, 3), "a: expected a correlation of 4 pairs or more, found 3");
    let p = [Some(0.2), Some(f64::NAN)];
    let error = adjust(&p, Correction::Holm).unwrap_err();
    assert_eq!(error.what(), "expected p-values from 0 to 1, found NaN at place 1");
    assert_eq!(adjust(&[], Correction::Holm).unwrap(), []);
}

#[test]
fn settings_plans_and_exact_methods_are_checked() {
    for confidence in [0.0, 1.0, 95.0, f64::NAN] {
        let error = Settings::new(Alternative::Less, confidence).unwrap_err();
        assert!(error.what().starts_with("expected a confidence between 0 and 1, found "));
    }
    let tied = [1.0, 1.0, 2.0, 3.0];
    let exact = says(mann_whitney(&tied, &GOOD, Approach::Exact, true, settings()).map(|test| test.p));
    assert!(exact.contains("without equal values"), "{exact}");
    let exact = says(kendall(&tied, &GOOD, Approach::Exact, settings()).map(|test| test.p));
    assert!(exact.contains("without equal values"), "{exact}");
    let many: Vec<f64> = (0..20_000).map(f64::from).collect();
    let shifted: Vec<f64> = many.iter().map(|value| value + 0.5).collect();
    let exact = says(mann_whitney(&many, &shifted, Approach::Exact, true, settings()).map(|test| test.p));
    assert_eq!(exact, "20000 and 20000 values are too many for the exact Mann-Whitney test");
    assert!(
        says(kolmogorov_smirnov(&many, &shifted, Approach::Exact, settings()).map(|test| test.p))
            .contains("at most 10000 values")
    );
    let differences = Differences::new(shifted.clone()).unwrap();
    let exact = wilcoxon_signed_rank(&differences, Zeros::Wilcox, Approach::Exact, false, settings());
    assert!(says(exact.map(|test| test.p)).contains("at most 1500 differences, found 20000"));
    let none = Draws { count: 0, always: true, ..Draws::default() };
    assert_eq!(
        says(permutation_test(&GOOD, &tied, none, settings()).map(|test| test.p)),
        "expected at least one draw, found 0"
    );
    let normal = |mean, std| says(kolmogorov_smirnov_normal(&GOOD, mean, std, settings()).map(|test| test.p));
    assert!(normal(0.0, 0.0).starts_with("expected a finite mean and a standard deviation above 0"));
    assert!(normal(f64::NAN, 1.0).starts_with("expected a finite mean"));
    assert!(stats::quantile(&GOOD, 1.5).is_err());
}

#[test]
fn bootstraps_without_anything_to_vary_are_refused() {
    let plan = BootstrapPlan { resamples: 99, ..BootstrapPlan::default() };
    let mean = |values: &[f64]| Ok(Statistic::Mean.of(values));
    let of = |values: &[f64], plan| bootstrap_sample(values, plan, mean).unwrap_err();
    assert_eq!(of(&ONE, plan).what(), "the sample: expected at least 2 values, found 1");
    assert_eq!(of(&WITH_NAN, plan).what(), "the sample: value 2 of 4 is NaN");
    let error = of(&EQUAL, plan);
    assert_eq!(error.what(), "the statistic is the same whichever observation is left out");
    assert_eq!(error.help(), Some("take the percentile method"));
    let one = BootstrapPlan { resamples: 1, ..plan };
    assert_eq!(of(&GOOD, one).what(), "expected 2 to 100000000 resamples, found 1");
    let nothing = bootstrap_sample(&GOOD, plan, |_| Ok(f64::NAN)).unwrap_err();
    assert_eq!(nothing.what(), "the statistic of the sample is NaN");
    // Two pairs of three: some resample draws one pair three times, which has no correlation.
    let pairs =
        bootstrap_pairs(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0], plan, |a, b| PairStatistic::Pearson.of(a, b));
    assert!(pairs.unwrap_err().what().starts_with("the statistic of a resample: a does not vary"));
}

#[test]
fn matrices_components_and_clusters_are_checked() {
    assert_eq!(Matrix::new(3, vec![0.0; 4]).unwrap_err().what(), "4 values do not fill rows of 3");
    assert!(Matrix::new(0, vec![]).is_err());
    let error = Matrix::new(2, vec![0.0, 1.0, f64::NAN, 2.0]).unwrap_err();
    assert_eq!(error.what(), "row 1, column 0 is NaN");
    let points = Matrix::new(2, vec![0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 2.0, 4.0]).unwrap();
    let error = pca(&points, Some(2)).unwrap_err();
    assert_eq!(
        error.what(),
        "expected 1 to 1 components, found 2: 4 observations of width 2 vary in 1 directions"
    );
    let equal = Matrix::new(2, vec![0.5; 8]).unwrap();
    assert_eq!(pca(&equal, None).unwrap_err().what(), "all 4 observations are equal");
    assert_eq!(linear_cka(&points, &equal).unwrap_err().what(), "all 4 rows of y are equal");
    let short = Matrix::new(2, vec![0.0, 1.0]).unwrap();
    assert_eq!(
        linear_cka(&points, &short).unwrap_err().what(),
        "expected as many rows, found 4 in x and 1 in y"
    );
    let error = k_means(&points, 4, KMeansPlan::default()).unwrap_err();
    assert_eq!(error.what(), "expected 1 to 3 clusters, one a different observation, found 4");
    assert!(k_means(&points, 0, KMeansPlan::default()).is_err());
    assert!(k_means(&Matrix::new(2, vec![]).unwrap(), 1, KMeansPlan::default()).is_err());
    let zero = [0.0; 4];
    assert_eq!(cosine_similarity(&GOOD, &zero).unwrap_err().what(), "b is zero: it has no direction");
    assert!(euclidean_distance(&GOOD, &ONE).is_err());
}

#[test]
fn power_of_impossible_designs_is_refused() {
    let size = |effect, power, alternative| {
        paired_t_required_size(effect, power, 0.05, alternative).unwrap_err().what().to_owned()
    };
    assert_eq!(size(0.0, 0.8, Alternative::TwoSided), "no number of pairs finds an effect of 0 (two-sided)");
    assert_eq!(size(-0.3, 0.8, Alternative::Greater), "no number of pairs finds an effect of -0.3 (greater)");
    assert_eq!(
        size(0.3, 0.01, Alternative::TwoSided),
        "expected a power between alpha = 0.05 and 1, found 0.01"
    );
    assert_eq!(
        size(1e-7, 0.8, Alternative::TwoSided),
        "an effect of 0.0000001 needs more than 1000000000 pairs"
    );
    assert!(paired_t_power(f64::NAN, 10.0, 0.05, Alternative::TwoSided).is_err());
    assert!(paired_t_power(0.5, 1.0, 0.05, Alternative::TwoSided).is_err());
    assert!(paired_t_power(0.5, 10.0, 0.0, Alternative::TwoSided).is_err());
}

/// Numbers of all kinds: tame ones, small whole ones (ties, zeros), and any at all.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -10.0..10.0_f64, 4 => (-3..4_i32).prop_map(f64::from), 1 => any::<f64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_a_result_is_a_number(
        a in prop::collection::vec(any_number(), 0..9),
        b in prop::collection::vec(any_number(), 0..9),
    ) {
        for (name, test) in INDEPENDENT.iter().chain(&PAIRED) {
            if let Ok(value) = test(&a, &b) {
                prop_assert!(value.is_finite(), "{} gives {} for {:?} and {:?}", name, value, a, b);
            }
        }
        for test in [one_way_anova(&[a.clone(), b.clone()]), kruskal_wallis(&[a.clone(), b.clone()])].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&test.p), "{test:?} for {a:?} and {b:?}");
        }
        if let Ok(test) = one_sample_t(&a, 0.5, settings()) {
            prop_assert!((0.0..=1.0).contains(&test.p), "{test:?} for {a:?}");
        }
    }

    #[test]
    fn whatever_comes_in_components_and_clusters_hold_together(
        values in prop::collection::vec(any_number(), 0..30),
        width in 1..5_usize,
        k in 0..4_usize,
    ) {
        let whole = values.len() / width * width;
        let Ok(points) = Matrix::new(width, values[..whole].to_vec()) else { return Ok(()) };
        if let Ok(found) = pca(&points, None) {
            prop_assert!(found.shares.iter().all(|share| (0.0..=1.0 + 1e-12).contains(share)));
            prop_assert!(found.scores.values().iter().all(|value| value.is_finite()));
        }
        if let Ok(found) = k_means(&points, k, KMeansPlan::default()) {
            prop_assert_eq!(found.sizes.iter().sum::<usize>(), points.height());
            prop_assert!(found.sizes.iter().all(|size| *size > 0));
            prop_assert!(found.inertia.is_finite());
        }
        let _ = linear_cka(&points, &points).map(|value| assert!((value - 1.0).abs() < 1e-9, "{value}"));
    }
}
