#!/usr/bin/env python3
"""Times training steps of SmolLM2-135M with LoRA in peft and PyTorch: the peers of mora's training bench.

float32, CPU, the rows of training.json:

  supervised  forward, backward and update; logits at the counted tokens alone
  ppo         reference forward (adapter off), rollout forward with values, then epochs of forward, backward, update

Attention is SDPA, the optimisers are fused, the unembedding runs only at the positions that are needed.

    scripts/fetch_test_models.sh
    python benches/peers/training.py [--threads 2] [--repeats 5] [--works NAME …] [--save-adapter DIR] [--json FILE]

Prints a table. "busy" is a step's processor time over wall time × threads: far below one, other processes had the cores
and the seconds mean nothing; so does a rate of products below what the machine reaches when it is quiet. The JSON has,
beside the times, every step's loss (the first step's, which warms up, included) or statistics for mora's bench to
compare; --save-adapter keeps the adapter that each work begins with. Memory is that of the process: after the model and
the adapter are there, and at its highest until the last step's end (Linux only).
"""

import argparse
import ctypes
import gc
import importlib.metadata
import json
import math
import pathlib
import statistics
import sys
import time

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from common import GGUF, ROOT, cut, load, prompts_of, spread, timed, write_json
from sweep import matmul_rates

sys.path.insert(0, str(ROOT / "tests/fixtures"))
import ppo_reference as ppo  # noqa: E402

INPUT = json.loads((ROOT / "benches/peers/training.json").read_text())
PACKAGES = ("torch", "transformers", "peft")


class Memory:
    """Resident MiB of this process; the highest since the object was made, once what is free has been given back."""

    def __init__(self):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
        self.loaded = self.of("VmRSS")

    @staticmethod
    def of(field):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))

    def report(self):
        peak = self.of("VmHWM")
        return {"loaded_mib": self.loaded, "peak_mib": peak, "above_mib": peak - self.loaded}


def hidden_at(model, tokens, positions):
    """Last hidden states after the final norm [row, position, d_model]; the adapter sits in the base's layers."""
    return model.get_base_model().model(tokens, use_cache=False).last_hidden_state[:, positions]


def logits_of(model, hidden):
    return model.get_base_model().lm_head(hidden)


