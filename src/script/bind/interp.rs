//! Looking inside: caches, metrics, attribution, lens, attention, interventions.

use rhai::plugin::*;

use crate::script::bind::{Room, interventions};
use crate::script::value::script_value;

/// The interp room.
pub static ROOM: Room = Room {
    name: "interp",
    about: "Looking inside a model: caches, metrics, attribution, the logit lens, attention, interventions.",
    parts: &[
        &caches::RHAI_MANIFEST,
        &metrics::RHAI_MANIFEST,
        &analyses::RHAI_MANIFEST,
        &interventions::interventions::RHAI_MANIFEST,
    ],
};

script_value! {
    crate::interp::cache::Cache: "a cache",
    crate::interp::metric::Metric: "a metric",
}

#[export_module(manifest)]
mod caches {
    use crate::model::site::Site;
    use crate::script::bind::prelude::*;

    /// What sites held during a run, each in the site's axes.
    pub type Cache = crate::interp::cache::Cache;
    type Tensor = crate::tensor::NamedTensor;

    /// What a site held, with the names of the site's axes: [batch, pos, d_model] of residuals and what is
    /// added to them, [batch, pos, head, d_head] of heads (kv_head for keys and values), [batch, head, query,
    /// key] of scores and patterns, [batch, pos, head, d_model] of `hook_result`, [batch, pos, d_mlp] in the
    /// MLP, [batch, pos, scale] of the scales of norms.
    ///
    /// Errors: a site that the cache does not hold, a name that is no site's.
    ///
    /// Example: `let run = load_model("mora/tiny-ipd").run_with_cache("Choose action1",
    /// #{ sites: "blocks.3.attn.*" }); run.cache["blocks.3.attn.hook_pattern"].names`
    /// is `["batch", "head", "query", "key"]`
    #[rhai_fn(index_get, return_raw)]
    pub fn site(cache: Cache, site: &str) -> ScriptResult<Tensor> {
        let site: Site = site.parse()?;
        let value = cache.get(&site)?;
        Ok(crate::tensor::NamedTensor::named(value, site.point.axes().names())?)
    }

    /// The names of the sites that a cache holds, in the order of a forward.
    ///
    /// Example: `load_model("mora/tiny-ipd").run_with_cache("Choose",
    /// #{ sites: "blocks.3.hook_resid_*" }).cache.sites`
    /// is `["blocks.3.hook_resid_pre", "blocks.3.hook_resid_mid", "blocks.3.hook_resid_post"]`
    #[rhai_fn(get = "sites")]
    pub fn sites(cache: Cache) -> Array {
        array(cache.sites().map(ToString::to_string))
    }

