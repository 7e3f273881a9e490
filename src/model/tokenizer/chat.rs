//! Chat templates: Jinja as transformers runs it.

use std::fmt::Write;

use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::special::Special;
use crate::error::{Error, Result};

/// Instructions that one rendering may take: some hundred thousand messages' worth, and about a
/// second of a template that never ends.
const FUEL: u64 = 10_000_000;

/// Calls inside calls that a template may make.
const RECURSION: usize = 200;

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
    environment: Environment<'static>,
    source: String,
    named: std::collections::BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Parses a template.
    pub fn new(template: String, special: &Special) -> Result<Self> {
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
        environment.add_template_owned("chat", mark_free(&template)).map_err(|error| {
            Error::new(format!("the chat template does not parse: {}", described(&error)))
        })?;
        Ok(Self { environment, source: template, named: special.named.clone() })
    }

    /// The template as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let context = context! {
            messages => messages,
            add_generation_prompt => add_generation_prompt,
            tools => Value::from(()),
            documents => Value::from(()),
            ..Value::from_serialize(&self.named),
        };
        self.environment
            .get_template("chat")
            .and_then(|template| template.render(context))
            .map_err(|error| Error::new(format!("the chat template failed: {}", described(&error))))
    }
}

fn described(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn template(text: &str) -> Result<ChatTemplate> {
        let named = [("bos_token".to_owned(), "<s>".to_owned())].into();
        ChatTemplate::new(text.to_owned(), &Special { named, ..Special::default() })
    }

    fn rendered(text: &str) -> Result<String> {
        let messages = [Message::user(" a <b> "), Message { role: "assistant".into(), content: "é".into() }];
        template(text)?.render(&messages, true)
    }

    /// Expected texts from `tokenizer.apply_chat_template` of transformers 5.23.0.
    #[test]
    fn templates_render_as_in_transformers() {
        for (text, expected) in [
            (
                "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m.content | trim }}{% endfor %}",
                "<s>[user]a <b>[assistant]é",
            ),
            ("{%- if tools is none and add_generation_prompt %}\n  x\n{% endif %}\n", "  x\n"),
            (
                "{% for m in messages %}\n{% if loop.first %}{% continue %}{% endif %}\n{{ m.content }}\n{% endfor %}",
                "é\n",
            ),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            (
                "{{ messages | tojson }}",
                r#"[{"role": "user", "content": " a <b> "}, {"role": "assistant", "content": "é"}]"#,
            ),
            (
                "{{ {'a': [1, 2.5, true, none]} | tojson(indent=2) }}",
                "{\n  \"a\": [\n    1,\n    2.5,\n    true,\n    null\n  ]\n}",
            ),
            (
                "{% for m in messages %}{% generation %}{{ m.content }}{%- endgeneration -%}\n{% endfor %}",
                " a <b> é",
            ),
            ("{{ messages[0].content.strip().upper().split(' ')[-1] }}{{ messages[1:] | length }}", "<B>1"),
            ("{{ messages[0]['content'].startswith(' a') and 'b' in messages[0].content }}", "True"),
            (
                "{% for k, v in messages[1].items() %}{{ k }}={{ v }};{% endfor %}",
                "role=assistant;content=é;",
            ),
        ] {
            assert_eq!(rendered(text).unwrap(), expected, "{text}");
        }
        assert!(rendered("{{ strftime_now('%Y') }}").unwrap().starts_with("20"));
    }

    #[test]
    fn a_template_that_fails_says_why() {
        let fault = |text: &str| rendered(text).unwrap_err().to_string();
        let raised = fault("\n{{ raise_exception('no ' ~ 'system role') }}");
        assert!(raised.contains("no system role") && raised.contains("line 2"), "{raised}");
        assert!(fault("{{ strftime_now('%Q') }}").contains("no format of a time"));
        assert!(fault("{{ messages | nothing }}").contains("nothing"));
        assert!(fault("{% for x in %}").contains("does not parse"));
    }

    #[test]
    fn a_template_that_never_ends_is_stopped() {
        for text in [
            "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
            "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}",
        ] {
            let error = rendered(text).unwrap_err().to_string();
            assert!(error.contains("the chat template failed"), "{error}");
        }
    }
}
