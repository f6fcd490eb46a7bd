#!/usr/bin/env python3
"""Golden values from PyTorch for tests/test_task_golden.c: 2-layer models with the head of each of the four tasks.

Usage: python3 make_task_golden.py [OUT]      (OUT: this folder by default)

For each task it writes OUT/task-NAME/: a model folder (config.json, model.safetensors, vocab.json, tokenizer_config.json),
train.jsonl (all of it one step's batch, of different lengths, one example longer than the context) and values.safetensors:
the head's outputs, both losses and their sum, every gradient of the sum at the start, and the losses of five AdamW steps.

Sequences run one by one and unpadded here, so that what padding does in the engine shows. As in make_golden.py, values are
computed in double, and an fp32 run must lie within a tenth of the test's tolerances.
"""

import json
import math
import os
import random
import sys

import torch

import make_golden as base

ALPHABET = " .abcdefghij"
START, DELIMITER, EXTRACT = (len(ALPHABET) + i for i in range(3))
base.VOCAB, base.CTX, base.EMBD, base.HEADS = len(ALPHABET) + 3, 24, 24, 2
STEPS = 5
TRAIN = dict(lr=2e-3, warmup=0.2, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.5, clip=1.0)
LAMBDA = 0.5
TASKS = {
    "classify": dict(model="gpt1", labels=["bad", "fair", "good"], seed=11),
    "entail": dict(model="gpt2", labels=["no", "yes"], seed=12),
    "similar": dict(model="gpt1", labels=None, seed=13),
    "choice": dict(model="gpt2", labels=None, seed=14),
}


# ---- examples ------------------------------------------------------------------------------------------------------

def text(rng, low, high):
    return "".join(rng.choice("abcdefghij") if i % 5 else rng.choice("abcd") for i in range(rng.randint(low, high)))


def make_examples(kind, labels, rng):
    out = []
    for i in range(6):
        long = i == 2
        if kind == "classify":
            out.append(dict(text=text(rng, 30, 40) if long else text(rng, 1, 20), label=labels[i % 3]))
        elif kind == "entail":
            out.append(dict(premise=text(rng, 30, 40) if long else text(rng, 1, 10), hypothesis=text(rng, 1, 9), label=labels[i % 2]))
        elif kind == "similar":
            out.append(dict(text_a=text(rng, 30, 40) if long else text(rng, 1, 10), text_b=text(rng, 1, 9), score=[1, 4.5, 3, 2.25, 5, 0.5][i]))
        else:
            count = [4, 2, 3, 4, 2, 3][i]
            out.append(dict(passage=text(rng, 30, 40) if long else text(rng, 1, 7), question=text(rng, 1, 5),
                            choices=[text(rng, 1, 5) for _ in range(count)], answer=rng.randrange(count)))
    return out


def frame(parts):
    """Token ids of texts between the special tokens; what does not fit goes from the end of the first text, then the next."""
    ids = [[ALPHABET.index(c) for c in p] for p in parts]
    over = sum(map(len, ids)) + (2 if len(ids) == 1 else 3) - base.CTX
    for p in ids:
        cut = min(max(over, 0), len(p))
        del p[len(p) - cut:]
        over -= cut
    if len(ids) == 1:
        return [START] + ids[0] + [EXTRACT]
    return [START] + sum(ids[:-1], []) + [DELIMITER] + ids[-1] + [EXTRACT]


def sequences(kind, e):
    """A list of groups; the hidden vectors of a group are added."""
    if kind == "classify":
        return [[frame([e["text"]])]]
    if kind == "entail":
        return [[frame([e["premise"], e["hypothesis"]])]]
    if kind == "similar":
        return [[frame([e["text_a"], e["text_b"]]), frame([e["text_b"], e["text_a"]])]]
    return [[frame([e["passage"], " " + e["question"], c])] for c in e["choices"]]


# ---- the model -----------------------------------------------------------------------------------------------------

def hidden(model, p, tokens):
    """(T,C): make_golden's forward pass up to the output layer, by way of an output layer that changes nothing."""
    q = dict(p)
    q["lm_head.weight"] = torch.eye(base.EMBD, dtype=p["score.weight"].dtype)
    return base.forward(dict(model, tied=False), q, torch.tensor([tokens]))[0]


def losses(task, kind, model, p, examples, scaled):
    """Outputs of each example, L_task, L_lm."""
    table = p[f"transformer.{model['token']}.weight"]
    outputs, task_losses, lm_losses = [], [], []
    for e, score in zip(examples, scaled):
        rows = []
        for group in sequences(kind, e):
            total = 0
            for tokens in group:
                h = hidden(model, p, tokens)
                logits = h[:-1] @ table.t()
                lm_losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:])))
                total = total + h[-1]
            rows.append(p["score.weight"] @ total)
        y = torch.cat(rows)
        outputs.append(y)
        if kind == "similar":
            task_losses.append((y[0] - score) ** 2)
        else:
            right = e["answer"] if kind == "choice" else task["labels"].index(e["label"])
            task_losses.append(torch.nn.functional.cross_entropy(y[None], torch.tensor([right])))
    return torch.cat(outputs), torch.stack(task_losses).mean(), torch.stack(lm_losses).mean()


