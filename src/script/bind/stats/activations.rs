//! Activations as points: principal components, clusters, and what a plane tells apart.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod activations {
    use crate::script::bind::prelude::*;
    use crate::script::bind::stats::convert;
    use crate::stats::{self, KMeansPlan};

    /// Principal components of activations, a tensor [observation, feature] or an array of rows: a map of
    /// `components` [component, feature] (orthogonal, of length 1, the entry of greatest magnitude positive),
    /// `scores` [observation, component], `variances` (with divisor n − 1) and `shares` of all variance
    /// [component], and `mean` [feature], in f64. By the singular value decomposition of the centred
    /// observations, in about 30 s² l multiplications for sides s ≤ l.
    ///
    /// Options: `components` (integer, all that have variance): how many.
    ///
    /// Errors: fewer than two observations, NaN, observations that are all equal, more components than have
    /// variance.
    ///
    /// Example: `let run = load_model("mora/tiny-ipd").run_with_cache("Choose action1.",
    /// #{ sites: "blocks.8.hook_resid_post" }); pca(run.cache["blocks.8.hook_resid_post"][0],
    /// #{ components: 2 }).scores.shape` is `[5, 2]`
    #[rhai_fn(return_raw)]
    pub fn pca(activations: Dynamic, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("pca", options);
        let count = options.maybe::<usize>("components")?;
        options.finish()?;
        let observations = convert::matrix("pca", &activations)?;
        let found = stats::pca(&observations, count).within(|| "pca")?;
        let (rows, features) = (convert::axis_name(&activations, 0), convert::axis_name(&activations, 1));
        let mut map = Map::new();
        map.insert("components".into(), convert::matrix_tensor(&found.components, ["component", &features])?);
        map.insert("scores".into(), convert::matrix_tensor(&found.scores, [&rows, "component"])?);
        map.insert("variances".into(), convert::vector_tensor(&found.variances, "component")?);
        map.insert("shares".into(), convert::vector_tensor(&found.shares, "component")?);
        map.insert("mean".into(), convert::vector_tensor(&found.mean, &features)?);
        Ok(map)
    }

    #[rhai_fn(name = "pca", return_raw)]
    pub fn pca_plainly(activations: Dynamic) -> ScriptResult<Map> {
        pca(activations, Map::new())
    }

    /// Divides activations, a tensor [observation, feature] or an array of rows, into `k` clusters so that the
    /// sum of squared distances from their means is small: a map of `labels` (the cluster of each observation,
    /// numbered by their first observation from 0), `centres` [cluster, feature] in f64, `sizes`, `inertia`
    /// (that sum), `rounds` and `converged`. Lloyd's rounds from the beginnings of k-means++ (Arthur and
    /// Vassilvitskii, 2007).
    ///
    /// Options: `restarts` (integer, 10): beginnings, of which the best is kept; `rounds` (integer, 300): the
    /// most of each; `seed` (integer, the run's): of the beginnings.
    ///
    /// Errors: NaN, no cluster or more than there are different observations.
    ///
    /// Example: `k_means([[0.0], [5.0], [0.1], [5.1]], 2).labels` is `[0, 1, 0, 1]`
    #[rhai_fn(return_raw)]
    pub fn k_means(call: NativeCallContext, activations: Dynamic, k: i64, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("k_means", options);
        let default = KMeansPlan::default();
        let plan = KMeansPlan {
            restarts: options.get("restarts", default.restarts)?,
            rounds: options.get("rounds", default.rounds)?,
            seed: options.get("seed", Context::of(&call)?.seed())?,
        };
        options.finish()?;
        let k = argument::<usize>("k_means", "k", &k.into())?;
        let observations = convert::matrix("k_means", &activations)?;
        let found = stats::k_means(&observations, k, plan).within(|| "k_means")?;
        let integers = |values: Vec<usize>| array(values.into_iter().map(|value| value as i64));
        let features = convert::axis_name(&activations, 1);
        let mut map = Map::new();
        map.insert("labels".into(), integers(found.labels).into());
        map.insert("centres".into(), convert::matrix_tensor(&found.centres, ["cluster", &features])?);
        map.insert("sizes".into(), integers(found.sizes).into());
        map.insert("inertia".into(), found.inertia.into());
        map.insert("rounds".into(), (found.rounds as i64).into());
        map.insert("converged".into(), found.converged.into());
        Ok(map)
    }

    #[rhai_fn(name = "k_means", return_raw)]
    pub fn k_means_plainly(call: NativeCallContext, activations: Dynamic, k: i64) -> ScriptResult<Map> {
        k_means(call, activations, k, Map::new())
    }

    /// Tells two classes of activations apart: logistic regression with a ridge penalty. `activations` are a
    /// tensor [observation, feature] or an array of rows, `labels` an array of true and false. A map of
    /// `weights` [feature] in f64, `intercept`, `loss` and `rounds` (of Newton's method); the log odds of
    /// observations are `x.matmul(weights) + intercept`.
    ///
    /// Options: `ridge` (number, 1.0): the loss is Σ −ln P(label) + ½ ridge ‖weights‖², as scikit-learn's with
    /// C = 1 / ridge; the intercept is not penalised.
    ///
    /// Errors: NaN, another number of labels, labels that are all equal.
    ///
    /// Example: `let x = tensor([[0.0], [1.0], [3.0], [4.0]], #{ dtype: "f64" });
    /// let found = logistic_regression(x, [false, false, true, true]);
    /// x.matmul(found.weights) + found.intercept > 0` is `tensor [4] u8 [0, 0, 1, 1]`
    #[rhai_fn(return_raw)]
    pub fn logistic_regression(activations: Dynamic, labels: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("logistic_regression", options);
        let ridge = options.get("ridge", 1.0)?;
        options.finish()?;
        let observations = convert::matrix("logistic_regression", &activations)?;
        let labels = argument::<Vec<bool>>("logistic_regression", "labels", &labels.into())?;
        let found =
            stats::logistic_regression(&observations, &labels, ridge).within(|| "logistic_regression")?;
        let features = convert::axis_name(&activations, 1);
        let mut map = Map::new();
        map.insert("weights".into(), convert::vector_tensor(&found.weights, &features)?);
        map.insert("intercept".into(), found.intercept.into());
        map.insert("loss".into(), found.loss.into());
        map.insert("rounds".into(), (found.rounds as i64).into());
        Ok(map)
    }

    #[rhai_fn(name = "logistic_regression", return_raw)]
    pub fn logistic_regression_plainly(activations: Dynamic, labels: Array) -> ScriptResult<Map> {
        logistic_regression(activations, labels, Map::new())
    }
}
