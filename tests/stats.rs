//! Statistics against scipy, statsmodels, scikit-learn and mpmath: `fixtures/make_stats.py` says how.
//!
//! Statistics, estimates and the ends of intervals agree to 1e-10 (relative above 1), p-values to 1e-8 of
//! themselves, however small they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use mora::Result;
use mora::stats::{self, *};
use serde_json::Value;

const STATISTIC: f64 = 1e-10;
const P: f64 = 1e-8;

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn groups(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn matrix(value: &Value) -> Matrix {
    let rows = groups(value);
    Matrix::new(rows[0].len(), rows.concat()).unwrap()
}

/// One case of the fixture.
struct Case<'a> {
    fields: &'a Value,
    samples: &'a [Vec<f64>],
}

impl Case<'_> {
    fn text(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        number(&self.fields[name])
    }

    fn is(&self, name: &str) -> bool {
        self.fields[name].as_bool().unwrap()
    }

    fn a(&self) -> &[f64] {
        &self.samples[self.fields["a"].as_u64().unwrap() as usize]
    }

    fn b(&self) -> &[f64] {
        &self.samples[self.fields["b"].as_u64().unwrap() as usize]
    }

    /// `a` as differences.
    fn differences(&self) -> Differences {
        Differences::new(self.a().to_vec()).unwrap()
    }

    fn at(&self) -> Vec<f64> {
        numbers(&self.fields["at"])
    }

    fn alternative(&self) -> Alternative {
        let name = self.fields["alternative"].as_str().unwrap_or("two-sided");
        named(&Alternative::ALL, name)
    }

    fn settings(&self) -> Settings {
        Settings::new(self.alternative(), self.fields["confidence"].as_f64().unwrap_or(0.95)).unwrap()
    }

    fn approach(&self) -> Approach {
        named(&Approach::ALL, self.text("method"))
    }

    /// Compares with a single number or with an array of them.
    fn agrees(&self, found: &[f64], tolerance: Tolerance) {
        let expected = match &self.fields["expect"] {
            Value::Array(_) => numbers(&self.fields["expect"]),
            value => vec![number(value)],
        };
        self.compare("value", &expected, found, tolerance);
    }

    fn compare(&self, what: &str, expected: &[f64], found: &[f64], tolerance: Tolerance) {
        assert_eq!(expected.len(), found.len(), "{what} of {}", self.fields);
        for (expected, found) in expected.iter().zip(found) {
            assert!(
                tolerance.holds(*expected, *found),
                "{what}: expected {expected:e}, found {found:e} in {}",
                self.fields
            );
        }
    }

    fn agrees_test(&self, found: Result<Test>) {
        let found = found.unwrap_or_else(|error| panic!("{error} in {}", self.fields));
        let interval = found.interval;
        let values: BTreeMap<&str, Option<f64>> = [
            ("statistic", Some(found.statistic)),
            ("p", Some(found.p)),
            ("df", found.df),
            ("df_within", found.df_within),
            ("estimate", found.estimate),
            ("low", interval.map(|interval| interval.low)),
            ("high", interval.map(|interval| interval.high)),
        ]
        .into();
        self.agrees_values(&values);
    }

    fn agrees_estimate(&self, found: Result<Estimate>) {
        let found = found.unwrap();
        let interval = found.interval.unwrap();
        let values =
            [("estimate", Some(found.value)), ("low", Some(interval.low)), ("high", Some(interval.high))];
        self.agrees_values(&values.into());
    }

    fn agrees_values(&self, values: &BTreeMap<&str, Option<f64>>) {
        for (name, expected) in self.fields["expect"].as_object().unwrap() {
            let found = values[name.as_str()].unwrap_or_else(|| panic!("no {name} in {}", self.fields));
            let tolerance = if name == "p" { Tolerance::Relative(P) } else { Tolerance::Mixed(STATISTIC) };
            self.compare(name, &[number(expected)], &[found], tolerance);
        }
    }
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> T {
    all.iter().find(|(known, _)| *known == name).unwrap().1
}

#[derive(Clone, Copy)]
enum Tolerance {
    /// Of the expected number.
    Relative(f64),
    /// Of the expected number where that is above 1, else absolute.
    Mixed(f64),
}

impl Tolerance {
    fn holds(self, expected: f64, found: f64) -> bool {
        let off = match self {
            Self::Relative(share) => share * expected.abs(),
            Self::Mixed(share) => share * expected.abs().max(1.0),
        };
        expected == found || (expected - found).abs() <= off
    }
}

