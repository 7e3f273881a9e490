//! Models: opening them, their tokens, running and continuing prompts.

use rhai::plugin::*;

use crate::error::Result;
use crate::interp::cache::{Cache, CacheOptions, run_with_cache};
use crate::interp::positions::Positions;
use crate::model::Model;
use crate::model::pass::Read;
use crate::model::site::SiteGlob;
use crate::model::tap::Tap;
use crate::script::bind::prompt::Prompts;
use crate::script::bind::{Room, generate};
use crate::script::options::{Options, argument};
use crate::script::value::script_value;
use crate::tensor::NamedTensor;

/// The model room.
pub static ROOM: Room = Room {
    name: "model",
    about: "Opening models, their tokens and chat templates, running and continuing prompts.",
    parts: &[
        &model::RHAI_MANIFEST,
        &tokens::RHAI_MANIFEST,
        &run::RHAI_MANIFEST,
        &generate::continuing::RHAI_MANIFEST,
    ],
};

script_value! {
    Model: "a model",
    Run: "a run",
}

/// What a forward over prompts left.
#[derive(Debug, Clone)]
pub struct Run {
    logits: Option<NamedTensor>,
    cache: Cache,
}

#[export_module(manifest)]
mod model {
    use serde_json::json;

    use crate::device;
    use crate::model::open::{OpenOptions, open};
    use crate::model::reference::Reference;
    use crate::script::bind::prelude::*;

    /// A language model: a decoder with its tokenizer. Copies share the weights.
    pub type Model = crate::model::Model;

    /// Opens a model by reference: `"mora/tiny-ipd"` (embedded), a directory in Hugging Face layout, a `.gguf`
    /// file, or `"org/name"` or `"org/name@revision"` on the hub.
    ///
    /// Options: `dtype` ("f32" | "f64" | "bf16" | "f16", the run's `--dtype`): the number format of the weights;
    /// `device` (string, the run's `--device`): where they lie, "cpu", "cuda:0" or "metal".
    ///
    /// Errors: a model of a family or with a setting that mora does not compute, a file that is missing or does
    /// not fit, a `dtype` of integers.
    ///
    /// Example: `load_model("mora/tiny-ipd", #{ dtype: "f32" })`
    /// is `mora/tiny-ipd (gemma2, 26 layers × 8 heads, d_model 64, 768 tokens)`
    #[rhai_fn(return_raw)]
    pub fn load_model(call: NativeCallContext, reference: &str, options: Map) -> ScriptResult<Model> {
        let context = Context::of(&call)?;
        let mut options = Options::of("load_model", options);
        let dtype = device::weight_format(&options.get("dtype", context.dtype().as_str().to_owned())?)?;
        let on = device::device(&options.get("device", device::device_name(context.device()))?)?;
        options.finish()?;
        let allowed = context.permissions().check_reference(reference, reference.parse::<Reference>()?)?;
        let opened = open(&allowed, &OpenOptions { dtype, device: on })?;
        let (model, files) = opened.into_model()?;
        context.run().note_model(reference, json!({ "sha256": files.hash(), "dtype": dtype.as_str() }));
        Ok(model)
    }

    #[rhai_fn(name = "load_model", return_raw)]
    pub fn load_model_plainly(call: NativeCallContext, reference: &str) -> ScriptResult<Model> {
        load_model(call, reference, Map::new())
    }

    /// What the model was opened as.
    ///
    /// Example: `load_model("mora/tiny-ipd").reference` is `mora/tiny-ipd`
    #[rhai_fn(get = "reference")]
    pub fn reference(model: Model) -> String {
        model.reference().to_owned()
    }

    /// The model's family: `gemma2`, `llama`, ….
    ///
    /// Example: `load_model("mora/tiny-ipd").family` is `gemma2`
    #[rhai_fn(get = "family")]
    pub fn family(model: Model) -> String {
        model.decoder().config().family.clone()
    }

