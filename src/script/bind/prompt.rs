//! What scripts may give as prompts, and their labels in frames.

use rhai::Dynamic;

use crate::error::{Error, Result};
use crate::frame::{Cell, Column, Frame};
use crate::model::Model;
use crate::model::prompt::Prompt;
use crate::script::value::describe;

/// Prompts with what a script calls them.
#[derive(Debug, Clone, Default)]
pub struct Prompts {
    prompts: Vec<Prompt>,
    labels: Vec<Vec<(String, Cell)>>,
}

impl Prompts {
    /// Reads one prompt or an array of them: a string, an array of token ids, or a map with `text` (or
    /// `tokens`) whose other plain fields become columns of frames.
    pub fn read(model: &Model, value: &Dynamic) -> Result<Self> {
        let mut prompts = Self::default();
        match value.as_array_ref() {
            Ok(array) if array.first().is_some_and(Dynamic::is_int) => prompts.add(model, value)?,
            Ok(array) => {
                for (index, value) in array.iter().enumerate() {
                    prompts.add(model, value).map_err(|error| error.within(format!("prompt {index}")))?;
                }
            }
            Err(_) => prompts.add(model, value)?,
        }
        match prompts.prompts.is_empty() {
            true => Err(Error::new("no prompts to run").hint("give a string, or an array with at least one")),
            false => Ok(prompts),
        }
    }

    fn add(&mut self, model: &Model, value: &Dynamic) -> Result<()> {
        let (prompt, labels) = match value.as_map_ref() {
            Ok(map) => {
                let source = map.get("text").or_else(|| map.get("tokens")).ok_or_else(|| {
                    Error::new("the map has no \"text\"")
                        .hint("a prompt is a string, or a map like #{ text: \"…\" }")
                })?;
                let labels = map
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "text" | "tokens" | "prompt"))
                    .filter_map(|(key, value)| Some((key.to_string(), cell(value)?)))
                    .collect();
                (prompt(model, source)?, labels)
            }
            Err(_) => (prompt(model, value)?, Vec::new()),
        };
        if prompt.tokens.is_empty() {
            return Err(Error::new("the prompt has no tokens"));
        }
        self.prompts.push(prompt);
        self.labels.push(labels);
        Ok(())
    }

    /// The prompts.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// The tokens of each prompt.
    pub fn sequences(&self) -> Vec<Vec<u32>> {
        self.prompts.iter().map(|prompt| prompt.tokens.clone()).collect()
    }

    /// Adds the prompts' labels to a frame that has a `prompt` column, right after it.
    pub fn label(&self, frame: &Frame) -> Result<Frame> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.labels.iter().flatten() {
            if !names.contains(&name.as_str()) && !frame.has(name) {
                names.push(name);
            }
        }
        let rows: Vec<usize> = frame.floats("prompt")?.into_iter().map(|prompt| prompt as usize).collect();
        let mut columns = frame.columns()?;
        let at = columns.iter().position(|(name, _)| name == "prompt").map_or(0, |at| at + 1);
        for name in names.into_iter().rev() {
            let value = |row: &usize| {
                let labels = self.labels.get(*row)?;
                labels.iter().find(|(label, _)| label == name).map(|(_, cell)| cell.clone())
            };
            let cells = rows.iter().map(|row| value(row).unwrap_or(Cell::Null));
            columns.insert(at, (name.to_string(), Column::from_cells(cells).map_err(|e| e.within(name))?));
        }
        Frame::new(columns)
    }
}

fn prompt(model: &Model, value: &Dynamic) -> Result<Prompt> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return model.prompt(&text);
    }
    if let Ok(array) = value.as_array_ref() {
        let tokens =
            array.iter().map(|token| token.as_int().ok().and_then(|token| u32::try_from(token).ok()));
        if let Some(tokens) = tokens.collect::<Option<Vec<u32>>>() {
            return Ok(Prompt { text: None, tokens });
        }
    }
    Err(Error::new(format!(
        "a prompt is a string, a map with \"text\" or an array of token ids, found {}",
        describe(value)
    )))
}

/// A label as a cell of a frame: text, numbers and truth values; anything else is no label.
fn cell(value: &Dynamic) -> Option<Cell> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Some(Cell::Text(text.to_string()));
    }
    let float = || value.as_float().ok().map(Cell::Float);
    value.as_int().ok().map(Cell::Int).or_else(float).or_else(|| value.as_bool().ok().map(Cell::Bool))
}
