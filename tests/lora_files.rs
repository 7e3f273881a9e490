//! Adapters in files: what mora writes peft reads, and what lies is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use common::{
    adapted, adapter, adapter_folder, adapters, base_of, distance, expected_logits, logits, logits_distance,
};
use mora::lora::Adapter;
use mora::lora::files::open;
use mora::model::reference::Reference;
use serde_json::{Value, json};

/// What is asked of float32: logits of order 10, sums of some hundred terms.
const TOLERANCE: f32 = 1e-4;

fn reopen(folder: &Path) -> Adapter {
    open(&Reference::Directory(folder.to_owned())).unwrap().0
}

#[test]
fn what_is_saved_reads_back() {
    for name in adapters() {
        let adapter = adapter(&name);
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a/first"), folder.path().join("second"));
        adapter.save(&first).unwrap();
        let again = reopen(&first);
        assert_eq!(again.modules().len(), adapter.modules().len(), "{name}");
        for ((place, one), (other_place, other)) in adapter.modules().iter().zip(again.modules()) {
            assert_eq!(place, other_place, "{name}");
            assert_eq!(one.scale, other.scale, "{name}");
            assert_eq!(distance(&one.a, &other.a), 0.0, "{name}");
            assert_eq!(distance(&one.b, &other.b), 0.0, "{name}");
            assert_eq!(one.magnitude.is_some(), other.magnitude.is_some(), "{name}");
        }
        // An adapter that was not changed keeps what its maker wrote.
        let json = |folder: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
        };
        let (theirs, mine) = (json(&adapter_folder(&name)), json(&first));
        for (key, value) in mine.as_object().unwrap() {
            let (found, expected) = (value.clone(), theirs[key].clone());
            let is_number = key == "layers_to_transform" && expected.is_number();
            let expected = if is_number { json!([expected]) } else { expected };
            assert_eq!(found, expected, "{name}: {key}");
        }
        again.save(&second).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let bytes = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert!(bytes(&first) == bytes(&second), "{name}: {file} is another the second time");
        }
        assert_eq!(std::fs::read_dir(&first).unwrap().count(), 2, "{name}");
    }
}

/// The adapters that `make_lora.py saved` loads into peft, and the logits that it computes.
fn composed() -> Vec<(&'static str, Adapter)> {
    let part = |text: &str| text.parse::<mora::lora::part::Parts>().unwrap();
    let (a, b) = (adapter("llama"), adapter("llama_qv"));
    let sum = a.scaled(0.5).unwrap().plus(&b).unwrap();
    vec![
        ("composed", sum.with_part(&part("L1_MLP"), &a).unwrap().zero(&part("L2_ATTN")).unwrap()),
        ("patterns", adapter("qwen2_patterns")),
        ("dora", adapter("llama_sharded_dora")),
        ("gpt2_doubled", adapter("gpt2").scaled(2.0).unwrap()),
    ]
}

/// `MORA_BLESS=1` writes the folders anew; `make_lora.py saved` then checks them with peft.
#[test]
fn peft_reads_what_mora_saves() {
    for (name, adapter) in composed() {
        let committed = adapter_folder("saved").join(name);
        if std::env::var_os("MORA_BLESS").is_some() {
            adapter.save(&committed).unwrap();
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        adapter.save(folder.path()).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let bytes = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert!(bytes(folder.path()) == bytes(&committed), "{name}: {file} is not what peft was shown");
        }
        let expected = expected_logits(&committed);
        for adapter in [&adapter, &reopen(&committed)] {
            let (base, tokens) = base_of(adapter);
            let distance = logits_distance(&logits(&adapted(&base, adapter), &tokens), &expected);
            assert!(distance <= TOLERANCE, "{name}: the logits are off by {distance}");
        }
    }
}