    /// Number of layers.
    ///
    /// Example: `load_model("mora/tiny-ipd").n_layers` is `26`
    #[rhai_fn(get = "n_layers")]
    pub fn n_layers(model: Model) -> i64 {
        model.decoder().config().n_layers() as i64
    }

    /// Query heads in a layer.
    ///
    /// Example: `load_model("mora/tiny-ipd").n_heads` is `8`
    #[rhai_fn(get = "n_heads")]
    pub fn n_heads(model: Model) -> i64 {
        model.decoder().config().n_heads as i64
    }

    /// Key/value heads in a layer.
    ///
    /// Example: `load_model("mora/tiny-ipd").n_kv_heads` is `4`
    #[rhai_fn(get = "n_kv_heads")]
    pub fn n_kv_heads(model: Model) -> i64 {
        model.decoder().config().n_kv_heads as i64
    }

    /// Width of the residual stream.
    ///
    /// Example: `load_model("mora/tiny-ipd").d_model` is `64`
    #[rhai_fn(get = "d_model")]
    pub fn d_model(model: Model) -> i64 {
        model.decoder().config().d_model as i64
    }

    /// Width of a head.
    ///
    /// Example: `load_model("mora/tiny-ipd").d_head` is `16`
    #[rhai_fn(get = "d_head")]
    pub fn d_head(model: Model) -> i64 {
        model.decoder().config().d_head as i64
    }

    /// Hidden width of the MLP.
    ///
    /// Example: `load_model("mora/tiny-ipd").d_mlp` is `128`
    #[rhai_fn(get = "d_mlp")]
    pub fn d_mlp(model: Model) -> i64 {
        model.decoder().config().d_mlp as i64
    }

    /// Tokens in the vocabulary: the length of the logits' last axis.
    ///
    /// Example: `load_model("mora/tiny-ipd").d_vocab` is `768`
    #[rhai_fn(get = "d_vocab")]
    pub fn d_vocab(model: Model) -> i64 {
        model.decoder().config().vocab_size as i64
    }

    /// Longest sequence the model was made for, in tokens.
    ///
    /// Example: `load_model("mora/tiny-ipd").n_ctx` is `8192`
    #[rhai_fn(get = "n_ctx")]
    pub fn n_ctx(model: Model) -> i64 {
        model.decoder().config().n_ctx as i64
    }

    pub fn sites(model: Model) -> Array {
        array(model.decoder().sites().iter().map(ToString::to_string))
    }

    /// The names of the sites that a glob selects, in the order of a forward; without one, of all sites of the
    /// model.
    ///
    /// Errors: a glob that selects none.
    ///
    /// Example: `load_model("mora/tiny-ipd").sites("blocks.3.hook_*")` is `["blocks.3.hook_resid_pre",
    /// "blocks.3.hook_attn_out", "blocks.3.hook_resid_mid", "blocks.3.hook_mlp_out",
    /// "blocks.3.hook_resid_post"]`
    #[rhai_fn(name = "sites", return_raw)]
    pub fn sites_matching(model: Model, glob: &str) -> ScriptResult<Array> {
        let glob = glob.parse::<crate::model::site::SiteGlob>()?;
        Ok(array(glob.select(&model.decoder().sites())?.iter().map(ToString::to_string)))
    }

    /// One line about the model.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn model_to_string(model: Model) -> String {
        let config = model.decoder().config();
        format!(
            "{} ({}, {} layers × {} heads, d_model {}, {} tokens)",
            model.title(),
            config.family,
            config.n_layers(),
            config.n_heads,
            config.d_model,
            config.vocab_size
        )
    }
}

#[export_module(manifest)]
mod tokens {
    use crate::frame::Column;
    use crate::model::tokenizer::Message;
    use crate::script::bind::prelude::*;

    type Model = crate::model::Model;
    type Frame = crate::frame::Frame;

