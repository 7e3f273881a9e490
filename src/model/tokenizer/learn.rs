//! A tokenizer learned from texts, of Gemma's kind: spaces as ▁, byte-pair merges inside words, digits
//! alone, bytes for what the vocabulary lacks, a beginning-of-sequence token in front.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{SplitDelimiterBehavior, Tokenizer as Backend, TokenizerImpl};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use super::{Files, Tokenizer, guarded};
use crate::error::{Error, Result};
use crate::model::weights::bytes::FileBytes;

/// Letters and signs take the space before them along; a digit stands alone.
const WORDS: &str = r"[0-9]|▁?[A-Za-z]+|▁?[^A-Za-z0-9▁\s]+|▁+|\s+";

/// The special tokens, in the order of their ids.
const SPECIAL: [&str; 6] = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"];

/// Tokens that stand for one byte each.
const BYTES: usize = 256;

/// How a tokenizer is learned.
#[derive(Debug, Clone)]
pub struct LearnOptions {
    /// Tokens, the special ones and the 256 bytes among them.
    pub vocab_size: usize,
    /// A merge is made where it occurs this often.
    pub min_frequency: u64,
    /// The chat template (Jinja), where the model is to have one.
    pub chat_template: Option<String>,
}

type Learner =
    TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

impl Tokenizer {
    /// Learns a tokenizer from texts. The same texts in the same order give the same tokenizer.
    ///
    /// # Errors
    /// A vocabulary too small for the special tokens, bytes and characters, or larger than the texts can
    /// fill; a chat template that does not parse.
    pub fn learn<S: AsRef<str> + Sync>(texts: &[S], options: &LearnOptions) -> Result<Self> {
        let own = SPECIAL.len() + BYTES;
        let alphabet: Vec<char> = (33u8..127).map(char::from).chain(['▁', '\n', '\t']).collect();
        if options.vocab_size < own + alphabet.len() {
            return Err(Error::new(format!(
                "a vocabulary of {}, expected at least {}: {} special tokens, {BYTES} bytes, {} characters",
                options.vocab_size,
                own + alphabet.len(),
                SPECIAL.len(),
                alphabet.len()
            )));
        }
        let learned = guarded("learning a tokenizer", || {
            let mut learner: Learner = TokenizerImpl::new(BPE::default());
            learner.with_normalizer(Some(NormalizerWrapper::from(Replace::new(" ", "▁")?)))?;
            let split =
                Split::new(SplitPattern::Regex(WORDS.into()), SplitDelimiterBehavior::Isolated, false)?;
            learner.with_pre_tokenizer(Some(PreTokenizerWrapper::from(split)));
            let mut trainer = BpeTrainer::builder()
                .vocab_size(options.vocab_size - own)
                .min_frequency(options.min_frequency)
                .show_progress(false)
                .initial_alphabet(alphabet.into_iter().collect())
                .build();
            learner.train(&mut trainer, texts.iter().map(|text| text.as_ref().to_owned()))?;
            Ok(serde_json::to_value(learner.get_model())?)
        })?;
        let vocab: HashMap<String, u64> = serde_json::from_value(learned["vocab"].clone())?;
        let mut pieces: Vec<(String, u64)> = vocab.into_iter().collect();
        pieces.sort_by_key(|(_, id)| *id);
        let all = SPECIAL
            .iter()
            .map(ToString::to_string)
            .chain((0..BYTES).map(|byte| format!("<0x{byte:02X}>")))
            .chain(pieces.into_iter().map(|(piece, _)| piece));
        let vocab: serde_json::Map<String, Value> =
            all.enumerate().map(|(id, piece)| (piece, id.into())).collect();
        if vocab.len() < options.vocab_size {
            return Err(Error::new(format!(
                "the texts fill a vocabulary of {} tokens, not of {}",
                vocab.len(),
                options.vocab_size
            ))
            .hint("give more texts, a smaller vocab_size or a lower min_frequency"));
        }
        let added: Vec<Value> = SPECIAL
            .iter()
            .enumerate()
            .map(|(id, token)| {
                json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true })
            })
            .collect();
        let file = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
            "pre_tokenizer": { "type": "Split", "pattern": { "Regex": WORDS }, "behavior": "Isolated", "invert": false },
            "post_processor": null,
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
                { "type": "ByteFallback" }, { "type": "Fuse" },
            ] },
            "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": vocab, "merges": learned["merges"] },
        });
        // A round through the tokenizers crate, so that the file reads as it writes one.
        let backend = guarded("tokenizer.json", || Backend::from_bytes(file.to_string()))?;
        let json = guarded("tokenizer.json", || backend.to_string(true))?;
        let mut config = json!({
            "add_bos_token": true, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
            "unk_token": "<unk>",
        });
        if let Some(template) = &options.chat_template {
            config["chat_template"] = template.as_str().into();
        }
        Self::from_files(&Files {
            tokenizer: FileBytes::made("tokenizer.json", json.into_bytes()),
            config: Some(FileBytes::made("tokenizer_config.json", config.to_string().into_bytes())),
            special_tokens: None,
            chat_template: None,
            generation: None,
            model: None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn learned() -> Tokenizer {
        let texts: Vec<String> = (0..40)
            .map(|i| format!("You played action{i} and they played action2. Points, points!\n"))
            .collect();
        let options = LearnOptions {
            vocab_size: 375,
            min_frequency: 2,
            chat_template: Some("{{ bos_token }}{{ messages[0].content }}".to_owned()),
        };
        Tokenizer::learn(&texts, &options).unwrap()
    }

    #[test]
    fn words_are_learned_and_digits_stand_alone() {
        let tokenizer = learned();
        assert_eq!(tokenizer.vocab_size(), 375);
        let tokens = tokenizer.encode("they played action17", false).unwrap();
        let names: Vec<String> = tokens.iter().map(|&id| tokenizer.token_text(id).unwrap()).collect();
        assert_eq!(names[names.len() - 2..], ["1", "7"]);
        assert!(names.iter().any(|name| name == " action"), "{names:?}");
        assert_eq!(tokenizer.bos(), Some(2));
        assert_eq!(tokenizer.encode("they", true).unwrap()[0], 2);
    }

    #[test]
    fn any_text_comes_back() {
        let tokenizer = learned();
        for text in ["", "  two  spaces\n\nand lines", "Größe 😀 中文 <b>", "1234567890", "action1"] {
            let tokens = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(&tokens, false).unwrap(), text, "{text:?}");
        }
        let chat = tokenizer.render_chat(&[super::super::Message::user("Hello")], true).unwrap();
        assert_eq!(chat, "<bos>Hello");
    }

    #[test]
    fn a_vocabulary_must_have_room_and_be_filled() {
        let options = LearnOptions { vocab_size: 300, min_frequency: 0, chat_template: None };
        assert!(Tokenizer::learn(&["a b"], &options).err().unwrap().to_string().contains("at least 359"));
        let options = LearnOptions { vocab_size: 5000, ..options };
        assert!(Tokenizer::learn(&["a b"], &options).err().unwrap().to_string().contains("not of 5000"));
    }
}
