//! Statistics: tests, effect sizes, intervals, corrections, similarity, and what one does with
//! activations as points: principal components and clusters.
//!
//! Samples are slices of numbers. What a test cannot answer (an empty sample, a NaN, no variation) is
//! an error that names the sample and what was found; no test returns a number for it. Statistics and
//! p-values follow scipy and statsmodels, which the tests compare with; where a choice differs, the
//! function says so. Small p-values keep their relative accuracy down to the smallest numbers there are,
//! because both tails of every distribution are computed, neither as one less the other.
//!
//! Random draws come from [`crate::random`], so that a seed gives the same numbers everywhere.

mod anova;
mod association;
mod binomial;
mod bootstrap;
mod correction;
mod describe;
mod distribution;
mod effect;
mod fisher;
mod k_means;
mod kendall;
mod kolmogorov;
mod logistic;
mod mann_whitney;
mod matrix;
mod noncentral;
mod pca;
mod permutation;
mod power;
mod rank;
mod result;
mod root;
mod sample;
mod similarity;
mod smirnov;
mod special;
mod svd;
mod t;
mod table;
mod wilcoxon;

pub use anova::{kruskal_wallis, one_way_anova};
pub use association::{Correlation, PairStatistic, correlation_difference, pearson, spearman};
pub use binomial::{BinomialInterval, binomial_test, clopper_pearson_interval, sign_test, wilson_interval};
pub use bootstrap::{
    Bootstrap, Method as BootstrapMethod, Plan as BootstrapPlan, Statistic, bootstrap, bootstrap_difference,
    bootstrap_pairs, bootstrap_sample,
};
pub use correction::{Correction, adjust};
pub use describe::{Description, describe, quantile};
pub use distribution::{
    Tails, binomial_tails, chi_squared_tails, fisher_f_tails, normal_quantile, normal_tails,
    student_t_quantile, student_t_tails,
};
pub use effect::{cliffs_delta, cohens_d, cohens_d_z, hedges_g, matched_rank_biserial};
pub use fisher::fisher_exact;
pub use k_means::{KMeans, Plan as KMeansPlan, k_means, lloyd};
pub use kendall::kendall;
pub use kolmogorov::{kolmogorov_smirnov_normal, kolmogorov_upper};
pub use logistic::{Logistic, logistic_regression};
pub use mann_whitney::mann_whitney;
pub use matrix::Matrix;
pub use noncentral::noncentral_t_tails;
pub use pca::{Pca, pca};
pub use permutation::{permutation_test, sign_flip_test};
pub use power::{RequiredSize, paired_t_power, paired_t_required_size};
pub use result::{Alternative, Approach, Draws, Estimate, Interval, Settings, Test};
pub use sample::Differences;
pub use similarity::{cosine_similarity, euclidean_distance, linear_cka};
pub use smirnov::kolmogorov_smirnov;
pub use t::{one_sample_t, paired_t, student_t, welch_t};
pub use table::{chi_square_fit, chi_square_independence};
pub use wilcoxon::{Zeros, wilcoxon_signed_rank};
