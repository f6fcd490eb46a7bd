#!/usr/bin/env python3
"""Golden values from PyTorch for decoders that transformers calls llama, qwen2, qwen3 and gemma3_text: 2-layer models of each, and
rotary positions by themselves.

Usage: python3 make_decoder_golden.py [--check] [OUT]      (OUT: this folder by default)

OUT/llama, qwen2, qwen3 and gemma3 are what make_golden.py writes: a model folder and values.safetensors. decoder.py has the models.
Each config.json has the keys of a published model. Some values are unusual, so that what is read or placed wrongly shows:

  llama    Llama 3.2: 3 query heads on each of 2 key/value heads, a table of its own for the output, rope_type llama3, an epsilon of 1 %
  qwen2    Qwen 2.5: biases of q, k and v, tied; a sliding_window that use_sliding_window switches off
  qwen3    Qwen 3: norms of the heads of q and k, heads wider than hidden_size/heads, tied
  gemma3   Gemma 3: a layer with a window of 5 and one without, each with its theta; 4 heads on one, post-norms, gains of 1 + w with w far
           from 0, query_pre_attn_scalar that is not the head's size; the table's factor is sqrt(40), unrounded, as for fp32 weights

OUT/rope/cases.json is a list of {name, layer_type, config}, with the config.json of a model; values.safetensors has for each
  NAME.freq (R/2), NAME.factor (1)    radians a position; what cosine and sine are multiplied by
  NAME.x, NAME.y (T,D)                a head's rows at the positions of the tensor "positions" (T), before and after
  NAME.dy, NAME.dx (T,D)              gradients of a sum of y·dy
Angles are taken in double. An fp32 product of position and frequency is up to 2e-4 off at the last position, as transformers' own is.

Values are double's, rounded once, with the same checks of fp32 as in make_golden.py. --check compares with a second implementation in
plain Python loops.
"""

import cmath
import json
import math
import os
import random
import sys

import torch

import decoder
import make_golden as base

POSITIONS = [0, 1, 6, 4000]
COMMON = dict(attention_dropout=0.0, initializer_range=0.02, num_hidden_layers=2, torch_dtype="float32", use_cache=True,
              vocab_size=base.VOCAB)
MODELS = {
    "llama": dict(seed=21, clip=3.0, config=dict(
        COMMON, architectures=["LlamaForCausalLM"], attention_bias=False, bos_token_id=1, eos_token_id=2, head_dim=8, hidden_act="silu",
        hidden_size=48, intermediate_size=32, max_position_embeddings=56, mlp_bias=False, model_type="llama", num_attention_heads=6,
        num_key_value_heads=2, pretraining_tp=1, rms_norm_eps=0.01, rope_theta=100.0, tie_word_embeddings=False,
        rope_scaling=dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=32,
                          rope_type="llama3"), transformers_version="4.45.0.dev0")),
    "qwen2": dict(seed=22, clip=3.0, config=dict(
        COMMON, architectures=["Qwen2ForCausalLM"], bos_token_id=1, eos_token_id=1, hidden_act="silu", hidden_size=48,
        intermediate_size=36, max_position_embeddings=56, max_window_layers=1, model_type="qwen2", num_attention_heads=4,
        num_key_value_heads=2, rms_norm_eps=1e-6, rope_theta=10000.0, sliding_window=6, tie_word_embeddings=True,
        transformers_version="4.40.1", use_mrope=False, use_sliding_window=False)),
    "qwen3": dict(seed=23, clip=4.5, config=dict(
        COMMON, architectures=["Qwen3ForCausalLM"], attention_bias=False, bos_token_id=1, eos_token_id=2, head_dim=16,
        hidden_act="silu", hidden_size=40, intermediate_size=36, max_position_embeddings=56, max_window_layers=2, model_type="qwen3",
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=0.01, rope_scaling=None, rope_theta=1000.0, sliding_window=None,
        tie_word_embeddings=True, transformers_version="4.51.0", use_sliding_window=False)),
    "gemma3": dict(seed=26, clip=5.0, config=dict(
        COMMON, _sliding_window_pattern=2, architectures=["Gemma3ForCausalLM"], attention_bias=False, attn_logit_softcapping=None,
        bos_token_id=2, eos_token_id=1, final_logit_softcapping=None, head_dim=12, hidden_activation="gelu_pytorch_tanh",
        hidden_size=40, intermediate_size=44, layer_types=["sliding_attention", "full_attention"], max_position_embeddings=56,
        model_type="gemma3_text", num_attention_heads=4, num_key_value_heads=1, pad_token_id=0, query_pre_attn_scalar=9,
        rms_norm_eps=0.01, rope_local_base_freq=20.0, rope_scaling=None, rope_theta=5000.0, sliding_window=5,
        transformers_version="4.55.0.dev0", use_bidirectional_attention=False)),
}


