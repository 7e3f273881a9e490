#!/usr/bin/env python3
"""Times activation patching of SmolLM2-135M and Gemma-3-270M in TransformerLens and in hand-written PyTorch.

The peers of mora's sweep bench: float32, CPU, the rows and the metric of sweep.json. Every cell costs them the same,
one full forward, so some cells spread over the layers stand for all:

  heads+mlp/all   one head's z or one layer's MLP output at all positions, in every row
  heads+mlp/last  the same at the last position
  resid_pre/grid  the residual entering a layer at one position, in one row

Rows go through the model all at once or one by one, whichever is the faster for a peer.

    scripts/fetch_test_models.sh
    python benches/peers/sweep.py --json peers.json [--models NAME …] [--works NAME …] [--cells 12] [--threads 2]
    python benches/peers/sweep.py --json peers.json --compare mora.json

The first writes rows, metric, the patched metric of every timed cell and milliseconds per cell and row to peers.json,
and the machine's rate of float32 matrix products. The second runs nothing: it prints both side by side in Markdown.
Its mora.json has a line for each model and work, {"model": "smollm2", "work": "heads+mlp/all", "ms_per_cell": 1.0,
"values": {"L0H0": [metric of each row], "L3_MLP": …}}; cells of the grid are named L8_RESID_PRE@41. Lines that do not
begin with { are skipped.
"""

import argparse
import json
import pathlib
import statistics
import sys

import torch
import torch.nn.functional as F

from common import GGUF, ROOT, bridge_of, cut, distinct_prefixes, load, prompts_of, spread, timed, versions, write_json
from hand_written import HandWritten
from patching import ByHand, ByTransformerLens, Cell, difference
from side_by_side import TOLERANCE, largest_difference, side_by_side

PEERS = ("pytorch", "transformer_lens")
WORKS = ("heads+mlp/all", "heads+mlp/last", "resid_pre/grid")
PRODUCTS = ((2048, 2304, 9216), (833, 576, 1536))
INPUT = json.loads((ROOT / "benches/peers/sweep.json").read_text())


def cells_of(work, config, count, length):
    """Cells spread over the layers: heads and MLPs in turn, or residuals at positions spread in another order."""
    spread_over = lambda index, size: round(index * (size - 1) / max(count - 1, 1))
    cells = []
    for index in range(count):
        layer = spread_over(index, config.num_hidden_layers)
        if work == "resid_pre/grid":
            # Five steps at a time, so that early layers meet late positions too; the last layer meets the last.
            cells.append(Cell("resid_pre", layer, pos=spread_over((index * 5 + 4) % count, length)))
            continue
        pos = length - 1 if work == "heads+mlp/last" else None
        head = index // 2 % config.num_attention_heads
        cells.append(Cell("mlp_out", layer, pos=pos) if index % 2 else Cell("z", layer, head=head, pos=pos))
    return list(dict.fromkeys(cells))


def name_of(work, cell):
    """Where a work has one position its cells are named without it."""
    return cell.name if work == "resid_pre/grid" else cell.name.split("@")[0]


def rows_of(work, count):
    """For each patched row the row and the one it is patched from, as indices."""
    if work == "resid_pre/grid":
        return [INPUT["grid"]["target"]], [INPUT["grid"]["source"]]
    return list(range(count)), [(row + INPUT["source_rows_ahead"]) % count for row in range(count)]


def measured(peer, cells, targets, sources, ids):
    """The patched metrics [cell][row], and milliseconds per cell and row: all rows at once, one by one."""
    source, _ = peer.source(sources, cells)
    of_row = lambda row: {key: value[row : row + 1] for key, value in source.items()}
    peer.patched(targets, source, cells[0], ids)  # warm-up
    values, at_once, one_by_one = [], [], []
    for cell in cells:
        found, seconds = timed(lambda: peer.patched(targets, source, cell, ids))
        values.append(found.tolist())
        at_once.append(seconds * 1e3 / len(targets))
    ways = {"all rows at once" if len(targets) > 1 else "one row": spread(at_once)}
    if len(targets) > 1:
        for index, cell in enumerate(cells):
            row = index % len(targets)
            one, kept = targets[row : row + 1], of_row(row)
            found, seconds = timed(lambda: peer.patched(one, kept, cell, ids))
            one_by_one.append(seconds * 1e3)
            if abs(found.item() - values[index][row]) > TOLERANCE:
                sys.exit(f"{cell.name}: row {row} alone gives {found.item()}, among all {values[index][row]}")
        ways["row by row"] = spread(one_by_one)
    return values, ways


