//! What is piped into `mora repl`: a script, with the variable `model` where the command line names one.

use crate::script::scan::{Class, pieces};

/// The text as it runs with `--model`: where it speaks of `model` and neither declares it nor asks for the setting, the
/// model is loaded before its first statement, as at the prompt. On that statement's line, so that lines keep their
/// numbers.
pub fn with_model(text: &str, reference: &str) -> String {
    let words: Vec<&str> = pieces(text)
        .into_iter()
        .filter(|piece| !matches!(piece.class, Class::Space | Class::Comment))
        .map(|piece| &text[piece.range])
        .collect();
    let before = |at: usize| at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
    let is_spoken_of = words.iter().enumerate().any(|(at, word)| *word == "model" && before(at) != ".");
    let declares = |at: usize| matches!(before(at), "let" | "const" | "for" | "as");
    let is_declared = words.iter().enumerate().any(|(at, word)| *word == "model" && declares(at));
    let is_asked = words.windows(3).any(|words| words == ["setting", "(", "\"model\""]);
    if !is_spoken_of || is_declared || is_asked {
        return text.to_owned();
    }
    // A first line that a shell reads stays the first one.
    let start = if text.starts_with("#!") { text.find('\n').map_or(text.len(), |end| end + 1) } else { 0 };
    let (head, rest) = text.split_at(start);
    format!("{head}let model = load_model(setting(\"model\", {reference:?})); {rest}")
}

#[cfg(test)]
mod tests {
    use super::with_model;

    #[test]
    fn the_model_is_loaded_where_a_text_takes_it_for_granted() {
        let load = "let model = load_model(setting(\"model\", \"m\")); ";
        for text in ["print(model)", "// Mine.\nprint(model.n_layers);"] {
            assert_eq!(with_model(text, "m"), format!("{load}{text}"));
        }
        assert_eq!(with_model("#!/bin/mora\nmodel", "m"), format!("#!/bin/mora\n{load}model"));
        for text in [
            "print(1) // model",
            "print(run.model)",
            "let model = 1; print(model)",
            "let base = load_model(setting(\"model\", \"x\")); let f = |model| model;",
        ] {
            assert_eq!(with_model(text, "m"), text);
        }
    }
}
