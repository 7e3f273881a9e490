//! Tokenizers from the vocabulary in a GGUF file's metadata.
//!
//! Two kinds: `gpt2`, byte-level BPE with merges and a named pre-tokenizer, and `llama`,
//! SentencePiece's BPE, which stores no merges. SentencePiece joins the neighbours whose union
//! scores best, so every way to cut a token into two tokens is a merge, ranked by the token.

use std::collections::{BTreeMap, HashMap};

use tokenizers::decoders::{DecoderWrapper, byte_fallback::ByteFallback, fuse::Fuse, sequence, strip::Strip};
use tokenizers::models::bpe::{BPE, BpeBuilder};
use tokenizers::normalizers::{Prepend, Replace, unicode::NFC, utils};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{AddedToken, SplitDelimiterBehavior, Tokenizer as Backend};

use super::guarded;
use super::hf::Parts;
use super::special::{Special, around};
use crate::error::{Error, Result};
use crate::model::weights::gguf::Metadata;

const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

pub(super) fn read(metadata: &Metadata) -> Result<Parts> {
    let kind = metadata.text("tokenizer.ggml.model")?.ok_or_else(|| missing("tokenizer.ggml.model"))?;
    let vocab = Vocab::read(metadata)?;
    let mut backend = match kind {
        "gpt2" => byte_level(metadata, &vocab)?,
        "llama" => sentence_piece(metadata, &vocab)?,
        other => {
            return Err(Error::new(format!("tokenizer.ggml.model \"{other}\" is not supported"))
                .hint("supported: gpt2 (byte-level BPE) and llama (SentencePiece)"));
        }
    };
    add_marked(&mut backend, &vocab)?;

    let mut named = BTreeMap::new();
    for (name, key) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
        let key = format!("tokenizer.ggml.{key}_token_id");
        if let Some(id) = metadata.count(&key)? {
            let Some(token) = vocab.tokens.get(id) else {
                return Err(Error::new(format!("{key} is {id}, the vocabulary has {}", vocab.tokens.len())));
            };
            named.insert(format!("{name}_token"), token.clone());
        }
    }
    let flag = |name: &str| metadata.flag(&format!("tokenizer.ggml.add_{name}_token"));
    // Older files have no flag; a SentencePiece vocabulary then means a beginning of sequence.
    let (bos, eos) = (flag("bos")?.unwrap_or(kind == "llama"), flag("eos")?.unwrap_or(false));
    let around = around(&backend, &named, bos, eos)?;
    backend.with_post_processor(Some(around));

    let special = Special::new(&backend, named, []);
    let chat = metadata.text("tokenizer.chat_template")?.map(str::to_owned);
    Ok(Parts { backend, special, chat })
}

fn missing(key: &str) -> Error {
    Error::new(format!("the metadata has no {key}"))
}

/// The tokens with the type that the file gives each.
struct Vocab<'a> {
    tokens: &'a [String],
    types: &'a [i64],
}

impl<'a> Vocab<'a> {
    fn read(metadata: &'a Metadata) -> Result<Self> {
        let key = "tokenizer.ggml.tokens";
        let tokens = metadata.texts(key)?.ok_or_else(|| missing(key))?;
        if tokens.is_empty() {
            return Err(Error::new(format!("{key} is empty, expected a vocabulary")));
        }
        if u32::try_from(tokens.len()).is_err() {
            return Err(Error::new(format!("{key} lists {} tokens", tokens.len())));
        }
        let types = metadata.integers("tokenizer.ggml.token_type")?.unwrap_or_default();
        if !types.is_empty() && types.len() != tokens.len() {
            return Err(Error::new(format!(
                "tokenizer.ggml.token_type has {} entries for {} tokens",
                types.len(),
                tokens.len()
            )));
        }
        Ok(Self { tokens, types })
    }

    fn of_type(&self, wanted: i64) -> impl Iterator<Item = &'a String> {
        self.tokens.iter().zip(self.types).filter(move |(_, kind)| **kind == wanted).map(|(token, _)| token)
    }
}