#[test]
fn ranks_and_strengths_are_written_as_peft_reads_them() {
    let json = |adapter: &Adapter| adapter.config().to_json();
    let a = adapter("llama");
    let half = json(&a.scaled(0.5).unwrap());
    assert_eq!((&half["r"], &half["lora_alpha"]), (&json!(3), &json!(3)));
    assert_eq!(half["target_modules"], json(&a)["target_modules"]);
    let third = json(&a.scaled(0.25).unwrap());
    assert_eq!(third["lora_alpha"], json!(1.5));
    let sum = json(&a.plus(&adapter("llama_qv")).unwrap());
    assert_eq!(sum["r"], json!(3));
    assert_eq!(sum["rank_pattern"].as_object().unwrap().len(), 6);
    assert_eq!(sum["rank_pattern"][r"model\.layers\.0\.self_attn\.q_proj"], json!(5));
    // The scales of the summands lie in B now: α/r is 1.
    assert_eq!(sum["alpha_pattern"][r"model\.layers\.0\.self_attn\.q_proj"], json!(5));
    let rslora = adapter("gemma3_rslora");
    let doubled = json(&rslora.scaled(2.0).unwrap());
    assert_eq!((&doubled["use_rslora"], &doubled["lora_alpha"]), (&json!(true), &json!(12)));
    let cut = json(&a.keep(&"L1_MLP".parse().unwrap()).unwrap());
    assert_eq!(cut["target_modules"].as_array().unwrap().len(), 3);
    assert_eq!(cut["target_modules"][0], "model.layers.1.mlp.gate_proj");
}

/// A folder that is a fixture with its configuration and tensors changed.
struct Changed(tempfile::TempDir);

type Tensors = HashMap<String, Tensor>;

