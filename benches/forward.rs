//! Times a forward, and one with a cache, on the rows that `benches/peers/forward.py` gives its peers.
//!
//! `cargo bench --bench forward -- [WORK …]` prints a table and one line of JSON: medians in seconds, and
//! some last-position logits under "check", by which the peers' script makes sure that all compute the same.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::PathBuf;
use std::time::Instant;

use candle_core::{DType, Tensor};
use mora::interp::cache::{Cache, CacheOptions, run_with_cache};
use mora::interp::positions::Positions;
use mora::model::Model;
use mora::model::decoder::Decoder;
use mora::model::open::{OpenOptions, open};
use mora::model::pass::{Pass, Read};
use mora::model::reference::Reference;
use mora::model::site::SiteGlob;
use mora::model::tap::NoTap;
use mora::model::tree::TokenTree;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPEATS: usize = 5;
const TOKENS: usize = 139;
const CHECKED_IDS: [u32; 8] = [0, 2, 33, 34, 504, 2683, 4667, 49151];

fn main() {
    // As the program itself does.
    unsafe { libmimalloc_sys::mi_option_set(15, -1) };
    unsafe { std::env::set_var("CANDLE_BARRIER_POOL_SPIN_LIMIT", "0") };
    let cache = std::env::var("MORA_TEST_MODELS").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/mora-models"));
    let path = cache.join("SmolLM2-135M-Instruct.Q4_1.gguf");

    let only: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let (load, model) = time(1, || load(path.to_str().unwrap()));
    let rows = rows();
    let decoder = model.decoder();
    let apart = TokenTree::separate(&rows).unwrap();
    let shared = TokenTree::shared(&rows).unwrap();
    println!("{} rows of {TOKENS} tokens, {} distinct nodes", rows.len(), shared.len());

    let mut json = serde_json::Map::new();
    let mut report = |name: &str, what: &str, seconds: f64| {
        println!("{what:<36}{:>9.1} ms", seconds * 1e3);
        json.insert(name.to_string(), seconds.into());
    };
    report("load", "load", load);
    let works: [(&str, &str, &dyn Fn()); 4] = [
        ("forward_apart", "forward, every row apart", &|| drop(last_logits(decoder, &apart))),
        ("forward_shared", "forward, shared beginnings", &|| drop(last_logits(decoder, &shared))),
        ("cache_residual", "cache of resid, attn_out, mlp_out", &|| drop(cached(decoder, &rows))),
        ("cache_all", "cache of every site", &|| drop(cached_everything(decoder, &rows))),
    ];
    for (name, what, work) in works.into_iter().filter(|(name, ..)| is_wanted(name)) {
        report(name, what, time(REPEATS, work).0);
    }
    json.insert("check".to_string(), serde_json::json!(check(&last_logits(decoder, &apart))));
    println!("{}", serde_json::Value::Object(json));
}

fn load(path: &str) -> Model {
    let reference: Reference = path.parse().unwrap();
    open(&reference, &OpenOptions::default()).unwrap().into_model().unwrap().0
}

/// The rendered prompts, cut to the tokens before where the shortest ends, as the peers' script does.
fn rows() -> Vec<Vec<u32>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/real/smollm2.json");
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let prompts: Vec<Vec<u32>> = json["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| serde_json::from_value(prompt["tokens"].clone()).unwrap())
        .collect();
    let shortest = prompts.iter().map(Vec::len).min().unwrap();
    prompts.iter().map(|tokens| tokens[shortest - TOKENS..shortest].to_vec()).collect()
}

fn last_logits(decoder: &Decoder, tree: &TokenTree) -> Tensor {
    decoder.forward(tree, Pass::new(&mut NoTap, Read::Last)).unwrap().logits.unwrap()
}

fn cached(decoder: &Decoder, rows: &[Vec<u32>]) -> Cache {
    cache_of(decoder, rows, &["*.hook_resid_*", "*.hook_attn_out", "*.hook_mlp_out"])
}

fn cached_everything(decoder: &Decoder, rows: &[Vec<u32>]) -> Cache {
    cache_of(decoder, rows, &["*"])
}

fn cache_of(decoder: &Decoder, rows: &[Vec<u32>], globs: &[&str]) -> Cache {
    let options = CacheOptions {
        sites: globs.iter().map(|glob| glob.parse::<SiteGlob>().unwrap()).collect(),
        positions: Positions::All,
        stop_at_layer: None,
        read: Read::Last,
    };
    run_with_cache(decoder, rows, &options, &mut NoTap).unwrap().1
}

/// The median time of `repeats` runs after one that does not count, and a result.
fn time<T>(repeats: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    if repeats > 1 {
        work();
    }
    let mut seconds = Vec::new();
    let mut result = None;
    for _ in 0..repeats {
        drop(result.take());
        let start = Instant::now();
        result = Some(work());
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    (seconds[seconds.len() / 2], result.unwrap())
}

/// Some logits of each row.
fn check(logits: &Tensor) -> Vec<Vec<f32>> {
    let ids = Tensor::new(&CHECKED_IDS, logits.device()).unwrap();
    logits.to_dtype(DType::F32).unwrap().index_select(&ids, 1).unwrap().to_vec2().unwrap()
}
