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

    /// Continues prompts and gives the new text of each.
    ///
    /// Options: `max_new_tokens` (32), `temperature` (0: the likeliest token), `top_k`, `top_p`, `seed` (the
    /// run's), `stop` (array of token texts; default: the model's own end tokens), `skip_special` (true:
    /// special tokens are left out of the text), `hooks` (as in `run_with_hooks`, active at every step).
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

    /// Continues prompts greedily by up to 32 tokens.
    #[rhai_fn(name = "generate", return_raw)]
    pub fn generate_plainly(call: NativeCallContext, model: Model, prompts: Dynamic) -> ScriptResult<Array> {
        generate(call, model, prompts, Map::new())
    }

    /// Continues prompts and gives the new token ids of each, exactly as they were drawn: an array of ids for
    /// each prompt, with the end token where one was drawn.
    ///
    /// Options: those of `generate` but `skip_special`. `stop: []` never stops: every prompt then gets
    /// `max_new_tokens` ids.
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
