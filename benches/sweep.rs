//! Times patch sweeps on the rows and cells that `benches/peers/sweep.py` gives its peers, and how their cost
//! grows.
//!
//! `cargo bench --bench sweep -- peers` prints for each model and work a line of JSON with milliseconds per cell
//! and row and every cell's patched metric, for `sweep.py --compare`. `-- growth` prints tables: cost against
//! the number of prompts, of layers and the prompts' length. `-- rate` prints the machine's rate of float32 products.
//! With `--features meter` growth and peers also tell the share of time in matrix products and the rate in them.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use mora::interp::metric::{Metric, Scoring};
use mora::interp::sweep::{
    Align, Cell, Donor, Effects, Engine, Part, Plan, Session, Source, Spot, Sweep, Where,
};
use mora::model::Model;
use mora::model::linear::Linear;
use mora::model::open::{OpenOptions, open};
use mora::model::prompt::Prompt;
use mora::model::reference::Reference;
use mora::model::tree::TokenTree;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODELS: [(&str, &str); 2] =
    [("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"), ("gemma3", "gemma-3-270m-q4_k_m.gguf")];

fn main() {
    // As the program itself does.
    unsafe { libmimalloc_sys::mi_option_set(15, -1) };
    unsafe { std::env::set_var("CANDLE_BARRIER_POOL_SPIN_LIMIT", "0") };
    let arguments: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
    if is_wanted("rate") {
        rate();
    }
    for (name, file) in MODELS {
        if is_wanted("peers") || is_wanted(name) {
            beside_peers(name, file, &arguments);
        }
    }
    if is_wanted("growth") {
        growth();
    }
}

/// The machine's rate of float32 products, as candle computes them and as mora does.
fn rate() {
    for (m, k, n) in [(2048, 2304, 9216), (4096, 576, 1536), (4096, 1536, 576), (833, 576, 1536)] {
        let a = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
        let linear = Linear::new(weight.clone(), None);
        let best = |work: &dyn Fn() -> Tensor| {
            let seconds = (0..15).map(|_| seconds(|| drop(work()))).fold(f64::MAX, f64::min);
            2e-9 * (m * k * n) as f64 / seconds
        };
        let candle = best(&|| a.matmul(&weight.t().unwrap()).unwrap());
        let mora = best(&|| linear.forward(&a, true).unwrap());
        println!("float32 product {m} x {k} x {n}, GFLOP/s: candle {candle:.0}, mora {mora:.0}");
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read_json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root(path)).unwrap()).unwrap()
}

fn open_model(file: &str) -> Model {
    let folder = std::env::var("MORA_TEST_MODELS").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/mora-models"));
    opened(folder.join(file).to_str().unwrap())
}

fn opened(reference: &str) -> Model {
    let reference: Reference = reference.parse().unwrap();
    open(&reference, &OpenOptions::default()).unwrap().into_model().unwrap().0
}

