#!/usr/bin/env python3
"""Golden values from PyTorch for tests/test_golden.c: a 2-layer GPT-1, a 2-layer GPT-2, and a 1-layer GPT-2 whose output
layer has a table of its own, written here in plain torch.

Usage: python3 make_golden.py [--check] [OUT]      (OUT: this folder by default)

For each it writes
  OUT/NAME/config.json, model.safetensors   a model folder as transformers writes it
  OUT/NAME/values.safetensors               tokens, targets, logits, loss, gradients, ten AdamW steps, settings

Stored values are computed in double and rounded to F32 once: they are then the same on any machine, and nearer to the
truth than any fp32 run. The same is run in fp32 too. Its logits and losses are stored beside them as "fp32.*", its
distances are printed, and nothing is written for a model where fp32 torch strays from double by more than a tenth of
what the test allows the engine.

--check compares torch with a second implementation in plain Python loops: the forward pass, and gradients by central
differences.
Needs torch 1.13 or later and the standard library.
"""

import json
import math
import os
import random
import struct
import sys

import torch

VOCAB, CTX, EMBD, HEADS = 61, 16, 48, 4
BATCH, TIME, STEPS = 3, 13, 10  # TIME < CTX: the last position rows get no gradient
# Chosen so that a trainer that gets one of them wrong (no clipping, no decay, decay on gains too or not on the tables,
# another beta) moves a loss by about 3e-4 or more, relative, which is above the test's tolerance; clipping acts in some
# steps and not in others.
TRAIN = dict(lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.5, clip=3.0)
EPS = 1e-5  # of LayerNorm
MODELS = {  # where they differ
    "gpt1": dict(gpt1=True, token="tokens_embed", position="positions_embed", layers=2, tied=True, seed=1),
    "gpt2": dict(gpt1=False, token="wte", position="wpe", layers=2, tied=True, seed=2),
    "untied": dict(gpt1=False, token="wte", position="wpe", layers=1, tied=False, seed=4),
}


# ---- weights and data ----------------------------------------------------------------------------------------------

def make_parameters(model, rng):
    """name -> fp32 tensor, larger and less regular than a real start so that every term shows in the logits."""
    def normal(mean, std, *shape):
        return torch.tensor([rng.gauss(mean, std) for _ in range(math.prod(shape))], dtype=torch.float32).reshape(shape)

    def linear(name, rows, cols):  # Conv1D of transformers: weight (in, out)
        p[name + ".weight"] = normal(0, 0.08, rows, cols)
        p[name + ".bias"] = normal(0, 0.08, cols)

    def layernorm(name):
        p[name + ".weight"] = normal(1, 0.1, EMBD)
        p[name + ".bias"] = normal(0, 0.1, EMBD)

    p = {}
    p[f"transformer.{model['token']}.weight"] = normal(0, 0.15, VOCAB, EMBD)
    p[f"transformer.{model['position']}.weight"] = normal(0, 0.08, CTX, EMBD)
    for i in range(model['layers']):
        h = f"transformer.h.{i}"
        layernorm(h + ".ln_1")
        linear(h + ".attn.c_attn", EMBD, 3 * EMBD)
        linear(h + ".attn.c_proj", EMBD, EMBD)
        layernorm(h + ".ln_2")
        linear(h + ".mlp.c_fc", EMBD, 4 * EMBD)
        linear(h + ".mlp.c_proj", 4 * EMBD, EMBD)
    if not model["gpt1"]:
        layernorm("transformer.ln_f")
    if not model["tied"]:
        p["lm_head.weight"] = normal(0, 0.11, VOCAB, EMBD)
    return p


def make_batches(rng):
    """Two batches of tokens and next-token targets (2, BATCH, TIME); some targets are -1, which means ignored."""
    tokens, targets = [], []
    for _ in range(2):
        rows = [[rng.randrange(VOCAB) for _ in range(TIME + 1)] for _ in range(BATCH)]
        rows[0][3] = rows[0][4] = rows[1][0]  # the same token more than once, in one sequence and across two
        tokens.append([r[:-1] for r in rows])
        targets.append([[-1 if rng.random() < 0.2 else t for t in r[1:]] for r in rows])
    return torch.tensor(tokens, dtype=torch.int32), torch.tensor(targets, dtype=torch.int32)


