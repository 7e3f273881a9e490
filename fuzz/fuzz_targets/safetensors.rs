//! A weight file: its header, a whole model with it, an index of shards, and the tensors that a script loads.
#![no_main]

use candle_core::Device;
use libfuzzer_sys::fuzz_target;
use mora::model::open::{OpenOptions, open};
use mora::model::reference::Reference;
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::store::Store;
use mora::model::weights::{read_plain, safetensors};
use mora_fuzz::{llama, run_model};

thread_local! {
    static FOLDER: tempfile::TempDir = {
        let folder = tempfile::tempdir().expect("a folder to write into");
        llama::write(folder.path());
        folder
    };
}

fuzz_target!(|bytes: &[u8]| {
    let file = FileBytes::made("fuzzed.safetensors", bytes.to_vec());
    let _ = safetensors::shards(&file);
    let mut store = Store::default();
    if safetensors::add(&mut store, file).is_ok() {
        for (name, entry) in &store.entries {
            let _ = read_plain(&store, name, entry);
        }
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, bytes).expect("a folder to write into");
        let reference = Reference::Directory(folder.path().to_owned());
        if let Ok(opened) = open(&reference, &OpenOptions::default()) {
            let (model, _) = opened.into_model().expect("what opens has all its weights");
            run_model(&model);
        }
        let _ = mora::tensor::load_all(&path, &Device::Cpu);
    });
});
