"""The forwards of Llama and Gemma 3 in plain PyTorch and nothing else: what a careful user would write for speed."""

import torch
import torch.nn.functional as F


class HandWritten:
    """SDPA, fused projections, logits of the last position [row, vocab].

    `edits` maps (site, layer) to a function from a value to what goes on in its place. The sites are "resid_pre",
    "attn_out" and "mlp_out" [row, pos, d_model], what is added to the residual, and "z" [row, pos, head, d_head].
    """

    def __init__(self, model):
        config, weights = model.config, model.state_dict()
        gemma = config.model_type == "gemma3_text"
        if not gemma and config.model_type != "llama":
            raise ValueError(f"no forward is written for {config.model_type}")
        self.heads, self.kv_heads, self.width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.eps = config.rms_norm_eps
        self.window = config.sliding_window if gemma else None
        self.scale = (config.query_pre_attn_scalar if gemma else self.width) ** -0.5
        self.embed_scale = config.hidden_size**0.5 if gemma else 1.0
        self.activation = (lambda x: F.gelu(x, approximate="tanh")) if gemma else F.silu
        self.embed, self.unembed = weights["model.embed_tokens.weight"], weights["lm_head.weight"]
        # Gemma's file holds what is added to one.
        norm = lambda name: weights[name] + 1.0 if gemma else weights[name]
        self.norm = norm("model.norm.weight")
        self.layers, self.thetas = [], []
        for layer in range(config.num_hidden_layers):
            w = lambda name: weights[f"model.layers.{layer}.{name}.weight"]
            n = lambda name: norm(f"model.layers.{layer}.{name}.weight")
            block = {
                "ln1": n("input_layernorm"),
                "qkv": torch.cat([w(f"self_attn.{part}_proj") for part in "qkv"]),
                "out": w("self_attn.o_proj"),
                "ln2": n("pre_feedforward_layernorm" if gemma else "post_attention_layernorm"),
                "gate_up": torch.cat([w("mlp.gate_proj"), w("mlp.up_proj")]),
                "down": w("mlp.down_proj"),
            }
            if gemma:
                block |= {"q_norm": n("self_attn.q_norm"), "k_norm": n("self_attn.k_norm")}
                block |= {"ln1_post": n("post_attention_layernorm"), "ln2_post": n("post_feedforward_layernorm")}
            rope = config.rope_parameters[config.layer_types[layer]] if gemma else config.rope_parameters
            if rope["rope_type"] != "default":
                raise ValueError(f"no rotary scaling of type {rope['rope_type']} is written")
            self.layers.append(block)
            self.thetas.append(rope["rope_theta"])

    def normed(self, x, weight):
        return x if weight is None else F.rms_norm(x, weight.shape, weight, self.eps)

    def rotary(self, theta, length):
        frequencies = theta ** -(torch.arange(0, self.width, 2) / self.width)
        angles = torch.arange(length)[:, None] * frequencies
        return torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()

    @staticmethod
    def rotated(x, cos, sin):
        left, right = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-right, left], -1) * sin

    def __call__(self, tokens, edits=None):
        edits = edits or {}
        batch, length = tokens.shape
        if self.window is not None and length > self.window:
            raise ValueError(f"{length} tokens: no window is written, and the model's is {self.window}")
        edited = lambda site, value: edits[site, layer](value) if (site, layer) in edits else value
        tables = {theta: self.rotary(theta, length) for theta in set(self.thetas)}
        groups = [self.heads * self.width, self.kv_heads * self.width, self.kv_heads * self.width]
        x = self.embed[tokens]
        if self.embed_scale != 1.0:
            x = x * self.embed_scale
        for layer, (block, theta) in enumerate(zip(self.layers, self.thetas)):
            x = edited("resid_pre", x)
            parts = F.linear(self.normed(x, block["ln1"]), block["qkv"]).split(groups, -1)
            q, k, v = (part.view(batch, length, -1, self.width).transpose(1, 2) for part in parts)
            q, k = self.normed(q, block.get("q_norm")), self.normed(k, block.get("k_norm"))
            q, k = self.rotated(q, *tables[theta]), self.rotated(k, *tables[theta])
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale, enable_gqa=True)
            z = edited("z", z.transpose(1, 2)).reshape(batch, length, -1)
            x = x + edited("attn_out", self.normed(F.linear(z, block["out"]), block.get("ln1_post")))
            gate, up = F.linear(self.normed(x, block["ln2"]), block["gate_up"]).chunk(2, -1)
            mlp = F.linear(self.activation(gate) * up, block["down"])
            x = x + edited("mlp_out", self.normed(mlp, block.get("ln2_post")))
        return F.linear(self.normed(x[:, -1], self.norm), self.unembed)
