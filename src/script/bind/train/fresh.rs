//! Fresh models and tokenizers.

use rhai::plugin::*;

use crate::script::value::script_value;

script_value!(TokenizerValue: "a tokenizer");

/// A tokenizer that a script has learned. Cheap to copy.
#[derive(Clone)]
pub struct TokenizerValue(std::sync::Arc<crate::model::tokenizer::Tokenizer>);

#[export_module(manifest)]
pub mod fresh_models {
    use serde_json::Value;

    use crate::model::tokenizer::{LearnOptions, Tokenizer as Core};
    use crate::script::bind::prelude::*;
    use crate::train::fresh::{FreshOptions, fresh};

    type Model = crate::model::Model;
    /// A tokenizer without a model.
    pub type Tokenizer = super::TokenizerValue;

    /// Learns a tokenizer from an array of texts, of Gemma's kind: byte-pair merges inside words, spaces with
    /// the word behind them, digits alone, 256 byte tokens for what the vocabulary lacks, and the special
    /// tokens `<pad>`, `<eos>`, `<bos>`, `<unk>`, `<start_of_turn>`, `<end_of_turn>`.
    ///
    /// Options: `vocab_size` (integer, required): tokens of the vocabulary; `min_frequency` (integer, 2): a
    /// merge must occur so often; `chat_template` (string, none): Jinja.
    ///
    /// Errors: texts that do not fill the vocabulary, one too small for bytes and characters.
    ///
    /// Example: `learn_tokenizer(["the cat and the hat and the cat"], #{ vocab_size: 361 })`
    /// is `tokenizer of 361 tokens`
    #[rhai_fn(return_raw)]
    pub fn learn_tokenizer(texts: Array, options: Map) -> ScriptResult<Tokenizer> {
        let mut options = Options::of("learn_tokenizer", options);
        let learn = LearnOptions {
            vocab_size: options.required("vocab_size")?,
            min_frequency: options.get("min_frequency", 2u64)?,
            chat_template: options.maybe("chat_template")?,
        };
        options.finish()?;
        let texts = argument::<Vec<String>>("learn_tokenizer", "texts", &texts.into())?;
        Ok(super::TokenizerValue(Core::learn(&texts, &learn)?.into()))
    }

    /// The tokenizer of a model.
    ///
    /// Example: `load_model("mora/tiny-ipd").tokenizer` is `tokenizer of 768 tokens`
    #[rhai_fn(get = "tokenizer")]
    pub fn tokenizer(model: Model) -> Tokenizer {
        super::TokenizerValue(model.shared_tokenizer())
    }

    /// Tokens of a tokenizer.
    ///
    /// Example: `load_model("mora/tiny-ipd").tokenizer.vocab_size` is `768`
    #[rhai_fn(get = "vocab_size")]
    pub fn vocab_size(tokenizer: Tokenizer) -> i64 {
        tokenizer.0.vocab_size() as i64
    }

    /// One line about a tokenizer.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn tokenizer_to_string(tokenizer: Tokenizer) -> String {
        format!("tokenizer of {} tokens", tokenizer.0.vocab_size())
    }

    /// A model of random weights with this `tokenizer`. `config` is a map of what a `config.json` says, in
    /// transformers' names: `model_type` ("gemma2", "llama", …), `hidden_size`, `num_hidden_layers`,
    /// `num_attention_heads`, `vocab_size`, ….
    ///
    /// Options: `deviation` (number, 0.02): of matrices and embeddings; `scale_residual` (bool, true): what
    /// layers add starts smaller by 1/√(2 · layers); `seed` (integer, the run's): of the weights; `name`
    /// (string, "new"): what the model is called.
    ///
    /// Errors: a config that lacks something or that mora does not compute, a vocabulary smaller than the
    /// tokenizer's, weights that memory does not hold.
    ///
    /// Example: `let config = #{ model_type: "llama", hidden_size: 32, intermediate_size: 64,
    /// num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 768 }; new_model(config,
    /// load_model("mora/tiny-ipd").tokenizer)` is `new (llama, 2 layers × 4 heads, d_model 32, 768 tokens)`
    #[rhai_fn(return_raw)]
    pub fn new_model(
        call: NativeCallContext,
        config: Map,
        tokenizer: Tokenizer,
        options: Map,
    ) -> ScriptResult<Model> {
        let mut options = Options::of("new_model", options);
        let default = FreshOptions::default();
        let read = FreshOptions {
            deviation: options.get("deviation", default.deviation)?,
            scale_residual: options.get("scale_residual", default.scale_residual)?,
            seed: options.get("seed", Context::of(&call)?.seed())?,
        };
        let name = options.get("name", "new".to_owned())?;
        options.finish()?;
        let config = rhai::serde::from_dynamic::<Value>(&config.into())
            .map_err(|_| Error::new("new_model: the config holds something that a config.json cannot"))?;
        Ok(fresh(&config, tokenizer.0, &name, read)?)
    }

    #[rhai_fn(name = "new_model", return_raw)]
    pub fn new_model_plainly(
        call: NativeCallContext,
        config: Map,
        tokenizer: Tokenizer,
    ) -> ScriptResult<Model> {
        new_model(call, config, tokenizer, Map::new())
    }
}
