//! Where nothing differs, tests reject at their level and intervals hold the truth; where something was planted, it
//! is found. All draws are seeded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mora::random::Random;
use mora::stats::*;

const LEVEL: f64 = 0.05;
const REPETITIONS: usize = 2_000;

/// Fails where a count of `REPETITIONS` is more than four standard deviations from the shares that it may have.
fn check_share(name: &str, count: usize, least: f64, most: f64) {
    let n = REPETITIONS as f64;
    let slack = |share: f64| 4.0 * (n * share * (1.0 - share)).sqrt();
    let (low, high) = (n * least - slack(least), n * most + slack(most));
    assert!(
        (low..=high).contains(&(count as f64)),
        "{name}: {count} of {REPETITIONS}, expected {low} to {high}"
    );
}

/// How often something holds, over seeded repetitions.
fn count(seed: u64, mut holds: impl FnMut(&mut Random) -> bool) -> usize {
    let mut random = Random::new(seed);
    (0..REPETITIONS).filter(|_| holds(&mut random)).count()
}

fn normal(random: &mut Random, n: usize) -> Vec<f64> {
    (0..n).map(|_| random.normal()).collect()
}

fn differences(values: Vec<f64>) -> Differences {
    Differences::new(values).unwrap()
}

#[test]
fn t_tests_reject_at_their_level() {
    for alternative in [Alternative::TwoSided, Alternative::Less, Alternative::Greater] {
        let settings = Settings::new(alternative, 0.95).unwrap();
        let rejected =
            count(1, |random| paired_t(&differences(normal(random, 15)), settings).unwrap().p <= LEVEL);
        check_share("paired t", rejected, LEVEL, LEVEL);
        let rejected = count(2, |random| {
            student_t(&normal(random, 9), &normal(random, 14), settings).unwrap().p <= LEVEL
        });
        check_share("Student's t", rejected, LEVEL, LEVEL);
    }
    // Welch's is an approximation: for unequal variances and sizes it is off by less than half a percent here.
    let rejected = count(3, |random| {
        let wide: Vec<f64> = normal(random, 12).into_iter().map(|value| 3.0 * value).collect();
        welch_t(&wide, &normal(random, 25), Settings::default()).unwrap().p <= LEVEL
    });
    check_share("Welch's t", rejected, LEVEL - 0.005, LEVEL + 0.005);
}

#[test]
fn tests_of_ranks_reject_at_their_level() {
    let settings = Settings::default();
    // The exact test has steps: the greatest attainable p at or below 0.05 for 15 pairs is 0.0479.
    let rejected = count(4, |random| {
        let values = differences(normal(random, 15));
        wilcoxon_signed_rank(&values, Zeros::Wilcox, Approach::Auto, false, settings).unwrap().p <= LEVEL
    });
    check_share("Wilcoxon, exact", rejected, 0.0479, 0.0479);
    let rejected = count(5, |random| {
        let values = differences(normal(random, 60));
        wilcoxon_signed_rank(&values, Zeros::Wilcox, Approach::Auto, false, settings).unwrap().p <= LEVEL
    });
    check_share("Wilcoxon, approximate", rejected, LEVEL - 0.003, LEVEL + 0.003);
    // Ties and zeros: whole numbers, with the conditional distribution. It is never above its level.
    let rejected = count(6, |random| {
        let mut values: Vec<f64> =
            normal(random, 12).into_iter().map(|value| (2.0 * value).round()).collect();
        values[0] = 1.0_f64.copysign(values[0] + random.normal());
        let values = differences(values);
        wilcoxon_signed_rank(&values, Zeros::Pratt, Approach::Exact, false, settings).unwrap().p <= LEVEL
    });
    check_share("Wilcoxon, exact with ties", rejected, 0.035, LEVEL);
    let rejected = count(7, |random| {
        let (a, b) = (normal(random, 8), normal(random, 11));
        mann_whitney(&a, &b, Approach::Auto, true, settings).unwrap().p <= LEVEL
    });
    check_share("Mann-Whitney, exact", rejected, 0.04, LEVEL);
}

#[test]
fn permutation_tests_reject_at_their_level() {
    let settings = Settings::default();
    // Of 4,096 sign patterns 204 are 0.0498 of all, two-sided.
    let rejected = count(8, |random| {
        sign_flip_test(&differences(normal(random, 12)), Draws::default(), settings).unwrap().p <= LEVEL
    });
    check_share("sign flips, counted", rejected, 204.0 / 4096.0, 204.0 / 4096.0);
    // Of 924 divisions 46.
    let rejected = count(9, |random| {
        let (a, b) = (normal(random, 6), normal(random, 6));
        permutation_test(&a, &b, Draws::default(), settings).unwrap().p <= LEVEL
    });
    check_share("divisions, counted", rejected, 46.0 / 924.0, 46.0 / 924.0);
    // Of 199 draws and the sample itself 5 on either side are 0.05 exactly.
    let rejected = count(10, |random| {
        let draws = Draws { count: 199, seed: random.bits(), always: true };
        sign_flip_test(&differences(normal(random, 15)), draws, settings).unwrap().p <= LEVEL
    });
    check_share("sign flips, drawn", rejected, LEVEL, LEVEL);
}