/// Tokens that are matched whole in a text, before anything else looks at it.
fn add_marked(backend: &mut Backend, vocab: &Vocab) -> Result<()> {
    let marked = |token: &String, special| AddedToken::from(token.clone(), special).normalized(false);
    let control: Vec<_> = vocab.of_type(CONTROL).map(|token| marked(token, true)).collect();
    let known = |token: &&String| backend.token_to_id(token).is_some();
    let defined: Vec<_> =
        vocab.of_type(USER_DEFINED).filter(known).map(|token| marked(token, false)).collect();
    guarded("tokenizer.ggml.token_type", || backend.add_special_tokens(control))?;
    guarded("tokenizer.ggml.token_type", || backend.add_tokens(defined))?;
    Ok(())
}

/// A BPE model, with what its kind sets beside vocabulary and merges.
fn build(
    vocab: HashMap<String, u32>,
    merges: Vec<(String, String)>,
    set: impl FnOnce(BpeBuilder) -> BpeBuilder,
) -> Result<BPE> {
    // The tokenizers crate cuts a buffer of the longest token's length without a look.
    for (left, right) in &merges {
        for part in [left, right, &format!("{left}{right}")] {
            if !vocab.contains_key(part) {
                return Err(Error::new(format!(
                    "tokenizer.ggml.merges joins \"{left}\" and \"{right}\", but \"{part}\" is no token"
                )));
            }
        }
    }
    let vocab = vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>();
    let builder = set(BPE::builder().vocab_and_merges(vocab, merges));
    guarded("tokenizer.ggml.merges", || builder.build())
}

fn ids<'a>(tokens: impl IntoIterator<Item = &'a String>) -> HashMap<String, u32> {
    tokens.into_iter().zip(0u32..).map(|(token, id)| (token.clone(), id)).collect()
}

/// GPT-2's kind: bytes as printable characters, merges in the file.
fn byte_level(metadata: &Metadata, vocab: &Vocab) -> Result<Backend> {
    let key = "tokenizer.ggml.merges";
    let merges = metadata.texts(key)?.ok_or_else(|| missing(key))?;
    let merges = merges
        .iter()
        .map(|merge| match merge.split_once(' ') {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(Error::new(format!("{key} holds \"{merge}\", expected two tokens"))),
        })
        .collect::<Result<Vec<_>>>()?;
    let pre = Pre::named(metadata.text("tokenizer.ggml.pre")?.unwrap_or("default"))?;
    let bpe = build(ids(vocab.tokens), merges, |builder| builder.ignore_merges(pre.whole_tokens))?;
    let mut backend = Backend::new(bpe);
    if pre.nfc {
        guarded("tokenizer.ggml.pre", || backend.with_normalizer(Some(NFC)).map(|_| ()))?;
    }
    backend.with_pre_tokenizer(Some(pre.tokenizer()?));
    backend.with_decoder(Some(ByteLevel::default()));
    Ok(backend)
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How a text is cut into words before merging, by the name that `tokenizer.ggml.pre` gives.
struct Pre {
    /// Every digit stands alone.
    digits: bool,
    /// The pattern of a word; GPT-2's own where there is none.
    pattern: Option<&'static str>,
    /// Unicode is composed first.
    nfc: bool,
    /// A word that is a token is taken whole, whatever the merges say.
    whole_tokens: bool,
}

impl Pre {
    fn named(name: &str) -> Result<Self> {
        let gpt2 = Self { digits: false, pattern: None, nfc: false, whole_tokens: false };
        Ok(match name {
            "default" | "gpt-2" | "gpt2" | "phi-2" | "jina-es" | "jina-de" | "roberta-bpe" | "mpt"
            | "olmo" => gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
                Self { digits: true, ..gpt2 }
            }
            "llama-bpe" | "llama3" | "llama-v3" => Self { pattern: Some(LLAMA3), whole_tokens: true, ..gpt2 },
            "smaug-bpe" | "dbrx" => Self { pattern: Some(LLAMA3), ..gpt2 },
            "qwen2" | "deepseek-r1-qwen" | "stablelm2" => Self { pattern: Some(QWEN2), nfc: true, ..gpt2 },
            "tekken" => Self { pattern: Some(TEKKEN), whole_tokens: true, ..gpt2 },
            other => {
                return Err(Error::new(format!("tokenizer.ggml.pre \"{other}\" is not supported")).hint(
                    "open the model's Hugging Face folder, whose tokenizer.json says how it cuts words",
                ));
            }
        })
    }

    fn tokenizer(&self) -> Result<PreTokenizerWrapper> {
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        if self.digits {
            steps.push(Digits::new(true).into());
        }
        if let Some(pattern) = self.pattern {
            let split = guarded("tokenizer.ggml.pre", || {
                let pattern = SplitPattern::Regex(pattern.to_owned());
                Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
            })?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, false, self.pattern.is_none()).into());
        Ok(Sequence::new(steps).into())
    }
}

