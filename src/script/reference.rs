//! The reference as files: Markdown pages for the repository, and one HTML page that can be searched.

use std::fmt::Write as _;

use crate::error::Result;
use crate::script::bind;
use crate::script::help::{self, Section};
use crate::script::modules::{self, ModuleDoc};
use crate::script::registry::Registry;

/// A page: its file's name and its text.
pub type Page = (String, String);

/// The pages of `docs/reference/`: a page for each room and each library module, and a table of contents.
///
/// # Errors
/// The engine's metadata cannot be read.
pub fn markdown(registry: &Registry) -> Result<Vec<Page>> {
    let mut contents = String::from(
        "# Reference\n\nWhat scripts can call, from the documentation beside each function. `mora doc NAME` shows the same; \
         `mora doc --reference docs/reference` writes these pages anew.\n\n## Built in\n\n",
    );
    let mut pages = Vec::new();
    for room in bind::ROOMS {
        let _ = writeln!(contents, "- [{0}]({0}.md): {1}", room.name, room.about);
        let mut page = format!("# {}\n\n{}\n", room.name, room.about);
        for section in help::sections(registry, room.name) {
            page += &markdown_section(&section);
        }
        pages.push((format!("{}.md", room.name), page));
    }
    contents += "\n## The library\n\n";
    for module in modules::library() {
        let first = module.doc.lines().next().unwrap_or_default();
        let _ = writeln!(contents, "- [{0}](library/{0}.md): {first}", module.name);
        pages.push((format!("library/{}.md", module.name), markdown_module(&module)));
    }
    pages.push(("README.md".to_owned(), contents));
    Ok(pages)
}

fn markdown_section(section: &Section) -> String {
    format!("\n```text\n{}\n```\n\n{}\n", section.signatures.join("\n"), section.doc)
}

fn markdown_module(module: &ModuleDoc) -> String {
    let mut page = format!("# {0}\n\n`import \"{0}\" as {0};`\n\n{1}\n", module.name, module.doc);
    for function in &module.functions {
        let _ = write!(page, "\n```text\n{}\n```\n\n{}\n", function.signature, function.doc);
    }
    page
}

/// One page with everything and a field to search it, without anything from a network.
///
/// # Errors
/// The engine's metadata cannot be read.
pub fn html(registry: &Registry) -> Result<String> {
    let mut body = String::new();
    let mut list = String::new();
    let mut part = |name: &str, about: &str, sections: Vec<(String, String)>| {
        let _ = write!(list, "<a href=\"#{0}\">{0}</a>", escaped(name));
        let _ = write!(
            body,
            "<section class=\"part\" id=\"{0}\"><h2>{0}</h2><div class=\"about\">{1}</div>",
            escaped(name),
            paragraphs(about)
        );
        for (signatures, doc) in sections {
            let _ = write!(
                body,
                "<article><pre class=\"signature\">{}</pre><div class=\"doc\">{}</div></article>",
                escaped(&signatures),
                paragraphs(&doc)
            );
        }
        body.push_str("</section>");
    };
    for room in bind::ROOMS {
        let sections = help::sections(registry, room.name);
        let sections = sections.into_iter().map(|section| (section.signatures.join("\n"), section.doc));
        part(room.name, room.about, sections.collect());
    }
    for module in modules::library() {
        let sections = module.functions.into_iter().map(|function| (function.signature, function.doc));
        part(&module.name, &module.doc, sections.collect());
    }
    Ok(include_str!("reference.html").replace("{{list}}", &list).replace("{{body}}", &body))
}

/// A doc's paragraphs, with its `code` set as code.
fn paragraphs(doc: &str) -> String {
    let paragraph = |text: &str| {
        let mut html = String::new();
        // What stands between two backticks is every second part.
        for (index, part) in escaped(text).split('`').enumerate() {
            let _ = match index % 2 {
                1 => write!(html, "<code>{part}</code>"),
                _ => write!(html, "{part}"),
            };
        }
        format!("<p>{html}</p>")
    };
    doc.split("\n\n").filter(|text| !text.trim().is_empty()).map(paragraph).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
