//! Which model is meant: `mora/tiny-ipd`, a directory, a `.gguf` file, or `org/name@revision`.

pub mod embedded;
pub mod files;
pub mod hub;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use self::hub::Repository;
use crate::error::{Error, Result, did_you_mean};

/// A model by name. Parsing looks at the disk, never at the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Compiled into the program, by the name after `mora/`.
    Embedded(&'static str),
    /// A directory in Hugging Face layout.
    Directory(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
    /// A repository on the Hugging Face hub.
    Hub(Repository),
}

impl Reference {
    /// The reference as a person reads it, without a long path before a file's or folder's name.
    pub fn short(&self) -> String {
        match self {
            Reference::Directory(path) | Reference::Gguf(path) => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into()),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Embedded(name) => write!(f, "mora/{name}"),
            // A relative path keeps a mark of its own, so that it reads back as a path.
            Reference::Directory(path) | Reference::Gguf(path) if path.is_relative() && !is_dotted(path) => {
                write!(f, "./{}", path.display())
            }
            Reference::Directory(path) | Reference::Gguf(path) => write!(f, "{}", path.display()),
            Reference::Hub(repository) => write!(f, "{repository}"),
        }
    }
}

fn is_dotted(path: &Path) -> bool {
    path.starts_with(".") || path.starts_with("..")
}

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    /// Where there is no such embedded model, directory or file, and the text is no repository's name.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("mora/") {
            return embedded(name);
        }
        let path = match text.strip_prefix("~/").zip(std::env::home_dir()) {
            Some((rest, home)) => home.join(rest),
            None => PathBuf::from(text),
        };
        if !text.is_empty()
            && let Some(reference) = on_disk(&path)?
        {
            return Ok(reference);
        }
        if looks_like_path(text) {
            return Err(no_such_path(text, &path));
        }
        match Repository::from_str(text) {
            Ok(repository) => Ok(Reference::Hub(repository)),
            Err(_) => Err(no_such_path(text, &path)),
        }
    }
}

fn embedded(name: &str) -> Result<Reference> {
    let names = embedded::MODELS.iter().map(|model| model.name);
    match names.clone().find(|known| *known == name) {
        Some(name) => Ok(Reference::Embedded(name)),
        None => {
            let known: Vec<String> = names.clone().map(|name| format!("mora/{name}")).collect();
            let error = Error::new(format!(
                "no embedded model or adapter \"mora/{name}\", expected {}",
                known.join(", ")
            ));
            Err(match did_you_mean(&format!("mora/{name}"), known.iter().map(String::as_str)) {
                Some(near) => error.hint(near),
                None => error,
            })
        }
    }
}

fn on_disk(path: &Path) -> Result<Option<Reference>> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    if metadata.is_dir() {
        return Ok(Some(Reference::Directory(path.to_owned())));
    }
    let name = path.display();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gguf") => Ok(Some(Reference::Gguf(path.to_owned()))),
        Some("safetensors") => Err(Error::new(format!("\"{name}\" holds weights alone"))
            .hint("give its folder, which holds config.json and tokenizer.json as well")),
        Some("bin" | "pt" | "pth") => Err(pickled(&name.to_string())),
        _ => Err(Error::new(format!("\"{name}\" is no model, expected a directory or a .gguf file"))),
    }
}

/// Pickled weights can run any program when they are read, so mora never reads them.
pub(super) fn pickled(file: &str) -> Error {
    Error::new(format!("\"{file}\" holds pickled weights, expected safetensors")).hint(
        "convert it: in Python, AutoModelForCausalLM.from_pretrained(…).save_pretrained(folder, safe_serialization=True)",
    )
}

fn looks_like_path(text: &str) -> bool {
    text.starts_with(['.', '/', '~'])
        || text.contains('\\')
        || text.ends_with('/')
        || text.ends_with(".gguf")
        || text.ends_with(".safetensors")
}

fn no_such_path(text: &str, path: &Path) -> Error {
    let error = Error::new(format!("no such directory or file \"{text}\""));
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return error,
    };
    let neighbours: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match did_you_mean(name, neighbours.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("{near} (in {})", folder.display())),
        None => error.hint(
            "a model is mora/tiny-ipd, a directory, a .gguf file, or org/name[@revision] on the Hugging Face hub",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_reads_back_as_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let gguf = folder.path().join("small.gguf");
        std::fs::write(&gguf, b"GGUF").unwrap();
        for text in [
            "mora/tiny-ipd",
            folder.path().to_str().unwrap(),
            gguf.to_str().unwrap(),
            "google/gemma-2-2b-it",
            "HuggingFaceTB/SmolLM2-135M@refs/pr/3",
            "./src",
        ] {
            let reference = Reference::from_str(text).unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(Reference::from_str(&reference.to_string()).unwrap(), reference);
        }
        assert_eq!(Reference::from_str("src").unwrap().to_string(), "./src");
        assert_eq!(Reference::Gguf(gguf).short(), "small.gguf");
    }

    #[test]
    fn a_misspelt_name_says_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("smollm.gguf"), b"GGUF").unwrap();
        std::fs::write(folder.path().join("model.safetensors"), b"").unwrap();
        std::fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
        let fault = |text: &str| Reference::from_str(text).unwrap_err().to_string();
        let inside = |name: &str| folder.path().join(name).display().to_string();

        let misspelt = fault(&inside("smolm.gguf"));
        assert!(
            misspelt.contains("no such directory or file") && misspelt.contains("\"smollm.gguf\""),
            "{misspelt}"
        );
        assert!(fault(&inside("model.safetensors")).contains("give its folder"));
        assert!(fault(&inside("pytorch_model.bin")).contains("save_pretrained"));
        assert!(fault("mora/tiny-ipt").contains("did you mean \"mora/tiny-ipd\"?"));
        assert!(fault("smollm").contains("org/name"));
        assert!(fault("").contains("no such directory or file"));
        for bad in ["a/b/c", "org/name@../x", "org/na me", "org/..", "org/name@"] {
            assert!(fault(bad).contains("no such directory or file"), "{bad}");
        }
    }
}