/// The rendered prompts of a model, cut as the peers' script does.
fn rows(name: &str, tokens: usize) -> Vec<Vec<u32>> {
    let fixture = read_json(&format!("tests/fixtures/real/{name}.json"));
    let prompts: Vec<Vec<u32>> = fixture["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| serde_json::from_value(prompt["tokens"].clone()).unwrap())
        .collect();
    let shortest = prompts.iter().map(Vec::len).min().unwrap();
    let tokens = tokens.min(shortest);
    prompts.iter().map(|prompt| prompt[shortest - tokens..shortest].to_vec()).collect()
}

/// What a sweep took.
struct Cost {
    seconds: f64,
    /// Seconds of processor time, of all threads: the same where the machine does other work too.
    processor: f64,
    /// Cells times rows.
    cells: usize,
}

impl Cost {
    fn milliseconds(&self) -> f64 {
        self.seconds * 1e3 / self.cells as f64
    }

    /// The columns of a table that say what a cell and row took.
    fn columns(&self) -> String {
        let processor = self.processor * 1e3 / self.cells as f64;
        format!("{:.2} | {processor:.2} |{}", self.milliseconds(), metered(self.processor))
    }
}

/// The processor time that this program has had.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// A sweep of `cells` over rows, each patched from the row beside it.
struct Work<'a> {
    target: (&'a Model, Vec<Prompt>),
    source: (&'a Model, Vec<Prompt>),
    metric: Metric,
}

impl<'a> Work<'a> {
    fn new(target: (&'a Model, Vec<Vec<u32>>), source: (&'a Model, Vec<Vec<u32>>), metric: Metric) -> Self {
        let prompts = |rows: Vec<Vec<u32>>| {
            rows.into_iter().map(|tokens| Prompt { text: None, tokens }).collect::<Vec<_>>()
        };
        Self { target: (target.0, prompts(target.1)), source: (source.0, prompts(source.1)), metric }
    }

    fn plan(&self) -> Plan<'_> {
        let scoring = |(model, prompts): &(&Model, Vec<Prompt>)| {
            Scoring::new(self.metric.clone(), prompts, model.tokenizer()).unwrap()
        };
        let donor = Donor { model: self.source.0, prompts: &self.source.1, scoring: scoring(&self.source) };
        Plan::new(self.target.0, &self.target.1, scoring(&self.target), Some(donor)).unwrap()
    }

    fn run(&self, engine: Engine, spots: &[Spot], cells: &[Cell]) -> (Cost, Effects) {
        let sweep =
            Sweep { plan: self.plan(), source: Source::Run, spots: spots.to_vec(), engine, budget: None };
        let start = (Instant::now(), processor_seconds());
        let effects = sweep.run(cells, &mut Session::default()).unwrap();
        let seconds = start.0.elapsed().as_secs_f64();
        (
            Cost {
                seconds,
                processor: processor_seconds() - start.1,
                cells: cells.len() * self.target.1.len(),
            },
            effects,
        )
    }
}

fn cells(parts: &[Part], spots: usize) -> Vec<Cell> {
    (0..spots).flat_map(|spot| parts.iter().map(move |&part| Cell::new(vec![part], spot))).collect()
}

fn parts(model: &Model, set: &str) -> Vec<Part> {
    let config = model.decoder().config();
    Part::set(set, &(0..config.n_layers()).collect::<Vec<_>>(), config).unwrap()
}

/// logit(first) − logit(second) of the peers' two tokens.
fn metric(model: &Model, ids: &[u32]) -> Metric {
    let text = |id: u32| model.tokenizer().decode(&[id], false).unwrap();
    Metric::LogitDiff { plus: text(ids[0]), minus: text(ids[1]) }
}

fn beside_peers(name: &str, file: &str, arguments: &[String]) {
    let input = read_json("benches/peers/sweep.json");
    let model = open_model(file);
    let ids: Vec<u32> = serde_json::from_value(input["metric_ids"][name].clone()).unwrap();
    let metric = metric(&model, &ids);
    let rows = rows(name, input["tokens"].as_u64().unwrap() as usize);
    let ahead = input["source_rows_ahead"].as_u64().unwrap() as usize;
    let sources: Vec<Vec<u32>> =
        (0..rows.len()).map(|row| rows[(row + ahead) % rows.len()].clone()).collect();
    let number = |key: &str| input["grid"][key].as_u64().unwrap() as usize;
    let (one, other) = (vec![rows[number("target")].clone()], vec![rows[number("source")].clone()]);

    let works = [
        ("heads+mlp/all", "heads+mlp", Some(Where::All), &rows, &sources),
        ("heads+mlp/last", "heads+mlp", Some(Where::Last), &rows, &sources),
        ("resid_pre/grid", "resid_pre", None, &one, &other),
    ];
    let named: Vec<&String> = arguments.iter().filter(|argument| argument.contains('/')).collect();
    for (work_name, set, place, rows, sources) in works {
        if !named.is_empty() && !named.iter().any(|name| *name == work_name) {
            continue;
        }
        let work = Work::new((&model, rows.clone()), (&model, sources.clone()), metric.clone());
        let spots = match &place {
            Some(place) => vec![work.plan().spot(place, Align::Positions).unwrap()],
            None => work.plan().each(Align::Positions).unwrap(),
        };
        let cells = cells(&parts(&model, set), spots.len());
        let (cost, effects) = work.run(Engine::Fast, &spots, &cells);
        let values: serde_json::Map<String, Value> = effects
            .cells()
            .iter()
            .zip(&effects.patched)
            .map(|(cell, patched)| {
                let at = effects.spot(cell);
                let name = if place.is_none() { format!("{}@{at}", cell.name()) } else { cell.name() };
                (name, json!(patched))
            })
            .collect();
        eprintln!(
            "{name} {work_name}: {} cells in {:.2} s; ms per cell and row, of processor time{METERED} {}",
            cells.len(),
            cost.seconds,
            cost.columns()
        );
        println!(
            "{}",
            json!({ "model": name, "work": work_name, "ms_per_cell": cost.milliseconds(), "values": values })
        );
    }
}

/// How the cost of a sweep grows, as tables. The clean runs of prompts and sources count too: of few cells they
/// are a larger part.
fn growth() {
    let model = open_model(MODELS[0].1);
    let fifteen = rows(MODELS[0].0, 139);
    println!(
        "\n| prompts | tokens | distinct, with their sources' | ms per cell and prompt | of processor time |{METERED}"
    );
    println!("| --- | --- | --- | --- | --- |{METERED_RULE}");
    for count in [1, 5, 15, 50, 150] {
        // Beyond the fifteen, variants: another token in the middle.
        let rows: Vec<Vec<u32>> = (0..count)
            .map(|index| {
                let mut row = fifteen[index % fifteen.len()].clone();
                let middle = row.len() / 2;
                row[middle] = (row[middle] + (index / fifteen.len()) as u32) % 40_000;
                row
            })
            .collect();
        // The same wording in the next scenario, one prompt's too.
        let sources: Vec<Vec<u32>> = (0..count)
            .map(|row| if count < 4 { fifteen[row + 3].clone() } else { rows[(row + 3) % count].clone() })
            .collect();
        let distinct = TokenTree::shared(&[rows.clone(), sources.clone()].concat()).unwrap().len();
        let tokens = rows.iter().map(Vec::len).sum::<usize>();
        let work = Work::new((&model, rows), (&model, sources), metric(&model, &[33, 34]));
        // An MLP and a head of every other layer.
        let config = model.decoder().config();
        let some: Vec<Part> = (0..config.n_layers())
            .step_by(2)
            .flat_map(|layer| [format!("L{layer}_MLP"), format!("L{layer}H{}", layer % config.n_heads)])
            .map(|name| name.parse().unwrap())
            .collect();
        let spot = work.plan().spot(&Where::All, Align::Positions).unwrap();
        let cells = cells(&some, 1);
        let (cost, _) = work.run(Engine::Fast, &[spot], &cells);
        println!("| {count} | {tokens} | {distinct} | {}", cost.columns());
    }

    println!(
        "\n| layers | cells | ms per cell and prompt | of processor time |{METERED}\n| --- | --- | --- | --- |{METERED_RULE}"
    );
    for layers in [6, 12, 24, 48] {
        let model = random_model(layers);
        growth_row(layers, &model, 128);
    }
    println!(
        "\n| tokens | cells | ms per cell and prompt | of processor time |{METERED}\n| --- | --- | --- | --- |{METERED_RULE}"
    );
    let model = random_model(12);
    for tokens in [32, 64, 128, 256, 512, 1024] {
        growth_row(tokens, &model, tokens);
    }
}

/// Five random prompts, each patched from one that differs from the middle on.
fn growth_row(what: usize, model: &Model, tokens: usize) {
    let token = |seed: usize, position: usize| ((seed * 7919 + position * 104_729) % 500) as u32;
    let rows: Vec<Vec<u32>> = (0..5).map(|row| (0..tokens).map(|p| token(row, p)).collect()).collect();
    let sources: Vec<Vec<u32>> = (0..5)
        .map(|row| (0..tokens).map(|p| token(if p < tokens / 2 { row } else { row + 9 }, p)).collect())
        .collect();
    let work = Work::new((model, rows), (model, sources), metric(model, &[33, 34]));
    let spot = work.plan().spot(&Where::All, Align::Positions).unwrap();
    let cells = cells(&parts(model, "heads+mlp"), 1);
    let (cost, _) = work.run(Engine::Fast, &[spot], &cells);
    println!("| {what} | {} | {}", cells.len(), cost.columns());
}

#[cfg(feature = "meter")]
const METERED: &str = " share of time in products | GFLOP/s in them |";
#[cfg(feature = "meter")]
const METERED_RULE: &str = " --- | --- |";

/// The share of processor time that went into matrix products, and the rate in them on all threads.
#[cfg(feature = "meter")]
fn metered(processor: f64) -> String {
    let (in_products, operations) = mora::model::meter::take();
    let rate = operations * 1e-9 / in_products * rayon::current_num_threads() as f64;
    format!(" {:.0} % | {rate:.0} |", 100.0 * in_products / processor)
}

#[cfg(not(feature = "meter"))]
const METERED: &str = "";
#[cfg(not(feature = "meter"))]
const METERED_RULE: &str = "";

#[cfg(not(feature = "meter"))]
fn metered(_: f64) -> String {
    String::new()
}

/// A Llama of random weights: d_model 256, 8 heads, d_mlp 768.
fn random_model(layers: usize) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let (d, d_mlp, vocab) = (256usize, 768usize, 512usize);
    let config = json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": d, "intermediate_size": d_mlp,
        "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 32,
        "vocab_size": vocab, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": true,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut weights = std::collections::HashMap::new();
    let mut add = |name: String, shape: &[usize]| {
        let tensor = match shape {
            [_] => Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap(),
            _ => Tensor::randn(0f32, 0.5 / (shape[1] as f32).sqrt(), shape, &Device::Cpu).unwrap(),
        };
        weights.insert(name, tensor);
    };
    add("model.embed_tokens.weight".into(), &[vocab, d]);
    add("model.norm.weight".into(), &[d]);
    for layer in 0..layers {
        let mut block =
            |name: &str, shape: &[usize]| add(format!("model.layers.{layer}.{name}.weight"), shape);
        block("input_layernorm", &[d]);
        block("post_attention_layernorm", &[d]);
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            block(&format!("self_attn.{name}"), &[d, d]);
        }
        block("mlp.gate_proj", &[d_mlp, d]);
        block("mlp.up_proj", &[d_mlp, d]);
        block("mlp.down_proj", &[d, d_mlp]);
    }
    candle_core::safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    let vocab: serde_json::Map<String, Value> = (0..vocab).map(|id| (format!("w{id}"), id.into())).collect();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "w0" },
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    opened(folder.path().to_str().unwrap())
}