/// Runs a check for each case of one of these tests.
fn each(tests: &[&str], check: impl Fn(&str, &Case)) {
    let text = std::fs::read_to_string("tests/fixtures/stats.json").unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let samples = groups(&fixture["samples"]);
    let mut seen: BTreeMap<&str, usize> = tests.iter().map(|test| (*test, 0)).collect();
    for fields in fixture["cases"].as_array().unwrap() {
        let test = fields["test"].as_str().unwrap();
        if let Some(count) = seen.get_mut(test) {
            *count += 1;
            check(test, &Case { fields, samples: &samples });
        }
    }
    assert!(seen.values().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn distributions_keep_their_digits_in_the_far_tails() {
    let tests = ["normal_upper", "t_upper", "f_upper", "chi2_upper", "binomial_tails", "kolmogorov_upper"];
    each(&tests, |test, case| {
        let at = case.at();
        let found = match test {
            "normal_upper" => vec![normal_tails(at[0]).upper],
            "t_upper" => vec![student_t_tails(at[0], at[1]).upper],
            "f_upper" => vec![fisher_f_tails(at[0], at[1], at[2]).upper],
            "chi2_upper" => vec![chi_squared_tails(at[0], at[1]).upper],
            "kolmogorov_upper" => vec![kolmogorov_upper(at[0], at[1] as usize)],
            _ => {
                let tails = binomial_tails(at[0] as u64, at[1] as u64, at[2]);
                vec![tails.lower, tails.upper]
            }
        };
        case.agrees(&found, Tolerance::Relative(P));
    });
}

#[test]
fn quantiles_of_distributions() {
    each(&["normal_quantile", "t_quantile"], |test, case| {
        let at = case.at();
        let found =
            if test == "t_quantile" { student_t_quantile(at[0], at[1]) } else { normal_quantile(at[0]) };
        case.agrees(&[found], Tolerance::Mixed(STATISTIC));
    });
}

#[test]
fn the_noncentral_t_distribution() {
    each(&["noncentral_t_tails"], |_, case| {
        let at = case.at();
        let tails = noncentral_t_tails(at[0], at[1], at[2]);
        case.agrees(&[tails.lower, tails.upper], Tolerance::Relative(P));
        case.agrees(&[tails.lower, tails.upper], Tolerance::Mixed(1e-12));
    });
}

#[test]
fn descriptions() {
    each(&["describe"], |_, case| {
        let found = stats::describe(case.a(), &numbers(&case.fields["quantiles"])).unwrap();
        let expected = &case.fields["expect"];
        let pairs = [
            ("mean", found.mean),
            ("std", found.std),
            ("standard_error", found.standard_error),
            ("min", found.min),
            ("max", found.max),
            ("skewness", found.skewness),
            ("kurtosis", found.kurtosis),
        ];
        for (name, value) in pairs {
            case.compare(name, &[number(&expected[name])], &[value], Tolerance::Mixed(STATISTIC));
        }
        let quantiles = numbers(&expected["quantiles"]);
        case.compare("quantiles", &quantiles, &found.quantiles, Tolerance::Mixed(STATISTIC));
    });
}

#[test]
fn tests_of_means() {
    each(&["one_sample_t", "paired_t", "student_t", "welch_t", "one_way_anova"], |test, case| {
        case.agrees_test(match test {
            "one_sample_t" => one_sample_t(case.a(), case.number("mean"), case.settings()),
            "paired_t" => paired_t(&Differences::between(case.a(), case.b()).unwrap(), case.settings()),
            "student_t" => student_t(case.a(), case.b(), case.settings()),
            "welch_t" => welch_t(case.a(), case.b(), case.settings()),
            _ => one_way_anova(&groups(&case.fields["groups"])),
        });
    });
}

#[test]
fn tests_of_ranks() {
    each(&["mann_whitney", "wilcoxon", "kruskal_wallis", "sign_test"], |test, case| {
        let settings = case.settings();
        case.agrees_test(match test {
            "mann_whitney" => {
                mann_whitney(case.a(), case.b(), case.approach(), case.is("continuity"), settings)
            }
            "wilcoxon" => {
                let zeros = named(&Zeros::ALL, case.text("zeros"));
                wilcoxon_signed_rank(
                    &case.differences(),
                    zeros,
                    case.approach(),
                    case.is("continuity"),
                    settings,
                )
            }
            "sign_test" => sign_test(&case.differences(), settings),
            _ => kruskal_wallis(&groups(&case.fields["groups"])),
        });
    });
}

#[test]
fn exact_permutations() {
    each(&["permutation", "sign_flip"], |test, case| {
        let draws = Draws::default();
        case.agrees_test(match test {
            "permutation" => permutation_test(case.a(), case.b(), draws, case.settings()),
            _ => sign_flip_test(&case.differences(), draws, case.settings()),
        });
    });
}

#[test]
fn bootstrap_intervals_of_a_given_distribution() {
    each(&["bootstrap"], |_, case| {
        let found = Bootstrap {
            estimate: case.number("estimate"),
            distribution: numbers(&case.fields["distribution"]),
            left_out: groups(&case.fields["left_out"]),
        };
        let method = named(&BootstrapMethod::ALL, case.text("method"));
        let interval = found.interval(method, case.number("confidence")).unwrap();
        case.agrees_values(&[("low", Some(interval.low)), ("high", Some(interval.high))].into());
    });
}

#[test]
fn tests_of_counts() {
    each(&["chi_square", "chi_square_fit", "fisher_exact", "binomial_test"], |test, case| {
        case.agrees_test(match test {
            "chi_square" => chi_square_independence(&groups(&case.fields["table"]), case.is("yates")),
            "chi_square_fit" => {
                let expected = case.fields["expected"].is_array().then(|| numbers(&case.fields["expected"]));
                chi_square_fit(&numbers(&case.fields["observed"]), expected.as_deref())
            }
            "fisher_exact" => {
                let cells: Vec<u64> =
                    groups(&case.fields["table"]).concat().into_iter().map(|cell| cell as u64).collect();
                fisher_exact([[cells[0], cells[1]], [cells[2], cells[3]]], case.settings())
            }
            _ => {
                let interval = named(&BinomialInterval::ALL, case.text("interval"));
                let (k, n) = (case.number("k") as u64, case.number("n") as u64);
                binomial_test(k, n, case.number("probability"), interval, case.settings())
            }
        });
    });
}

#[test]
fn tests_of_distributions() {
    each(&["ks_normal", "ks"], |test, case| {
        case.agrees_test(match test {
            "ks" => kolmogorov_smirnov(case.a(), case.b(), case.approach(), case.settings()),
            _ => {
                kolmogorov_smirnov_normal(case.a(), case.number("mean"), case.number("std"), case.settings())
            }
        });
    });
}

#[test]
fn correlations() {
    each(&["pearson", "spearman", "kendall", "correlation_difference"], |test, case| {
        case.agrees_test(match test {
            "pearson" => pearson(case.a(), case.b(), case.settings()),
            "spearman" => spearman(case.a(), case.b(), case.settings()),
            "kendall" => kendall(case.a(), case.b(), case.approach(), case.settings()),
            _ => {
                let (r, n) = (numbers(&case.fields["r"]), numbers(&case.fields["n"]));
                let of = |place: usize| Correlation { r: r[place], n: n[place] as usize };
                correlation_difference(of(0), of(1), case.settings())
            }
        });
    });
}

#[test]
fn effect_sizes() {
    each(&["cohens_d", "hedges_g", "cohens_d_z", "cliffs_delta"], |test, case| {
        case.agrees_estimate(match test {
            "cohens_d" => cohens_d(case.a(), case.b(), case.settings()),
            "hedges_g" => hedges_g(case.a(), case.b(), case.settings()),
            "cohens_d_z" => cohens_d_z(&case.differences(), case.settings()),
            _ => cliffs_delta(case.a(), case.b(), case.settings()),
        });
    });
}

#[test]
fn corrections() {
    each(&["adjust"], |_, case| {
        let p: Vec<Option<f64>> = numbers(&case.fields["p"]).into_iter().map(Some).collect();
        let correction = named(&Correction::ALL, case.text("correction"));
        let found: Vec<f64> = adjust(&p, correction).unwrap().into_iter().flatten().collect();
        case.agrees(&found, Tolerance::Relative(P));
        // A test without a p-value changes nothing for the others.
        let with_gap: Vec<Option<f64>> = std::iter::once(None).chain(p).collect();
        let adjusted = adjust(&with_gap, correction).unwrap();
        assert_eq!(adjusted[0], None);
        assert_eq!(adjusted.into_iter().flatten().collect::<Vec<_>>(), found);
    });
}

#[test]
fn similarities() {
    each(&["linear_cka", "cosine_similarity", "euclidean_distance"], |test, case| {
        let found = match test {
            "linear_cka" => linear_cka(&matrix(&case.fields["x"]), &matrix(&case.fields["y"])),
            "cosine_similarity" => cosine_similarity(case.a(), case.b()),
            _ => euclidean_distance(case.a(), case.b()),
        };
        case.agrees(&[found.unwrap()], Tolerance::Mixed(STATISTIC));
    });
}

#[test]
fn principal_components() {
    each(&["pca"], |_, case| {
        let found = pca(&matrix(&case.fields["x"]), None).unwrap();
        let expected = &case.fields["expect"];
        let flat = |name: &str| groups(&expected[name]).concat();
        let tolerance = Tolerance::Mixed(STATISTIC);
        case.compare("mean", &numbers(&expected["mean"]), &found.mean, tolerance);
        case.compare("variances", &numbers(&expected["variances"]), &found.variances, tolerance);
        case.compare("shares", &numbers(&expected["shares"]), &found.shares, tolerance);
        case.compare("components", &flat("components"), found.components.values(), tolerance);
        case.compare("scores", &flat("scores"), found.scores.values(), tolerance);
    });
}

#[test]
fn logistic_regressions() {
    each(&["logistic"], |_, case| {
        let labels: Vec<bool> =
            case.fields["labels"].as_array().unwrap().iter().map(|label| label.as_bool().unwrap()).collect();
        let x = matrix(&case.fields["x"]);
        let found = logistic_regression(&x, &labels, case.number("ridge")).unwrap();
        let expected = &case.fields["expect"];
        // The reference ends where its gradient is below 1e-9.
        let tolerance = Tolerance::Mixed(1e-8);
        case.compare("weights", &numbers(&expected["weights"]), &found.weights, tolerance);
        case.compare("intercept", &[number(&expected["intercept"])], &[found.intercept], tolerance);
        case.compare("loss", &[number(&expected["loss"])], &[found.loss], Tolerance::Mixed(STATISTIC));
        // What is left of the slope is rounding.
        let errors: Vec<f64> = x
            .rows()
            .zip(&labels)
            .map(|(row, label)| 1.0 / (1.0 + (-found.log_odds(row)).exp()) - f64::from(u8::from(*label)))
            .collect();
        assert!(errors.iter().sum::<f64>().abs() < 1e-9);
    });
}

#[test]
fn clusters() {
    each(&["lloyd", "k_means"], |test, case| {
        let (points, k) = (matrix(&case.fields["x"]), case.number("k") as usize);
        let expected = &case.fields["expect"];
        let found = if test == "lloyd" {
            let beginning: Vec<f64> = points.rows().take(k).flatten().copied().collect();
            lloyd(&points, Matrix::new(points.width(), beginning).unwrap(), 300).unwrap()
        } else {
            k_means(&points, k, KMeansPlan::default()).unwrap()
        };
        assert!(found.converged);
        let labels: Vec<f64> = found.labels.iter().map(|label| *label as f64).collect();
        case.compare("labels", &numbers(&expected["labels"]), &labels, Tolerance::Mixed(0.0));
        let inertia = [number(&expected["inertia"])];
        case.compare("inertia", &inertia, &[found.inertia], Tolerance::Mixed(STATISTIC));
        if let Value::Array(_) = expected["centres"] {
            let centres = groups(&expected["centres"]).concat();
            case.compare("centres", &centres, found.centres.values(), Tolerance::Mixed(STATISTIC));
        }
    });
}

#[test]
fn power_of_a_paired_t_test() {
    each(&["power", "required_size"], |test, case| {
        let (effect, alpha) = (case.number("effect"), case.number("alpha"));
        if test == "power" {
            let found = paired_t_power(effect, case.number("n"), alpha, case.alternative()).unwrap();
            case.agrees(&[found], Tolerance::Mixed(STATISTIC));
        } else {
            let found =
                paired_t_required_size(effect, case.number("power"), alpha, case.alternative()).unwrap();
            let values = [("n", Some(found.n as f64)), ("exact", Some(found.exact))];
            case.agrees_values(&values.into());
            assert!(found.power >= case.number("power"));
            let one_less = paired_t_power(effect, found.n as f64 - 1.0, alpha, case.alternative()).unwrap();
            assert!(one_less < case.number("power"));
        }
    });
}
