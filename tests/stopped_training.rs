//! A training script that is killed at any moment, and started again, ends with the bytes of one that was not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/process.rs"]
mod process;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = r#"
let texts = [];
for i in 0..60 { texts.push(`you play action${i % 7} and they play action${i % 5}, so you get ${i % 4} points.`); }
let tokenizer = learn_tokenizer(texts, #{ vocab_size: 380 });
let base = new_model(#{
    model_type: "llama", vocab_size: 380, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 3,
    num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 128, tie_word_embeddings: true,
}, tokenizer);
let policy = base.lora(#{ rank: 4 });
let ppo = ppo(policy, #{ lr: 0.001 });
let log = training_log("log.csv", 40);
let state = ppo.resume("ppo.checkpoint");
if state != () { log.go_on_from(state.rows); }
for step in ppo.steps..40 {
    let prompts = [texts[step % 60], texts[(step + 7) % 60], texts[(step + 11) % 60]];
    let responses = policy.model.sample_tokens(prompts, #{ max_new_tokens: 2, temperature: 1.0, seed: step, stop: [] });
    let told = ppo.step(prompts, responses, responses.map(|tokens| tokens[0] % 5 - 2));
    log.record(#{ step: ppo.steps, kl: told["objective/kl"], seconds: 0.0 });
    ppo.save_checkpoint("ppo.checkpoint", #{ rows: log.rows });
}
policy.current_adapter().save("adapter");
"#;

fn command(folder: &Path) -> Command {
    process::mora(folder, &["script", "train.rhai", "--out", "out", "--quiet"])
}

fn folder() -> tempfile::TempDir {
    process::folder(&[("train.rhai", SCRIPT)])
}

fn left(folder: &Path) -> [Vec<u8>; 2] {
    ["adapter/adapter_model.safetensors", "log.csv"]
        .map(|file| std::fs::read(folder.join("out").join(file)).unwrap())
}

#[test]
fn killed_and_started_again_it_ends_the_same() {
    let whole = folder();
    assert!(command(whole.path()).status().unwrap().success());
    let stopped = folder();
    let mut random = mora::random::Random::new(11);
    let mut kills = 0;
    loop {
        if !process::killed_after(command(stopped.path()), Duration::from_millis(20 + random.below(150))) {
            break;
        }
        kills += 1;
        assert!(kills < 500, "the training does not come to its end");
        if kills == 30 {
            assert!(command(stopped.path()).status().unwrap().success());
            break;
        }
    }
    assert!(kills > 0, "nothing was killed");
    assert!(left(stopped.path()) == left(whole.path()), "after {kills} kills");
}

/// With files limited in size the checkpoint cannot be written: the script says so, and the last whole one stays.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let folder = folder();
    std::fs::write(folder.path().join("train.rhai"), SCRIPT.replace("ppo.steps..40", "ppo.steps..2"))
        .unwrap();
    assert!(command(folder.path()).status().unwrap().success());
    let checkpoint = folder.path().join("out/ppo.checkpoint");
    let before = std::fs::read(&checkpoint).unwrap();
    std::fs::write(folder.path().join("train.rhai"), SCRIPT).unwrap();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' script train.rhai --out out --quiet",
        env!("CARGO_BIN_EXE_mora")
    );
    let output = Command::new("bash").current_dir(folder.path()).args(["-c", &limited]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("ppo.checkpoint"), "{message}");
    assert!(std::fs::read(&checkpoint).unwrap() == before, "the last checkpoint is not what it was");
}
