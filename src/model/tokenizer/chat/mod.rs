//! Chat templates: Jinja as transformers runs it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::special::Special;
use crate::confined::{self, Limits, Stop};
use crate::error::{Error, Result};
use crate::interrupt;

/// Instructions that one rendering may take: some ten thousand messages' worth, and about a tenth of a second of a
/// template that never ends.
const FUEL: u64 = 1_000_000;

/// Calls inside calls that a template may make.
const RECURSION: usize = 200;

/// Bytes that a template may have; those of models have some thousand.
const SOURCE: usize = 1 << 18;

/// Bytes that a rendering may have beyond [`REPEATS`] times what the messages say.
const ADDED: usize = 1 << 20;

/// How often a template may say what the messages say.
const REPEATS: usize = 8;

/// What one parsing or rendering may take. Instructions are counted, but a single one may copy, print or compare
/// values that are doubled with every turn of a loop.
const LIMITS: Limits = Limits { memory: 64 << 20, time: Duration::from_secs(2), stack: 256 << 20 };

/// One turn of a conversation.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What they say.
    pub content: String,
}

impl Message {
    /// A turn of the user's.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".to_owned(), content: content.into() }
    }
}

/// A model's chat template, parsed.
pub(super) struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    source: String,
    named: BTreeMap<String, String>,
    /// A rendering was stopped: there is no second one.
    stopped: OnceLock<Error>,
}

impl ChatTemplate {
    /// Parses a template.
    pub fn new(template: String, special: &Special) -> Result<Self> {
        if template.len() > SOURCE {
            return Err(Error::new(format!(
                "the chat template has {} bytes, more than the {SOURCE} that one may have",
                template.len()
            )));
        }
        let text = mark_free(&template);
        let parsed = confined::run(LIMITS, move || parsed(text))?.map_err(stopped)?;
        let environment = Arc::new(parsed.map_err(|error| error.within("the chat template does not parse"))?);
        Ok(Self { environment, source: template, named: special.named.clone(), stopped: OnceLock::new() })
    }

    /// The template as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        if let Some(error) = self.stopped.get() {
            return Err(error.clone());
        }
        let said: usize = messages.iter().map(|message| message.content.len()).sum();
        let (environment, messages, named) =
            (self.environment.clone(), messages.to_vec(), self.named.clone());
        let work = move || {
            let context = context! {
                messages => messages,
                add_generation_prompt => add_generation_prompt,
                tools => Value::from(()),
                documents => Value::from(()),
                ..Value::from_serialize(&named),
            };
            let rendered = environment.get_template("chat").and_then(|template| template.render(context));
            rendered.map_err(|error| Error::new(described(&error)))
        };
        // The conversation may be as long as it is.
        let limits = Limits { memory: LIMITS.memory.saturating_add(said.saturating_mul(REPEATS)), ..LIMITS };
        let text = match confined::run(limits, work)? {
            Ok(rendered) => rendered.map_err(|error| error.within("the chat template failed"))?,
            Err(stop) => {
                let error = stopped(stop);
                return Err(match stop {
                    Stop::Interrupt => error,
                    _ => self.stopped.get_or_init(|| error).clone(),
                });
            }
        };
        if text.len() > said.saturating_mul(REPEATS).saturating_add(ADDED) {
            return Err(Error::new(format!(
                "the chat template made {} bytes of messages that have {said}",
                text.len()
            ))
            .hint(HINT));
        }
        Ok(text)
    }
}

const HINT: &str =
    "the model's chat template is at fault: mend its chat_template, or write the prompt without it";

fn stopped(stop: Stop) -> Error {
    let why = match stop {
        Stop::Interrupt => return interrupt::stopped(),
        Stop::Memory => format!("it took more than {} MiB", LIMITS.memory >> 20),
        Stop::Time => format!("it did not come to its end in {} seconds", LIMITS.time.as_secs()),
        Stop::Panic => "its values contradict themselves".to_owned(),
    };
    Error::new(format!("the chat template was stopped: {why}")).hint(HINT)
}

fn parsed(template: String) -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", to_json);
    environment.add_template_owned("chat", template).map_err(|error| Error::new(described(&error)))?;
    Ok(environment)
}

fn described(error: &minijinja::Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => format!("it did not come to its end in {FUEL} steps"),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    match error.line() {
        Some(line) => format!("{what} (line {line} of the template)"),
        None => what,
    }
}

/// Templates made for training mark the model's own turns with `{% generation %}`, which changes
/// nothing of the text: such a block becomes one that is always true.
fn mark_free(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag.find("%}") else { break };
        let (tag, after) = tag.split_at(end + 2);
        match tag.trim_matches(['{', '%', '}', '-', '+']).trim() {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn strftime_now(format: &str) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    match write!(out, "{}", chrono::Local::now().format(format)) {
        Ok(()) => Ok(out),
        Err(_) => Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("no format of a time: {format:?}"),
        )),
    }
}

/// JSON as Python's `json.dumps` writes it: a space after commas and colons, nothing escaped but
/// what JSON must escape.
fn to_json(value: Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    // transformers' other options change nothing of what templates print.
    for other in ["ensure_ascii", "separators", "sort_keys"] {
        let _: Option<Value> = options.get(other)?;
    }
    options.assert_all_used()?;
    let mut out = Vec::new();
    let indented = indent.map(|width| " ".repeat(width.min(16)));
    let written = match &indented {
        Some(indent) => {
            let pretty = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)),
    };
    let fault = |error: String| minijinja::Error::new(ErrorKind::BadSerialization, error);
    written.map_err(|error| fault(error.to_string()))?;
    String::from_utf8(out).map(Value::from_safe_string).map_err(|error| fault(error.to_string()))
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests;
