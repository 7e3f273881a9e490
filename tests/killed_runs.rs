//! A run that is killed at any moment leaves whole files, and the next run in its folder ends like one that was alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mora::frame::Frame;
use mora::random::Random;

/// A study, with tables, figures and a report.
const STUDY: &[&str] = &["script", "interactions", "--set", "draws=99"];

/// Every other kind of file, and a sweep that goes on where it was.
const EVERYTHING: &str = r##"
let model = load_model("mora/tiny-ipd");
let prompts = ["They chose action1. You choose", "They chose action2. You choose"];
let metric = answer_diff(" action2", " action1");
model.run_with_cache(prompts, #{ sites: "*hook_resid_post" }).cache.save("cache.safetensors");
randn([256, 256]).save("noise.npy");
let sweep = model.patch_sweep(prompts, #{ source: "zero", metric: metric, components: "mlp", keep: "kept" });
sweep.frame.write_parquet("sweep.parquet");
let summary = sweep.mean_by("component");
bar(summary, #{ x: "component", y: "delta", title: "", x_label: "component", y_label: "nats" }).save("largest.png");
let texts = [];
for i in 0..60 { texts.push(`you play action${i % 7} and they play action${i % 5}, so you get ${i % 4} points.`); }
let fresh = new_model(#{
    model_type: "llama", vocab_size: 380, hidden_size: 128, intermediate_size: 256, num_hidden_layers: 3,
    num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 128, tie_word_embeddings: true,
}, learn_tokenizer(texts, #{ vocab_size: 380 }));
fresh.save("model");
fresh.lora(#{ rank: 4 }).current_adapter().save("adapter");
let report = "# Texts\n";
for text in texts { report += text + "\n"; }
write_text("tables/report.md", report);
"##;

/// The files of a run by their paths, the record without its times.
fn left(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let bytes = |path: &PathBuf| match path.to_str() {
        Some("run.json") => process::record(out).to_string().into_bytes(),
        _ => std::fs::read(out.join(path)).unwrap(),
    };
    process::files(out).into_iter().map(|path| (path.clone(), bytes(&path))).collect()
}

/// Fails where a file is not one that its readers take.
fn assert_whole(path: &Path, bytes: &[u8]) {
    let at_both_ends = |begin: &[u8], end: &[u8]| bytes.starts_with(begin) && bytes.ends_with(end);
    let is_whole = match path.extension().unwrap().to_str().unwrap() {
        "csv" => Frame::read_csv(path).unwrap().height() > 0 && bytes.ends_with(b"\n"),
        "parquet" => Frame::read_parquet(path).unwrap().height() > 0 && at_both_ends(b"PAR1", b"PAR1"),
        "svg" => at_both_ends(b"<svg", b"</svg>\n"),
        "png" => at_both_ends(b"\x89PNG", b"IEND\xaeB`\x82"),
        "json" => serde_json::from_slice::<serde_json::Value>(bytes).is_ok(),
        "safetensors" => !mora::tensor::load_all(path, &candle_core::Device::Cpu).unwrap().is_empty(),
        "npy" => bytes.len() > 256 * 256 * 4 && bytes.starts_with(b"\x93NUMPY"),
        "md" => bytes.ends_with(b"\n"),
        other => panic!("{other} is not checked"),
    };
    assert!(is_whole, "{} is not whole", path.display());
}

/// Kills a command `kills` times, and then lets it end. Half of the kills come at any time between its beginning and its
/// end. Since most of that is computing, the others come when a file has just begun to be.
fn killed_and_run_again(args: &[&str], kills: usize, seed: u64) {
    let whole = process::folder(&[("everything.rhai", EVERYTHING)]);
    let out = |folder: &tempfile::TempDir| folder.path().join("out");
    let args = [args, &["--out", "out", "--quiet"]].concat();
    let begun = Instant::now();
    let (code, _, stderr) = process::run(whole.path(), &args);
    assert_eq!(code, 0, "{stderr}");
    let took = begun.elapsed();
    let expected = left(&out(&whole));
    for (path, bytes) in &expected {
        assert_whole(&out(&whole).join(path), bytes);
    }

    let folder = process::folder(&[("everything.rhai", EVERYTHING)]);
    let mut random = Random::new(seed);
    let (mut killed, mut written) = (0, 0);
    for kill in 0..kills {
        let command = process::mora(folder.path(), &args);
        killed += usize::from(if kill % 2 == 0 {
            let _ = std::fs::remove_dir_all(out(&folder));
            let count = 1 + random.below(expected.len() as u64) as usize;
            process::killed(command, || process::files(&out(&folder)).len() > count)
        } else {
            // In a folder with the files of the run before.
            process::killed_after(command, took.mul_f64(random.uniform()).max(Duration::from_millis(1)))
        });
        for (path, bytes) in left_by_name(&out(&folder)) {
            assert!(expected.get(&path) == Some(&bytes), "{} differs after kill {kill}", path.display());
            written += 1;
        }
    }
    // Those that wait for a file find it; a machine that is faster for a while may end before the others.
    assert!(
        killed > kills / 3 && written > 0,
        "{killed} of {kills} runs were killed, {written} files were there"
    );
    assert_eq!(process::run(folder.path(), &args).0, 0);
    let found = left(&out(&folder));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in &expected {
        assert!(found[path] == *bytes, "{} differs from that of a run that was not killed", path.display());
    }
}

/// What looks like a result, that is, all but mora's own hidden files.
fn left_by_name(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(".mora-");
    left(out).into_iter().filter(|(path, _)| !is_hidden(path)).collect()
}

#[test]
fn a_study() {
    killed_and_run_again(STUDY, 50, 1);
}

#[test]
fn every_kind_of_file() {
    killed_and_run_again(&["script", "everything.rhai"], 25, 2);
}
