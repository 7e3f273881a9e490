//! A `tokenizer.json`, and behind a zero byte the text that it is to encode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mora::model::tokenizer::Tokenizer;
use mora_fuzz::{TEXTS, tokenizer_files, use_tokenizer};

fuzz_target!(|bytes: &[u8]| {
    let (file, text) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], String::from_utf8_lossy(&bytes[end + 1..])),
        None => (bytes, "".into()),
    };
    let Ok(tokenizer) = Tokenizer::from_files(&tokenizer_files(file)) else { return };
    use_tokenizer(&tokenizer, &TEXTS);
    use_tokenizer(&tokenizer, &[&text]);
    if let Ok(files) = tokenizer.files() {
        let (_, again) = &files[0];
        let _ = Tokenizer::from_files(&tokenizer_files(again.as_bytes()));
    }
});
