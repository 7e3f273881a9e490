//! Repositories on the Hugging Face hub, through its shared cache.
//!
//! What is in the cache is used without asking the hub; only a file that is not there makes a
//! request. `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`, `HF_ENDPOINT` and `HF_HUB_OFFLINE` mean what they
//! mean to Python.

use std::cell::OnceCell;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::panics::caught;
use crate::progress::{self, Bar};

/// `org/name`, and the branch, tag or commit that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `org/name`
    pub id: String,
    /// Branch, tag or commit; `None` is the main branch.
    pub revision: Option<String>,
    /// Only what is in the cache already may be opened: a script that nobody allowed to download.
    pub is_offline: bool,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let is_word = |word: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !word.is_empty() && !word.starts_with('.') && !word.contains("..") && word.chars().all(known)
        };
        let is_id = id.split_once('/').is_some_and(|(org, name)| is_word(org) && is_word(name));
        let is_revision = revision.is_none_or(|revision| revision.split('/').all(is_word));
        if !is_id || !is_revision {
            return Err(Error::new(format!("\"{text}\" is no repository, expected org/name[@revision]")));
        }
        Ok(Self { id: id.to_owned(), revision: revision.map(str::to_owned), is_offline: false })
    }
}

/// Why a file is not downloaded, and what to do.
pub const OFFLINE: &str = "downloads are off (HF_HUB_OFFLINE, or a script that chose the model itself: name it with --model, or \
    --allow-net) and the file is not in the cache";

/// Where the hub is and what may be asked of it.
#[derive(Debug, Clone)]
pub struct Hub {
    /// The hub's address.
    pub endpoint: String,
    /// The cache's folder.
    pub cache: PathBuf,
    /// Who asks.
    pub token: Option<String>,
    /// No request is made.
    pub offline: bool,
}

impl Hub {
    /// As the environment says.
    ///
    /// # Errors
    /// Where neither `HF_HOME` nor a home directory gives the cache a place.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let cache = match (var("HF_HUB_CACHE"), var("HF_HOME"), std::env::home_dir()) {
            (Some(cache), ..) => PathBuf::from(cache),
            (None, Some(home), _) => PathBuf::from(home).join("hub"),
            (None, None, Some(home)) => home.join(".cache/huggingface/hub"),
            (None, None, None) => {
                return Err(Error::new("there is no place for the hub's cache").hint("set HF_HOME or HOME"));
            }
        };
        let is_set =
            |value: String| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        Ok(Self {
            endpoint: var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
            token: var("HF_TOKEN").or_else(|| Cache::new(cache.clone()).token()),
            cache,
            offline: var("HF_HUB_OFFLINE").is_some_and(is_set),
        })
    }

    /// A repository's files. Makes no request.
    ///
    /// # Errors
    /// Where the client cannot be set up.
    pub fn snapshot(mut self, repository: Repository) -> Result<Snapshot> {
        self.offline |= repository.is_offline;
        let revision = repository.revision.clone().unwrap_or_else(|| "main".to_owned());
        let repo = Repo::with_revision(repository.id.clone(), RepoType::Model, revision);
        let api = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.trim_end_matches('/').to_owned())
            .with_token(self.token.clone())
            .with_user_agent("mora", env!("CARGO_PKG_VERSION"))
            .with_retries(3)
            .build()
            .map_err(|error| Error::new(format!("the hub's client: {error}")))?;
        Ok(Snapshot { api: api.repo(repo.clone()), hub: self, repository, repo, listed: OnceCell::new() })
    }
}

/// The files of one repository at one revision.
pub struct Snapshot {
    hub: Hub,
    repository: Repository,
    repo: Repo,
    api: ApiRepo,
    /// What the hub says is there, once it was asked.
    listed: OnceCell<Vec<String>>,
}