#[test]
fn corrected_families_reject_at_their_level() {
    // Where nothing differs, any rejection is false: both kinds of error rate are the chance of any.
    const TESTS: usize = 20;
    for (correction, least) in
        [(Correction::BenjaminiHochberg, LEVEL), (Correction::Holm, 0.0488), (Correction::Bonferroni, 0.0488)]
    {
        let rejected = count(11, |random| {
            let p: Vec<Option<f64>> = (0..TESTS)
                .map(|_| Some(paired_t(&differences(normal(random, 15)), Settings::default()).unwrap().p))
                .collect();
            adjust(&p, correction).unwrap().into_iter().flatten().any(|p| p <= LEVEL)
        });
        check_share("a family of null tests", rejected, least, LEVEL);
    }
}

#[test]
fn planted_effects_are_found_and_false_ones_bounded() {
    const TESTS: usize = 40;
    const PLANTED: usize = 8;
    let mut random = Random::new(12);
    let (mut found, mut shares) = (0, Vec::new());
    for _ in 0..1_000 {
        let p: Vec<Option<f64>> = (0..TESTS)
            .map(|test| {
                let shift = if test < PLANTED { 1.5 } else { 0.0 };
                let values = normal(&mut random, 15).into_iter().map(|value| value + shift).collect();
                Some(paired_t(&differences(values), Settings::default()).unwrap().p)
            })
            .collect();
        let adjusted = adjust(&p, Correction::BenjaminiHochberg).unwrap();
        let rejected: Vec<usize> = (0..TESTS).filter(|test| adjusted[*test].unwrap() <= LEVEL).collect();
        let planted = rejected.iter().filter(|test| **test < PLANTED).count();
        found += planted;
        shares.push((rejected.len() - planted) as f64 / rejected.len().max(1) as f64);
    }
    // An effect of 1.5 in 15 pairs is found with power 0.9997 at 0.05, still 0.98 at 0.05 · 9 / 40 or so.
    assert!(found as f64 > 0.97 * 8_000.0, "{found}");
    let mean = shares.iter().sum::<f64>() / 1_000.0;
    let spread = (shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 999_000.0).sqrt();
    // Benjamini and Hochberg (1995): the share is 0.05 · 32 / 40 for independent tests.
    assert!((mean - 0.04).abs() < 4.0 * spread, "{mean} ± {spread}");
}

#[test]
fn a_planted_difference_of_correlations_is_found() {
    let pairs = |random: &mut Random, rho: f64, n: usize| {
        let a = normal(random, n);
        let rest = (1.0 - rho * rho).sqrt();
        let b: Vec<f64> = a.iter().map(|value| rho * value + rest * random.normal()).collect();
        Correlation { r: PairStatistic::Pearson.of(&a, &b).unwrap(), n }
    };
    let rejected = |rho: f64, sigma: f64| {
        count(13, |random| {
            let (a, b) = (pairs(random, rho, 40), pairs(random, sigma, 40));
            correlation_difference(a, b, Settings::default()).unwrap().p <= LEVEL
        })
    };
    // Fisher's z is normal to order 1 / n: within half a percent for 40 pairs.
    check_share("equal correlations", rejected(0.5, 0.5), LEVEL - 0.005, LEVEL + 0.005);
    // z differs by 1.35, √(2 / 37) is 0.23: power above 0.999.
    check_share("planted difference", rejected(0.7, -0.45), 0.999, 1.0);
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let covered = count(14, |random| {
        let values: Vec<f64> = normal(random, 10).into_iter().map(|value| value + 2.0).collect();
        let interval = one_sample_t(&values, 0.0, Settings::default()).unwrap().interval.unwrap();
        (interval.low..=interval.high).contains(&2.0)
    });
    check_share("interval of a mean", covered, 0.95, 0.95);
    let covered = count(15, |random| {
        let values: Vec<f64> = normal(random, 12).into_iter().map(|value| value + 0.8).collect();
        let interval = cohens_d_z(&differences(values), Settings::default()).unwrap().interval.unwrap();
        (interval.low..=interval.high).contains(&0.8)
    });
    check_share("interval of d_z", covered, 0.95, 0.95);
    // The bootstrap is right to order 1 / n alone; with 30 values of a skewed distribution it lacks some percent.
    let covered = count(16, |random| {
        let values: Vec<f64> = normal(random, 30).into_iter().map(|value| value * value).collect();
        let plan = BootstrapPlan { resamples: 399, seed: random.bits(), ..BootstrapPlan::default() };
        let found = bootstrap_sample(&values, plan, |values| Ok(Statistic::Mean.of(values))).unwrap();
        let interval = found.interval.unwrap();
        (interval.low..=interval.high).contains(&1.0)
    });
    check_share("BCa interval of a mean", covered, 0.90, 0.95);
}

#[test]
fn power_is_how_often_an_effect_is_found() {
    let found = count(17, |random| {
        let values: Vec<f64> = normal(random, 15).into_iter().map(|value| value + 0.7).collect();
        paired_t(&differences(values), Settings::default()).unwrap().p <= LEVEL
    });
    let power = paired_t_power(0.7, 15.0, LEVEL, Alternative::TwoSided).unwrap();
    check_share("power", found, power, power);
}
