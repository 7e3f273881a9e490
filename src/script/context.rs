//! What a binding can ask of the run it takes part in.
//!
//! The context travels as the engine's tag, so every binding, also one called from a closure or from an
//! imported module, reaches it through its call: `Context::of(&call)?`.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use candle_core::{DType, Device};
use rhai::NativeCallContext;

use crate::error::{Error, Result, did_you_mean};
use crate::random::Random;
use crate::script::claim::Patience;
use crate::script::error::ScriptResult;
use crate::script::permissions::Permissions;
use crate::script::run::Run;
use crate::script::settings::Settings;
use crate::script::source::Sources;

/// Where a script's words go.
pub trait Output {
    /// A line that the script prints.
    fn print(&self, text: &str);

    /// A remark about the work, which is no result: shown beside the output, not in it.
    fn note(&self, text: &str);
}

/// The run that a binding takes part in. Cheap to clone.
#[derive(Clone)]
pub struct Context(Rc<Inner>);

struct Inner {
    output: Box<dyn Output>,
    settings: Settings,
    run: Run,
    sources: Sources,
    seed: u64,
    random: RefCell<Random>,
    device: Device,
    dtype: DType,
    quiet: bool,
    permissions: Permissions,
    wait: bool,
    noted: RefCell<BTreeSet<String>>,
}

/// What a context is made of.
pub struct Parts {
    /// Where the script's words go.
    pub output: Box<dyn Output>,
    /// Settings given from outside.
    pub settings: Settings,
    /// The output folder and its record.
    pub run: Run,
    /// Seed of the script's random numbers.
    pub seed: u64,
    /// Device that models and tensors live on.
    pub device: Device,
    /// Number format of weights.
    pub dtype: DType,
    /// No remarks.
    pub quiet: bool,
    /// What the script may read and download.
    pub permissions: Permissions,
    /// Wait while another run writes into the output folder.
    pub wait: bool,
}

impl Context {
    /// A context for one run.
    pub fn new(parts: Parts) -> Self {
        Self(Rc::new(Inner {
            output: parts.output,
            settings: parts.settings,
            run: parts.run,
            sources: Sources::default(),
            seed: parts.seed,
            random: RefCell::new(Random::new(parts.seed)),
            device: parts.device,
            dtype: parts.dtype,
            quiet: parts.quiet,
            permissions: parts.permissions,
            wait: parts.wait,
            noted: RefCell::default(),
        }))
    }

    /// The context of a call.
    ///
    /// # Errors
    /// The engine was not made by [`Host`](crate::script::Host).
    pub fn of(call: &NativeCallContext) -> ScriptResult<Self> {
        match call.tag().and_then(|tag| tag.clone().try_cast::<Self>()) {
            Some(context) => Ok(context),
            None => Err(Error::new(format!("{} runs only inside a mora host", call.fn_name())).into()),
        }
    }

    /// Where the script's words go.
    pub fn output(&self) -> &dyn Output {
        self.0.output.as_ref()
    }

    /// Makes a remark about the work, unless the run is quiet.
    pub fn note(&self, text: &str) {
        if !self.0.quiet {
            self.0.output.note(text);
        }
    }

    /// Makes a remark that is worth making once a run.
    pub fn note_once(&self, text: &str) {
        if self.0.noted.borrow_mut().insert(text.to_owned()) {
            self.note(text);
        }
    }

    /// Settings given from outside and declared by the script.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The output folder and its record.
    pub fn run(&self) -> &Run {
        &self.0.run
    }

    /// Where a script's file `name` goes (see [`Run::output_path`]). Write it whole: a temporary file in
    /// the same folder, then a rename.
    ///
    /// # Errors
    /// The name leaves the output folder, the folder cannot be made, or another run writes into it.
    pub fn output_path(&self, name: &str) -> Result<PathBuf> {
        self.patiently(|patience| self.0.run.output_path(name, &self.0.permissions, patience))
    }

    /// A file of the output folder that the script goes on from, where it is there.
    ///
    /// # Errors
    /// The script may not read it, or another run writes into the folder.
    pub fn kept_path(&self, name: &str) -> Result<PathBuf> {
        let path = self.patiently(|patience| self.0.run.kept_path(name, patience))?;
        self.0.permissions.check_read(&path)?;
        Ok(path)
    }

    /// Makes the output folder this run's own.
    ///
    /// # Errors
    /// Another run writes into it; a chosen one cannot be made.
    pub fn reserve_folder(&self) -> Result<()> {
        self.patiently(|patience| self.0.run.reserve(patience))
    }

    fn patiently<T>(&self, work: impl FnOnce(Patience) -> Result<T>) -> Result<T> {
        let remark = |text: &str| self.note(text);
        work(if self.0.wait { Patience::Wait(&remark) } else { Patience::Refuse })
    }

    /// What the script may read and download.
    pub fn permissions(&self) -> &Permissions {
        &self.0.permissions
    }

    /// A file that the script reads, where it may.
    ///
    /// # Errors
    /// The script may not read it, or there is none; the nearest name beside it is told.
    pub fn input_path<'a>(&self, path: &'a str) -> Result<&'a std::path::Path> {
        let path = std::path::Path::new(path);
        self.0.permissions.check_read(path)?;
        match path.try_exists() {
            Ok(false) => Err(missing(path)),
            _ => Ok(path),
        }
    }

    /// The texts of the script and its modules.
    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// The run's seed. Seeded work that must not depend on what ran before takes this.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The run's stream of random numbers, seeded with [`Context::seed`].
    pub fn random(&self) -> RefMut<'_, Random> {
        self.0.random.borrow_mut()
    }

    /// Device that models and tensors live on.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Number format of weights, unless a call says otherwise.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// No progress bars and no remarks are wanted.
    pub fn quiet(&self) -> bool {
        self.0.quiet
    }
}
/// The error of a file that is not there.
fn missing(path: &std::path::Path) -> Error {
    let error = Error::new(format!("there is no file {}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = folder.unwrap_or(std::path::Path::new(".")).read_dir() else {
        return error.hint("its folder is not there either");
    };
    let names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match did_you_mean(&wanted, names.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
