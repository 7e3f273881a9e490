"""What mora's sweep bench printed beside what sweep.py measured."""

import json
import math

TOLERANCE = 1e-3


def largest_difference(pairs):
    """Over pairs of equally long rows of numbers; NaN where one is."""
    number = lambda value: math.nan if value is None else value  # null is how JSON writes what is not finite
    apart = [abs(number(a) - number(b)) for one, other in pairs for a, b in zip(one, other, strict=True)]
    return math.nan if any(map(math.isnan, apart)) else max(apart)


def lines_of(path):
    """(model, work) → what mora's bench printed of it."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            if {"model", "work", "ms_per_cell", "values"} <= entry.keys():
                found[entry["model"], entry["work"]] = entry
    return found


def row_of(mora, name, work, found):
    """A line of the table, and what is wrong with it."""
    peers = found["peers"]
    missing = [cell for cell in found["cells"] if cell not in mora["values"]]
    if missing:
        return None, f"{name} {work}: mora's values lack {', '.join(missing)}"
    columns = [name, work, f"{mora['ms_per_cell']:.3f}"]
    for peer in ("pytorch", "transformer_lens"):
        if peer not in peers:
            columns += ["", ""]
            continue
        milliseconds = peers[peer]["ms_per_cell"]
        columns += [f"{milliseconds:.1f} ({peers[peer]['way']})", f"{milliseconds / mora['ms_per_cell']:.1f}"]
    results = [peer["values"] for peer in peers.values()]
    apart = largest_difference([(values[cell], mora["values"][cell]) for values in results for cell in found["cells"]])
    columns.append(f"{apart:.1e}")
    wrong = None if apart <= TOLERANCE else f"{name} {work}: the metrics differ by {apart:.2e}"
    return "| " + " | ".join(columns) + " |", wrong


def side_by_side(peers_path, mora_path):
    """Prints the table; what is wrong, if something is."""
    peers, mora = json.loads(peers_path.read_text()), lines_of(mora_path)
    versions = ", ".join(f"{name} {version}" for name, version in peers["versions"].items())
    rates = ", ".join(f"{product} {rate['median']:.0f}" for product, rate in peers["matmul_gflops"].items())
    print(f"Milliseconds per cell and row; {versions}; {peers['threads']} threads.")
    print(f"float32 products in torch, GFLOP/s: {rates}.\n")
    print("| model | work | mora | hand-written PyTorch | ratio | TransformerLens | ratio | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    wrong = []
    for name, model in peers["models"].items():
        for work, found in model["works"].items():
            entry = mora.get((name, work)) or mora.get((model["gguf"], work))
            row, problem = row_of(entry, name, work, found) if entry else (None, f"{name} {work}: mora has not run it")
            if row:
                print(row)
            wrong += [problem] if problem else []
    return "\n".join(wrong)
