//! The linear modules of a decoder as transformers names them, and the projections that each makes up.
//!
//! Adapters name modules, not weights, and see a fused module (GPT-2's `attn.c_attn`) as one. The names
//! are those of the weights' files: [`Naming`] holds them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::arrange::Arrange;
use super::names::{self, Naming};
use crate::error::{Error, Result};
use crate::model::config::ArchConfig;

/// The linear modules of a group of families.
#[derive(Debug)]
pub struct Modules {
    /// What may stand before a module's name: the first is how transformers names a whole model.
    pub prefixes: &'static [&'static str],
    /// The place of a layer, with `#` for its number: `layers.#.`.
    pub layer: &'static str,
    /// The modules in a layer, in the order of a forward.
    pub inner: Vec<Module>,
}

/// A linear module in a layer.
#[derive(Debug)]
pub struct Module {
    /// Its name inside the layer: `self_attn.q_proj`.
    pub name: &'static str,
    /// The weight is stored as [in, out] (`Conv1D`).
    pub is_transposed: bool,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// Inside the block: `attn.q`.
    canonical: &'static str,
    arrange: Arrange,
}

/// One projection of a module, and the module's outputs that are its own.
#[derive(Debug)]
pub struct Projection {
    /// Canonical name, such as `blocks.3.attn.q`.
    pub name: String,
    /// For each of the projection's outputs that of the module; `None` where both are the same.
    pub rows: Option<Vec<u32>>,
}

/// A module in one layer of a decoder.
#[derive(Debug)]
pub struct Placed {
    /// Inputs.
    pub d_in: usize,
    /// Outputs, of all projections together.
    pub d_out: usize,
    /// What it makes up.
    pub projections: Vec<Projection>,
}

static ALL: LazyLock<[Modules; 3]> = LazyLock::new(|| {
    ["llama", "gpt2", "gpt_neox"].map(|family| Modules::collect(names::hugging_face(family)))
});

impl Modules {
    /// The modules of every group of families.
    pub fn all() -> &'static [Modules] {
        &*ALL
    }

    /// The modules of a family.
    pub fn of(family: &str) -> &'static Modules {
        let [llama, gpt2, gpt_neox] = &*ALL;
        match family {
            "gpt2" => gpt2,
            "gpt_neox" => gpt_neox,
            _ => llama,
        }
    }

    fn collect(naming: &'static Naming) -> Self {
        let mut inner: Vec<Module> = Vec::new();
        for name in naming.inner.iter().filter(|name| !name.norm) {
            let part = Part { canonical: name.canonical, arrange: name.arrange };
            match inner.iter_mut().find(|module| module.name == name.stored) {
                Some(module) => module.parts.push(part),
                None => inner.push(Module {
                    name: name.stored,
                    is_transposed: matches!(name.arrange, Arrange::Transposed | Arrange::TransposedThird(_)),
                    parts: vec![part],
                }),
            }
        }
        Self { prefixes: naming.prefixes, layer: naming.layer, inner }
    }

    /// The whole name of a module: `model.layers.3.self_attn.q_proj`.
    pub fn name(&self, prefix: &str, layer: usize, module: &Module) -> String {
        format!("{prefix}{}{}", self.layer.replace('#', &layer.to_string()), module.name)
    }

    /// Layer and index in [`Modules::inner`] of a module by its whole name.
    pub fn find(&self, prefix: &str, name: &str) -> Option<(usize, usize)> {
        let rest = name.strip_prefix(prefix)?;
        let (before, after) = self.layer.split_once('#')?;
        let rest = rest.strip_prefix(before)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (digits, rest) = rest.split_at(digits);
        let layer: usize = digits.parse().ok()?;
        let name = rest.strip_prefix(after)?;
        let index = self.inner.iter().position(|module| module.name == name)?;
        // `layers.03` would be a second name of layer 3.
        (layer.to_string() == digits).then_some((layer, index))
    }

    /// True where every layer of the decoder has this module.
    pub fn has(&self, config: &ArchConfig, module: &Module) -> bool {
        config.gated || module.parts.iter().all(|part| part.canonical != "mlp.gate")
    }
}

/// The sizes of a decoder's projections, to place many modules with.
pub struct Sizes {
    shapes: HashMap<String, Vec<usize>>,
    d_head: usize,
}

impl Sizes {
    /// The sizes that a configuration describes.
    pub fn of(config: &ArchConfig) -> Self {
        let shapes = config.tensors().into_iter().map(|spec| (spec.name, spec.shape)).collect();
        Self { shapes, d_head: config.d_head }
    }

    /// A module in one layer.
    ///
    /// # Errors
    /// Where the decoder has no such projection.
    pub fn place(&self, module: &Module, layer: usize) -> Result<Placed> {
        let mut placed = Placed { d_in: 0, d_out: 0, projections: Vec::new() };
        for part in &module.parts {
            let name = format!("blocks.{layer}.{}", part.canonical);
            let Some([out, input]) = self.shapes.get(&format!("{name}.weight")).map(Vec::as_slice) else {
                return Err(Error::new(format!("the model has no projection \"{name}\"")));
            };
            placed.d_in = *input;
            placed.d_out += out;
            placed.projections.push(Projection { name, rows: part.arrange.rows(*out, self.d_head) });
        }
        Ok(placed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_read_back() {
        for modules in Modules::all() {
            for prefix in modules.prefixes {
                for (index, module) in modules.inner.iter().enumerate() {
                    let name = modules.name(prefix, 12, module);
                    assert_eq!(modules.find(prefix, &name), Some((12, index)), "{name}");
                }
            }
        }
        let llama = Modules::of("gemma2");
        for name in [
            "model.layers.0.self_attn.q_norm",
            "model.layers.00.self_attn.q_proj",
            "model.layers.-1.self_attn.q_proj",
            "model.layers.99999999999999999999.self_attn.q_proj",
            "model.layers.self_attn.q_proj",
            "layers.0.self_attn.q_proj",
            "model.layers.0.self_attn.q_proj.x",
            "",
        ] {
            assert_eq!(llama.find("model.", name), None, "{name}");
        }
    }

    #[test]
    fn every_family_names_its_own_modules() {
        for family in ["gemma", "gemma2", "gemma3", "llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox"]
        {
            let (modules, naming) = (Modules::of(family), names::hugging_face(family));
            assert_eq!(modules.layer, naming.layer, "{family}");
            assert_eq!(modules.prefixes, naming.prefixes, "{family}");
            let own = Modules::collect(naming);
            let names =
                |modules: &Modules| modules.inner.iter().map(|module| module.name).collect::<Vec<_>>();
            assert_eq!(names(modules), names(&own), "{family}");
        }
    }
}
