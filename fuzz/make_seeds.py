"""Writes seeds/ and dictionaries/: small files of every kind that the targets read. Run in this folder; what it writes
is committed."""

import json
import pathlib
import re
import shutil
import struct

ROOT = pathlib.Path("..")
FIXTURES = ROOT / "tests/fixtures"
LARGEST = 4096


def seed(target, name, data):
    data = data.encode() if isinstance(data, str) else data
    assert len(data) < LARGEST, f"{target}/{name}: {len(data)} bytes"
    folder = pathlib.Path("seeds") / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def dictionary(target, words):
    def quoted(word):
        plain = lambda byte: 32 <= byte < 127 and byte not in b'"\\'
        return '"' + "".join(chr(b) if plain(b) else f"\\x{b:02x}" for b in word.encode()) + '"'

    pathlib.Path("dictionaries").mkdir(exist_ok=True)
    lines = sorted({quoted(word) for word in words if word})
    pathlib.Path(f"dictionaries/{target}.dict").write_text("\n".join(lines) + "\n")


def floats(count, value=0.25):
    return struct.pack(f"<{count}f", *[value] * count)


def size_of(shape):
    product = 1
    for size in shape:
        product *= size
    return product


# The Llama of src/llama.rs, and a GPT-2 of the same size.
LLAMA = {
    "model.embed_tokens.weight": [8, 4],
    "model.norm.weight": [4],
    "model.layers.0.input_layernorm.weight": [4],
    "model.layers.0.post_attention_layernorm.weight": [4],
    "model.layers.0.self_attn.q_proj.weight": [4, 4],
    "model.layers.0.self_attn.k_proj.weight": [4, 4],
    "model.layers.0.self_attn.v_proj.weight": [4, 4],
    "model.layers.0.self_attn.o_proj.weight": [4, 4],
    "model.layers.0.mlp.gate_proj.weight": [8, 4],
    "model.layers.0.mlp.up_proj.weight": [8, 4],
    "model.layers.0.mlp.down_proj.weight": [4, 8],
}


def safetensors(tensors, dtype="F32", width=4, metadata=None):
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in tensors.items():
        end = at + width * size_of(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def safetensors_seeds():
    seed("safetensors", "model", safetensors(LLAMA))
    seed("safetensors", "model_bf16", safetensors(LLAMA, "BF16", 2))
    seed("safetensors", "model_f64", safetensors(LLAMA, "F64", 8))
    axes = json.dumps({"x": ["pos", "d"]})
    seed("safetensors", "named", safetensors({"x": [2, 3], "none": [0, 3]}, metadata={"axes": axes, "format": "pt"}))
    seed("safetensors", "integers", safetensors({"i": [2]}, "I64", 8))
    seed("safetensors", "index", json.dumps({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}))
    words = ["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "dtype", "shape", "data_offsets", "axes"]
    dictionary("safetensors", words + ["__metadata__", "weight_map", *LLAMA])


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


class Gguf:
    def __init__(self):
        self.keys, self.tensors, self.data = [], [], b""

    def key(self, name, kind, value):
        self.keys.append(text(name) + struct.pack("<I", kind) + value)

    def number(self, name, value):
        self.key(name, 4, struct.pack("<I", value))

    def text(self, name, value):
        self.key(name, 8, text(value))

    def list(self, name, kind, values):
        self.key(name, 9, struct.pack("<IQ", kind, len(values)) + b"".join(values))

    def tensor(self, name, shape, kind=0, data=None):
        dims = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        self.tensors.append(text(name) + dims + struct.pack("<IQ", kind, len(self.data)))
        self.data += floats(size_of(shape)) if data is None else data
        self.data += bytes(-len(self.data) % 32)

    def bytes(self):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.keys))
        head += b"".join(self.keys) + b"".join(self.tensors)
        return head + bytes(-len(head) % 32) + self.data