class Supervised:
    def __init__(self, model, rows):
        self.model, self.tokens = model, rows
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=INPUT["supervised_lr"], weight_decay=0.01, fused=True)

    def step(self):
        """The mean of −log p over the last counted tokens, before the update."""
        counted = INPUT["counted"]
        logits = logits_of(self.model, hidden_at(self.model, self.tokens, slice(-counted - 1, -1)))
        loss = -ppo.log_softmax_at(logits, self.tokens[:, -counted:]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Ppo:
    def __init__(self, model, rows):
        self.model = model
        self.responses, self.scores = torch.tensor(INPUT["responses"]), torch.tensor(INPUT["scores"])
        self.tokens = torch.cat([rows, self.responses], 1)
        self.mask, self.beta = torch.ones_like(self.responses).float(), INPUT["kl_coef"]
        self.head = torch.nn.Linear(model.config.hidden_size, 1)
        with torch.no_grad():
            form = INPUT["value_head"]
            self.head.weight.copy_(form["weight_cosine"] * torch.arange(model.config.hidden_size).double().cos()[None])
            self.head.bias.fill_(form["bias"])
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam([*trained, *self.head.parameters()], lr=INPUT["ppo_lr"], fused=True)
        self.seconds = []

    def forward(self, values=True):
        """log π and logits of the responses, and the values of the states before their tokens."""
        hidden = hidden_at(self.model, self.tokens, slice(-self.responses.shape[1] - 1, -1))
        logits = logits_of(self.model, hidden)
        return ppo.log_softmax_at(logits, self.responses), logits, self.head(hidden)[..., 0] if values else None

    def rollout(self):
        with torch.no_grad():
            with self.model.disable_adapter():
                ref_logp, _, _ = self.forward(values=False)
            logp, _, values = self.forward()
            rewards = ppo.token_rewards(self.scores, logp, ref_logp, self.mask, self.beta)
            advantages, returns = ppo.advantages_and_returns(rewards, values, self.mask)
            return logp, ref_logp, values, ppo.whitened(advantages, self.mask), returns

    def update(self, logp, values, advantages, returns):
        loss, stats = ppo.minibatch_loss(logp, values, advantages, returns, self.mask, *self.forward())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return stats

    def step(self):
        """The statistics of one step."""
        (logp, ref_logp, values, advantages, returns), rollout = timed(self.rollout)
        updates, epochs = timed(lambda: [self.update(logp, values, advantages, returns) for _ in range(INPUT["epochs"])])
        self.seconds.append((rollout, epochs))
        stats = ppo.step_statistics(self.scores, logp, ref_logp, self.mask, self.beta, updates)
        self.beta = ppo.update_kl_coefficient(self.beta, stats["objective/kl"], len(self.scores))
        return stats


WORKS = {"supervised": Supervised, "ppo": Ppo}


def run_work(name, model, start, rows, repeats):
    set_peft_model_state_dict(model, start)
    memory = Memory()
    work = WORKS[name](model, rows)
    steps, times, shares = [], [], []
    for _ in range(repeats + 1):
        before = time.process_time()
        step, seconds = timed(work.step)
        steps.append(step)
        times.append(seconds)
        shares.append((time.process_time() - before) / (seconds * torch.get_num_threads()))
    report = {"seconds": spread(times[1:]), "memory": memory.report(), "steps": steps}
    report["busy"] = statistics.median(shares[1:])
    if name == "ppo":
        rollout, epochs = zip(*work.seconds[1:])
        report |= {"rollout_seconds": spread(rollout), "epochs_seconds": spread(epochs)}
    bad = [step for step in steps if not math.isfinite(step if name == "supervised" else step["ppo/loss/total"])]
    if bad:
        sys.exit(f"{name}: a loss is not finite: {bad[0]}")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--save-adapter", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.repeats < 1:
        sys.exit(f"--repeats {options.repeats}: expected at least 1")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    rows = cut(prompts_of("smollm2"), INPUT["tokens"])
    rows = torch.tensor([rows[prompt] for prompt in INPUT["prompts"]])
    config = LoraConfig(
        task_type="CAUSAL_LM", r=INPUT["rank"], lora_alpha=INPUT["alpha"], lora_dropout=0.0, target_modules="all-linear"
    )
    model = get_peft_model(load("smollm2"), config).eval()
    if options.save_adapter:
        model.save_pretrained(options.save_adapter)
    start = {key: tensor.clone() for key, tensor in get_peft_model_state_dict(model).items()}
    trained, every = model.get_nb_trainable_parameters()
    report = {
        "model": GGUF["smollm2"],
        "rows": rows.tolist(),
        "trained": trained,
        "parameters": every,
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "matmul_gflops": matmul_rates(),
        "works": {},
    }
    print(f"{len(rows)} rows of {rows.shape[1]} tokens; {trained} of {every} parameters trained")
    for product, rate in report["matmul_gflops"].items():
        print(f"float32 product {product}: {rate['median']:.0f} GFLOP/s, at best {rate['best']:.0f}")
    print(f"{'':14}{'median s':>10}{'least s':>10}{'most s':>10}{'busy':>8}{'loaded MiB':>12}{'above MiB':>12}{'peak MiB':>12}")
    for name in options.works:
        model.zero_grad()
        report["works"][name] = found = run_work(name, model, start, rows, options.repeats)
        seconds, memory = found["seconds"], found["memory"]
        print(
            f"{name:14}{seconds['median']:10.3f}{seconds['min']:10.3f}{seconds['max']:10.3f}"
            f"{found['busy']:8.2f}{memory['loaded_mib']:12.0f}{memory['above_mib']:12.0f}{memory['peak_mib']:12.0f}",
            flush=True,
        )
        if options.json:
            write_json(options.json, json.dumps(report))


if __name__ == "__main__":
    main()