def rate(step):
    """Linear: up over the first fifth of the steps, then down to 0 behind the last."""
    rise, done = math.ceil(TRAIN["warmup"] * STEPS), step
    return TRAIN["lr"] * ((done + 1) / (rise + 1) if done < rise else (STEPS - done) / (STEPS - rise))


def run(task, kind, weights, examples, scaled, dtype):
    model = base.MODELS[task["model"]]
    p = {n: w.to(dtype, copy=True).requires_grad_() for n, w in weights.items()}
    scaled = [None if s is None else torch.tensor(s, dtype=dtype) for s in scaled]
    decayed = [w for w in p.values() if w.dim() == 2]
    plain = [w for w in p.values() if w.dim() == 1]
    adam = torch.optim.AdamW(
        [dict(params=decayed, weight_decay=TRAIN["weight_decay"]), dict(params=plain, weight_decay=0.0)],
        lr=TRAIN["lr"], betas=(TRAIN["beta1"], TRAIN["beta2"]), eps=TRAIN["eps"])
    out, steps = {}, []
    for step in range(STEPS):
        outputs, task_loss, lm_loss = losses(task, kind, model, p, examples, scaled)
        loss = task_loss + LAMBDA * lm_loss
        adam.zero_grad()
        loss.backward()
        if step == 0:
            out["outputs"] = outputs.detach()
            out.update({"grad." + n: w.grad.clone() for n, w in p.items()})
        steps.append([loss.item(), task_loss.item(), lm_loss.item()])
        torch.nn.utils.clip_grad_norm_(p.values(), TRAIN["clip"])
        for group in adam.param_groups:
            group["lr"] = rate(step)
        adam.step()
    out["losses"] = torch.tensor(steps, dtype=torch.float64)  # (STEPS,3): sum, task, language model
    return out


# ---- files ---------------------------------------------------------------------------------------------------------

def config_of(task, kind, mean, spread):
    model = base.MODELS[task["model"]]
    config = base.config_of(model)
    about = dict(kind=kind, text_vocab=len(ALPHABET))
    if kind == "similar":
        about.update(scores=True, mean=mean, spread=spread)
    elif kind != "choice":
        about.update(numbered=False, labels=task["labels"])
    return dict(config, pumice_task=about)


def make(kind, out_dir):
    task = TASKS[kind]
    rng = random.Random(task["seed"])
    weights = base.make_parameters(base.MODELS[task["model"]], rng)
    rows = len(task["labels"]) if task["labels"] else 1
    weights["score.weight"] = torch.tensor([[rng.gauss(0, 0.4) for _ in range(base.EMBD)] for _ in range(rows)])
    examples = make_examples(kind, task["labels"], rng)
    mean = spread = None
    scaled = [None] * len(examples)
    if kind == "similar":
        scores = [e["score"] for e in examples]
        mean = sum(scores) / len(scores)
        spread = math.sqrt(sum((s - mean) ** 2 for s in scores) / len(scores))
        scaled = [(s - mean) / spread for s in scores]
    gold = run(task, kind, weights, examples, scaled, torch.float64)
    single = run(task, kind, weights, examples, scaled, torch.float32)
    grads = max((base.distance(single[n], gold[n]), n) for n in gold if n.startswith("grad."))
    far = dict(outputs=base.distance(single["outputs"], gold["outputs"]), gradient=grads[0],
               losses=((single["losses"] - gold["losses"]).abs() / gold["losses"]).max().item())
    print(f"{kind}: losses", " ".join(f"{a:.4f}={b:.4f}+{LAMBDA}*{c:.4f}" for a, b, c in gold["losses"].tolist()))
    print(f"{kind}: fp32 against double:", ", ".join(f"{k} {v:.1e}" for k, v in far.items()), f"(gradient: {grads[1]})")
    if far["outputs"] > 1e-6 or far["gradient"] > 1e-5 or far["losses"] > 1e-5:
        sys.exit(f"{kind}: fp32 torch is too far from double for the test's tolerances")

    folder = os.path.join(out_dir, "task-" + kind)
    os.makedirs(folder, exist_ok=True)

    def put(name, text):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text + "\n")

    put("config.json", json.dumps(config_of(task, kind, mean, spread), indent=2))
    put("vocab.json", json.dumps({c: i for i, c in enumerate(ALPHABET)}))
    put("tokenizer_config.json", json.dumps(dict(tokenizer_class="PumiceTokenizer", pumice_kind="char", vocab_size=len(ALPHABET))))
    put("train.jsonl", "\n".join(json.dumps(e) for e in examples))
    base.write_safetensors(os.path.join(folder, "model.safetensors"), weights, {"format": "pt"})
    meta = {k: repr(v) for k, v in TRAIN.items()}
    meta.update({"lambda": repr(LAMBDA), "steps": str(STEPS)})
    base.write_safetensors(os.path.join(folder, "values.safetensors"), gold, meta)


def main():
    out_dir = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    for kind in TASKS:
        make(kind, out_dir)


main()