def run_work(work, peers, config, count, rows, ids):
    """One work in every peer."""
    cells = cells_of(work, config, count, rows.shape[1])
    names = [name_of(work, cell) for cell in cells]
    target, source = rows_of(work, len(rows))
    report = {"target_rows": target, "source_rows": source, "cells": names, "peers": {}}
    for name, peer in peers.items():
        baseline = peer.baseline(rows[target], ids).tolist()
        values, ways = measured(peer, cells, rows[target], rows[source], ids)
        way = min(ways, key=lambda way: ways[way]["median"])
        result = {"ms_per_cell": ways[way]["median"], "way": way, "ms": ways, "baseline": baseline}
        report["peers"][name] = result | {"values": dict(zip(names, values))}
        first, first_result = next(iter(report["peers"].items()))
        pairs = zip(list(first_result["values"].values()) + [first_result["baseline"]], values + [baseline])
        apart = largest_difference(pairs)
        if not apart <= TOLERANCE:
            sys.exit(f"{work}: {name} differs from {first} by {apart:.2e}")
        times = "  ".join(f"{way}: {ms['median']:.1f} ({ms['min']:.1f}–{ms['max']:.1f})" for way, ms in ways.items())
        print(f"  {work:16}{name:18}{times}  differs by {apart:.1e}", flush=True)
    return report


def run_model(name, options):
    """All works on one model."""
    model, ids = load(name), INPUT["metric_ids"][name]
    prompts = prompts_of(name)
    rows = cut(prompts, min(options.tokens, *map(len, prompts)))
    tokens = torch.tensor(rows)
    makers = {
        "pytorch": lambda: ByHand(HandWritten(model)),
        "transformer_lens": lambda: ByTransformerLens(bridge_of(name, model)),
    }
    peers = {peer: makers[peer]() for peer in options.peers}
    print(f"{name}: {len(rows)} rows of {len(rows[0])} tokens, milliseconds per cell and row")
    expected = difference(model(tokens, use_cache=False, logits_to_keep=1).logits[:, -1], ids).tolist()
    report = {
        "gguf": GGUF[name],
        "ids": ids,
        "tokens": len(rows[0]),
        "distinct_prefixes": distinct_prefixes(rows),
        "rows": rows,
        "baseline": expected,
        "works": {},
    }
    for work in options.works:
        report["works"][work] = found = run_work(work, peers, model.config, options.cells, tokens, ids)
        for peer, result in found["peers"].items():
            apart = largest_difference([([expected[row] for row in found["target_rows"]], result["baseline"])])
            if not apart <= TOLERANCE:
                sys.exit(f"{name}: {peer} differs from transformers by {apart:.2e} before any patch")
    return report


def matmul_rates(repeats=15):
    """GFLOP/s of float32 products [m, k] × [k, n], the median and the best of some."""
    rates = {}
    for m, k, n in PRODUCTS:
        left, right = torch.randn(m, k), torch.randn(n, k)
        times = [timed(lambda: F.linear(left, right))[1] for _ in range(repeats + 1)][1:]
        rate = lambda seconds: 2e-9 * m * k * n / seconds
        rates[f"{m}x{k}x{n}"] = {"median": rate(statistics.median(times)), "best": rate(min(times))}
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--compare", type=pathlib.Path, metavar="MORA_JSON")
    parser.add_argument("--models", nargs="+", choices=GGUF, default=list(GGUF))
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=INPUT["tokens"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.compare:
        sys.exit(side_by_side(options.json, options.compare) or 0)
    if options.cells < 1:
        sys.exit(f"--cells {options.cells}: expected at least 1")

    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    report = {"versions": versions(), "threads": options.threads, "matmul_gflops": matmul_rates(), "models": {}}
    for product, rate in report["matmul_gflops"].items():
        print(f"float32 product {product}: {rate['median']:.0f} GFLOP/s, at best {rate['best']:.0f}")
    for name in options.models:
        report["models"][name] = run_model(name, options)
        write_json(options.json, json.dumps(report))


if __name__ == "__main__":
    main()
