//! What the fuzz targets share: small models to open files against, and limits on how long a script works.
//!
//! A target may fail only by giving an error. It panics itself where a promise is broken that a crash would not show.

pub mod llama;
pub mod script;

use mora::model::Model;
use mora::model::pass::{Pass, Read};
use mora::model::tap::NoTap;
use mora::model::tokenizer::{Files, Tokenizer};
use mora::model::tree::TokenTree;
use mora::model::weights::bytes::FileBytes;

/// As in the program: what chat templates take is counted.
#[global_allocator]
static ALLOCATOR: mora::confined::Allocator<std::alloc::System> =
    mora::confined::Allocator(std::alloc::System);

/// Tensors that a target allows: far below libFuzzer's limit on memory.
pub const MOST_BYTES: usize = 256 << 20;

/// The tokenizer's file alone, with nothing beside it.
pub fn tokenizer_files(tokenizer: &[u8]) -> Files {
    Files {
        tokenizer: FileBytes::made("tokenizer.json", tokenizer.to_vec()),
        config: None,
        special_tokens: None,
        chat_template: None,
        generation: None,
        model: None,
    }
}

/// Texts that tokenizers stumble over.
pub const TEXTS: [&str; 6] =
    ["", "ab", " a  b\n", "é𝒳👩‍👩‍👧", "<s>\u{FFFD}\u{0}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"];

/// Encodes texts, takes them apart and puts them together again.
pub fn use_tokenizer(tokenizer: &Tokenizer, texts: &[&str]) {
    for text in texts {
        let Ok(ids) = tokenizer.encode(text, true) else { continue };
        let _ = tokenizer.decode(&ids, true);
        let _ = tokenizer.token_id(text);
        if let Ok(spans) = tokenizer.encode_with_offsets(text, false) {
            for span in spans {
                // A span is a part of the text, or stands for none of it.
                assert!(text.get(span.start..span.end) == Some(span.text.as_str()) || span.start <= span.end);
            }
        }
    }
    for id in (0..300).chain([u32::MAX]) {
        let _ = tokenizer.token_text(id);
    }
}

/// Runs a few tokens, with the kernels and without.
pub fn run_model(model: &Model) {
    let sequences = [vec![0, 1, 0], vec![0, 1, 1, 0]];
    for plain in [false, true] {
        let Ok(tree) = TokenTree::shared(&sequences) else { return };
        let mut tap = NoTap;
        let mut pass = Pass::new(&mut tap, Read::Last);
        pass.plain = plain;
        let _ = model.decoder().forward(&tree, pass);
    }
}
