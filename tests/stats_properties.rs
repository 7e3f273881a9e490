//! What holds for every sample: symmetries, invariances, and agreement with counting everything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mora::random::Random;
use mora::stats::{self, *};
use proptest::prelude::*;

fn settings(alternative: Alternative) -> Settings {
    Settings::new(alternative, 0.95).unwrap()
}

fn differences(values: &[f64]) -> Differences {
    Differences::new(values.to_vec()).unwrap()
}

/// Equal up to the rounding of some hundred operations.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-11 * a.abs().max(b.abs()).max(1e-3)
}

/// Whole numbers: ties and zeros come often.
fn whole(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-4..5_i32).prop_map(f64::from), size)
}

fn real(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-10.0..10.0_f64, size)
}

/// A test of two samples, for which a and b can be exchanged.
type OfTwo = fn(&[f64], &[f64], Settings) -> mora::Result<Test>;

const OF_TWO: [(&str, OfTwo); 5] = [
    ("student_t", student_t),
    ("welch_t", welch_t),
    ("mann_whitney", |a, b, settings| mann_whitney(a, b, Approach::Auto, true, settings)),
    ("permutation_test", |a, b, settings| permutation_test(a, b, Draws::default(), settings)),
    ("kolmogorov_smirnov", |a, b, settings| kolmogorov_smirnov(a, b, Approach::Auto, settings)),
];

/// A test of differences.
type OfOne = fn(&[f64], Settings) -> mora::Result<Test>;

const OF_DIFFERENCES: [(&str, OfOne); 4] = [
    ("paired_t", |values, settings| paired_t(&differences(values), settings)),
    ("wilcoxon", |values, settings| {
        wilcoxon_signed_rank(&differences(values), Zeros::Pratt, Approach::Auto, false, settings)
    }),
    ("sign_test", |values, settings| sign_test(&differences(values), settings)),
    ("sign_flip", |values, settings| sign_flip_test(&differences(values), Draws::default(), settings)),
];