/// SentencePiece's kind: spaces are `▁`, unknown characters are bytes, merges follow from the tokens.
fn sentence_piece(metadata: &Metadata, vocab: &Vocab) -> Result<Backend> {
    let gemma = metadata.text("general.architecture")?.is_some_and(|family| family.starts_with("gemma"));
    // Gemma's files write runs of spaces as spaces; the text that merging sees has none.
    let tokens: Vec<String> = vocab
        .tokens
        .iter()
        .map(|token| {
            if gemma && !token.is_empty() && token.trim_matches(' ').is_empty() {
                "▁".repeat(token.len())
            } else {
                token.clone()
            }
        })
        .collect();
    // Gemma's scores do not follow the order in which its merges were learned; its ids do.
    let scores = match metadata.floats("tokenizer.ggml.scores")? {
        Some(scores) if !gemma => Some(scores),
        _ => None,
    };
    if let Some(scores) = scores.filter(|scores| scores.len() != tokens.len()) {
        return Err(Error::new(format!(
            "tokenizer.ggml.scores has {} entries for {} tokens",
            scores.len(),
            tokens.len()
        )));
    }
    let ids = ids(&tokens);
    let merges = merges(&tokens, scores, &ids);
    let unknown = metadata.count("tokenizer.ggml.unknown_token_id")?.and_then(|id| tokens.get(id)).cloned();
    let mut backend = Backend::new(build(ids, merges, |builder| {
        let builder = builder.byte_fallback(true).fuse_unk(true);
        match unknown {
            Some(unknown) => builder.unk_token(unknown),
            None => builder,
        }
    })?);
    let prefix = !gemma && metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    guarded("tokenizer.ggml.model", || {
        let spaces = Replace::new(" ", "▁")?;
        if prefix {
            let steps = vec![Prepend::new("▁".to_owned()).into(), spaces.into()];
            backend.with_normalizer(Some(utils::Sequence::new(steps)))?;
        } else {
            backend.with_normalizer(Some(spaces))?;
        }
        let mut steps: Vec<DecoderWrapper> =
            vec![Replace::new("▁", " ")?.into(), ByteFallback::new().into(), Fuse::new().into()];
        if prefix {
            steps.push(Strip::new(' ', 1, 0).into());
        }
        backend.with_decoder(Some(sequence::Sequence::new(steps)));
        Ok(())
    })?;
    Ok(backend)
}

/// Every cut of every token into two tokens, the best first: by the whole's score (its id where
/// there are no scores), then the longer left part.
fn merges(tokens: &[String], scores: Option<&[f32]>, ids: &HashMap<String, u32>) -> Vec<(String, String)> {
    struct Cut<'a> {
        score: f32,
        id: u32,
        /// Characters left of the cut.
        left: usize,
        parts: (&'a str, &'a str),
    }
    let mut cuts = Vec::new();
    for ((index, token), id) in tokens.iter().enumerate().zip(0u32..) {
        let score = scores.and_then(|scores| scores.get(index)).copied().unwrap_or(0.0);
        for (left, (at, _)) in token.char_indices().enumerate().skip(1) {
            let parts = token.split_at(at);
            if ids.contains_key(parts.0) && ids.contains_key(parts.1) {
                cuts.push(Cut { score, id, left, parts });
            }
        }
    }
    cuts.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)).then(b.left.cmp(&a.left)));
    cuts.into_iter().map(|cut| (cut.parts.0.to_owned(), cut.parts.1.to_owned())).collect()
}
