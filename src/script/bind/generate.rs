//! Continuing prompts: as text, and as the token ids that were drawn.

use rhai::plugin::*;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::generate::{GenerateOptions, generate};
use crate::script::bind::hooks::with_hooks;
use crate::script::bind::prompt::Prompts;
use crate::script::context::Context;
use crate::script::error::ScriptResult;
use crate::script::options::Options;

#[export_module(manifest)]
pub mod continuing {
    use super::continue_prompts;
    use crate::script::bind::prelude::*;
    use crate::script::bind::prompt::Prompts;

    type Model = crate::model::Model;

    /// Continues prompts and gives the new text of each, an array.
    ///
    /// Options: `max_new_tokens` (integer, 32): the most of each; `temperature` (number, 0.0): 0 takes the
    /// likeliest token, 1 draws as the model says; `top_k` (integer, none): draws from so many of the
    /// likeliest; `top_p` (number, none): draws from the likeliest that together have this probability; `seed`
    /// (integer, the run's): of the draws; `stop` (array, the model's own end tokens): texts of single tokens;
    /// `skip_special` (bool, true): leaves special tokens out of the text; `hooks` (map | array, none): as in
    /// `run_with_hooks`, active at every step.
    ///
    /// Errors: a temperature below 0, a text in `stop` that is no token.
    ///
    /// Example: `load_model("mora/tiny-ipd").generate("Choose action1 or", #{ max_new_tokens: 2 })`
    /// is `[" action1"]`
    #[rhai_fn(return_raw)]
    pub fn generate(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Array> {
        let prompts = Prompts::read(&model, &prompts)?;
        let mut options = Options::of("generate", options);
        let skip_special = options.get("skip_special", true)?;
        let texts = continue_prompts(&call, &model, &prompts, options)?
            .iter()
            .map(|tokens| model.tokenizer().decode(tokens, skip_special))
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(array(texts))
    }

    #[rhai_fn(name = "generate", return_raw)]
    pub fn generate_plainly(call: NativeCallContext, model: Model, prompts: Dynamic) -> ScriptResult<Array> {
        generate(call, model, prompts, Map::new())
    }

    /// Continues prompts and gives the new token ids of each, exactly as they were drawn: an array of ids for
    /// each prompt, with the end token where one was drawn.
    ///
    /// Options: `max_new_tokens` (integer, 32): the most of each; `temperature` (number, 0.0): 0 takes the
    /// likeliest token, 1 draws as the model says; `top_k` (integer, none): draws from so many of the
    /// likeliest; `top_p` (number, none): draws from the likeliest that together have this probability; `seed`
    /// (integer, the run's): of the draws; `stop` (array, the model's own end tokens): texts of single tokens,
    /// and `[]` never stops, so that every prompt gets `max_new_tokens` ids; `hooks` (map | array, none): as in
    /// `run_with_hooks`, active at every step.
    ///
    /// Errors: a temperature below 0, a text in `stop` that is no token.
    ///
    /// Example: `load_model("mora/tiny-ipd").sample_tokens(["Choose"], #{ max_new_tokens: 3, stop: [],
    /// temperature: 1.0 })[0].len()` is `3`
    #[rhai_fn(return_raw)]
    pub fn sample_tokens(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Array> {
        let prompts = Prompts::read(&model, &prompts)?;
        let continuations = continue_prompts(&call, &model, &prompts, Options::of("sample_tokens", options))?;
        Ok(continuations
            .into_iter()
            .map(|tokens| Dynamic::from(array(tokens.into_iter().map(i64::from))))
            .collect())
    }

    #[rhai_fn(name = "sample_tokens", return_raw)]
    pub fn sample_tokens_plainly(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
    ) -> ScriptResult<Array> {
        sample_tokens(call, model, prompts, Map::new())
    }
}

/// Draws what follows each prompt as the options say.
fn continue_prompts(
    call: &NativeCallContext,
    model: &Model,
    prompts: &Prompts,
    mut options: Options,
) -> ScriptResult<Vec<Vec<u32>>> {
    let token = |text: &String| {
        model.tokenizer().token_id(text).ok_or_else(|| Error::new(format!("no token \"{text}\"")))
    };
    let sampling = GenerateOptions {
        max_new_tokens: options.get("max_new_tokens", 32)?,
        temperature: options.get("temperature", 0.0)?,
        top_k: options.maybe("top_k")?,
        top_p: options.maybe("top_p")?,
        seed: options.get("seed", Context::of(call)?.seed())?,
        stop: match options.maybe::<Vec<String>>("stop")? {
            None => model.tokenizer().eos_ids().to_vec(),
            Some(texts) => texts.iter().map(token).collect::<Result<_>>()?,
        },
    };
    let hooks = options.get("hooks", Dynamic::UNIT)?;
    options.finish()?;
    with_hooks(call, model, &hooks, |tap| generate(model.decoder(), &prompts.sequences(), &sampling, tap))
}
