//! A chat template, rendered for conversations as scripts have them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mora::model::tokenizer::{Message, Tokenizer};
use mora::model::weights::bytes::FileBytes;
use mora_fuzz::{llama, tokenizer_files};

fuzz_target!(|bytes: &[u8]| {
    let mut files = tokenizer_files(llama::TOKENIZER.as_bytes());
    files.config =
        Some(FileBytes::embedded("tokenizer_config.json", br#"{"bos_token": "<s>", "eos_token": "</s>"}"#));
    files.chat_template = Some(FileBytes::made("chat_template.jinja", bytes.to_vec()));
    let Ok(tokenizer) = Tokenizer::from_files(&files) else { return };
    let turn = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
    let talk = [turn("system", "Be <b>."), turn("user", " é\n"), turn("assistant", ""), turn("user", "ab")];
    for (messages, opens) in [(&talk[..], true), (&talk[1..], false), (&[], true)] {
        let _ = tokenizer.render_chat(messages, opens);
    }
});