    /// The token ids of a text as a prompt: with the model's leading special tokens, unless the text has them
    /// already.
    ///
    /// Errors: none for a text that the model's tokenizer takes, as all do that mora opens.
    ///
    /// Example: `load_model("mora/tiny-ipd").tokens("Choose action1")` is `[2, 631, 383, 280]`
    #[rhai_fn(return_raw)]
    pub fn tokens(model: Model, text: &str) -> ScriptResult<Array> {
        Ok(array(model.tokenizer().encode_prompt(text)?.into_iter().map(i64::from)))
    }

    /// The tokens of a text as a prompt: a frame with `position`, `id`, `token` and the bytes `start` to `end`
    /// of the text that each stands for.
    ///
    /// Errors: as of `tokens`, none.
    ///
    /// Example: `load_model("mora/tiny-ipd").token_frame("Choose action1").column("token")`
    /// is `["<bos>", "Choose", " action", "1"]`
    #[rhai_fn(return_raw)]
    pub fn token_frame(model: Model, text: &str) -> ScriptResult<Frame> {
        let spans = model.prompt_spans(text)?;
        Ok(crate::frame::Frame::new([
            ("position", Column::ints(0..spans.len() as i64)),
            ("id", Column::ints(spans.iter().map(|span| i64::from(span.id)))),
            ("token", Column::texts(spans.iter().map(|span| span.text.clone()))),
            ("start", Column::ints(spans.iter().map(|span| span.start as i64))),
            ("end", Column::ints(spans.iter().map(|span| span.end as i64))),
        ])?)
    }

    /// The text of an array of token ids.
    ///
    /// Options: `skip_special` (bool, false): true leaves special tokens out.
    ///
    /// Errors: an id outside the vocabulary.
    ///
    /// Example: `load_model("mora/tiny-ipd").text([2, 631, 383, 280], #{ skip_special: true })`
    /// is `Choose action1`
    #[rhai_fn(name = "text", return_raw)]
    pub fn text_with(model: Model, tokens: Array, options: Map) -> ScriptResult<String> {
        let tokens = argument::<Vec<usize>>("text", "tokens", &tokens.into())?;
        let ids: Vec<u32> = tokens.iter().map(|&id| u32::try_from(id).unwrap_or(u32::MAX)).collect();
        let mut options = Options::of("text", options);
        let skip_special = options.get("skip_special", false)?;
        options.finish()?;
        Ok(model.tokenizer().decode(&ids, skip_special)?)
    }

    #[rhai_fn(name = "text", return_raw)]
    pub fn text(model: Model, tokens: Array) -> ScriptResult<String> {
        text_with(model, tokens, Map::new())
    }

    /// The positions of the tokens that hold any part of `words` in a prompt's text, an array.
    ///
    /// Errors: a text without these words, words that are empty.
    ///
    /// Example: `load_model("mora/tiny-ipd").positions_of("Choose action1 or action2", "action1")` is `[2, 3]`
    #[rhai_fn(return_raw)]
    pub fn positions_of(model: Model, text: &str, words: &str) -> ScriptResult<Array> {
        let positions = model.positions_of(&model.prompt(text)?, words)?;
        match positions.is_empty() {
            true => Err(Error::new(format!("the prompt does not hold \"{words}\"")).into()),
            false => Ok(array(positions.into_iter().map(|position| position as i64))),
        }
    }

    /// True where the model has a chat template, which `chat` needs.
    ///
    /// Example: `load_model("mora/tiny-ipd").has_chat_template` is `true`
    #[rhai_fn(get = "has_chat_template")]
    pub fn has_chat_template(model: Model) -> bool {
        model.tokenizer().has_chat_template()
    }

    #[rhai_fn(return_raw)]
    pub fn chat(model: Model, text: &str) -> ScriptResult<String> {
        Ok(model.tokenizer().render_chat(&[Message::user(text)], true)?)
    }