# ---- the model in torch --------------------------------------------------------------------------------------------

def norm(x, p, name):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + EPS) * p[name + ".weight"] + p[name + ".bias"]


def product(x, p, name):
    return x @ p[name + ".weight"] + p[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def attention(x, p, h):
    b, t, c = x.shape
    qkv = product(x, p, h + ".attn.c_attn")
    q, k, v = (s.reshape(b, t, HEADS, c // HEADS).transpose(1, 2) for s in qkv.split(c, 2))
    scores = q @ k.transpose(2, 3) / math.sqrt(c // HEADS)  # (B,H,T,T)
    future = torch.ones(t, t, dtype=torch.bool).triu(1)
    y = scores.masked_fill(future, -math.inf).softmax(-1) @ v
    return product(y.transpose(1, 2).reshape(b, t, c), p, h + ".attn.c_proj")


def mlp(x, p, h):
    return product(gelu(product(x, p, h + ".mlp.c_fc")), p, h + ".mlp.c_proj")


def forward(model, p, tokens):
    """logits (B,T,V)"""
    table = p[f"transformer.{model['token']}.weight"]
    x = table[tokens.long()] + p[f"transformer.{model['position']}.weight"][: tokens.shape[1]]
    for i in range(model['layers']):
        h = f"transformer.h.{i}"
        if model["gpt1"]:
            n = norm(x + attention(x, p, h), p, h + ".ln_1")
            x = norm(n + mlp(n, p, h), p, h + ".ln_2")
        else:
            x = x + attention(norm(x, p, h + ".ln_1"), p, h)
            x = x + mlp(norm(x, p, h + ".ln_2"), p, h)
    if not model["gpt1"]:
        x = norm(x, p, "transformer.ln_f")
    return x @ (table if model["tied"] else p["lm_head.weight"]).t()


def loss_of(logits, targets):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten().long(), ignore_index=-1)


def run(model, weights, tokens, targets, dtype, forward=forward, train=TRAIN):
    """Logits, loss and gradients of batch 0, then STEPS steps that take the two batches in turn."""
    p = {n: w.to(dtype, copy=True).requires_grad_() for n, w in weights.items()}
    decayed = [w for w in p.values() if w.dim() == 2]
    plain = [w for w in p.values() if w.dim() == 1]
    adam = torch.optim.AdamW(
        [dict(params=decayed, weight_decay=train["weight_decay"]), dict(params=plain, weight_decay=0.0)],
        lr=train["lr"], betas=(train["beta1"], train["beta2"]), eps=train["eps"])
    out, losses, norms = {}, [], []
    for step in range(STEPS):
        logits = forward(model, p, tokens[step % 2])
        loss = loss_of(logits, targets[step % 2])
        adam.zero_grad()
        loss.backward()
        if step == 0:
            out["logits"] = logits.detach()
            out["loss"] = loss.detach().reshape(1)
            out.update({"grad." + n: w.grad.clone() for n, w in p.items()})
        norms.append(torch.nn.utils.clip_grad_norm_(p.values(), train["clip"]).item())
        adam.step()
        losses.append(loss.item())
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    out["grad_norms"] = torch.tensor(norms, dtype=torch.float64)
    return out


# ---- a second opinion: plain loops, no torch -----------------------------------------------------------------------

def plain_norm(x, gain, bias):
    mean = sum(x) / len(x)
    rstd = 1 / math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + EPS)
    return [(v - mean) * rstd * g + b for v, g, b in zip(x, gain, bias)]


def plain_product(x, w, b):
    y = list(b)
    for xi, row in zip(x, w):
        for j, wij in enumerate(row):
            y[j] += xi * wij
    return y


def plain_add(a, b):
    return [x + y for x, y in zip(a, b)]


def plain_attention(rows, p, h):
    d, out = EMBD // HEADS, []
    qkv = [plain_product(r, p[h + ".attn.c_attn.weight"], p[h + ".attn.c_attn.bias"]) for r in rows]
    for t in range(len(rows)):
        y = []
        for at in range(0, EMBD, d):
            s = [sum(qkv[t][at + i] * qkv[u][EMBD + at + i] for i in range(d)) / math.sqrt(d) for u in range(t + 1)]
            e = [math.exp(v - max(s)) for v in s]
            y += [sum(e[u] * qkv[u][2 * EMBD + at + i] for u in range(t + 1)) / sum(e) for i in range(d)]
        out.append(plain_product(y, p[h + ".attn.c_proj.weight"], p[h + ".attn.c_proj.bias"]))
    return out


def plain_mlp(x, p, h):
    y = plain_product(x, p[h + ".mlp.c_fc.weight"], p[h + ".mlp.c_fc.bias"])
    y = [v * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v * v * v))) for v in y]
    return plain_product(y, p[h + ".mlp.c_proj.weight"], p[h + ".mlp.c_proj.bias"])