impl Changed {
    fn new(name: &str, change: impl FnOnce(&mut Value, &mut Tensors)) -> Self {
        let source = adapter_folder(name);
        let bytes = std::fs::read(source.join("adapter_config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&bytes).unwrap();
        let weights = source.join("adapter_model.safetensors");
        let mut tensors = candle_core::safetensors::load(weights, &Device::Cpu).unwrap();
        change(&mut config, &mut tensors);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
        candle_core::safetensors::save(&tensors, folder.path().join("adapter_model.safetensors")).unwrap();
        Self(folder)
    }

    fn fault(&self) -> String {
        open(&Reference::Directory(self.0.path().to_owned())).err().expect("the adapter opened").to_string()
    }
}

fn says(what: &str, expected: &[&str]) {
    for part in expected {
        assert!(what.contains(part), "expected {part:?} in: {what}");
    }
}

/// What opening says where one field of the configuration is another.
fn with_field(field: &str, value: Value) -> String {
    Changed::new("llama", |config, _| config[field] = value).fault()
}

#[test]
fn what_mora_does_not_compute_is_refused_by_name() {
    for (field, value) in [
        ("modules_to_save", json!(["lm_head"])),
        ("trainable_token_indices", json!([1, 2])),
        ("lora_bias", json!(true)),
        ("alora_invocation_tokens", json!([5])),
        ("layer_replication", json!([[0, 2], [1, 3]])),
        ("target_parameters", json!(["mlp.experts"])),
        ("use_qalora", json!(true)),
        ("use_bdlora", json!({"nblocks": 2})),
        ("arrow_config", json!({"top_k": 2})),
        ("kasa_config", json!({"beta": 1.0})),
        ("velora_config", json!({"scale": 1.0})),
        ("monteclora_config", json!({"num_samples": 4})),
    ] {
        says(&with_field(field, value), &["adapter_config.json", field, "not supported"]);
    }
    says(&with_field("bias", json!("all")), &["bias is \"all\"", "none"]);
    for name in ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga"] {
        says(
            &with_field("init_lora_weights", json!(name)),
            &[name, "changed the base", "path_initial_model"],
        );
    }
    says(&with_field("init_lora_weights", json!("new")), &["init_lora_weights is \"new\""]);
    says(&with_field("use_something", json!({"a": 1})), &["use_something", "does not know"]);
    says(&with_field("peft_type", json!("LOHA")), &["peft_type is LOHA", "expected LORA"]);
    says(&with_field("peft_type", Value::Null), &["no peft_type"]);
    // What is switched off, or says nothing about the numbers, is no reason to refuse.
    let switched_off = Changed::new("llama", |config, _| {
        config["use_something"] = json!(false);
        config["something_config"] = json!({});
        config["eva_config"] = json!({"rho": 2.0});
        config["init_lora_weights"] = json!("gaussian");
        config["runtime_config"] = json!({"ephemeral_gpu_offload": false});
    });
    assert_eq!(reopen(switched_off.0.path()).modules().len(), 21);
}

#[test]
fn senseless_fields_are_named() {
    says(&with_field("r", json!(0)), &["r is 0", "expected a rank"]);
    says(&with_field("r", json!("8")), &["r is \"8\""]);
    says(&with_field("r", json!(-1)), &["r is -1"]);
    says(&with_field("r", json!(u64::MAX)), &["expected a rank"]);
    says(&with_field("r", Value::Null), &["no r"]);
    says(&with_field("lora_alpha", Value::Null), &["no lora_alpha"]);
    says(&with_field("lora_alpha", json!([])), &["lora_alpha is []", "expected a number"]);
    says(&with_field("lora_dropout", json!(1.5)), &["lora_dropout is 1.5"]);
    says(&with_field("use_dora", json!("yes")), &["use_dora is \"yes\"", "true or false"]);
    says(&with_field("rank_pattern", json!({"q_proj": 0})), &["rank_pattern: q_proj is 0"]);
    says(&with_field("rank_pattern", json!({"(": 2})), &["rank_pattern", "no regular expression"]);
    says(&with_field("rank_pattern", json!([1])), &["rank_pattern is [1]"]);
    says(&with_field("target_modules", Value::Null), &["no target_modules"]);
    says(&with_field("target_modules", json!(7)), &["target_modules is 7", "all-linear"]);
    says(&with_field("target_modules", json!([7])), &["target_modules holds 7"]);
    says(&with_field("target_modules", json!("*")), &["target_modules", "no regular expression"]);
    says(&with_field("layers_to_transform", json!([-1])), &["layers_to_transform holds -1"]);
    says(&with_field("layers_pattern", json!("layers")), &["layers_pattern needs layers_to_transform"]);
    let regex = Changed::new("llama", |config, _| {
        config["target_modules"] = json!(".*");
        config["layers_to_transform"] = json!([0]);
    });
    says(&regex.fault(), &["layers_to_transform needs target_modules to be a list"]);
    let slow = Changed::new("llama", |config, _| {
        config["target_modules"] = json!(r"(?:(?:[a-z._0-9]|[a-z._0-9])*(?=!))*x");
    });
    says(&slow.fault(), &["gives up"]);
}

#[test]
fn targets_that_match_nothing_are_an_error() {
    says(
        &with_field("target_modules", json!(["query", "value"])),
        &["target_modules [\"query\",\"value\"]", "selects none", "model.layers.0.mlp.down_proj"],
    );
    says(&with_field("target_modules", json!([])), &["selects none"]);
    says(&with_field("target_modules", json!(["q_proj"])), &["does not select all", "gate_proj"]);
    says(&with_field("layers_to_transform", json!([9])), &["selects none"]);
    says(&with_field("exclude_modules", json!(["q_proj"])), &["does not select all", "q_proj"]);
}

const Q0: &str = "base_model.model.model.layers.0.self_attn.q_proj";

#[test]
fn every_tensor_has_its_place() {
    let with = |change: fn(&mut Tensors)| Changed::new("llama", |_, tensors| change(tensors)).fault();
    let lone = |suffix: &str| {
        let key = format!("{Q0}.{suffix}");
        Changed::new("llama", |_, tensors| drop(tensors.remove(&key).unwrap())).fault()
    };
    says(&lone("lora_B.weight"), &["the file lacks model.layers.0.self_attn.q_proj.lora_B"]);
    says(&lone("lora_A.weight"), &["layers.0.self_attn.q_proj.lora_A"]);
    says(&with(Tensors::clear), &["holds no tensors"]);
    for stranger in [
        "base_model.model.model.layers.0.self_attn.x_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "base_model.model.model.layers.00.self_attn.q_proj.lora_A.weight",
        "base_model.model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.lm_head.lora_A.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.lm_head.modules_to_save.weight",
        "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "",
    ] {
        let changed = Changed::new("llama", |_, tensors| {
            let tensor = tensors[&format!("{Q0}.lora_A.weight")].clone();
            tensors.insert(stranger.to_owned(), tensor);
        });
        says(&changed.fault(), &["1 tensor has no place", stranger]);
    }
    let renamed = Changed::new("llama", |_, tensors| {
        *tensors =
            std::mem::take(tensors).into_iter().map(|(key, tensor)| (format!("x.{key}"), tensor)).collect();
    });
    says(&renamed.fault(), &["42 tensors have no place", "and 22 more", "lora_A.weight"]);
    let dora = Changed::new("llama_dora", |_, tensors| {
        tensors.remove(&format!("{Q0}.lora_magnitude_vector")).unwrap();
    });
    says(&dora.fault(), &["layers.0.self_attn.q_proj.lora_magnitude_vector"]);
}

#[test]
fn ranks_and_shapes_are_checked() {
    let with = |suffix: &str, shape: &[usize]| {
        let key = format!("{Q0}.{suffix}");
        Changed::new("llama", |_, tensors| {
            tensors.insert(key, Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
        })
    };
    let q = "model.layers.0.self_attn.q_proj";
    says(&with("lora_A.weight", &[2, 32]).fault(), &[q, "[2, 32]", "rank 3"]);
    says(&with("lora_B.weight", &[64, 2]).fault(), &[q, "[64, 2]", "rank 3"]);
    says(&with("lora_A.weight", &[0, 32]).fault(), &[q, "[0, 32]", "rank 3"]);
    says(&with("lora_A.weight", &[3]).fault(), &[q, "[3]", "expected [r, in]"]);
    says(&with("lora_B.weight", &[1, 64, 3]).fault(), &[q, "[1, 64, 3]"]);
    let magnitude = Changed::new("llama_dora", |_, tensors| {
        let short = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
        tensors.insert(format!("{Q0}.lora_magnitude_vector"), short);
    });
    says(&magnitude.fault(), &[q, "lora_magnitude_vector [3]", "[64]"]);
    for value in [f32::NAN, f32::INFINITY] {
        let bad = Changed::new("llama", |_, tensors| {
            tensors
                .insert(format!("{Q0}.lora_B.weight"), Tensor::full(value, (64, 3), &Device::Cpu).unwrap());
        });
        says(&bad.fault(), &[q, "lora_B.weight", "not finite"]);
    }
    let integers = Changed::new("llama", |_, tensors| {
        tensors
            .insert(format!("{Q0}.lora_A.weight"), Tensor::zeros((3, 32), DType::I64, &Device::Cpu).unwrap());
    });
    says(&integers.fault(), &["lora_A.weight", "I64", "expected F32"]);
}

#[test]
fn an_adapter_of_another_base_does_not_fit() {
    let fault = |name: &str, base: &str| {
        let (decoder, _) = base_of(&adapter(base));
        adapter(name).side_paths(decoder.config()).unwrap_err().to_string()
    };
    says(
        &fault("gpt2", "llama"),
        &[
            "gpt2 does not fit",
            "transformer.h.0.attn.c_attn",
            "llama",
            "made for tests/fixtures/families/gpt2",
        ],
    );
    says(&fault("llama", "gpt2"), &["model.layers.0", "gpt2"]);
    says(&fault("gemma2", "tiny_ipd_a"), &["model.layers.0.self_attn.q_proj is [128, 64]", "[64, 32]"]);
    says(&fault("tiny_ipd_a", "gemma2"), &["layer 8", "layers 0 to 2"]);
    let (decoder, _) = base_of(&adapter("llama_sharded_dora"));
    let other = adapter("llama").side_paths(decoder.config()).unwrap_err().to_string();
    says(&other, &["model.layers.0.self_attn.q_proj is [32, 32]", "[64, 32]"]);
    let shorter = Changed::new("llama", |_, tensors| tensors.retain(|key, _| !key.contains(".layers.2.")));
    let (decoder, _) = base_of(&adapter("llama"));
    let missing = reopen(shorter.0.path()).side_paths(decoder.config()).unwrap_err().to_string();
    says(&missing, &["targets 7 modules of the model that it does not hold", "layers.2.self_attn.q_proj"]);
    let (a, b) = (adapter("llama"), adapter("gpt2"));
    says(a.plus(&b).unwrap_err().what(), &["llama and gpt2", "different bases", "c_attn"]);
    says(
        adapter("gpt2").plus(&adapter("gpt_neox")).unwrap_err().what(),
        &["different bases", "transformer.h.0", "gpt_neox.layers.0"],
    );
    says(adapter("gemma2").plus(&adapter("qwen2_patterns")).unwrap_err().what(), &["is [64, 32] to one"]);
}

#[test]
fn a_dora_is_not_linear() {
    let dora = adapter("llama_dora");
    says(dora.scaled(0.5).unwrap_err().what(), &["llama_dora is a DoRA", "scaled"]);
    says(dora.plus(&adapter("llama")).unwrap_err().what(), &["DoRA", "added"]);
    says(adapter("llama").plus(&dora).unwrap_err().what(), &["DoRA", "added"]);
    let mixed = dora.with_part(&"L1".parse().unwrap(), &adapter("llama"));
    says(mixed.unwrap_err().what(), &["DoRA magnitude", "all or none"]);
    says(adapter("llama").scaled(f64::NAN).unwrap_err().what(), &["cannot be scaled by NaN"]);
    let zeroed = Changed::new("llama_dora", |_, tensors| {
        for (key, tensor) in tensors.iter_mut().filter(|(key, _)| !key.contains("magnitude")) {
            assert!(key.contains("lora_"));
            *tensor = tensor.zeros_like().unwrap();
        }
    });
    // Without a change the magnitude still counts.
    let plain = reopen(zeroed.0.path());
    let (base, tokens) = base_of(&dora);
    assert!(distance(&logits(&adapted(&base, &plain), &tokens), &logits(&base, &tokens)) > 1e-2);
}

#[test]
fn parts_that_are_not_there_are_named() {
    let (a, b) = (adapter("llama"), adapter("llama_qv"));
    let fault = |text: &str| match text.parse() {
        Ok(part) => a.keep(&part).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    says(&fault("L7_MLP"), &["llama does not change L7_MLP", "layers 0 to 2"]);
    says(&fault("c_attn"), &["does not change c_attn", "self_attn.q_proj"]);
    says(&fault("proj"), &["does not change proj"]);
    says(&fault("L1H0"), &["\"L1H0\" is no part of an adapter", "heads and neurons share"]);
    says(&fault("L1_mlp"), &["\"L1_mlp\" is no part", "L13_MLP"]);
    says(&fault("L2-L1"), &["from the lower to the higher"]);
    says(&fault("L99999999999999999999"), &["does not change L99999999999999999999"]);
    says(&fault(""), &["is no part"]);
    says(&fault("q_["), &["\"q_[\" is no glob"]);
    says(&fault("a b"), &["is no part"]);
    let nothing = b.with_part(&"L1_MLP".parse().unwrap(), &b).unwrap_err();
    says(nothing.what(), &["neither llama_qv nor llama_qv changes L1_MLP"]);
    let empty = a.zero(&"L0-L2".parse().unwrap()).unwrap();
    says(empty.save(Path::new("never")).unwrap_err().what(), &["nothing to save"]);
}

#[test]
fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fault = || open(&Reference::Directory(path.to_owned())).err().unwrap().to_string();
    says(&fault(), &["no adapter_config.json", "an adapter is a folder"]);
    std::fs::copy(adapter_folder("llama").join("adapter_config.json"), path.join("adapter_config.json"))
        .unwrap();
    says(&fault(), &["no adapter_model.safetensors"]);
    std::fs::write(path.join("adapter_model.bin"), b"").unwrap();
    says(&fault(), &["pickled", "save_pretrained"]);
    let whole = std::fs::read(adapter_folder("llama").join("adapter_model.safetensors")).unwrap();
    for length in [0, 7, 8, 100, whole.len() - 1] {
        std::fs::write(path.join("adapter_model.safetensors"), &whole[..length]).unwrap();
        says(&fault(), &["adapter_model.safetensors"]);
    }
    std::fs::write(path.join("adapter_model.safetensors"), &whole).unwrap();
    for text in ["", "[]", "{", "null", "{}"] {
        std::fs::write(path.join("adapter_config.json"), text).unwrap();
        says(&fault(), &["adapter_config.json"]);
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/tiny-ipd");
    let error = open(&Reference::Directory(model)).err().unwrap().to_string();
    says(&error, &["no adapter_config.json", "load_model opens it"]);
    let gguf = open(&Reference::Gguf("x.gguf".into())).err().unwrap().to_string();
    says(&gguf, &["holds a model", "adapter's folder"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = adapter("llama").save(&file.join("below")).unwrap_err().to_string();
    says(&error, &["cannot make", "below"]);
}
