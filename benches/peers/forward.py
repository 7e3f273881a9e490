#!/usr/bin/env python3
"""Times the forward and the cache of SmolLM2-135M in PyTorch, transformers and TransformerLens.

The peers of mora's own bench: float32, CPU, the same rows. They are the fifteen rendered prompts of
tests/fixtures/real/smollm2.json cut to N tokens (139 unless told): where the shortest prompt ends, the N tokens before
it. So all rows are equally long, nothing is padded, and they begin alike as the prompts do.

    scripts/fetch_test_models.sh
    python benches/peers/forward.py [--threads 2] [--repeats 5] [--tokens 139] [--only NAME …] [--json FILE]

Prints a table and one line of JSON. "check" in it holds some last-position logits, for mora's bench to compare.
"""

import argparse
import json
import pathlib
import sys

import torch

from common import GGUF, bridge_of, cut, distinct_prefixes, load, prompts_of, spread, timed, versions, write_json
from hand_written import HandWritten

CHECKED_IDS = [0, 2, 33, 34, 504, 2683, 4667, 49151]
RESIDUAL_SITES = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out")


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
    bridge = bridge_of("smollm2", model) if any(name.startswith("transformer_lens") for name in found) else None
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=139)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rows = cut(prompts_of("smollm2"), options.tokens)
    tokens, model = torch.tensor(rows), load("smollm2")

    report = {
        "model": GGUF["smollm2"],
        "rows": len(rows),
        "tokens": options.tokens,
        "distinct_prefixes": distinct_prefixes(rows),
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": versions(),
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
            seconds = spread([timed(work)[1] for _ in range(options.repeats)])
            report["seconds"][name] = seconds
            print(f"{name:34}{seconds['median']:10.3f}{seconds['min']:10.3f}{seconds['max']:10.3f}", flush=True)

    report["check"] = {"ids": CHECKED_IDS, "last_logits": expected[:, CHECKED_IDS].tolist()}
    text = json.dumps(report)
    print(text)
    if options.json:
        write_json(options.json, text)


if __name__ == "__main__":
    main()