# ---- weights -------------------------------------------------------------------------------------------------------

def make_parameters(model, rng):
    """name -> fp32 tensor, as irregular as those of make_golden.py."""
    def kind(name):
        if "norm" in name:
            return (0.5, 0.2) if model.norm_plus_one else (1, 0.3)
        if name == "model.embed_tokens.weight":
            return 0, 0.06 if model.table_scale > 1 else 0.15
        return (0, 0.3) if name.endswith(".bias") else (0, 0.11)

    return {name: torch.tensor([rng.gauss(*kind(name)) for _ in range(math.prod(shape))], dtype=torch.float32).reshape(shape)
            for name, shape in decoder.shapes(model).items()}


# ---- a second opinion: plain loops, from config.json's keys --------------------------------------------------------

def plain_norm(c, x, gain):
    size = math.sqrt(sum(v * v for v in x) / len(x) + c["rms_norm_eps"])
    return [v / size * (g + (c["model_type"] == "gemma3_text")) for v, g in zip(x, gain)]


def plain_product(p, name, x):
    y = [sum(a * b for a, b in zip(row, x)) for row in p[name + ".weight"]]
    return base.plain_add(y, p[name + ".bias"]) if name + ".bias" in p else y


def plain_turns(c, sliding):
    """Radians a position for each pair of a head."""
    half = len_of_head(c) // 2
    theta = c["rope_local_base_freq"] if sliding else c["rope_theta"]
    turns = [1 / theta ** (i / half) for i in range(half)]
    s = c.get("rope_scaling")
    if s:
        for i, turn in enumerate(turns):
            wave, low, high = 2 * math.pi / turn, s["low_freq_factor"], s["high_freq_factor"]
            context = s["original_max_position_embeddings"]
            if wave > context / low:
                turns[i] = turn / s["factor"]
            elif wave >= context / high:
                smooth = (context / wave - low) / (high - low)
                turns[i] = (1 - smooth) * turn / s["factor"] + smooth * turn
    return turns


def len_of_head(c):
    return c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])


def plain_heads(c, p, name, which, row, position, turns):
    """The heads of q, k or v at a position, as complex numbers: element i and the one half a head further."""
    d, half, out = len_of_head(c), len_of_head(c) // 2, []
    y = plain_product(p, f"{name}.{which}_proj", row)
    for at in range(0, len(y), d):
        h = y[at:at + d]
        if which != "v" and f"{name}.{which}_norm.weight" in p:
            h = plain_norm(c, h, p[f"{name}.{which}_norm.weight"])
        pairs = [complex(h[i], h[i + half]) for i in range(half)]
        out.append(pairs if which == "v" else [z * cmath.exp(1j * position * w) for z, w in zip(pairs, turns)])
    return out


def plain_attention(c, p, name, rows, sliding):
    turns = plain_turns(c, sliding)
    q, k, v = ([plain_heads(c, p, name, which, r, t, turns) for t, r in enumerate(rows)] for which in "qkv")
    scale, out = 1 / math.sqrt(c.get("query_pre_attn_scalar", len_of_head(c))), []
    for t in range(len(rows)):
        y = []
        for h in range(c["num_attention_heads"]):
            g = h * c["num_key_value_heads"] // c["num_attention_heads"]
            seen = [u for u in range(t + 1) if not sliding or t - u < c["sliding_window"]]
            e = [math.exp(scale * sum((a * b.conjugate()).real for a, b in zip(q[t][h], k[u][g]))) for u in seen]
            z = [sum(w * v[u][g][i] for w, u in zip(e, seen)) / sum(e) for i in range(len(turns))]
            y += [a.real for a in z] + [a.imag for a in z]
        out.append(plain_product(p, name + ".o_proj", y))
    return out


