//! The scripts of `stdlib/` against what they are written after.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use common::{ipd_turns, open_model, script};
use mora::model::tokenizer::Message;

/// Prints the fifteen user's turns with cooperation and defection called by these names.
fn turns(c: &str, d: &str) -> Vec<String> {
    script::printed(&format!(
        r#"
        import "ipd" as ipd;
        for scenario in ipd::scenario_list() {{
            for variant in 1..=3 {{ print(ipd::prompt_text(scenario, variant, "{c}", "{d}")); }}
        }}
        "#
    ))
}

/// Prints each prompt's text and labels.
fn scenarios(model: &str) -> String {
    format!(
        r#"
        import "ipd" as ipd;
        for prompt in ipd::scenarios(load_model("{model}")) {{
            print(prompt.text);
            print(`${{prompt.scenario}} ${{prompt.variant}} ${{prompt.state}}`);
        }}
        "#
    )
}

/// The embedded model as a folder, with its tokenizer's configuration changed.
fn embedded_with(change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/tiny-ipd");
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        // The model's adapters lie in folders of their own.
        if path.is_dir() {
            continue;
        }
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("tokenizer_config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
    folder
}

#[test]
fn ipd_texts_are_those_of_the_fixture() {
    let expected = ipd_turns();
    assert_eq!(turns("action1", "action2"), expected);
    let mut distinct = expected.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 15);
    let renamed: Vec<String> =
        expected.iter().map(|text| text.replace("action1", "share").replace("action2", "keep")).collect();
    assert_eq!(turns("share", "keep"), renamed);
}

#[test]
fn ipd_scenarios_are_asked_through_the_chat_template_and_labelled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ipd_prompts.json");
    let fixture: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let model = open_model("mora/tiny-ipd");
    let printed = script::printed(&scenarios("mora/tiny-ipd"));
    let prompts = fixture["prompts"].as_array().unwrap();
    assert_eq!(printed.len(), 2 * prompts.len());
    for (printed, prompt) in printed.chunks(2).zip(prompts) {
        let turn = Message::user(prompt["text"].as_str().unwrap());
        assert_eq!(printed[0], model.tokenizer().render_chat(&[turn], true).unwrap());
        let text = |key: &str| prompt[key].as_str().unwrap();
        assert_eq!(printed[1], format!("{} {} {}", text("scenario"), prompt["variant"], text("state")));
    }
}

#[test]
fn ipd_asks_a_model_without_chat_template_in_plain_text() {
    let folder = embedded_with(|config| {
        config.as_object_mut().unwrap().remove("chat_template").unwrap();
    });
    let printed = script::printed(&scenarios(folder.path().to_str().unwrap()));
    let turns = ipd_turns();
    assert_eq!(printed.len(), 2 * turns.len());
    for (printed, turn) in printed.chunks(2).zip(turns) {
        let cue = printed[0].strip_prefix(&turn).unwrap();
        assert!(!cue.is_empty() && !cue.contains('<'), "{cue}");
    }
}

#[test]
fn ipd_refuses_prompts_that_come_out_equal() {
    // A template that drops what it is told.
    let folder = embedded_with(|config| config["chat_template"] = "{{ bos_token }}Choose.".into());
    let error = script::error(&scenarios(folder.path().to_str().unwrap()));
    assert!(error.contains("CC_continue, wording 2, is the same text as CC_continue, wording 1"), "{error}");
}

#[test]
fn ipd_words_occur_in_every_prompt() {
    let words = script::printed(
        r#"
        import "ipd" as ipd;
        for words in ipd::word_categories().values() { for word in words { print(word); } }
        "#,
    );
    assert!(words.len() >= 10);
    for turn in ipd_turns() {
        for word in &words {
            assert!(turn.contains(word), "{word} is not in: {turn}");
        }
    }
}

/// The modules of `stdlib/`: name and text.
fn modules() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
    let mut modules: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    modules.sort();
    modules
}

#[test]
fn no_script_has_the_name_of_a_module() {
    // A script that is run by its path would be found beside itself in the module's place.
    for (module, _) in modules() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/{module}.rhai"));
        assert!(!script.exists(), "scripts/{module}.rhai hides the module {module}");
    }
}

#[test]
fn every_module_and_function_has_a_doc_and_every_name_an_example() {
    for (module, text) in modules() {
        assert!(text.starts_with("//! "), "{module} has no doc");
        let lines: Vec<&str> = text.lines().collect();
        let mut examples: BTreeMap<&str, bool> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate() {
            let Some(declared) = line.strip_prefix("fn ") else { continue };
            let doc: Vec<&&str> =
                lines[..index].iter().rev().take_while(|line| line.starts_with("///")).collect();
            assert!(!doc.is_empty(), "{module}::{declared} has no doc");
            let has_example = doc.iter().any(|line| line.starts_with("/// Example: "));
            *examples.entry(declared.split('(').next().unwrap()).or_default() |= has_example;
        }
        for (name, has_example) in examples {
            assert!(has_example, "{module}::{name} has no example");
        }
    }
}

#[test]
fn every_example_of_a_doc_gives_what_it_says() {
    let modules = modules();
    let mut source = String::new();
    for (module, _) in &modules {
        writeln!(source, "import \"{module}\" as {module};").unwrap();
    }
    let mut expected = Vec::new();
    for example in modules.iter().flat_map(|(_, text)| text.lines()) {
        let Some(example) = example.strip_prefix("/// Example: ") else { continue };
        let parts = example.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        let Some((code, result)) = parts.and_then(|parts| parts.split_once("` is `")) else {
            panic!("not of the form `code` is `what it prints`: {example}");
        };
        writeln!(source, "print({code});").unwrap();
        expected.push((code, result));
    }
    let printed = script::printed(&source);
    assert_eq!(printed.len(), expected.len());
    for ((code, result), printed) in expected.into_iter().zip(printed) {
        assert_eq!(printed, result, "{code}");
    }
}
