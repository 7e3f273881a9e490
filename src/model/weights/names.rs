//! What each family's files call the weights, and how they lay them out: all of it data.

use super::arrange::Arrange;

/// The names of one kind of file.
pub struct Naming {
    /// What may stand before every name but the unembedding's; the first that fits is taken.
    pub prefixes: &'static [&'static str],
    /// Names outside the layers. Several names for one weight are tried in order.
    pub outer: &'static [Name],
    /// What stands before a name inside a layer, with `#` for the layer's number.
    pub layer: &'static str,
    /// Names inside a layer.
    pub inner: &'static [Name],
    /// Tensors that a decoder does not need: a name with one of these endings…
    pub ignored_endings: &'static [&'static str],
    /// …or one of these beginnings.
    pub ignored_beginnings: &'static [&'static str],
    /// Added to every norm's weight while loading.
    pub norm_shift: f32,
}

/// One weight: its canonical stem, its stem in the file, and the file's layout. `.weight` and
/// `.bias` follow both stems.
pub struct Name {
    /// Canonical stem, as in `ArchConfig::tensors`.
    pub canonical: &'static str,
    /// Stem in the file.
    pub stored: &'static str,
    /// How the file lays it out.
    pub arrange: Arrange,
    /// The family's prefix does not stand before it.
    pub bare: bool,
    /// It is a norm's weight, subject to `norm_shift`.
    pub norm: bool,
}

const fn plain(canonical: &'static str, stored: &'static str) -> Name {
    arranged(canonical, stored, Arrange::AsIs)
}

const fn arranged(canonical: &'static str, stored: &'static str, arrange: Arrange) -> Name {
    Name { canonical, stored, arrange, bare: false, norm: false }
}

const fn norm(canonical: &'static str, stored: &'static str) -> Name {
    Name { canonical, stored, arrange: Arrange::AsIs, bare: false, norm: true }
}

const fn bare(canonical: &'static str, stored: &'static str) -> Name {
    Name { canonical, stored, arrange: Arrange::AsIs, bare: true, norm: false }
}

/// The names that a family's safetensors use.
pub fn hugging_face(family: &str) -> &'static Naming {
    match family {
        "gemma2" | "gemma3" => &GEMMA2,
        "gpt2" => &GPT2,
        "gpt_neox" => &GPT_NEOX,
        _ => &LLAMA,
    }
}

/// The names that a family's GGUF files use.
pub fn gguf(family: &str) -> &'static Naming {
    match family {
        "llama" => &GGUF_LLAMA,
        "gemma" => &GGUF_GEMMA,
        "gemma2" | "gemma3" => &GGUF_GEMMA2,
        _ => &GGUF_QWEN,
    }
}

/// Prefixes of a whole model, a bare decoder, and the decoder inside a model of text and images.
const DECODER: &[&str] = &["model.", "", "language_model.model.", "model.language_model."];
const HF_OUTER: &[Name] = &[
    plain("embed", "embed_tokens"),
    norm("ln_final", "norm"),
    bare("unembed", "lm_head"),
    bare("unembed", "language_model.lm_head"),
];
/// The parts of a model of text and images that see images.
const VISION: &[&str] =
    &["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."];
const ROTARY_TABLE: &[&str] = &["rotary_emb.inv_freq"];

macro_rules! projections {
    ($($more:expr),* $(,)?) => {
        &[
            plain("attn.q", "self_attn.q_proj"),
            plain("attn.k", "self_attn.k_proj"),
            plain("attn.v", "self_attn.v_proj"),
            plain("attn.o", "self_attn.o_proj"),
            norm("attn.q_norm", "self_attn.q_norm"),
            norm("attn.k_norm", "self_attn.k_norm"),
            plain("mlp.gate", "mlp.gate_proj"),
            plain("mlp.up", "mlp.up_proj"),
            plain("mlp.down", "mlp.down_proj"),
            norm("ln1", "input_layernorm"),
            $($more),*
        ]
    };
}

/// Llama, Mistral, Qwen and the first Gemma.
const HF_NAMING: Naming = Naming {
    prefixes: DECODER,
    outer: HF_OUTER,
    layer: "layers.#.",
    inner: projections![norm("ln2", "post_attention_layernorm")],
    ignored_endings: ROTARY_TABLE,
    ignored_beginnings: &[],
    norm_shift: 0.0,
};

static LLAMA: Naming = HF_NAMING;

