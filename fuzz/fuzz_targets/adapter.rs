//! An `adapter_config.json`, and behind a zero byte the adapter's safetensors where another is wanted than the usual one:
//! opened, laid beside its base, run, saved and opened again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mora::lora::apply::with_adapter;
use mora::lora::files::{WEIGHTS, open_folder};
use mora::model::Model;
use mora::model::open::{OpenOptions, open};
use mora::model::reference::Reference;
use mora::model::reference::files::Folder;
use mora_fuzz::{llama, run_model};

/// The base, and the folders that an adapter is read from and saved into.
struct Ground {
    base: Model,
    read: tempfile::TempDir,
    saved: tempfile::TempDir,
    usual: Vec<u8>,
}

thread_local! {
    static GROUND: Ground = {
        let folder = || tempfile::tempdir().expect("a folder to write into");
        let model = folder();
        llama::write(model.path());
        let opened = open(&Reference::Directory(model.path().to_owned()), &OpenOptions::default());
        let (base, _) = opened.expect("a sound model").into_model().expect("a sound model");
        Ground { base, read: folder(), saved: folder(), usual: llama::safetensors(&llama::ADAPTER) }
    };
}

fuzz_target!(|bytes: &[u8]| {
    GROUND.with(|ground| {
        let (config, weights) = match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, ground.usual.as_slice()),
        };
        let folder = ground.read.path();
        std::fs::write(folder.join("adapter_config.json"), config).expect("a folder to write into");
        std::fs::write(folder.join(WEIGHTS), weights).expect("a folder to write into");
        let Ok((adapter, _)) = open_folder("fuzzed", &Folder::Directory(folder.to_owned())) else { return };
        let _ = adapter.to_string();
        if let Ok(model) = with_adapter(&ground.base, &adapter) {
            run_model(&model);
            let _ = model.merged();
        }
        if adapter.save(ground.saved.path()).is_ok() {
            let again = open_folder("saved", &Folder::Directory(ground.saved.path().to_owned()));
            let (again, _) = again.expect("what is saved opens");
            assert_eq!(again.n_parameters(), adapter.n_parameters());
        }
    });
});
