//! A tokenizer as files in Hugging Face layout.

use serde_json::{Map, Value, json};

use super::{Tokenizer, guarded};
use crate::error::Result;

impl Tokenizer {
    /// The files of this tokenizer, by name: `tokenizer.json`, `tokenizer_config.json` with the special tokens
    /// and the chat template, and `generation_config.json` with the tokens that end a generation.
    ///
    /// # Errors
    /// A tokenizer that cannot be written.
    pub fn files(&self) -> Result<Vec<(&'static str, String)>> {
        let mut config: Map<String, Value> =
            self.special.named.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        if let Some(chat) = &self.chat {
            config.insert("chat_template".into(), chat.source().into());
        }
        let mut generation = json!({ "eos_token_id": self.eos_ids() });
        if let Some(bos) = self.bos() {
            generation["bos_token_id"] = bos.into();
        }
        let pretty = |value: &Value| -> Result<String> { Ok(serde_json::to_string_pretty(value)? + "\n") };
        Ok(vec![
            ("tokenizer.json", guarded("tokenizer.json", || self.backend.to_string(true))?),
            ("tokenizer_config.json", pretty(&config.into())?),
            ("generation_config.json", pretty(&generation)?),
        ])
    }
}