    /// Writes a cache to the safetensors file `path` in the output folder, each site under its name.
    ///
    /// Errors: a `path` that leaves the output folder, a file that cannot be written.
    ///
    /// Example: `load_model("mora/tiny-ipd").run_with_cache("Choose",
    /// #{ sites: "*.hook_resid_post" }).cache.save("residuals.safetensors")`
    #[rhai_fn(return_raw)]
    pub fn save(call: NativeCallContext, cache: Cache, path: &str) -> ScriptResult<()> {
        Ok(cache.save(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Reads a cache that `save` wrote, from the file `path`.
    ///
    /// Errors: a file that is not there or may not be read, one that is no safetensors file, a tensor in it
    /// that is named after no site.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); model.run_with_cache("Choose",
    /// #{ sites: "blocks.3.*" }).cache.save("block.safetensors");
    /// load_cache(output_folder() + "/block.safetensors")` is `cache of 25 sites`
    #[rhai_fn(return_raw)]
    pub fn load_cache(call: NativeCallContext, path: &str) -> ScriptResult<Cache> {
        let context = Context::of(&call)?;
        Ok(crate::interp::cache::Cache::load(context.input_path(path)?, context.device())?)
    }

    /// How many sites a cache holds.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn cache_to_string(cache: Cache) -> String {
        format!("cache of {} sites", cache.len())
    }
}

#[export_module(manifest)]
mod metrics {
    use crate::interp::metric::Scoring;
    use crate::script::bind::hooks::with_hooks;
    use crate::script::bind::precision::warn_where_coarse;
    use crate::script::bind::prelude::*;
    use crate::script::bind::prompt::Prompts;

    /// What is measured after a prompt: one number for each.
    pub type Metric = crate::interp::metric::Metric;
    type Model = crate::model::Model;
    type Frame = crate::frame::Frame;
    type Tensor = crate::tensor::NamedTensor;

    /// logit(plus) − logit(minus) of two single tokens, at each prompt's last position.
    ///
    /// Errors: where it is measured, a text of several tokens (`answer_diff` takes those).
    ///
    /// Example: `load_model("mora/tiny-ipd").measure("Choose action", logit_diff("1", "2")).width` is `5`
    pub fn logit_diff(plus: &str, minus: &str) -> Metric {
        crate::interp::metric::Metric::LogitDiff { plus: plus.into(), minus: minus.into() }
    }

    /// log P(plus) − log P(minus) of two whole answers, in nats.
    ///
    /// Example: `let found = load_model("mora/tiny-ipd").measure("Choose: ", answer_diff("action1",
    /// "action2"))[0]; abs(found.value - (found.log_prob_1 - found.log_prob_2)) < 1e-5` is `true`
    pub fn answer_diff(plus: &str, minus: &str) -> Metric {
        crate::interp::metric::Metric::AnswerDiff { plus: plus.into(), minus: minus.into() }
    }

    /// log P(answer) of a whole answer, in nats.
    ///
    /// Example: `load_model("mora/tiny-ipd").measure("Choose: ", log_prob("action1"))[0].value < 0.0` is `true`
    pub fn log_prob(answer: &str) -> Metric {
        crate::interp::metric::Metric::LogProb { answer: answer.into() }
    }

    /// The probability of several whole answers together, 0 to 1.
    ///
    /// Errors: no answers.
    ///
    /// Example: `let mass = load_model("mora/tiny-ipd").measure("Choose: ", legal_mass(["action1",
    /// "action2"]))[0].value; mass > 0.0 && mass < 1.0` is `true`
    #[rhai_fn(return_raw)]
    pub fn legal_mass(answers: Array) -> ScriptResult<Metric> {
        let answers = argument::<Vec<String>>("legal_mass", "answers", &answers.into())?;
        match answers.is_empty() {
            true => Err(Error::new("legal_mass needs at least one answer").into()),
            false => Ok(crate::interp::metric::Metric::LegalMass { answers }),
        }
    }

    /// The entropy of the next token, in nats.
    ///
    /// Example: `load_model("mora/tiny-ipd").measure("Choose", entropy())[0].value < ln(768.0)` is `true`
    pub fn entropy() -> Metric {
        crate::interp::metric::Metric::Entropy
    }

    /// KL(reference ‖ model) of the next token, in nats; `reference` is another run's logits at the last
    /// positions, [batch, d_vocab].
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); fixed(model.measure("Choose",
    /// kl(model.run("Choose").logits))[0].value, 4)` is `0.0000`
    pub fn kl(reference: Tensor) -> Metric {
        crate::interp::metric::Metric::Kl { reference: reference.into_tensor() }
    }

    /// Measures a metric on a model's prompts: a frame with `prompt`, the prompts' own fields, `value` (in
    /// the unit of the metric: nats, logits or a probability), and for metrics of answers the log-probability
    /// of each (`log_prob_1`, …) and their `legal_mass`.
    ///
    /// Options: `hooks` (map | array, none): as in `run_with_hooks`; they see the prompts continued by the
    /// answers.
    ///
    /// Errors: no prompts, one without tokens; an answer without tokens, for `logit_diff` one of several;
    /// reference logits of another shape for `kl`; and those of `run_with_hooks`.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); model.measure([#{ text: "Choose: ", state: "CC" }],
    /// answer_diff("action1", "action2")).names`
    /// is `["prompt", "state", "value", "log_prob_1", "log_prob_2", "legal_mass"]`
    #[rhai_fn(return_raw)]
    pub fn measure(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        metric: Metric,
        options: Map,
    ) -> ScriptResult<Frame> {
        let prompts = Prompts::read(&model, &prompts)?;
        warn_where_coarse(&call, &model)?;
        let mut options = Options::of("measure", options);
        let hooks = options.get("hooks", Dynamic::UNIT)?;
        options.finish()?;
        let scoring = Scoring::new(metric, prompts.prompts(), model.tokenizer())?;
        let logits = with_hooks(&call, &model, &hooks, |tap| scoring.run(model.decoder(), tap))?;
        Ok(prompts.label(&scoring.frame(&logits)?)?)
    }

    #[rhai_fn(name = "measure", return_raw)]
    pub fn measure_plainly(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        metric: Metric,
    ) -> ScriptResult<Frame> {
        measure(call, model, prompts, metric, Map::new())
    }

    /// The metric's name and answers.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn metric_to_string(metric: Metric) -> String {
        let answers: Vec<String> = metric.answers().iter().map(|answer| format!("{answer:?}")).collect();
        format!("{}({})", metric.name(), answers.join(", "))
    }
}

#[export_module(manifest)]
mod analyses {
    use crate::interp::attention::{Category, attention_by_category};
    use crate::interp::attribution::{AttributionOptions, AttributionPositions};
    use crate::interp::metric::Scoring;
    use crate::interp::{attribution, lens};
    use crate::script::bind::positions::positions;
    use crate::script::bind::precision::warn_where_coarse;
    use crate::script::bind::prelude::*;
    use crate::script::bind::prompt::Prompts;

    type Metric = crate::interp::metric::Metric;
    type Model = crate::model::Model;
    type Frame = crate::frame::Frame;
    type Tensor = crate::tensor::NamedTensor;

    /// Which component wrote how much of a logit difference: exact direct logit attribution, with the final
    /// norm's divisor frozen and post-norms folded in. A frame with `prompt`, the prompts' own fields,
    /// `position`, `component` (EMBED, L3H5, L3_MLP, …), `layer`, `kind`, `head`, `contribution` (in logits),
    /// and for each prompt the `logit_diff` before any soft-cap and the `remainder` that the contributions
    /// leave.
    ///
    /// With `answer_diff` the difference is that of the tokens by which the two answers part.
    ///
    /// Options: `heads` (bool, true): a row for each head; false: for each attention layer; `neurons` (array,
    /// []): layers whose MLP is taken apart by neurons; `positions` ("last" | "all" | integer | array, "last"):
    /// where it is measured; `own_norm` (bool, false): true gives the form of the earlier study, which does not
    /// sum to the difference.
    ///
    /// Errors: no prompts, a metric that is no difference of logits, answers of which one begins the other, a
    /// position or layer that is not there.
    ///
    /// Example: `let found = load_model("mora/tiny-ipd").logit_attribution("Choose: ", answer_diff("action1",
    /// "action2")); abs(found.to_tensor("contribution").sum().item() - found[0].logit_diff) < 1e-3` is `true`
    #[rhai_fn(return_raw)]
    pub fn logit_attribution(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        metric: Metric,
        options: Map,
    ) -> ScriptResult<Frame> {
        let prompts = Prompts::read(&model, &prompts)?;
        warn_where_coarse(&call, &model)?;
        let mut options = Options::of("logit_attribution", options);
        let chosen = AttributionOptions {
            heads: options.get("heads", true)?,
            neurons: options.get("neurons", Vec::new())?,
            positions: AttributionPositions(positions(
                "logit_attribution",
                &options.get("positions", Dynamic::from("last"))?,
            )?),
            own_norm: options.get("own_norm", false)?,
        };
        options.finish()?;
        let scoring = Scoring::new(metric, prompts.prompts(), model.tokenizer())?;
        let frame = attribution::logit_attribution(model.decoder(), &scoring.contrasts()?, &chosen)?;
        Ok(prompts.label(&frame)?)
    }

    #[rhai_fn(name = "logit_attribution", return_raw)]
    pub fn logit_attribution_plainly(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        metric: Metric,
    ) -> ScriptResult<Frame> {
        logit_attribution(call, model, prompts, metric, Map::new())
    }

    /// A metric through the logit lens: the residual stream after each layer through the model's final norm,
    /// unembedding and soft-cap. A frame with `prompt`, the prompts' own fields, `layer` (−1 for the
    /// embedding), `value` (in the metric's unit), and for metrics of answers their log-probabilities and
    /// `legal_mass`.
    ///
    /// Errors: those of `measure`.
    ///
    /// Example: `load_model("mora/tiny-ipd").logit_lens("Choose: ", answer_diff("action1", "action2")).height`
    /// is `27`
    #[rhai_fn(return_raw)]
    pub fn logit_lens(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        metric: Metric,
    ) -> ScriptResult<Frame> {
        let prompts = Prompts::read(&model, &prompts)?;
        warn_where_coarse(&call, &model)?;
        let scoring = Scoring::new(metric, prompts.prompts(), model.tokenizer())?;
        Ok(prompts.label(&lens::logit_lens(model.decoder(), &scoring)?)?)
    }

    /// The likeliest tokens through the logit lens: a frame with `prompt`, the prompts' own fields, `layer`
    /// (−1 for the embedding), `position`, `rank` (from 0), `token`, `text` and `probability` (0 to 1).
    ///
    /// Options: `positions` ("last" | "all" | integer | array, "last"): where; `top` (integer, 5): how many
    /// tokens at each.
    ///
    /// Errors: no prompts, a position that a prompt does not have, a negative `top`.
    ///
    /// Example: `load_model("mora/tiny-ipd").lens_tokens("Choose action1 or", #{ top: 3 }).height` is `81`
    #[rhai_fn(return_raw)]
    pub fn lens_tokens(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Frame> {
        let prompts = Prompts::read(&model, &prompts)?;
        warn_where_coarse(&call, &model)?;
        let mut options = Options::of("lens_tokens", options);
        let at = positions("lens_tokens", &options.get("positions", Dynamic::from("last"))?)?;
        let top = options.get("top", 5)?;
        options.finish()?;
        let frame = lens::lens_tokens(model.decoder(), &prompts.sequences(), &at, top)?;
        let texts = frame
            .floats("token")?
            .into_iter()
            .map(|token| model.tokenizer().token_text(token as u32))
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(prompts.label(&frame.with_column("text", crate::frame::Column::texts(texts))?)?)
    }

    /// The logits [.., d_vocab] that `residual`, of shape [.., d_model], would give: final norm, unembedding,
    /// soft-cap.
    ///
    /// Errors: a last axis of another length.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let run = model.run_with_cache("Choose action",
    /// #{ sites: "blocks.25.hook_resid_post", positions: "last" });
    /// model.lens(run.cache["blocks.25.hook_resid_post"]).squeeze(1).close_to(run.logits, 1e-3)` is `true`
    #[rhai_fn(return_raw)]
    pub fn lens(model: Model, residual: Tensor) -> ScriptResult<Tensor> {
        Ok(lens::lens_logits(model.decoder(), residual.tensor())?.into())
    }

    /// The share of each head's attention that goes to categories of words: a frame with `prompt`, the prompts'
    /// own fields, `layer`, `head`, `category`, `attention` (0 to 1).
    ///
    /// `categories` is a map from names to arrays of words; a token counts where it holds any part of an
    /// occurrence of one in the prompt.
    ///
    /// Options: `queries` ("last" | "all" | integer | array, "last"): the positions that look; of several, the
    /// mean.
    ///
    /// Errors: no prompts, prompts of token ids without a text, words that are empty, a position that a
    /// prompt does not have.
    ///
    /// Example: `let seen = load_model("mora/tiny-ipd").attention("Choose action1 or action2",
    /// #{ actions: ["action1", "action2"], verb: ["Choose"] }); seen.height == 26 * 8 * 2` is `true`
    #[rhai_fn(return_raw)]
    pub fn attention(model: Model, prompts: Dynamic, categories: Map, options: Map) -> ScriptResult<Frame> {
        let prompts = Prompts::read(&model, &prompts)?;
        let mut options = Options::of("attention", options);
        let queries = positions("attention", &options.get("queries", Dynamic::from("last"))?)?;
        options.finish()?;
        let categories = categories
            .iter()
            .map(|(name, words)| {
                let words = argument::<Vec<String>>("attention", name, words)?;
                let positions = prompts
                    .prompts()
                    .iter()
                    .map(|prompt| {
                        let mut all = Vec::new();
                        for words in &words {
                            all.extend(model.positions_of(prompt, words)?);
                        }
                        all.sort_unstable();
                        all.dedup();
                        Ok(all)
                    })
                    .collect::<crate::Result<_>>()?;
                Ok(Category { name: name.to_string(), positions })
            })
            .collect::<crate::Result<Vec<_>>>()?;
        let frame = attention_by_category(model.decoder(), &prompts.sequences(), &queries, &categories)?;
        Ok(prompts.label(&frame)?)
    }

    #[rhai_fn(name = "attention", return_raw)]
    pub fn attention_plainly(model: Model, prompts: Dynamic, categories: Map) -> ScriptResult<Frame> {
        attention(model, prompts, categories, Map::new())
    }
}
