//! The hub's client against a hub of its own on this machine.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use mora::model::reference::files::Folder;
use mora::model::reference::hub::{Hub, Repository, Snapshot};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves `org/model`, `org/adapter`, `org/gguf` and `org/pickled`, lists the gated `org/gated` but hands out
/// nothing of it, and knows no other repository. Remembers what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let log = log.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &log));
            }
        });
        Self { address, asked }
    }

    fn snapshot(&self, cache: &Path, repository: &str, offline: bool) -> Snapshot {
        let hub = Hub {
            endpoint: self.address.clone(),
            cache: cache.to_owned(),
            token: Some("secret".to_owned()),
            offline,
        };
        hub.snapshot(Repository::from_str(repository).unwrap()).unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn listing(repository: &str) -> Option<&'static [&'static str]> {
    match repository {
        "org/model" | "org/gated" => Some(&[
            "README.md",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors",
        ]),
        "org/adapter" => Some(&["README.md", "adapter_config.json", "adapter_model.safetensors"]),
        "org/gguf" => Some(&["model-q4.gguf"]),
        "org/pickled" => Some(&["config.json", "tokenizer.json", "pytorch_model.bin"]),
        _ => None,
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut request, mut range, mut token) = (String::new(), None, false);
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            token |= header == "authorization: bearer secret";
            if let Some(bytes) = header.strip_prefix("range: bytes=") {
                range = bytes.split('-').map(|end| end.parse::<usize>().ok()).collect::<Vec<_>>().into();
            }
        }
        let path = request.split(' ').nth(1).unwrap().to_owned();
        log.lock().unwrap().push(path.clone());
        let (status, body) = respond(&path, token);
        let (from, to) = match range.as_deref() {
            Some([Some(from), to]) => (*from, to.map_or(body.len(), |to| (to + 1).min(body.len()))),
            _ => (0, body.len()),
        };
        let part = &body[from.min(to)..to];
        write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nx-repo-commit: {COMMIT}\r\netag: \"{}\"\r\ncontent-range: bytes {from}-{}/{}\r\n\r\n",
            part.len(),
            path.replace('/', "-"),
            to.saturating_sub(1),
            body.len(),
        )
        .unwrap();
        stream.write_all(part).unwrap();
    }
}

fn respond(path: &str, token: bool) -> (u16, Vec<u8>) {
    assert!(token, "a request without the token");
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let (repository, revision) = rest.split_once("/revision/").unwrap();
        return match listing(repository).filter(|_| revision == "main" || revision == "v1") {
            None => (404, Vec::new()),
            Some(files) => {
                let siblings: Vec<_> =
                    files.iter().map(|file| serde_json::json!({"rfilename": file})).collect();
                (200, serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string().into_bytes())
            }
        };
    }
    let (repository, file) = path.trim_start_matches('/').split_once("/resolve/").unwrap();
    if repository == "org/gated" {
        return (403, Vec::new());
    }
    let file = file.split_once('/').unwrap().1;
    let folder = if repository == "org/adapter" { "tests/fixtures/lora/llama" } else { "assets/tiny-ipd" };
    (200, std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)).unwrap())
}

fn refused(server: &Server, repository: &str) -> String {
    let cache = tempfile::tempdir().unwrap();
    let folder = Folder::Hub(Box::new(server.snapshot(cache.path(), repository, false)));
    folder.model().err().unwrap().to_string()
}

#[test]
fn a_repository_is_downloaded_once() {
    let server = Server::start();
    let cache = tempfile::tempdir().unwrap();
    let model =
        |offline| Folder::Hub(Box::new(server.snapshot(cache.path(), "org/model@v1", offline))).model();
    let files = model(false).unwrap();
    let asset = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/tiny-ipd");
    assert_eq!(&*files.weights[0], std::fs::read(asset.join("model.safetensors")).unwrap());
    assert_eq!(files.all().len(), 4);
    // Python's layout of the cache.
    let snapshot = cache.path().join("models--org--model/snapshots").join(COMMIT);
    assert!(snapshot.join("config.json").exists());
    assert!(!snapshot.join("README.md").exists(), "only what is needed is fetched");

    let asked = server.asked();
    assert_eq!(&*model(false).unwrap().config, std::fs::read(asset.join("config.json")).unwrap());
    assert_eq!(model(true).unwrap().all().len(), 4);
    assert_eq!(server.asked(), asked, "a complete cache needs no request");
    let by_commit = server.snapshot(cache.path(), &format!("org/model@{COMMIT}"), true);
    assert!(by_commit.find("config.json").unwrap().is_some());
}

#[test]
fn an_adapter_is_a_repository_of_two_files() {
    let server = Server::start();
    let cache = tempfile::tempdir().unwrap();
    let folder = |name, offline| Folder::Hub(Box::new(server.snapshot(cache.path(), name, offline)));
    let open = |name, offline| mora::lora::files::open_folder(name, &folder(name, offline));
    let error = open("org/adapter", true).err().unwrap().to_string();
    assert!(error.contains("no adapter_config.json") && error.contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(open("org/adapter@v1", false).unwrap().0.modules().len(), 21);
    let asked = server.asked();
    assert_eq!(open("org/adapter@v1", true).unwrap().0.modules().len(), 21);
    assert_eq!(server.asked(), asked, "a complete cache needs no request");
    let error = open("org/model", false).err().unwrap().to_string();
    assert!(error.contains("no adapter_config.json") && error.contains("load_model"), "{error}");
}

#[test]
fn refusals_say_what_to_do() {
    let server = Server::start();
    let unknown = refused(&server, "org/nothing");
    assert!(unknown.contains("there is no repository org/nothing"), "{unknown}");
    let revision = refused(&server, "org/model@v2");
    assert!(revision.contains("org/model@v2") && revision.contains("revision"), "{revision}");
    let gated = refused(&server, "org/gated");
    assert!(gated.contains("org/gated is gated") && gated.contains("accept the licence"), "{gated}");
    assert!(gated.contains("/org/gated") && gated.contains("HF_TOKEN"), "{gated}");
    let gguf = refused(&server, "org/gguf");
    assert!(gguf.contains("no config.json") && gguf.contains("model-q4.gguf"), "{gguf}");
    let pickled = refused(&server, "org/pickled");
    assert!(pickled.contains("pickled") && pickled.contains("safe_serialization"), "{pickled}");
}

#[test]
fn without_a_network_the_cache_is_named() {
    let server = Server::start();
    let cache = tempfile::tempdir().unwrap();
    let offline = Folder::Hub(Box::new(server.snapshot(cache.path(), "org/model", true)));
    let error = offline.model().err().unwrap().to_string();
    assert!(error.contains("no config.json") && error.contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(server.asked(), 0);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub =
        Hub { endpoint: format!("http://{nobody}"), cache: cache.path().into(), token: None, offline: false };
    let snapshot = hub.snapshot(Repository::from_str("org/model").unwrap()).unwrap();
    let error = snapshot.find("config.json").unwrap_err().to_string();
    assert!(error.contains("cannot reach") && error.contains("check the network"), "{error}");
}
