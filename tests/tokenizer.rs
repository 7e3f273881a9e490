//! Tokenizers and chat templates against the references in `tests/fixtures/real` (made by
//! `make_real.py` with transformers 5.23.0 and tokenizers 0.23.3), and what must hold for any.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::str::FromStr;

use mora::model::open::{OpenOptions, Opened, open};
use mora::model::reference::Reference;
use mora::model::tokenizer::{Message, Tokenizer};
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::gguf::Gguf;
use serde_json::Value;

fn embedded() -> Opened {
    open(&Reference::from_str("mora/tiny-ipd").unwrap(), &OpenOptions::default()).unwrap()
}

/// The tokenizer of a GGUF file, without its weights.
fn of_gguf(name: &str) -> Option<Tokenizer> {
    let file = FileBytes::open(&common::real_model(name)?).unwrap();
    Some(Tokenizer::from_gguf(&Gguf::read(&file).unwrap().metadata).unwrap())
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn agrees(tokenizer: &Tokenizer, fixture: &Value) {
    let strings = fixture["strings"].as_array().unwrap();
    assert!(strings.len() >= 200);
    let prefix = ids(&fixture["special_prefix"]);
    for row in strings {
        let text = row["text"].as_str().unwrap();
        let expected = ids(&row["ids"]);
        assert_eq!(tokenizer.encode(text, false).unwrap(), expected, "{text:?}");
        assert_eq!(
            tokenizer.encode(text, true).unwrap(),
            [prefix.clone(), expected.clone()].concat(),
            "{text:?}"
        );
        let decoded = row["decoded"].as_str().unwrap_or(text);
        assert_eq!(tokenizer.decode(&expected, false).unwrap(), decoded, "{text:?}");
        spans_cover(tokenizer, text);
    }
    for row in fixture["conversations"].as_array().into_iter().flatten() {
        let messages: Vec<Message> = row["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| Message {
                role: message["role"].as_str().unwrap().to_owned(),
                content: message["content"].as_str().unwrap().to_owned(),
            })
            .collect();
        let rendered = tokenizer.render_chat(&messages, row["add_generation_prompt"].as_bool().unwrap());
        match row["text"].as_str() {
            Some(text) => assert_eq!(rendered.unwrap(), text),
            None => {
                let error = rendered.unwrap_err().to_string();
                assert!(error.contains(row["error"].as_str().unwrap()), "{error}");
            }
        }
    }
    assert_eq!(tokenizer.has_chat_template(), fixture["chat_template"].is_string());
}

/// Every byte of the text belongs to a token, in order, and every span is whole characters.
fn spans_cover(tokenizer: &Tokenizer, text: &str) {
    let spans = tokenizer.encode_with_offsets(text, true).unwrap();
    let mut reached = 0;
    for span in &spans {
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{text:?} {span:?}");
        if span.start < span.end {
            assert!(span.start <= reached, "{text:?}: bytes {reached} to {} belong to no token", span.start);
            assert_eq!(span.text, text[span.start..span.end]);
            reached = reached.max(span.end);
        }
    }
    assert_eq!(reached, text.len(), "{text:?}");
}

#[test]
fn the_embedded_tokenizer_agrees_with_transformers() {
    agrees(&embedded().tokenizer, &common::real_fixture("tiny_ipd"));
}

#[test]
fn smollm2_agrees_with_its_published_tokenizer() {
    let Some(tokenizer) = of_gguf("SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    agrees(&tokenizer, &common::real_fixture("smollm2"));
    assert_eq!(tokenizer.bos(), Some(1));
    assert_eq!(tokenizer.eos_ids(), [2]);
    assert_eq!(tokenizer.vocab_size(), 49_152);
}

#[test]
fn gemma3_agrees_with_transformers() {
    let Some(tokenizer) = of_gguf("gemma-3-270m-q4_k_m.gguf") else { return };
    agrees(&tokenizer, &common::real_fixture("gemma3"));
    assert_eq!(tokenizer.bos(), Some(2));
    assert_eq!(tokenizer.eos_ids(), [1, 106]);
    assert_eq!(tokenizer.vocab_size(), 262_144);
    let error = tokenizer.render_chat(&[Message::user("hello")], true).unwrap_err();
    assert!(error.to_string().contains("no chat template"));
}

#[test]
fn a_prompt_begins_with_one_beginning_of_sequence() {
    let tokenizer = embedded().tokenizer;
    let bos = tokenizer.bos().unwrap();
    let plain = tokenizer.encode_prompt("action1").unwrap();
    let rendered = tokenizer.encode_prompt("<bos>action1").unwrap();
    assert_eq!(plain, rendered);
    assert_eq!(plain.iter().filter(|id| **id == bos).count(), 1);
    let chat = tokenizer.render_chat(&[Message::user("hello")], true).unwrap();
    let ids = tokenizer.encode_prompt(&chat).unwrap();
    assert_eq!(ids.iter().filter(|id| **id == bos).count(), 1);
}

#[test]
fn tokens_have_readable_texts_and_ids() {
    let tokenizer = embedded().tokenizer;
    for id in 0..tokenizer.vocab_size() as u32 {
        let text = tokenizer.token_text(id).unwrap();
        assert!(!text.is_empty() && !text.contains('\u{FFFD}'), "{id}: {text:?}");
    }
    let bos = tokenizer.bos().unwrap();
    assert_eq!(tokenizer.token_id("<bos>"), Some(bos));
    assert_eq!(tokenizer.token_text(bos).unwrap(), "<bos>");
    assert_eq!(tokenizer.decode(&[bos], true).unwrap(), "");
    assert_eq!(tokenizer.token_id("no single token says this"), None);
    let error = tokenizer.decode(&[9_999_999], false).unwrap_err();
    assert!(error.what().contains("no token has id 9999999"), "{error}");
}
