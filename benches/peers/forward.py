#!/usr/bin/env python3
"""Times the forward and the cache of SmolLM2-135M in PyTorch, transformers and TransformerLens.

The peers of mora's own bench: float32, CPU, the same rows. They are the fifteen rendered prompts of
tests/fixtures/real/smollm2.json cut to N tokens (139 unless told): where the shortest prompt ends, the N tokens before
it. So all rows are equally long, nothing is padded, and they begin alike as the prompts do.

    scripts/fetch_test_models.sh
    python benches/peers/forward.py [--threads 2] [--repeats 5] [--tokens 139] [--only NAME …] [--json FILE]

Prints a table and one line of JSON. "check" in it holds some last-position logits, for mora's bench to compare.
Written for torch 2.15.0, transformers 5.23.0, transformer-lens 4.3.0.
"""

import argparse
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
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("MORA_TEST_MODELS", pathlib.Path.home() / ".cache/mora-models"))
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CHECKED_IDS = [0, 2, 33, 34, 504, 2683, 4667, 49151]
RESIDUAL_SITES = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out")


class HandWritten:
    """Llama's forward and nothing else: SDPA, fused projections, logits of the last position."""

    def __init__(self, model):
        config, weights = model.config, model.state_dict()
        self.heads, self.kv_heads, self.width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.eps = config.rms_norm_eps
        self.embed, self.norm = weights["model.embed_tokens.weight"], weights["model.norm.weight"]
        self.unembed = weights["lm_head.weight"]
        self.layers = []
        for layer in range(config.num_hidden_layers):
            w = lambda name: weights[f"model.layers.{layer}.{name}.weight"]
            qkv = torch.cat([w(f"self_attn.{part}_proj") for part in "qkv"])
            gate_up = torch.cat([w("mlp.gate_proj"), w("mlp.up_proj")])
            norms = w("input_layernorm"), w("post_attention_layernorm")
            self.layers.append((*norms, qkv, w("self_attn.o_proj"), gate_up, w("mlp.down_proj")))
        self.theta = config.rope_parameters["rope_theta"]

    def rotary(self, length):
        frequencies = self.theta ** -(torch.arange(0, self.width, 2) / self.width)
        angles = torch.arange(length)[:, None] * frequencies
        return torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()

    @staticmethod
    def rotated(x, cos, sin):
        left, right = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-right, left], -1) * sin

    def __call__(self, tokens):
        batch, length = tokens.shape
        cos, sin = self.rotary(length)
        groups = [self.heads * self.width, self.kv_heads * self.width, self.kv_heads * self.width]
        x = self.embed[tokens]
        for ln1, ln2, qkv, out, gate_up, down in self.layers:
            parts = F.linear(F.rms_norm(x, ln1.shape, ln1, self.eps), qkv).split(groups, -1)
            q, k, v = (part.view(batch, length, -1, self.width).transpose(1, 2) for part in parts)
            q, k = self.rotated(q, cos, sin), self.rotated(k, cos, sin)
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = x + F.linear(z.transpose(1, 2).reshape(batch, length, -1), out)
            gate, up = F.linear(F.rms_norm(x, ln2.shape, ln2, self.eps), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.linear(F.rms_norm(x[:, -1], self.norm.shape, self.norm, self.eps), self.unembed)


def load():
    """The model as an ordinary float32 one: what transformers read from GGUF it would not save again."""
    quantised = AutoModelForCausalLM.from_pretrained(CACHE, gguf_file=GGUF, dtype=torch.float32)
    config = copy.deepcopy(quantised.config)
    config.__dict__.pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    model.load_state_dict(quantised.state_dict())
    return model.eval()


def bridge_of(model):
    """The same weights in TransformerLens, which reads a folder."""
    from transformer_lens.model_bridge import TransformerBridge

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(CACHE, gguf_file=GGUF).save_pretrained(folder)
        return TransformerBridge.boot_transformers(folder, dtype=torch.float32, device="cpu").eval()


def is_residual_site(name):
    return name.startswith("blocks.") and name.endswith(RESIDUAL_SITES)


def works(model, tokens, only):
    """Name → function that does the work once and returns the last position's logits [row, vocab]."""
    found = {
        "pytorch_sdpa_last_logits": lambda: by_hand(tokens),
        "transformers_last_logits": lambda: model(tokens, use_cache=False, logits_to_keep=1).logits[:, -1],
        "transformer_lens_cache_residual": lambda: bridge.run_with_cache(tokens, names_filter=is_residual_site)[0][:, -1],
        "transformer_lens_cache_all": lambda: bridge.run_with_cache(tokens)[0][:, -1],
    }
    unknown = set(only) - set(found)
    if unknown:
        sys.exit(f"no work named {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    found = {name: work for name, work in found.items() if not only or name in only}
    by_hand = HandWritten(model)
    bridge = bridge_of(model) if any(name.startswith("transformer_lens") for name in found) else None
    return found


def distinct_prefixes(rows):
    return len({tuple(row[: end + 1]) for row in rows for end in range(len(row))})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=139)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    if not (CACHE / GGUF).exists():
        sys.exit(f"{CACHE / GGUF} is not there; scripts/fetch_test_models.sh fetches it")
    fixture = json.loads((ROOT / "tests/fixtures/real/smollm2.json").read_text())
    prompts = [prompt["tokens"] for prompt in fixture["prompts"]]
    shortest = min(map(len, prompts))
    if not 0 < options.tokens <= shortest:
        sys.exit(f"--tokens {options.tokens}: expected 1 to {shortest}, the length of the shortest prompt")
    rows = [prompt[shortest - options.tokens : shortest] for prompt in prompts]
    tokens, model = torch.tensor(rows), load()

    report = {
        "model": GGUF,
        "rows": len(rows),
        "tokens": options.tokens,
        "distinct_prefixes": distinct_prefixes(rows),
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "transformer-lens")},
        "seconds": {},
    }
    expected = None
    print(f"{len(rows)} rows of {options.tokens} tokens ({report['distinct_prefixes']} distinct prefixes)")
    print(f"{'':34}{'median s':>10}{'least s':>10}{'most s':>10}")
    with torch.no_grad():
        for name, work in works(model, tokens, options.only).items():
            logits = work().clone()  # also the warm-up
            if expected is None:
                expected = logits
            difference = (logits - expected).abs().max().item()
            if difference > 1e-3:
                sys.exit(f"{name}: logits differ by {difference:.2e} from the first work's")
            times = []
            for _ in range(options.repeats):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            report["seconds"][name] = {"median": statistics.median(times), "min": min(times), "max": max(times)}
            print(f"{name:34}{statistics.median(times):10.3f}{min(times):10.3f}{max(times):10.3f}", flush=True)

    report["check"] = {"ids": CHECKED_IDS, "last_logits": expected[:, CHECKED_IDS].tolist()}
    text = json.dumps(report)
    print(text)
    if options.json:
        partial = options.json.with_name(options.json.name + ".partial")
        partial.write_text(text + "\n")
        partial.replace(options.json)


if __name__ == "__main__":
    main()