    /// A conversation as the model's chat template renders it, ready for the model's answer. `turns` is the
    /// text of a user's turn, or an array of maps with `role` ("system", "user", "assistant") and `content`.
    ///
    /// Errors: a model without a chat template, a role that its template does not take.
    ///
    /// Example: `load_model("mora/tiny-ipd").chat("Choose.").split("\n").len()` is `4`
    #[rhai_fn(name = "chat", return_raw)]
    pub fn chat_turns(model: Model, turns: Array) -> ScriptResult<String> {
        let messages = turns
            .into_iter()
            .map(|turn| {
                let turn = argument::<Map>("chat", "a turn", &turn)?;
                let mut fields = Options::of("chat", turn);
                let message =
                    Message { role: fields.required("role")?, content: fields.required("content")? };
                fields.finish()?;
                Ok(message)
            })
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(model.tokenizer().render_chat(&messages, true)?)
    }
}

#[export_module(manifest)]
mod run {
    use super::{forward, globs, read};
    use crate::interp::cache::CacheOptions;
    use crate::model::tap::NoTap;
    use crate::script::bind::hooks::with_hooks;
    use crate::script::bind::positions::positions;
    use crate::script::bind::prelude::*;
    use crate::script::bind::prompt::Prompts;

    type Model = crate::model::Model;
    type Tensor = crate::tensor::NamedTensor;
    type Cache = crate::interp::cache::Cache;

    /// What a forward over prompts left.
    pub type Run = super::Run;

    /// Runs prompts: a string, an array of token ids, a map with `text` or `tokens`, or an array of these. The
    /// other fields of such a map that are text, numbers or truth values become columns of frames. The run has
    /// `logits`.
    ///
    /// Options: `logits` ("last" | "all" | "none", "last"): "last" at each prompt's last position, [batch,
    /// d_vocab]; "all" [batch, pos, d_vocab] with zeros behind shorter prompts.
    ///
    /// Errors: no prompts, one without tokens.
    ///
    /// Example: `load_model("mora/tiny-ipd").run(["Choose.", "Choose action1"]).logits.shape` is `[2, 768]`
    #[rhai_fn(name = "run", return_raw)]
    pub fn run_with(model: Model, prompts: Dynamic, options: Map) -> ScriptResult<Run> {
        let prompts = Prompts::read(&model, &prompts)?;
        let mut options = Options::of("run", options);
        let cache = logits_only(&mut options)?;
        options.finish()?;
        Ok(forward(&model, &prompts, &cache, &mut NoTap)?)
    }

    #[rhai_fn(name = "run", return_raw)]
    pub fn run_plainly(model: Model, prompts: Dynamic) -> ScriptResult<Run> {
        run_with(model, prompts, Map::new())
    }

