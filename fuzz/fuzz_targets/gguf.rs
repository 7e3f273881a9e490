//! A GGUF file: header, configuration, vocabulary, chat template, weights of all types, and a forward of what opens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mora::model::open::{OpenOptions, open};
use mora::model::reference::Reference;
use mora::model::tokenizer::{Message, Tokenizer};
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::gguf::Gguf;
use mora_fuzz::{TEXTS, run_model, use_tokenizer};

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder to write into");
}

fuzz_target!(|bytes: &[u8]| {
    // The vocabulary is read even where the weights do not fit.
    if let Ok(Gguf { metadata, .. }) = Gguf::read(&FileBytes::made("fuzzed.gguf", bytes.to_vec()))
        && let Ok(tokenizer) = Tokenizer::from_gguf(&metadata)
    {
        use_tokenizer(&tokenizer, &TEXTS);
        let _ = tokenizer.render_chat(&[Message::user("ab")], true);
        let _ = tokenizer.files();
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("fuzzed.gguf");
        std::fs::write(&path, bytes).expect("a folder to write into");
        if let Ok(opened) = open(&Reference::Gguf(path), &OpenOptions::default()) {
            let (model, _) = opened.into_model().expect("what opens has all its weights");
            run_model(&model);
        }
    });
});