impl Snapshot {
    /// The path of a file in the cache, downloaded where it is not there yet; `None` where the
    /// repository does not have it.
    ///
    /// # Errors
    /// No network, an unknown repository, a gated one, a download that fails: each says what to do.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        if let Some(path) = self.cached(name) {
            return Ok(Some(path));
        }
        if self.hub.offline || self.is_complete() || !self.list()?.iter().any(|listed| listed == name) {
            return Ok(None);
        }
        interrupt::check()?;
        let download = || self.api.download_with_progress(name, Shown(None));
        // The client trusts what the server answers, and panics where it may not.
        match caught(download) {
            Some(Ok(path)) => Ok(Some(path)),
            Some(Err(error)) => Err(self.refused(&error)),
            None => Err(Error::new(format!("{}: {name}: the hub's answer makes no sense", self.repository))),
        }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// True where no request may be made.
    pub fn is_offline(&self) -> bool {
        self.hub.offline
    }

    /// What the hub listed, where it was asked.
    pub fn names(&self) -> Vec<String> {
        self.listed.get().cloned().unwrap_or_default()
    }

    fn cached(&self, name: &str) -> Option<PathBuf> {
        let cache = Cache::new(self.hub.cache.clone()).repo(self.repo.clone());
        // Python keeps no reference for a commit, only its snapshot.
        let commit =
            || Some(cache.pointer_path(self.repo.revision()).join(name)).filter(|path| path.exists());
        cache.get(name).or_else(commit)
    }

    /// True where the weights are in the cache. They come last, so all else that there is came too.
    fn is_complete(&self) -> bool {
        ["config.json", "tokenizer.json"].iter().all(|name| self.cached(name).is_some())
            && ["model.safetensors", "model.safetensors.index.json"]
                .iter()
                .any(|name| self.cached(name).is_some())
            && self.shards_are_cached()
    }

    fn shards_are_cached(&self) -> bool {
        use crate::model::weights::{bytes::FileBytes, safetensors};
        match self.cached("model.safetensors.index.json") {
            None => true,
            Some(index) => FileBytes::open(&index)
                .and_then(|index| safetensors::shards(&index))
                .is_ok_and(|shards| shards.iter().all(|shard| self.cached(shard).is_some())),
        }
    }

    fn list(&self) -> Result<&Vec<String>> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let info = self.api.info().map_err(|error| match status(&error) {
            // To strangers the hub answers 401 for what does not exist.
            Some(401 | 404) => Error::new(format!("there is no repository {} on the hub", self.repository)).hint(
                "check the name and the revision; if it is private, set HF_TOKEN; a directory of that name is not there either",
            ),
            _ => self.refused(&error),
        })?;
        let names = info.siblings.into_iter().map(|file| file.rfilename).collect();
        Ok(self.listed.get_or_init(|| names))
    }

    fn refused(&self, error: &ApiError) -> Error {
        let page = format!("{}/{}", self.hub.endpoint, self.repository.id);
        match status(error) {
            Some(code @ (401 | 403)) => {
                Error::new(format!("{} is gated: the hub refused it ({code})", self.repository)).hint(
                    format!("accept the licence on {page} and set HF_TOKEN to a token that may read it"),
                )
            }
            Some(code) => Error::new(format!("{}: the hub answered {code}", self.repository)),
            None => Error::new(format!("{}: cannot reach {}: {error}", self.repository, self.hub.endpoint))
                .hint("check the network; what is in the cache already opens with HF_HUB_OFFLINE=1"),
        }
    }
}

/// The HTTP status of a failed request; `None` where there was no answer.
fn status(error: &ApiError) -> Option<u16> {
    // The HTTP client's error type is no dependency of ours; its text ends with the code.
    match error {
        ApiError::RequestError(inner) => inner.to_string().strip_prefix("http status: ")?.trim().parse().ok(),
        ApiError::TooManyRetries(inner) => status(inner),
        _ => None,
    }
}

/// Shows a download's progress.
struct Shown(Option<Bar>);

impl Progress for Shown {
    fn init(&mut self, size: usize, filename: &str) {
        self.0 = Some(progress::bytes(&format!("downloading {filename}"), size as u64));
    }

    fn update(&mut self, size: usize) {
        if let Some(bar) = &mut self.0 {
            bar.advance(size as u64);
        }
    }

    fn finish(&mut self) {
        self.0 = None;
    }
}