    /// Runs prompts and keeps what chosen sites held, in `cache`.
    ///
    /// Options: `sites` (string | array, "*"): a glob or an array of globs; `positions` ("all" | "last" |
    /// integer | array, "all"): an index or an array of indices, of which negative ones count from the end;
    /// `stop_at_layer` (integer, none): blocks from this one on are not run, and there are no logits then;
    /// `logits` ("last" | "all" | "none", "last"): as in `run`; `hooks` (map | array, none): as in
    /// `run_with_hooks`, and the cache sees what they leave.
    ///
    /// Errors: a glob that selects no site, a position outside a prompt.
    ///
    /// Example: `let run = load_model("mora/tiny-ipd").run_with_cache("Choose action1",
    /// #{ sites: "blocks.*.hook_resid_post", positions: "last" }); run.cache["blocks.8.hook_resid_post"].shape`
    /// is `[1, 1, 64]`
    #[rhai_fn(return_raw)]
    pub fn run_with_cache(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Run> {
        let prompts = Prompts::read(&model, &prompts)?;
        let mut options = Options::of("run_with_cache", options);
        let cache = CacheOptions {
            sites: globs(&options.get("sites", Dynamic::from("*"))?)?,
            positions: positions("run_with_cache", &options.get("positions", Dynamic::from("all"))?)?,
            stop_at_layer: options.maybe("stop_at_layer")?,
            read: read(&mut options)?,
        };
        let hooks = options.get("hooks", Dynamic::UNIT)?;
        options.finish()?;
        with_hooks(&call, &model, &hooks, |tap| forward(&model, &prompts, &cache, tap))
    }

    /// Runs prompts with hooks: a map from sites (globs too) to a closure, an intervention such as
    /// `zero_ablation()`, or an array of these, which run in order; or an array of such maps. A closure gets
    /// the site's value as a tensor and gives a tensor of the same shape in its place, or `()` to leave it.
    ///
    /// Options: `logits` ("last" | "all" | "none", "last"): as in `run`.
    ///
    /// Errors: a glob that selects no site, a tensor of another shape, an intervention that the site does not
    /// take.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let plain = model.run("Choose").logits;
    /// let halved = model.run_with_hooks("Choose", #{ "blocks.8.hook_mlp_out": |act| act * 0.5 }).logits;
    /// plain.close_to(halved, 1e-6)` is `false`
    #[rhai_fn(return_raw)]
    pub fn run_with_hooks(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        hooks: Dynamic,
    ) -> ScriptResult<Run> {
        run_with_hooks_and(call, model, prompts, hooks, Map::new())
    }

    #[rhai_fn(name = "run_with_hooks", return_raw)]
    pub fn run_with_hooks_and(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        hooks: Dynamic,
        options: Map,
    ) -> ScriptResult<Run> {
        let prompts = Prompts::read(&model, &prompts)?;
        let mut options = Options::of("run_with_hooks", options);
        let cache = logits_only(&mut options)?;
        options.finish()?;
        with_hooks(&call, &model, &hooks, |tap| forward(&model, &prompts, &cache, tap))
    }

    /// The logits that the run computed: [batch, d_vocab], or [batch, pos, d_vocab].
    ///
    /// Errors: a run that was asked for none.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd");
    /// model.run("Choose action1 or").logits.argmax(-1).item() == model.tokens(" action")[1]` is `true`
    #[rhai_fn(get = "logits", return_raw)]
    pub fn logits(run: Run) -> ScriptResult<Tensor> {
        run.logits.ok_or_else(|| Error::new("this run computed no logits").into())
    }

    /// What the chosen sites held.
    ///
    /// Example: `load_model("mora/tiny-ipd").run_with_cache("Choose", #{ sites: "blocks.3.*" }).cache`
    /// is `cache of 25 sites`
    #[rhai_fn(get = "cache")]
    pub fn cache(run: Run) -> Cache {
        run.cache
    }

    /// What the run holds.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn run_to_string(run: Run) -> String {
        let logits = match &run.logits {
            Some(logits) => format!("logits {:?}", logits.dims()),
            None => "no logits".to_owned(),
        };
        format!("run: {logits}, {} cached sites", run.cache.len())
    }
}

fn forward(model: &Model, prompts: &Prompts, options: &CacheOptions, tap: &mut dyn Tap) -> Result<Run> {
    let (logits, cache) = run_with_cache(model.decoder(), &prompts.sequences(), options, tap)?;
    Ok(Run { logits: logits.map(named_logits).transpose()?, cache })
}

fn read(options: &mut Options) -> Result<Read> {
    options.choice("logits", &[("last", Read::Last), ("all", Read::All), ("none", Read::Nothing)])
}

/// What keeps no site, and the logits that the options ask for.
fn logits_only(options: &mut Options) -> Result<CacheOptions> {
    let read = read(options)?;
    Ok(CacheOptions { sites: Vec::new(), positions: Positions::All, stop_at_layer: None, read })
}

fn named_logits(logits: candle_core::Tensor) -> Result<NamedTensor> {
    match logits.rank() {
        3 => NamedTensor::named(logits, &["batch", "pos", "d_vocab"]),
        _ => NamedTensor::named(logits, &["batch", "d_vocab"]),
    }
}

fn globs(value: &rhai::Dynamic) -> Result<Vec<SiteGlob>> {
    let texts = match value.as_immutable_string_ref() {
        Ok(text) => vec![text.to_string()],
        Err(_) => argument::<Vec<String>>("run_with_cache", "sites", value)?,
    };
    texts.iter().map(|text| text.parse()).collect()
}