def plain_mlp(c, p, name, x):
    gate, up = plain_product(p, name + ".gate_proj", x), plain_product(p, name + ".up_proj", x)
    if c["model_type"] == "gemma3_text":
        act = [0.5 * g * (1 + math.tanh(math.sqrt(2 / math.pi) * (g + 0.044715 * g * g * g))) for g in gate]
    else:
        act = [g / (1 + math.exp(-g)) for g in gate]
    return plain_product(p, name + ".down_proj", [a * u for a, u in zip(act, up)])


def plain_logits(c, p, tokens):
    """One sequence's logits, a list for each position."""
    gemma = c["model_type"] == "gemma3_text"
    table = p["model.embed_tokens.weight"]
    x = [[v * (math.sqrt(c["hidden_size"]) if gemma else 1) for v in table[t]] for t in tokens]
    for i in range(c["num_hidden_layers"]):
        name = f"model.layers.{i}"

        def ln(row, which):
            return plain_norm(c, row, p[f"{name}.{which}_layernorm.weight"])

        sliding = gemma and c["layer_types"][i] == "sliding_attention"
        y = plain_attention(c, p, name + ".self_attn", [ln(r, "input") for r in x], sliding)
        x = [base.plain_add(r, ln(a, "post_attention") if gemma else a) for r, a in zip(x, y)]
        y = [plain_mlp(c, p, name + ".mlp", ln(r, "pre_feedforward" if gemma else "post_attention")) for r in x]
        x = [base.plain_add(r, ln(a, "post_feedforward") if gemma else a) for r, a in zip(x, y)]
    head = p.get("lm_head.weight", table)
    return [[sum(a * b for a, b in zip(plain_norm(c, r, p["model.norm.weight"]), w)) for w in head] for r in x]


# ---- rotary positions ----------------------------------------------------------------------------------------------

def rope_cases():
    """name -> (kind of layer, config)"""
    def case(family, width, heads, kind="full_attention", **keys):
        return kind, dict(architectures=[], hidden_size=width, intermediate_size=4 * width, max_position_embeddings=8192,
                          model_type=family, num_attention_heads=heads, num_hidden_layers=2, num_key_value_heads=heads,
                          rms_norm_eps=1e-6, vocab_size=base.VOCAB, tie_word_embeddings=True, **keys)

    llama3 = dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192, rope_type="llama3")
    yarn = dict(factor=4.0, original_max_position_embeddings=32768)
    gemma5 = dict(sliding_attention=dict(rope_type="default", rope_theta=1e4),
                  full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6))
    local, full = "sliding_attention", "full_attention"
    gemma = dict(head_dim=32, sliding_window=512, query_pre_attn_scalar=32)
    return {
        "plain": case("llama", 128, 2, rope_theta=10000.0),
        "wide": case("qwen3", 64, 2, head_dim=64, rope_theta=1e6, rope_scaling=None),
        "partial": case("llama", 64, 2, rope_theta=10000.0, partial_rotary_factor=0.25),
        "linear": case("llama", 64, 2, rope_theta=10000.0, rope_scaling=dict(type="linear", factor=2.5)),
        "llama3": case("llama", 128, 2, rope_theta=500000.0, rope_scaling=llama3),  # Llama 3.2's numbers
        "llama3-new-keys": case("llama", 128, 2, rope_parameters=dict(llama3, rope_theta=500000.0)),
        "yarn": case("qwen2", 128, 2, rope_theta=1e6, rope_scaling=dict(yarn, type="yarn")),  # Qwen 2.5's numbers
        "yarn-new-keys": case("qwen2", 128, 2, rope_parameters=dict(yarn, rope_type="yarn", rope_theta=1e6)),
        "yarn-options": case("llama", 128, 2, rope_theta=1e4, rope_scaling=dict(
            rope_type="yarn", factor=8.0, attention_factor=1.25, beta_fast=16.0, beta_slow=2.0, truncate=False)),
        "yarn-mscale": case("llama", 128, 2, rope_theta=1e4, rope_scaling=dict(
            rope_type="yarn", factor=40.0, original_max_position_embeddings=4096, mscale=1.0, mscale_all_dim=0.5)),
        "gemma3-full": case("gemma3_text", 64, 2, full, rope_theta=1e6, rope_local_base_freq=10000.0, sliding_window_pattern=2,
                            rope_scaling=dict(factor=8.0, rope_type="linear"), **gemma),
        "gemma3-window": case("gemma3_text", 64, 2, local, rope_theta=1e6, rope_local_base_freq=10000.0, sliding_window_pattern=2,
                              rope_scaling=dict(factor=8.0, rope_type="linear"), **gemma),
        "gemma3-full-new-keys": case("gemma3_text", 64, 2, full, rope_parameters=gemma5, layer_types=[local, full], **gemma),
        "gemma3-window-new-keys": case("gemma3_text", 64, 2, local, rope_parameters=gemma5, layer_types=[local, full], **gemma),
    }