def plain_logits(model, p, tokens):
    """One sequence's logits, a list for each position."""
    def ln(x, name):
        return plain_norm(x, p[name + ".weight"], p[name + ".bias"])

    table, position = (p[f"transformer.{model[k]}.weight"] for k in ("token", "position"))
    x = [plain_add(table[t], position[i]) for i, t in enumerate(tokens)]
    for i in range(model['layers']):
        h = f"transformer.h.{i}"
        if model["gpt1"]:
            n = [ln(plain_add(a, b), h + ".ln_1") for a, b in zip(x, plain_attention(x, p, h))]
            x = [ln(plain_add(a, plain_mlp(a, p, h)), h + ".ln_2") for a in n]
        else:
            x = [plain_add(a, b) for a, b in zip(x, plain_attention([ln(a, h + ".ln_1") for a in x], p, h))]
            x = [plain_add(a, plain_mlp(ln(a, h + ".ln_2"), p, h)) for a in x]
    if not model["gpt1"]:
        x = [ln(a, "transformer.ln_f") for a in x]
    head = table if model["tied"] else p["lm_head.weight"]
    return [[sum(a * b for a, b in zip(row, w)) for w in head] for row in x]


def plain_loss(model, p, tokens, targets, logits_of):
    total = count = 0
    for seq, want in zip(tokens, targets):
        for row, t in zip(logits_of(model, p, seq), want):
            if t >= 0:
                total += max(row) + math.log(sum(math.exp(v - max(row)) for v in row)) - row[t]
                count += 1
    return total / count


def check(name, model, weights, tokens, targets, golden, logits_of=plain_logits):
    """Exits unless plain loops agree with torch: logits, loss, and two elements of each parameter's gradient."""
    p = {n: w.double().tolist() for n, w in weights.items()}
    seqs, want = tokens[0].tolist(), targets[0].tolist()
    worst = max(abs(a - b) for s, gold in zip(seqs, golden["logits"].tolist())
                for row, gold_row in zip(logits_of(model, p, s), gold) for a, b in zip(row, gold_row))
    off = abs(plain_loss(model, p, seqs, want, logits_of) - golden["loss"].item())
    slope = 0.0
    rng = random.Random(3)
    for key, w in weights.items():
        for _ in range(2):
            r, c = rng.randrange(w.shape[0]), rng.randrange(w.shape[-1])
            row, at, flat = (p[key], r, r) if w.dim() == 1 else (p[key][r], c, r * w.shape[1] + c)
            keep, side = row[at], []
            for delta in (1e-5, -1e-5):
                row[at] = keep + delta
                side.append(plain_loss(model, p, seqs, want, logits_of))
            row[at] = keep
            slope = max(slope, abs((side[0] - side[1]) / 2e-5 - golden["grad." + key].flatten()[flat].item()))
    print(f"{name}: plain loops against torch: logits {worst:.1e}, loss {off:.1e}, gradients {slope:.1e} (absolute)")
    if worst > 1e-12 or off > 1e-12 or slope > 1e-8:
        sys.exit(f"{name}: the two implementations disagree")


# ---- files ---------------------------------------------------------------------------------------------------------

