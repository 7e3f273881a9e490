//! Special tokens: their names, and which of them end a generation.

use std::collections::{BTreeMap, BTreeSet};

use tokenizers::processors::template::TemplateProcessing;
use tokenizers::tokenizer::Tokenizer as Backend;

use crate::error::{Error, Result};

/// Tokens that end a turn in the chat formats of the supported families.
const TURN_ENDS: [&str; 3] = ["<end_of_turn>", "<|im_end|>", "<|eot_id|>"];

/// A token by name and id.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub text: String,
    pub id: u32,
}

/// The special tokens of a model.
#[derive(Debug, Default)]
pub(super) struct Special {
    /// Begins a sequence.
    pub bos: Option<Token>,
    /// Ends a generation; sorted.
    pub eos_ids: Vec<u32>,
    /// `bos_token`, `eos_token`, … as chat templates know them.
    pub named: BTreeMap<String, String>,
}

impl Special {
    /// Finds the named tokens in the vocabulary; `stops` are further ends of a generation.
    pub fn new(
        backend: &Backend,
        named: BTreeMap<String, String>,
        stops: impl IntoIterator<Item = u32>,
    ) -> Self {
        let find = |name: &str| {
            let text = named.get(name)?;
            Some(Token { text: text.clone(), id: backend.token_to_id(text)? })
        };
        let bos = find("bos_token");
        let mut eos: BTreeSet<u32> = stops.into_iter().collect();
        eos.extend(find("eos_token").map(|token| token.id));
        eos.extend(TURN_ENDS.iter().filter_map(|end| backend.token_to_id(end)));
        Self { bos, eos_ids: eos.into_iter().collect(), named }
    }
}

/// What stands around every text: the named tokens where `bos` and `eos` ask for them.
pub(super) fn around(
    backend: &Backend,
    named: &BTreeMap<String, String>,
    bos: bool,
    eos: bool,
) -> Result<TemplateProcessing> {
    let token = |wanted: bool, name: &str| -> Result<Option<Token>> {
        match named.get(name).filter(|_| wanted) {
            None => Ok(None),
            Some(text) => match backend.token_to_id(text) {
                Some(id) => Ok(Some(Token { text: text.clone(), id })),
                None => Err(Error::new(format!("{name} \"{text}\" is not in the vocabulary"))),
            },
        }
    };
    let (bos, eos) = (token(bos, "bos_token")?, token(eos, "eos_token")?);
    // Pieces are given in the crate's own tagged form: a token's text could otherwise be read as a
    // placeholder.
    let piece = |token: &Token| serde_json::json!({"SpecialToken": {"id": token.text, "type_id": 0}});
    let text = |id: &str| serde_json::json!({"Sequence": {"id": id, "type_id": 0}});
    let sequence = |ids: &[&str]| -> Vec<serde_json::Value> {
        let texts = ids.iter().flat_map(|id| bos.as_ref().map(piece).into_iter().chain([text(id)]));
        texts.chain(eos.as_ref().map(piece)).collect()
    };
    let tokens: serde_json::Map<String, serde_json::Value> = bos
        .iter()
        .chain(&eos)
        .map(|token| {
            let described = serde_json::json!({"id": token.text, "ids": [token.id], "tokens": [token.text]});
            (token.text.clone(), described)
        })
        .collect();
    let template = serde_json::json!({
        "single": sequence(&["A"]),
        "pair": sequence(&["A", "B"]),
        "special_tokens": tokens,
    });
    Ok(serde_json::from_value(template)?)
}