const OF_PAIRS: [(&str, OfTwo); 3] = [
    ("pearson", pearson),
    ("spearman", spearman),
    ("kendall", |a, b, settings| kendall(a, b, Approach::Auto, settings)),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exchanging_samples_exchanges_the_directions(
        (a, b) in prop_oneof![(whole(2..9), whole(2..9)), (real(2..9), real(2..9))],
    ) {
        for (name, test) in OF_TWO {
            let p = |a: &[f64], b: &[f64], alternative| test(a, b, settings(alternative)).ok().map(|test| test.p);
            let Some(both) = p(&a, &b, Alternative::TwoSided) else { continue };
            prop_assert!(near(both, p(&b, &a, Alternative::TwoSided).unwrap()), "{}", name);
            let less = p(&a, &b, Alternative::Less).unwrap();
            let greater = p(&a, &b, Alternative::Greater).unwrap();
            prop_assert!(near(less, p(&b, &a, Alternative::Greater).unwrap()), "{}", name);
            if name != "kolmogorov_smirnov" {
                prop_assert!(near(both, (2.0 * less.min(greater)).min(1.0)), "{} {} {} {}", name, both, less, greater);
            }
        }
        let delta = |a: &[f64], b: &[f64]| cliffs_delta(a, b, Settings::default()).unwrap().value;
        prop_assert_eq!(delta(&a, &b), -delta(&b, &a));
    }

    #[test]
    fn changing_the_sign_of_differences_exchanges_the_directions(
        values in prop_oneof![whole(2..20), real(2..20)],
    ) {
        let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
        for (name, test) in OF_DIFFERENCES {
            let p = |values: &[f64], alternative| test(values, settings(alternative)).ok().map(|test| test.p);
            let Some(both) = p(&values, Alternative::TwoSided) else { continue };
            prop_assert!(near(both, p(&mirrored, Alternative::TwoSided).unwrap()), "{}", name);
            let less = p(&values, Alternative::Less).unwrap();
            prop_assert!(near(less, p(&mirrored, Alternative::Greater).unwrap()), "{}", name);
        }
    }

    #[test]
    fn scale_and_place_do_not_matter(a in real(3..12), b in real(3..12), by in 0.1..50.0_f64, to in -40.0..40.0_f64) {
        let moved = |values: &[f64]| values.iter().map(|value| value * by + to).collect::<Vec<_>>();
        for (name, test) in OF_TWO {
            let p = |a: &[f64], b: &[f64]| test(a, b, Settings::default()).unwrap().p;
            // Moving rounds the values: to 1e-14 of their size, which statistics of close values magnify.
            prop_assert!((p(&a, &b) - p(&moved(&a), &moved(&b))).abs() < 1e-8, "{}", name);
        }
        let size = a.len().min(b.len());
        let (a, b) = (&a[..size], &b[..size]);
        for (name, test) in OF_PAIRS {
            let r = |a: &[f64], b: &[f64]| test(a, b, Settings::default()).unwrap().statistic;
            prop_assert!((r(a, b) - r(&moved(a), b)).abs() < 1e-9, "{}", name);
            prop_assert!(near(r(a, b), r(b, a)), "{}", name);
        }
    }

    #[test]
    fn ranks_alone_matter_to_tests_of_ranks(a in whole(3..9), b in whole(3..9)) {
        // Rising, and exact for whole numbers.
        let bent = |values: &[f64]| values.iter().map(|value| value * value * value + 5.0 * value).collect::<Vec<_>>();
        for (name, test) in OF_TWO.iter().filter(|(name, _)| ["mann_whitney", "kolmogorov_smirnov"].contains(name)) {
            let p = |a: &[f64], b: &[f64]| test(a, b, Settings::default()).ok().map(|test| test.p);
            prop_assert_eq!(p(&a, &b), p(&bent(&a), &bent(&b)), "{}", name);
        }
        let size = a.len().min(b.len());
        for (name, test) in &OF_PAIRS[1..] {
            let p = |a: &[f64], b: &[f64]| test(&a[..size], &b[..size], Settings::default()).ok().map(|test| test.p);
            prop_assert_eq!(p(&a, &b), p(&bent(&a), &b), "{}", name);
        }
    }

    #[test]
    fn a_test_rejects_what_its_interval_leaves_out(a in real(3..12), b in real(3..12), null in -3.0..3.0_f64) {
        for alternative in [Alternative::TwoSided, Alternative::Less, Alternative::Greater] {
            let tests = [one_sample_t(&a, null, settings(alternative)), welch_t(&a, &b, settings(alternative))];
            for (test, null) in tests.into_iter().zip([null, 0.0]) {
                let test = test.unwrap();
                let interval = test.interval.unwrap();
                let inside = (interval.low..=interval.high).contains(&null);
                prop_assert_eq!(inside, test.p > 0.05, "{:?}", test);
            }
        }
    }

    #[test]
    fn sign_flips_are_those_that_one_can_count(values in prop_oneof![whole(1..11), real(1..11)]) {
        let Ok(test) = sign_flip_test(&differences(&values), Draws::default(), settings(Alternative::Greater)) else {
            prop_assert!(values.iter().all(|value| *value == 0.0));
            return Ok(());
        };
        let observed: f64 = values.iter().sum();
        let reached = (0..1_usize << values.len())
            .filter(|pattern| {
                let signed = values.iter().enumerate().map(|(place, value)| {
                    if pattern >> place & 1 == 1 { -value } else { *value }
                });
                signed.sum::<f64>() >= observed - 1e-12
            })
            .count();
        prop_assert_eq!(test.p, reached as f64 / (1_usize << values.len()) as f64);
    }

    #[test]
    fn divisions_are_those_that_one_can_count(a in whole(1..6), b in whole(1..6)) {
        let all = [a.clone(), b.clone()].concat();
        let Ok(test) = permutation_test(&a, &b, Draws::default(), settings(Alternative::Less)) else { return Ok(()) };
        let observed: f64 = a.iter().sum();
        let sums: Vec<f64> = (0..1_usize << all.len())
            .filter(|chosen| chosen.count_ones() as usize == a.len())
            .map(|chosen| (0..all.len()).filter(|place| chosen >> place & 1 == 1).map(|place| all[place]).sum())
            .collect();
        let reached = sums.iter().filter(|sum| **sum <= observed).count();
        prop_assert!(near(test.p, reached as f64 / sums.len() as f64), "{:?}", test);
    }

    #[test]
    fn kendall_counts_pairs(a in whole(3..15), b in whole(3..15)) {
        let size = a.len().min(b.len());
        let (a, b) = (&a[..size], &b[..size]);
        let Ok(test) = kendall(a, b, Approach::Asymptotic, Settings::default()) else { return Ok(()) };
        let (mut excess, mut in_a, mut in_b) = (0.0, 0.0, 0.0);
        for i in 0..size {
            for j in 0..i {
                let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
                let (x, y) = (sign(a[i] - a[j]), sign(b[i] - b[j]));
                excess += x * y;
                in_a += x * x;
                in_b += y * y;
            }
        }
        prop_assert!(near(test.statistic, excess / f64::sqrt(in_a * in_b)));
    }

    #[test]
    fn tails_meet(t in -50.0..50.0_f64, df in 0.5..500.0_f64, delta in -20.0..20.0_f64, k in 0..60_u64, p in 0.01..0.99_f64) {
        for tails in [
            normal_tails(t),
            student_t_tails(t, df),
            fisher_f_tails(t.abs(), df, 7.5),
            chi_squared_tails(t.abs(), df),
            noncentral_t_tails(t, df, delta),
        ] {
            prop_assert!((tails.lower + tails.upper - 1.0).abs() < 1e-13, "{:?}", tails);
        }
        // A count lies in both of its tails.
        let tails = binomial_tails(k, 60, p);
        let rest = if k == 60 { 0.0 } else { binomial_tails(k + 1, 60, p).upper };
        prop_assert!((tails.lower + rest - 1.0).abs() < 1e-13);
        let interval = clopper_pearson_interval(k, 60, Settings::default()).unwrap().interval.unwrap();
        let wilson = wilson_interval(k, 60, Settings::default()).unwrap().interval.unwrap();
        for interval in [interval, wilson] {
            let share = k as f64 / 60.0;
            prop_assert!(0.0 <= interval.low && interval.low <= share && share <= interval.high && interval.high <= 1.0);
        }
        if (0.001..0.999).contains(&student_t_tails(t, df).lower) {
            prop_assert!((student_t_quantile(student_t_tails(t, df).lower, df) - t).abs() < 1e-9);
        }
    }

    #[test]
    fn corrections_are_ordered(p in prop::collection::vec(0.0..=1.0_f64, 1..30)) {
        let p: Vec<Option<f64>> = p.into_iter().map(Some).collect();
        let of = |correction| adjust(&p, correction).unwrap();
        let (bonferroni, holm) = (of(Correction::Bonferroni), of(Correction::Holm));
        let (hochberg, yekutieli) = (of(Correction::BenjaminiHochberg), of(Correction::BenjaminiYekutieli));
        // Up to the rounding of a product.
        let at_most = |a: Option<f64>, b: Option<f64>| a.unwrap() <= b.unwrap() * (1.0 + 1e-14);
        for place in 0..p.len() {
            prop_assert!(at_most(p[place], hochberg[place]) && at_most(hochberg[place], holm[place]));
            prop_assert!(at_most(holm[place], bonferroni[place]) && at_most(hochberg[place], yekutieli[place]));
            for other in 0..p.len() {
                let keeps_order = holm[place] <= holm[other] && hochberg[place] <= hochberg[other];
                prop_assert!(p[place] > p[other] || keeps_order);
            }
        }
    }

    #[test]
    fn representations_may_be_turned_scaled_and_moved(values in real(20..40), angle in 0.0..6.0_f64, by in 0.1..9.0_f64) {
        let rows = values.len() / 2;
        let x = Matrix::new(2, values[..2 * rows].to_vec()).unwrap();
        let turned: Vec<f64> = x
            .rows()
            .flat_map(|row| {
                let (sine, cosine) = angle.sin_cos();
                [by * (cosine * row[0] - sine * row[1]) + 3.0, by * (sine * row[0] + cosine * row[1]) - 7.0]
            })
            .collect();
        let turned = Matrix::new(2, turned).unwrap();
        prop_assert!((linear_cka(&x, &turned).unwrap() - 1.0).abs() < 1e-10);
        let (own, other) = (pca(&x, None).unwrap(), pca(&turned, None).unwrap());
        for (own, other) in own.shares.iter().zip(&other.shares) {
            prop_assert!((own - other).abs() < 1e-10);
        }
    }

    #[test]
    fn components_are_orthogonal_and_give_the_points_back(values in real(12..60), width in 2..7_usize) {
        let rows = values.len() / width;
        let x = Matrix::new(width, values[..rows * width].to_vec()).unwrap();
        if rows < 2 {
            return Ok(());
        }
        let found = pca(&x, None).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, a) in found.components.rows().enumerate() {
            for (j, b) in found.components.rows().enumerate() {
                prop_assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
        for (row, scores) in x.rows().zip(found.scores.rows()) {
            for (column, value) in row.iter().enumerate() {
                let parts = found.components.rows().zip(scores).map(|(component, score)| component[column] * score);
                prop_assert!((found.mean[column] + parts.sum::<f64>() - value).abs() < 1e-11);
            }
        }
        prop_assert!((found.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_mirror(values in real(1..12), fraction in 0.0..=1.0_f64) {
        let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
        let (own, other) = (stats::quantile(&values, fraction), stats::quantile(&mirrored, 1.0 - fraction));
        prop_assert!((own.unwrap() + other.unwrap()).abs() < 1e-12);
    }
}

#[test]
fn seeds_make_draws_and_other_seeds_make_others() {
    let mut random = Random::new(5);
    let values: Vec<f64> = (0..50).map(|_| random.normal() + 0.2).collect();
    let p = |seed| {
        let draws = Draws { seed, ..Draws::default() };
        sign_flip_test(&differences(&values), draws, Settings::default()).unwrap()
    };
    assert_eq!(p(1), p(1));
    assert_ne!(p(1).p, p(2).p);
    assert_eq!(p(1).method, "sign-flip permutation test (Monte Carlo, 9999 draws, seed 1)");
    let interval = |seed| {
        let plan = BootstrapPlan { seed, resamples: 499, ..BootstrapPlan::default() };
        bootstrap_sample(&values, plan, |values| Ok(Statistic::Mean.of(values))).unwrap()
    };
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
}

#[test]
fn draws_agree_with_counting() {
    let mut random = Random::new(11);
    let a: Vec<f64> = (0..9).map(|_| random.normal() + 1.0).collect();
    let b: Vec<f64> = (0..8).map(|_| random.normal()).collect();
    let drawn = Draws { count: 200_000, seed: 4, always: true };
    let settings = Settings::default();
    for (exact, drawn) in [
        (permutation_test(&a, &b, Draws::default(), settings), permutation_test(&a, &b, drawn, settings)),
        (permutation_test(&b, &a, Draws::default(), settings), permutation_test(&b, &a, drawn, settings)),
        (
            sign_flip_test(&differences(&a), Draws::default(), settings),
            sign_flip_test(&differences(&a), drawn, settings),
        ),
    ] {
        let (exact, drawn) = (exact.unwrap(), drawn.unwrap());
        assert!(exact.method.contains("exact") && drawn.method.contains("Monte Carlo"));
        // Four standard errors; a two-sided p is twice a share.
        let error = 2.0 * (0.5 * exact.p / 200_000.0_f64).sqrt();
        assert!((exact.p - drawn.p).abs() < 4.0 * error, "{} {}", exact.p, drawn.p);
    }
}