static GEMMA2: Naming = Naming {
    inner: projections![
        norm("ln1_post", "post_attention_layernorm"),
        norm("ln2", "pre_feedforward_layernorm"),
        norm("ln2_post", "post_feedforward_layernorm"),
    ],
    ignored_beginnings: VISION,
    ..HF_NAMING
};

static GPT2: Naming = Naming {
    prefixes: &["transformer.", ""],
    outer: &[
        plain("embed", "wte"),
        plain("pos_embed", "wpe"),
        norm("ln_final", "ln_f"),
        bare("unembed", "lm_head"),
    ],
    layer: "h.#.",
    inner: &[
        norm("ln1", "ln_1"),
        norm("ln2", "ln_2"),
        arranged("attn.q", "attn.c_attn", Arrange::TransposedThird(0)),
        arranged("attn.k", "attn.c_attn", Arrange::TransposedThird(1)),
        arranged("attn.v", "attn.c_attn", Arrange::TransposedThird(2)),
        arranged("attn.o", "attn.c_proj", Arrange::Transposed),
        arranged("mlp.up", "mlp.c_fc", Arrange::Transposed),
        arranged("mlp.down", "mlp.c_proj", Arrange::Transposed),
    ],
    // Causal masks that early versions stored.
    ignored_endings: &["attn.bias", "attn.masked_bias"],
    ignored_beginnings: &[],
    norm_shift: 0.0,
};

static GPT_NEOX: Naming = Naming {
    prefixes: &["gpt_neox.", ""],
    outer: &[
        plain("embed", "embed_in"),
        norm("ln_final", "final_layer_norm"),
        bare("unembed", "embed_out"),
        bare("unembed", "lm_head"),
    ],
    layer: "layers.#.",
    inner: &[
        norm("ln1", "input_layernorm"),
        norm("ln2", "post_attention_layernorm"),
        arranged("attn.q", "attention.query_key_value", Arrange::HeadThird(0)),
        arranged("attn.k", "attention.query_key_value", Arrange::HeadThird(1)),
        arranged("attn.v", "attention.query_key_value", Arrange::HeadThird(2)),
        plain("attn.o", "attention.dense"),
        plain("mlp.up", "mlp.dense_h_to_4h"),
        plain("mlp.down", "mlp.dense_4h_to_h"),
    ],
    ignored_endings: &["attention.bias", "attention.masked_bias", "rotary_emb.inv_freq"],
    ignored_beginnings: &[],
    norm_shift: 0.0,
};

const GGUF_OUTER: &[Name] =
    &[plain("embed", "token_embd"), norm("ln_final", "output_norm"), bare("unembed", "output")];

macro_rules! gguf_inner {
    ($rotated:expr, $($more:expr),* $(,)?) => {
        &[
            arranged("attn.q", "attn_q", $rotated),
            arranged("attn.k", "attn_k", $rotated),
            plain("attn.v", "attn_v"),
            plain("attn.o", "attn_output"),
            norm("attn.q_norm", "attn_q_norm"),
            norm("attn.k_norm", "attn_k_norm"),
            plain("mlp.gate", "ffn_gate"),
            plain("mlp.up", "ffn_up"),
            plain("mlp.down", "ffn_down"),
            norm("ln1", "attn_norm"),
            norm("ln2", "ffn_norm"),
            $($more),*
        ]
    };
}

const GGUF_NAMING: Naming = Naming {
    prefixes: &[""],
    outer: GGUF_OUTER,
    layer: "blk.#.",
    inner: gguf_inner![Arrange::AsIs,],
    ignored_endings: &[],
    ignored_beginnings: &[],
    norm_shift: 0.0,
};

static GGUF_QWEN: Naming = GGUF_NAMING;

/// Query and key rows lie in the order of interleaved rotation.
static GGUF_LLAMA: Naming = Naming {
    inner: gguf_inner![Arrange::Interleaved,],
    // Read into the config's rope scaling.
    ignored_endings: &["rope_freqs.weight"],
    ..GGUF_NAMING
};

/// The writer of Gemma's GGUF files adds 1 to every norm's weight.
static GGUF_GEMMA: Naming = Naming { norm_shift: -1.0, ..GGUF_NAMING };

static GGUF_GEMMA2: Naming = Naming {
    inner: gguf_inner![
        Arrange::AsIs,
        norm("ln1_post", "post_attention_norm"),
        norm("ln2_post", "post_ffw_norm"),
    ],
    norm_shift: -1.0,
    ..GGUF_NAMING
};