def write_safetensors(path, tensors, meta):
    header, blobs, at = {"__metadata__": meta}, [], 0
    for name in sorted(tensors):
        t = tensors[name].detach().contiguous().flatten()
        integer = t.dtype == torch.int32
        blob = struct.pack(f"<{t.numel()}{'i' if integer else 'f'}", *t.tolist())  # doubles are rounded to nearest here
        header[name] = dict(dtype="I32" if integer else "F32", shape=list(tensors[name].shape),
                            data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def config_of(model):
    common = dict(vocab_size=VOCAB, n_positions=CTX, n_ctx=CTX, n_embd=EMBD, n_layer=model["layers"], n_head=HEADS,
                  layer_norm_epsilon=EPS, initializer_range=0.02, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0,
                  **({} if model["tied"] else dict(tie_word_embeddings=False)))
    if model["gpt1"]:
        return dict(architectures=["OpenAIGPTLMHeadModel"], model_type="openai-gpt", afn="gelu", **common)
    return dict(architectures=["GPT2LMHeadModel"], model_type="gpt2", activation_function="gelu_new", **common)


def distance(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def compare(name, weights, gold, single, train):
    """Prints how far fp32 is from double; exits where it is too far, or where clipping acts always or never."""
    grads = max((distance(single[n], gold[n]), n) for n in gold if n.startswith("grad."))
    far = dict(logits=distance(single["logits"], gold["logits"]), loss=distance(single["loss"], gold["loss"]),
               gradient=grads[0], losses=((single["losses"] - gold["losses"]).abs() / gold["losses"]).max().item(),
               grad_norms=((single["grad_norms"] - gold["grad_norms"]).abs() / gold["grad_norms"]).max().item())
    count, rms = sum(w.numel() for w in weights.values()), gold["logits"].pow(2).mean().sqrt()
    print(f"{name}: {count} parameters, logits' rms {rms:.2f}")
    print(f"{name}: losses    ", " ".join(f"{v:.5f}" for v in gold["losses"]))
    print(f"{name}: grad norms", " ".join(f"{v:.5f}" for v in gold["grad_norms"]), f"(clip {train['clip']})")
    print(f"{name}: fp32 against double:", ", ".join(f"{k} {v:.1e}" for k, v in far.items()), f"(gradient: {grads[1]})")
    if far["logits"] > 1e-6 or far["loss"] > 1e-6 or far["gradient"] > 1e-5 or far["losses"] > 1e-5:
        sys.exit(f"{name}: fp32 torch is too far from double for the test's tolerances")
    clipped = [v > train["clip"] for v in gold["grad_norms"]]
    if not any(clipped) or all(clipped):
        sys.exit(f"{name}: clipping should act in some steps and not in others")


def store(folder, config, weights, tokens, targets, gold, single, train):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    write_safetensors(os.path.join(folder, "model.safetensors"), weights, {"format": "pt"})
    values = dict(tokens=tokens, targets=targets, **gold)
    values.update({"fp32." + k: single[k] for k in ("logits", "loss", "losses")})
    meta = {k: repr(v) for k, v in train.items()}
    meta.update(batch=str(BATCH), time=str(TIME), steps=str(STEPS),
                order="step i (0 is the first) takes batch i % 2; logits, loss and gradients: batch 0, at the start")
    write_safetensors(os.path.join(folder, "values.safetensors"), values, meta)


def make(name, out_dir, checked):
    model = MODELS[name]
    rng = random.Random(model["seed"])
    weights = make_parameters(model, rng)
    tokens, targets = make_batches(rng)
    gold = run(model, weights, tokens, targets, torch.float64)
    single = run(model, weights, tokens, targets, torch.float32)
    compare(name, weights, gold, single, TRAIN)
    if checked:
        check(name, model, weights, tokens, targets, gold)
    store(os.path.join(out_dir, name), config_of(model), weights, tokens, targets, gold, single, TRAIN)


def main():
    args = sys.argv[1:]
    checked = "--check" in args
    rest = [a for a in args if a != "--check"]
    torch.set_num_threads(1)
    for name in MODELS:
        make(name, rest[0] if rest else os.path.dirname(os.path.abspath(__file__)), checked)


if __name__ == "__main__":
    main()
