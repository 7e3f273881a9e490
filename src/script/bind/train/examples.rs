//! What scripts may give a training to learn from.

use rhai::{Array, Dynamic, Map};

use crate::error::{Context, Error, Result};
use crate::model::Model;
use crate::script::options::Options;
use crate::script::value::{FromScript, describe};
use crate::train::example::Example;

/// Examples: strings (every token counts), maps with `prompt` and `completion` (the completion's tokens
/// count), or maps with `tokens` and `from`.
pub fn examples(model: &Model, values: &Array) -> Result<Vec<Example>> {
    each(values, "example", |value| match (value.as_immutable_string_ref(), value.as_map_ref()) {
        (Ok(text), _) => Example::new(model.tokenizer().encode_prompt(&text)?, 0),
        (_, Ok(map)) if map.contains_key("tokens") => {
            let mut fields = Options::of("an example", map.clone());
            let (tokens, from) = (ids(&fields.required::<Dynamic>("tokens")?)?, fields.get("from", 1)?);
            fields.finish()?;
            Example::new(tokens, from)
        }
        (_, Ok(map)) => {
            let mut fields = Options::of("an example", map.clone());
            let (prompt, completion) =
                (fields.required::<String>("prompt")?, fields.required::<String>("completion")?);
            fields.finish()?;
            completed(model, &prompt, &completion)
        }
        _ => Err(Error::new(format!(
            "expected a string or a map with \"prompt\" and \"completion\", found {}",
            describe(value)
        ))),
    })
}

/// Preference pairs: maps with `prompt`, `chosen` and `rejected`.
pub fn pairs(model: &Model, values: &Array) -> Result<Vec<(Example, Example)>> {
    each(values, "pair", |value| {
        let Some(map) = Map::from_script(value) else {
            return Err(Error::new(format!(
                "expected a map with \"prompt\", \"chosen\" and \"rejected\", found {}",
                describe(value)
            )));
        };
        let mut fields = Options::of("a pair", map);
        let prompt = fields.required::<String>("prompt")?;
        let (chosen, rejected) =
            (fields.required::<String>("chosen")?, fields.required::<String>("rejected")?);
        fields.finish()?;
        Ok((completed(model, &prompt, &chosen)?, completed(model, &prompt, &rejected)?))
    })
}

/// Token sequences: arrays of ids, or texts, which are tokenised as prompts or as what follows them.
pub fn sequences(model: &Model, values: &Array, what: &str, is_prompt: bool) -> Result<Vec<Vec<u32>>> {
    each(values, what, |value| match value.as_immutable_string_ref() {
        Ok(text) if is_prompt => model.tokenizer().encode_prompt(&text),
        Ok(text) => model.tokenizer().encode(&text, false),
        Err(_) => ids(value),
    })
}

fn each<T>(values: &Array, what: &str, read: impl Fn(&Dynamic) -> Result<T>) -> Result<Vec<T>> {
    values.iter().enumerate().map(|(index, value)| read(value).within(|| format!("{what} {index}"))).collect()
}

fn completed(model: &Model, prompt: &str, completion: &str) -> Result<Example> {
    let mut tokens = model.tokenizer().encode_prompt(prompt)?;
    let from = tokens.len();
    tokens.extend(model.tokenizer().encode(completion, false)?);
    Example::new(tokens, from)
}

fn ids(value: &Dynamic) -> Result<Vec<u32>> {
    let array = value.as_array_ref().ok();
    let id = |id: &Dynamic| id.as_int().ok().and_then(|id| u32::try_from(id).ok());
    array
        .and_then(|array| array.iter().map(id).collect::<Option<Vec<u32>>>())
        .ok_or_else(|| Error::new(format!("expected token ids, found {}", describe(value))))
}
