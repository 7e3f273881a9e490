"""One patch in TransformerLens and in hand-written PyTorch, each as its users write it: one full forward per cell.

Both take target rows and source rows [row, pos] of one length and give, for each row, the difference of two logits
at the last position, with the source's value of one cell put in the place of the target's.
"""

import dataclasses

import pandas
import torch

SUFFIX = {"attn_out": "_ATTN", "mlp_out": "_MLP", "resid_pre": "_RESID_PRE"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is patched: "attn_out", "mlp_out" or "resid_pre" of a layer or "z" of one head; at one position or all."""

    site: str
    layer: int
    head: int | None = None
    pos: int | None = None

    @property
    def name(self):
        """The component, and the position where there is one: L25H0, L8_MLP, L8_RESID_PRE@41."""
        part = f"H{self.head}" if self.site == "z" else SUFFIX[self.site]
        return f"L{self.layer}{part}" + ("" if self.pos is None else f"@{self.pos}")

    def put(self, value, source):
        """Both are [row, pos, …]."""
        where = (slice(None), slice(None) if self.pos is None else self.pos)
        where += () if self.head is None else (self.head,)
        value[where] = source[where]
        return value


def difference(logits, ids):
    """The metric: the logit of the first id less that of the second, of the last position's logits [row, vocab]."""
    return logits[:, ids[0]] - logits[:, ids[1]]


class ByHand:
    """Patches through the hand-written forward."""

    def __init__(self, forward):
        self.forward = forward

    def source(self, rows, cells):
        """The values of the cells' sites, and the logits."""
        kept = {}

        def keep(key):
            return lambda value: kept.setdefault(key, value)

        logits = self.forward(rows, {key: keep(key) for key in {(cell.site, cell.layer) for cell in cells}})
        return kept, logits

    def baseline(self, rows, ids):
        return difference(self.forward(rows), ids)

    def patched(self, rows, source, cell, ids):
        key = cell.site, cell.layer
        return difference(self.forward(rows, {key: lambda value: cell.put(value, source[key])}), ids)


class ByTransformerLens:
    """Patches through `generic_activation_patch`, with its own setters where it has one."""

    def __init__(self, bridge):
        self.bridge = bridge

    def source(self, rows, cells):
        """A cache of the cells' sites, and the last position's logits."""
        from transformer_lens.utilities import get_act_name

        names = {get_act_name(cell.site, cell.layer) for cell in cells}
        logits, cache = self.bridge.run_with_cache(rows, names_filter=lambda name: name in names)
        return cache, logits[:, -1]

    def baseline(self, rows, ids):
        return difference(self.bridge(rows)[:, -1], ids)

    def patched(self, rows, source, cell, ids):
        from transformer_lens import patching

        patching.tqdm = iter  # a bar for each single cell says nothing

        def whole_layer(value, index, clean):
            value[:] = clean
            return value

        index = {"layer": cell.layer, "pos": cell.pos, "head": cell.head}
        index = {axis: at for axis, at in index.items() if at is not None}
        setter = {
            ("layer",): whole_layer,
            ("layer", "pos"): patching.layer_pos_patch_setter,
            ("layer", "head"): patching.layer_head_vector_patch_setter,
            ("layer", "pos", "head"): patching.layer_pos_head_vector_patch_setter,
        }[tuple(index)]
        result = patching.generic_activation_patch(
            self.bridge,
            rows,
            source,
            lambda logits: difference(logits[:, -1], ids),
            setter,
            cell.site,
            index_df=pandas.DataFrame([index]),
            reduce="none",
        )
        return result.values[0]
