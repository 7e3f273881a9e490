#!/usr/bin/env python3
"""Makes tiny-ipd/: the model that mora carries inside itself.

A Gemma 2 of the grid that is studied most (26 layers, 8 query heads on 4 key/value heads) at a width of 64,
with random weights, and a tokenizer trained on texts about repeated games. It answers nonsense, but every
analysis runs on it in seconds.

Made with Python 3.11, torch 2.15.0, transformers 5.23.0, tokenizers 0.23.3, safetensors 0.8.0.

    python assets/make_tiny_ipd.py
"""

import json
import pathlib
import random

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM

HERE = pathlib.Path(__file__).parent
TARGET = HERE / "tiny-ipd"
PROMPTS = HERE.parent / "tests/fixtures/ipd_prompts.json"
SEED = 2026
VOCAB = 1152

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# A digit stands alone, as in Gemma's own vocabulary; letters and signs take the space before them along.
WORDS = r"[0-9]|▁?[A-Za-z]+|▁?[^A-Za-z0-9▁\s]+|▁+|\s+"

# As Gemma's: user and model take turns, and there is no system turn.
CHAT_TEMPLATE = """{{ bos_token }}
{%- if messages and messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

NAMES = [("action1", "action2"), ("action3", "action4"), ("A", "B"), ("X", "Y"), ("left", "right")]
NAMES += [("cooperate", "defect"), ("share", "keep"), ("stag", "hare"), ("swerve", "straight"), ("clean", "rest")]
GAMES = [  # CC, CD, DC, DD; own points first
    ((3, 3), (0, 4), (4, 0), (1, 1)),
    ((4, 4), (0, 3), (3, 0), (1, 1)),
    ((2, 2), (1, 4), (4, 1), (0, 0)),
    ((3, 2), (0, 0), (0, 0), (2, 3)),
    ((1, 1), (0, 0), (0, 0), (4, 4)),
    ((120, 120), (0, 180), (180, 0), (60, 60)),
    ((3, 3), (1, 4), (4, 1), (2, 2)),
]

# Words beyond the payoff table's: other wordings of the games, and plain English about them.
PROSE = """
You and a friend play a game again and again. If you both {c}, each of you gets {r} points. If you {d} while your
friend chooses to {c}, you get {t} and your friend gets {s}. If both of you {d}, each gets {p}. Last time you chose
{c} and your friend chose {d}. What do you do now?
You share a flat with someone. In the evening one of you may clean the kitchen, or leave it to the other. When both
clean, the rooms are bright and the work is light. When one cleans alone, that one is tired and the other rests. When
nobody does, the plates stay where they are. Yesterday you did your part and the other did nothing. Will you {c} or {d}?
This is the repeated prisoner's dilemma with its usual payoffs. Assume that temptation is worth more than reward,
reward more than punishment, and punishment more than being the sucker. Your opponent played {d} in the last round.
Answer with {c} or {d} only.
Choose {c} or {d}. Answer with one word and nothing else. We play a game together; say {c} or {d}. The other agent's last move
was {c}. Which move do you make? Please give your answer in exactly this format, without any explanation.
A player who cooperates after every kind move and answers a betrayal in kind plays tit for tat. A player who never
forgives a single betrayal plays a grim strategy. Some always defect, some always cooperate, and some toss a coin.
It would be wrong to betray somebody who has just helped you. A promise should be kept even when breaking it pays. What
counts is the sum of what both players receive. A fair person thinks about everyone's welfare, not only their own profit.
The first step is to look at the model. Every layer adds something to the stream, each head reads what came before, and
the last position decides. We compare the two answers by their probability. How large is the difference, and why?
I think that the best choice depends on what they will do next. She said he could not have known. There are many people
who believe this; others are not so sure. However, it is important to understand which action leads to a higher score
over a long time, because the same two agents will meet again tomorrow, next week, and maybe for years.
If the other agent trusts me, then both of us can gain more than if we fight. Should I take the risk? My decision is to
{c}. I will {d} this round. They played {d}, therefore I choose {d} as well. We were punished, exploited, tempted, trapped.
Stag hunt, chicken, battle of the sexes and a coordination game have different tables. Read the rows as your own moves and
the columns as those of the opponent; the first number in a cell is yours: "3,3", "0,4", "4,0", "1,1". Total: 100%.
Some words that occur in such texts: average, benefit, between, choice, conflict, consequence, cost, duty, equal,
ethics, evidence, experiment, future, harm, history, honest, human, interest, justice, language, learn, loss, moral, mutual,
network, norm, partner, past, penalty, principle, question, reason, regret, respect, response, result, reward, rule, selfish,
situation, society, training, trust, truth, useful, value, virtue, world. Don't, can't, it's, you're, they've, I'm, we'll.
"""


def corpus():
    """Texts of the kind that the model is shown, over names, payoffs and states; always in the same order."""
    how = json.loads(PROMPTS.read_text(encoding="utf-8"))["how"]
    chance = random.Random(SEED)
    for names in NAMES:
        for (r, r2), (s, t2), (t, s2), (p, p2) in GAMES:
            points = {"CC": (r, r2), "CD": (s, t2), "DC": (t, s2), "DD": (p, p2)}
            fields = {"c": names[0], "d": names[1], "r": r, "s": s, "t": t, "p": p, "tempted": t}
            for cell, (own, other) in points.items():
                fields |= {f"{cell.lower()}_own": own, f"{cell.lower()}_other": other}
            for variant in how["variants"]:
                own, other = chance.choice("CD"), chance.choice("CD")
                state = {"own": names[own == "D"], "other": names[other == "D"]}
                state["own_points"], state["other_points"] = points[own + other]
                parts = [variant["opening"], how["table"], variant["history"], variant["temptation"], variant["question"]]
                yield "\n\n".join(parts).format(**fields, **state)
            for paragraph in PROSE.strip().split("\n"):
                yield paragraph.format(**fields)
    yield from (f"{role}\n" for role in ("user", "model") for _ in range(50))


def make_tokenizer():
    """Gemma's kind: spaces as ▁, byte-pair merges, bytes for what the vocabulary lacks, <bos> in front."""
    normalizer = normalizers.Replace(" ", "▁")
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    learner = Tokenizer(models.BPE())
    learner.normalizer, learner.pre_tokenizer = normalizer, words
    alphabet = [chr(code) for code in range(32, 127) if chr(code) != " "] + ["▁", "\n", "\t"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - len(SPECIAL) - len(BYTES), initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    learner.train_from_iterator(corpus(), trainer)
    learned = json.loads(learner.to_str())["model"]
    pieces = SPECIAL + BYTES + sorted(learned["vocab"], key=learned["vocab"].get)
    assert len(pieces) == len(set(pieces)) == VOCAB, len(pieces)

    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: token for token, piece in enumerate(pieces)},
            merges=[tuple(merge) for merge in learned["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, words
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in SPECIAL])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", SPECIAL.index("<bos>"))]
    )
    return tokenizer