def gguf_llama(vocabulary="gpt2", tokens=("a", "b", "ab", "c", "d", "<s>", "</s>", "g"), family="llama"):
    file = Gguf()
    file.text("general.architecture", family)
    sizes = {"block_count": 1, "context_length": 16, "embedding_length": 4, "feed_forward_length": 8}
    for name, value in {**sizes, "attention.head_count": 1}.items():
        file.number(f"{family}.{name}", value)
    file.key(f"{family}.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5))
    file.text("tokenizer.ggml.model", vocabulary)
    file.list("tokenizer.ggml.tokens", 8, [text(token) for token in tokens])
    if vocabulary == "gpt2":
        file.list("tokenizer.ggml.merges", 8, [text("a b")])
        file.text("tokenizer.ggml.pre", "llama-bpe")
    else:
        file.list("tokenizer.ggml.scores", 6, [struct.pack("<f", -float(i)) for i in range(len(tokens))])
        kinds = [3 if token.startswith("<") else 1 for token in tokens]
        file.list("tokenizer.ggml.token_type", 5, [struct.pack("<i", kind) for kind in kinds])
    file.number("tokenizer.ggml.bos_token_id", 5)
    file.number("tokenizer.ggml.eos_token_id", 6)
    file.key("tokenizer.ggml.add_bos_token", 7, b"\1")
    file.text("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}")
    for name, shape in LLAMA.items():
        for old, new in [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("model.layers.0.", "blk.0."),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.o_proj", "attn_output"),
            ("self_attn.", "attn_"),
            ("mlp.", "ffn_"),
            ("_proj", ""),
        ]:
            name = name.replace(old, new)
        file.tensor(name, shape)
    return file


def gguf_seeds():
    seed("gguf", "byte_level", gguf_llama().bytes())
    pieces = ("<unk>", "▁", "a", "ab", "b", "<s>", "</s>", "▁ab")
    seed("gguf", "sentence_piece", gguf_llama("llama", pieces).bytes())
    seed("gguf", "qwen2", gguf_llama(family="qwen2").bytes())
    quantised = gguf_llama()
    for kind, block in [(2, 18), (3, 20), (6, 22), (7, 24), (8, 34)]:
        quantised.tensor(f"extra.{kind}", [32], kind, bytes(block))
    quantised.tensor("rope_freqs.weight", [2])
    seed("gguf", "quantised", quantised.bytes())
    scaled = gguf_llama()
    scaled.text("llama.rope.scaling.type", "linear")
    scaled.key("llama.rope.scaling.factor", 6, struct.pack("<f", 4.0))
    scaled.key("llama.rope.freq_base", 6, struct.pack("<f", 500000.0))
    scaled.number("llama.attention.sliding_window", 4)
    scaled.number("llama.attention.head_count_kv", 1)
    scaled.number("general.alignment", 32)
    seed("gguf", "scaled", scaled.bytes())
    sources = [ROOT / "src/model/config/gguf.rs", ROOT / "src/model/tokenizer/gguf.rs", ROOT / "src/model/weights/names.rs"]
    words = {word for source in sources for word in re.findall(r'"([a-z0-9_.#-]{3,60})"', source.read_text())}
    families = ["gemma", "gemma2", "gemma3", "llama", "qwen2", "qwen3"]
    keys = [word for word in words if "." in word]
    dictionary("gguf", words | {f"{family}.{key}" for family in ["llama", "gemma3"] for key in keys} | set(families))


def small(config):
    """The same configuration with so few weights that a forward of them is quick."""
    sizes = {"hidden_size": 8, "n_embd": 8, "num_attention_heads": 2, "n_head": 2, "num_key_value_heads": 1, "head_dim": 4,
             "intermediate_size": 8, "n_inner": 8, "num_hidden_layers": 2, "n_layer": 2, "vocab_size": 8,
             "max_position_embeddings": 16, "n_positions": 16}
    for name, size in sizes.items():
        if name in config:
            config[name] = size
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][1:3]
    for name in ["transformers_version", "architectures", "initializer_range", "dtype", "use_cache"]:
        config.pop(name, None)
    return config


