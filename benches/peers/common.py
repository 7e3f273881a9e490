"""What the peers' benches share: the models, the rows, TransformerLens, a clock and a report.

Written for torch 2.15.0, transformers 5.23.0, transformer-lens 4.3.0.
"""

import copy
import importlib.metadata
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("MORA_TEST_MODELS", pathlib.Path.home() / ".cache/mora-models"))
GGUF = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}


def load(name):
    """The model as an ordinary float32 one: what transformers read from GGUF it would not save again."""
    if not (CACHE / GGUF[name]).exists():
        sys.exit(f"{CACHE / GGUF[name]} is not there; scripts/fetch_test_models.sh fetches it")
    quantised = AutoModelForCausalLM.from_pretrained(CACHE, gguf_file=GGUF[name], dtype=torch.float32)
    config = copy.deepcopy(quantised.config)
    config.__dict__.pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    model.load_state_dict(quantised.state_dict())
    return model.eval()


def bridge_of(name, model):
    """The same weights in TransformerLens, which reads a folder."""
    from transformer_lens.model_bridge import TransformerBridge

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(CACHE, gguf_file=GGUF[name]).save_pretrained(folder)
        return TransformerBridge.boot_transformers(folder, dtype=torch.float32, device="cpu").eval()


def prompts_of(name):
    """The tokens of the fifteen rendered prompts."""
    fixture = json.loads((ROOT / f"tests/fixtures/real/{name}.json").read_text())
    return [prompt["tokens"] for prompt in fixture["prompts"]]


def cut(prompts, tokens):
    """Of each prompt the `tokens` tokens before where the shortest ends: rows of one length that begin alike as they do."""
    shortest = min(map(len, prompts))
    if not 0 < tokens <= shortest:
        sys.exit(f"--tokens {tokens}: expected 1 to {shortest}, the length of the shortest prompt")
    return [prompt[shortest - tokens : shortest] for prompt in prompts]


def distinct_prefixes(rows):
    return len({tuple(row[: end + 1]) for row in rows for end in range(len(row))})


def versions():
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers", "transformer-lens")}


def timed(work):
    """What `work` returns and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def spread(times):
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def write_json(path, text):
    """Written whole, as a reader may be waiting for it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n")
    partial.replace(path)
