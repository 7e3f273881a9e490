//! Tokenizers in Hugging Face layout: tokenizer.json and the small files beside it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::tokenizer::Tokenizer as Backend;

use super::special::{Special, around};
use super::{growth, guarded};
use crate::error::{Context, Error, Result};
use crate::model::weights::bytes::FileBytes;

/// The files of a tokenizer; all but the first are optional.
#[derive(Clone)]
pub struct Files {
    /// `tokenizer.json`
    pub tokenizer: FileBytes,
    /// `tokenizer_config.json`
    pub config: Option<FileBytes>,
    /// `special_tokens_map.json`
    pub special_tokens: Option<FileBytes>,
    /// `chat_template.jinja` or `chat_template.json`
    pub chat_template: Option<FileBytes>,
    /// `generation_config.json`
    pub generation: Option<FileBytes>,
    /// The model's `config.json`
    pub model: Option<FileBytes>,
}

/// What the files say.
pub(super) struct Parts {
    pub backend: Backend,
    pub special: Special,
    pub chat: Option<String>,
}

pub(super) fn read(files: &Files) -> Result<Parts> {
    let name = files.tokenizer.name();
    check_model(&files.tokenizer).within(|| name)?;
    let mut backend = guarded("tokenizer.json", || Backend::from_bytes(&*files.tokenizer)).within(|| name)?;
    // Cutting and padding are the forward's affair.
    backend.with_padding(None);
    guarded("tokenizer.json", || backend.with_truncation(None).map(|_| ())).within(|| name)?;

    let config = json(files.config.as_ref())?;
    let mut named = BTreeMap::new();
    for source in [json(files.special_tokens.as_ref())?, config.clone()].into_iter().flatten() {
        for token in
            ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"]
        {
            if let Some(text) = source.get(token).and_then(token_text) {
                named.insert(token.to_owned(), text.to_owned());
            }
        }
    }
    let flag = |name: &str| config.as_ref().and_then(|config| config.get(name)).and_then(Value::as_bool);
    let (bos, eos) = (flag("add_bos_token"), flag("add_eos_token"));
    if bos.is_some() || eos.is_some() {
        let bos = bos.unwrap_or(false) && named.contains_key("bos_token");
        let eos = eos.unwrap_or(false) && named.contains_key("eos_token");
        let around = around(&backend, &named, bos, eos).within(|| name)?;
        backend.with_post_processor(Some(around));
    } else if let Some(processor) = backend.get_post_processor().cloned() {
        backend.with_post_processor(Some(keep_spaces(processor)));
    }

    let mut stops = Vec::new();
    for source in [json(files.generation.as_ref())?, json(files.model.as_ref())?].into_iter().flatten() {
        stops.extend(source.get("eos_token_id").map(ids).unwrap_or_default());
    }
    let special = Special::new(&backend, named, stops);
    Ok(Parts { backend, special, chat: chat_template(files, config.as_ref())? })
}

fn json(file: Option<&FileBytes>) -> Result<Option<Value>> {
    file.map(FileBytes::json).transpose()
}

/// A special token is written as its text, or as an object that holds it.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// One id or a list of ids.
fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(id).collect(),
        single => id(single).into_iter().collect(),
    }
}

/// Token spans shall tile the text: a byte-level post-processor would cut leading spaces off them.
fn keep_spaces(processor: PostProcessorWrapper) -> PostProcessorWrapper {
    match processor {
        PostProcessorWrapper::ByteLevel(level) => PostProcessorWrapper::ByteLevel(level.trim_offsets(false)),
        PostProcessorWrapper::Sequence(mut sequence) => {
            for part in sequence.as_mut() {
                *part = keep_spaces(part.clone());
            }
            PostProcessorWrapper::Sequence(sequence)
        }
        other => other,
    }
}

/// The chat template: its own file goes before the one in tokenizer_config.json.
fn chat_template(files: &Files, config: Option<&Value>) -> Result<Option<String>> {
    let own = match &files.chat_template {
        Some(file) if file.name().ends_with(".jinja") => return Ok(Some(file.text()?.to_owned())),
        own => json(own.as_ref())?,
    };
    let template = own.as_ref().or(config).and_then(|json| json.get("chat_template"));
    Ok(match template {
        Some(Value::String(template)) => Some(template.clone()),
        // Several by name: the one called "default".
        Some(Value::Array(list)) => {
            let default =
                list.iter().find(|item| item.get("name").and_then(Value::as_str) == Some("default"));
            default.or(list.first()).and_then(|item| Some(item.get("template")?.as_str()?.to_owned()))
        }
        _ => None,
    })
}

/// Looks for faults that the tokenizers crate answers with a panic, a merge of two tokens that together are longer than
/// any token, or without an end: replacements that multiply.
fn check_model(file: &FileBytes) -> Result<()> {
    #[derive(Deserialize)]
    struct Json {
        model: Option<Model>,
        #[serde(default)]
        normalizer: Value,
        #[serde(default)]
        decoder: Value,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: Option<Longest>,
        merges: Option<Merges>,
        continuing_subword_prefix: Option<String>,
    }
    let json: Json = serde_json::from_slice(file).within(|| "no tokenizer.json")?;
    growth::check("normalizer", &json.normalizer)?;
    growth::check("decoder", &json.decoder)?;
    let Some(model) = json.model else { return Err(Error::new("expected a field \"model\"")) };
    let (Some(vocab), Some(merges)) = (model.vocab, model.merges) else { return Ok(()) };
    if vocab.count == 0 {
        return Err(Error::new("the vocabulary is empty"));
    }
    let prefix = model.continuing_subword_prefix.map_or(0, |prefix| prefix.len());
    if merges.longest > vocab.longest || merges.shortest_right < prefix {
        return Err(Error::new(format!(
            "a merge makes a token of {} bytes, but the longest in the vocabulary has {}",
            merges.longest, vocab.longest
        )));
    }
    Ok(())
}

/// Number of a vocabulary's tokens, and the length in bytes of the longest.
#[derive(Default)]
struct Longest {
    count: usize,
    longest: usize,
}

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Vocab;

        impl<'de> Visitor<'de> for Vocab {
            type Value = Longest;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Longest, A::Error> {
                let mut found = Longest::default();
                while let Some((token, IgnoredAny)) = map.next_entry::<String, _>()? {
                    found.count += 1;
                    found.longest = found.longest.max(token.len());
                }
                Ok(found)
            }

            // Unigram models list their tokens with scores.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Longest, A::Error> {
                let mut found = Longest::default();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    found.count += 1;
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Vocab)
    }
}

/// Length in bytes of the longest token that merges make, and of their shortest right half.
struct Merges {
    longest: usize,
    shortest_right: usize,
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Merge {
            Joined(String),
            Pair(String, String),
        }

        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let mut found = Merges { longest: 0, shortest_right: usize::MAX };
                while let Some(merge) = list.next_element::<Merge>()? {
                    let (left, right) = match &merge {
                        Merge::Pair(left, right) => (left.len(), right.len()),
                        Merge::Joined(text) => text
                            .split_once(' ')
                            .map_or((text.len(), 0), |(left, right)| (left.len(), right.len())),
                    };
                    found.longest = found.longest.max(left + right);
                    found.shortest_right = found.shortest_right.min(right);
                }
                Ok(found)
            }
        }

        deserializer.deserialize_seq(List)
    }
}