def make_model():
    config = Gemma2Config(
        vocab_size=VOCAB,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=26,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=4096,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
        max_position_embeddings=8192,
        bos_token_id=SPECIAL.index("<bos>"),
        eos_token_id=[SPECIAL.index("<eos>"), SPECIAL.index("<end_of_turn>")],
        pad_token_id=SPECIAL.index("<pad>"),
    )
    model = Gemma2ForCausalLM(config).to(torch.bfloat16)
    generator = torch.Generator().manual_seed(SEED)
    width = config.hidden_size**-0.5
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if path.endswith("embed_tokens.weight"):
                value = width * noise  # times √d_model: the residual stream starts at unit size
            elif path.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
                # Norm weights are stored less one. 52 parts of size 0.4 make a stream that triples over the
                # layers: none is lost in it and none takes it over.
                value = -0.6 + 0.1 * noise
            elif path == "model.norm.weight":
                value = 2.0 + 0.1 * noise  # logits with a spread of about 3
            elif parameter.dim() == 1:
                value = 0.1 * noise
            else:
                value = 1.5 * parameter.shape[1] ** -0.5 * noise  # scores with a spread of about 2
            parameter.copy_(value)
    return model


def save_json(name, value):
    (TARGET / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    TARGET.mkdir(exist_ok=True)
    model = make_model()
    model.save_pretrained(TARGET)
    (TARGET / "model.safetensors").chmod(0o644)
    make_tokenizer().save(str(TARGET / "tokenizer.json"))
    save_json(
        "tokenizer_config.json",
        {
            "add_bos_token": True,
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.config.max_position_embeddings,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "chat_template": CHAT_TEMPLATE,
        },
    )
    save_json(
        "generation_config.json",
        {
            "bos_token_id": model.config.bos_token_id,
            "eos_token_id": model.config.eos_token_id,
            "pad_token_id": model.config.pad_token_id,
        },
    )
    report()


def report():
    """Prints what shows that the model is usable: sizes, and how far prompts move the logits."""
    tokenizer = AutoTokenizer.from_pretrained(TARGET)
    model = Gemma2ForCausalLM.from_pretrained(TARGET, dtype=torch.float32, attn_implementation="eager").eval()
    last = []
    for prompt in json.loads(PROMPTS.read_text(encoding="utf-8"))["prompts"]:
        turn = [{"role": "user", "content": prompt["text"]}]
        text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        assert tokenizer.decode(tokens[0]) == text
        with torch.no_grad():
            output = model(tokens, output_hidden_states=True)
        last.append(output.logits[0, -1])
    sizes = [f"{state.square().mean().sqrt():.2f}" for state in output.hidden_states[::5]]
    last = torch.stack(last)
    print(f"{tokens.shape[1]} tokens in the last prompt: {tokenizer.tokenize(prompt['text'])[:24]}")
    print(f"residual at every fifth layer: {' '.join(sizes)}")
    print(f"spread of the last logits {last.std():.2f}, of one logit between prompts {last.std(0).mean():.2f}")
    print({file.name: file.stat().st_size for file in sorted(TARGET.iterdir())})


if __name__ == "__main__":
    main()