def make_rope(folder):
    rng = random.Random(25)
    values, cases = dict(positions=torch.tensor(POSITIONS, dtype=torch.int32)), []
    for name, (kind, config) in rope_cases().items():
        cases.append(dict(name=name, layer_type=kind, config=config))
        rope = decoder.rope_of(config, kind)
        d = decoder.head_size(config)
        x, dy = (torch.tensor([[rng.gauss(0, 1) for _ in range(d)] for _ in POSITIONS]).double() for _ in range(2))  # fp32's values
        x.requires_grad_()
        y = torch.cat([decoder.rotate(x[i:i + 1], rope, at) for i, at in enumerate(POSITIONS)])
        (y * dy).sum().backward()
        back = torch.cat([decoder.rotate(dy[i:i + 1], (-rope[0], rope[1]), at) for i, at in enumerate(POSITIONS)])
        if not torch.allclose(back, x.grad, rtol=0, atol=1e-12):
            sys.exit(f"rope {name}: the gradient is not a rotation by the negative angle")
        values.update({name + ".freq": rope[0], name + ".factor": torch.tensor([rope[1]]).double(), name + ".x": x, name + ".y": y,
                       name + ".dy": dy, name + ".dx": x.grad})
        print(f"rope {name}: {len(rope[0])} frequencies {rope[0][0]:.4g} to {rope[0][-1]:.4g}, factor {rope[1]:.6g}")
    for name in rope_cases():
        if name.endswith("-new-keys") and not torch.equal(values[name + ".freq"], values[name[:-9] + ".freq"]):
            sys.exit(f"rope {name}: the two generations of keys disagree")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cases.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    base.write_safetensors(os.path.join(folder, "values.safetensors"), values, {})


# ---- all of it -----------------------------------------------------------------------------------------------------

def make(name, folder, checked):
    config, rng = MODELS[name]["config"], random.Random(MODELS[name]["seed"])
    model = decoder.Model(config)
    train = dict(base.TRAIN, clip=MODELS[name]["clip"])
    weights = make_parameters(model, rng)
    tokens, targets = base.make_batches(rng)
    gold, single = (base.run(model, weights, tokens, targets, t, decoder.forward, train) for t in (torch.float64, torch.float32))
    base.compare(name, weights, gold, single, train)
    if checked:
        base.check(name, config, weights, tokens, targets, gold, plain_logits)
    base.store(folder, dict(sorted(config.items())), weights, tokens, targets, gold, single, train)


def main():
    args = sys.argv[1:]
    rest = [a for a in args if a != "--check"]
    out = rest[0] if rest else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    for name in MODELS:
        make(name, os.path.join(out, name), "--check" in args)
    make_rope(os.path.join(out, "rope"))


main()