def config_seeds():
    words = set()
    for folder in sorted((FIXTURES / "families").iterdir()):
        for file in sorted(folder.glob("config*.json")):
            config = small(json.loads(file.read_text()))
            words |= set(config) | {value for value in config.values() if isinstance(value, str)}
            if folder.name not in ["gpt2_hub", "llama_sharded"]:
                seed("config", f"{folder.name}_{file.stem}", json.dumps(config))
    for file in (ROOT / "src/model/config/hf").glob("*.rs"):
        words |= set(re.findall(r'"([a-z0-9_-]{3,60})"', file.read_text()))
    dictionary("config", words)


def tokenizer_seeds():
    file = json.loads((ROOT / "assets/tiny-ipd/tokenizer.json").read_text())
    vocab = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", "a", "b", "▁a", "ab", "<0x0A>", "<0xC3>", "<0xA9>"]
    file["model"]["vocab"] = {token: i for i, token in enumerate(vocab)}
    file["model"]["merges"] = [["▁", "a"], ["a", "b"]]
    file["added_tokens"] = [token for token in file["added_tokens"] if token["id"] < 4]
    seed("tokenizer", "bpe", json.dumps(file, ensure_ascii=False) + "\0a ab\n é")

    def whole(model, normalizer=None, before=None, after=None, decoder=None, text="ab b"):
        parts = {"version": "1.0", "added_tokens": [], "normalizer": normalizer, "pre_tokenizer": before,
                 "post_processor": after, "decoder": decoder, "model": model}
        return json.dumps(parts) + "\0" + text

    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    merged = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"], "dropout": 0.5,
              "end_of_word_suffix": "", "continuing_subword_prefix": ""}
    seed("tokenizer", "byte_level", whole(merged, {"type": "NFKC"}, level, level, level))
    unigram = {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["ab", -1.5]]}
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    steps = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "NFD"},
             {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "a"}]}
    seed("tokenizer", "unigram", whole(unigram, steps, space, None, space))
    piece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
             "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "[CLS]": 3, "[SEP]": 4}}
    bert = {"type": "BertProcessing", "sep": ["[SEP]", 4], "cls": ["[CLS]", 3]}
    seed("tokenizer", "word_piece", whole(piece, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
         "strip_accents": None, "lowercase": True}, {"type": "BertPreTokenizer"}, bert, {"type": "WordPiece", "prefix": "##", "cleanup": True}))
    level_of_words = {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "b": 1}}
    split = [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Whitespace"},
             {"type": "CharDelimiterSplit", "delimiter": "x"}, {"type": "UnicodeScripts"}, {"type": "FixedLength", "length": 2}]
    roberta = {"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0], "trim_offsets": True, "add_prefix_space": False}
    ctc = {"type": "Sequence", "decoders": [{"type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": True},
           {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]}
    seed("tokenizer", "words", whole(level_of_words, None, {"type": "Sequence", "pretokenizers": split}, roberta, ctc))
    names = set(re.findall(r'"([A-Za-z_]{3,40})"', "".join(p.read_text() for p in pathlib.Path("seeds/tokenizer").iterdir())))
    more = ["MergedWithPrevious", "MergedWithNext", "Contiguous", "Removed", "Precompiled", "precompiled_charsmap", "Nmt",
            "Regex", "String", "max_length", "truncation", "padding", "stride", "pad_to_multiple_of", "Fixed", "\\p{L}+", "(?!\\S)"]
    dictionary("tokenizer", names | set(more))


def chat_seeds():
    config = json.loads((ROOT / "assets/tiny-ipd/tokenizer_config.json").read_text())
    seed("chat_template", "gemma", config["chat_template"])
    seed("chat_template", "blocks", "{%- set ns = namespace(n=0) -%}{% macro f(x) %}{{ x|upper }}{% endmacro %}\n"
         "{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{{ f(m['content']) }}{{ loop.index }}"
         "{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ ns.n }}")
    seed("chat_template", "filters", "{{ messages | tojson(indent=2) }}{{ messages|map(attribute='role')|join(',') }}"
         "{{ strftime_now('%Y-%m-%d') }}{{ messages[1:]|length }}{{ 'a%sb'|format(1) }}{{ [3,1]|sort|first }}{{ range(3)|list }}")
    seed("chat_template", "generation", "{% for m in messages %}{% generation %}{{ m.content.strip().split(' ')[-1] }}"
         "{% endgeneration %}{% endfor %}{% if tools is defined and tools %}{{ raise_exception('no') }}{% endif %}")
    seed("chat_template", "python", "{% for k, v in messages[0].items() %}{{ k.title() }}={{ v.replace('a', 'b').startswith('x') }}"
         "{% endfor %}{{ '-' * 3 }}{{ [1] + [2] }}{{ {'a': 1}.get('a') }}{{ 7 // 2 }}{{ 2 ** 3 }}{{ 'x' ~ 1 }}")
    words = ("for in if elif else endif endfor set endset macro endmacro call endcall filter endfilter block endblock "
             "include import from with endwith raw endraw autoescape endautoescape do break continue generation endgeneration "
             "messages role content loop index0 length first last previtem nextitem cycle namespace range dict lipsum cycler joiner "
             "tojson indent upper lower title trim join replace default map select reject selectattr rejectattr sort unique reverse "
             "batch slice sum min max items dictsort list string int float abs round format escape safe urlencode pprint attr "
             "groupby split lines bool chain zip is defined none iterable mapping sequence number divisibleby startingwith "
             "raise_exception strftime_now add_generation_prompt bos_token tools documents debug caller super self varargs kwargs "
             "strip lstrip rstrip splitlines startswith endswith find count zfill center isdigit capitalize keys values get").split()
    dictionary("chat_template", words + ["{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "%Y-%m-%d", "//", "**", "~", "[::-1]"])


def adapter_seeds():
    words = set()
    for folder in sorted((FIXTURES / "lora").iterdir()):
        file = folder / "adapter_config.json"
        if folder.name.startswith("tiny") or not file.exists():
            continue
        config = json.loads(file.read_text())
        words |= set(config)
        config = {key: value for key, value in config.items() if value not in [None, False] and key != "peft_version"}
        if folder.name in ["llama", "llama_dora", "mistral_regex", "qwen2_patterns", "qwen3_layers", "gemma3_rslora"]:
            config.update(r=2, base_model_name_or_path="x")
            seed("adapter", folder.name, json.dumps(config))
    plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    seed("adapter", "plain", json.dumps(plain))
    module = "base_model.model.model.layers.0.self_attn.q_proj."
    halves = {module + "lora_A.weight": [1, 4], module + "lora_B.weight": [4, 1]}
    own = {**plain, "r": 1, "target_modules": "q_proj"}
    seed("adapter", "own_weights", json.dumps({**own, "target_modules": ["q_proj"]}).encode() + b"\0" + safetensors(halves))
    dora = {**halves, module + "lora_magnitude_vector": [4]}
    seed("adapter", "own_dora", json.dumps({**own, "use_dora": True, "target_modules": ".*q_proj"}).encode() + b"\0" + safetensors(dora))
    for file in (ROOT / "src/lora").glob("*.rs"):
        words |= set(re.findall(r'"([a-zA-Z0-9_-]{3,60})"', file.read_text()))
    dictionary("adapter", words | {"q_proj", "down_proj", "all-linear", ".*\\.", "(?!", "(?<=", "\\\\d+", "{0,99}", "base_model.model."})


def site_seeds():
    for number, name in enumerate(["blocks.0.hook_resid_post", "blocks.*.attn.hook_z", "*.hook_mlp_out", "L0_MLP", "L0-L3_ATTN",
                                   "self_attn.?_proj", "blocks.[0-9].**", "ln_final.hook_scale"]):
        seed("site_glob", str(number), name)
    names = re.findall(r'"((?:hook_|ln|attn\.|mlp\.)[a-z0-9_.]+)"', (ROOT / "src/model/site.rs").read_text())
    dictionary("site_glob", names + ["blocks.", "*", "**", "?", "[!", "]", "_MLP", "_ATTN", "L0", "-L"])


def script_seeds():
    chosen = ["tensor_index", "tensor_create", "tensor_reduce", "tensor_files", "frame_build", "frame_groups", "frame_rows",
              "closures_of_modules", "generators", "settings", "errors_caught", "stats_effects", "tensor_arithmetic"]
    for name in chosen:
        seed("script", name, (ROOT / f"tests/scripts/{name}.rhai").read_text())
    for name in ["integer_overflow", "trace_through_functions", "reserved_word", "variable_out_of_reach", "unknown_option"]:
        seed("script", f"error_{name}", (ROOT / f"tests/errors/{name}.rhai").read_text())
    seed("script", "language", "let a = [3, 1.5, 'c', \"s\", (), true]; const B = #{ x: 0xff, y: 1e3 };\n"
         "fn f(x) { if x > 3 { return x; } f(x + 1) }\nfor (i, n) in 0..3 { a.push(f(i)); }\n"
         "let s = switch a.len() { 1..5 => `${a[0]}`, _ if true => \"é\".pad(9, '-'), _ => () };\n"
         "do { a.pop(); } until a.is_empty();\nlet g = |v| v * 2; let h = Fn(\"f\").curry(2);\nprint(s + h.call() + g.call(1));\n"
         "let b = blob(4, 7); b[1] = 255; print(b.parse_le_int(0, 2)); print(timestamp().elapsed < 9.0);\n"
         "try { throw B.x << 3; } catch (e) { print(e in [1, 2]); }\nlet o = B.z ?? 5; print([1, 2, 3].map(|q| q ** 2).sort());\n"
         "import \"games\" as games; sleep(0.0); print(parse_json(`{\"a\": [1]}`).a.to_json());")
    reference = "".join(file.read_text() for file in sorted((ROOT / "docs/reference").glob("*.md")))
    names = {f"{name}(" for name in re.findall(r"^(?:[A-Z][A-Za-z]*\.)?([a-z_0-9]+)\(", reference, re.M)}
    words = ("let const if else switch while loop for in do until continue break fn private is_def_fn return throw try catch "
             "import export as global Fn call curry type_of print debug eval this is_shared "
             "pad insert splice drain retain extract split_rev chop truncate dedup index_of reduce reduce_rev zip sort sort_by order "
             "order_desc blob parse_le_float write_utf8 bits get_bits timestamp sleep to_int parse_int range step_by "
             "sub_string crop replace remove to_json parse_json exp log sqrt hypot floor to_binary").split()
    signs = ["=>", "..=", "?.", "?[", "??", "**", "<<=", "#{", "${", "||", "|x|", "/*", "*/", "///", "0x", "0b1", "-9223372036854775808",
             "9223372036854775807", "1e308", "'\\u{10FFFF}'", "`"]
    dictionary("script", names | set(words) | set(signs))


def option_seeds():
    calls = pathlib.Path("calls.txt").read_text().splitlines()

    def call(start, **options):
        number = next(i for i, line in enumerate(calls) if line.startswith(start))
        name = re.sub(r"[^a-z_]", "", start.split("(")[0].replace(".", "_"))
        seed("script_options", f"{name}_{number}", bytes([number]) + json.dumps(options).encode())

    call("table.bar($).to_svg", x="name", y="y", top=2, title="t", sign_colors=True, width=300, height=200)
    call("table.line($).to_svg", x="x", y="y", group="yes", error="z", marks=[1.0])
    call("table.scatter($)", x="x", y="y", label="name", diagonal=True, x_label="é")
    call("table.circuit($)", value="y", top=2, layers=2, heads=2, limits=[-1.0, 1.0])
    call("table.heatmap($)", x="x", y="z", value="y", scale="sequential", show_values=True)
    call("matrix.heatmap($)", row_labels=["a", "b", "c", "d"], column_labels=["x", "y", "z"])
    call("grid([figure, figure, figure]", columns=2, share=True, title="")
    call("table.group_by(\"z\"", y=["mean", "q0.9", "std"], x="count")
    call("table.pivot", index="x", columns="yes", values="y", stat="sum")
    call("table.unpivot", index="name", values=["x", "y"], names_to="n", values_to="v")
    call("table.join", how="left", suffix="_r")
    call("table.text", rows=2, width=20)
    call("table.sort", descending=True)
    call("frame($)", a=[1, 2], b="x", c=[1.5, None])
    call("adapter.norms", by="layer", kind="spectral")
    call("model.patch_sweep", source="$other", metric="$diff", components="heads+mlp", positions="last", layers=[0, 1], two_way=True)
    call("model.patch_sweep", source="zero", metric="$diff", components=["L0_MLP", "L1H0"], engine="naive")
    call("model.find_circuit", source="$other", metric="$diff", max=2, rerank=False, direction="ablate_out")
    call("model.generate", max_new_tokens=3, temperature=0.7, top_k=5, top_p=0.9, seed=3, stop=[])
    call("model.sample_tokens", max_new_tokens=2, temperature=1.0, stop=[])
    call("model.run_with_cache", sites=["*.hook_z"], positions=[0, -1], stop_at_layer=1)
    call("model.logit_attribution", heads=False, neurons=[0], positions="all", own_norm=True)
    call("model.attention(\"a b c\", #{", queries=[0, 1])
    call("model.lens_tokens", positions="all", top=3)
    call("model.lora", rank=2, alpha=8, dropout=0.1, targets=["q_proj"], layers=[1], parts="L1_MLP")
    call("tuned.trainer($).step", lr=0.01, optimizer="adamw", schedule="cosine", steps=10, warmup=2, clip_norm=1.0)
    call("tuned.ppo($).step", lr=0.001, epochs=2, minibatch=1, kl=0.1, gamma=0.9)
    call("tuned.grpo($).step", lr=0.001, epochs=2, clip=0.1, beta=0.1)
    call("new_model($", model_type="gemma2", hidden_size=8, num_attention_heads=2, head_dim=4, num_key_value_heads=1,
         intermediate_size=8, num_hidden_layers=1, vocab_size=364)
    call("learn_tokenizer", vocab_size=380, min_frequency=1, chat_template="{{ messages }}")
    call("binomial_test", probability=0.3, alternative="less", interval="wilson", confidence=0.9)
    call("bootstrap_interval", statistic="median", resamples=200, method="percentile", seed=1)
    call("bootstrap_pairs", statistic="spearman", resamples=100)
    call("permutation_test", statistic="mean", resamples=500, alternative="greater")
    call("k_means", seed=1, starts=3, max_iterations=10)
    call("pca", components=2, centre=True)
    call("logistic_regression", penalty=0.5)
    call("tensor([[1", dtype="i64", names=["a", "b"])
    call("matrix.sort", descending=True)
    words = set()
    for file in (ROOT / "src/script/bind").rglob("*.rs"):
        words |= set(re.findall(r'"([a-zA-Z0-9_.+-]{2,40})"', file.read_text()))
    dictionary("script_options", words | {"$xs", "$model", "$other", "$diff", "$table", "$matrix", "$same", "$ends", "1e308", "-1", "9223372036854775807"})


shutil.rmtree("seeds", ignore_errors=True)
shutil.rmtree("dictionaries", ignore_errors=True)
for make in [safetensors_seeds, gguf_seeds, config_seeds, tokenizer_seeds, chat_seeds, adapter_seeds, site_seeds, script_seeds, option_seeds]:
    make()
