"""Llama, Mistral, Qwen 2, Qwen 3 and Gemma 3 in plain torch: the keys of transformers' config.json to what is computed, and the forward
pass. Whatever floating-point type the weights have is the type of every value; the callers take double.

The definitions are those of transformers (modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py, modeling_gemma3.py,
modeling_rope_utils.py, masking_utils.py), without their roundings to another type on the way: they take norms, angles and softmax in
fp32 whatever the weights are.

Letters: B sequences, T positions, C width, H heads, K key/value heads, D head size, R of them rotated, V vocabulary.
"""
import json
import math
import os

import torch

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")


# ---- config.json ---------------------------------------------------------------------------------------------------

class Layer:
    """What may differ from one layer to the next."""

    def __init__(self, window, rope):
        self.window = window  # a query sees so many positions, its own among them; None: all that came before
        self.rope = rope  # of rope_of


class Model:
    """What the forward pass needs to know, from config.json."""

    def __init__(self, config):
        family = config["model_type"]
        if family not in FAMILIES:
            raise ValueError(f"model_type {family} is not one of {', '.join(FAMILIES)}")
        if config.get("use_bidirectional_attention"):
            raise ValueError("use_bidirectional_attention makes no decoder")
        gemma = family == "gemma3_text"
        self.vocab, self.width, self.mlp = config["vocab_size"], config["hidden_size"], config["intermediate_size"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads") or self.heads
        self.head = head_size(config)
        self.eps = config.get("rms_norm_eps", 1e-6)
        self.norm_plus_one = gemma
        self.post_norms = gemma
        self.head_norms = family in ("qwen3", "gemma3_text")
        bias = family in ("llama", "qwen3", "gemma3_text") and config.get("attention_bias", False)
        self.qkv_bias = family == "qwen2" or bias
        self.out_bias = bias
        self.mlp_bias = family == "llama" and config.get("mlp_bias", False)
        act = config.get("hidden_activation" if gemma else "hidden_act") or ("gelu_pytorch_tanh" if gemma else "silu")
        self.act = dict(silu=silu, gelu_pytorch_tanh=gelu)[act]
        # transformers rounds the factor to the type of the table: sqrt(640) is 25.298 for an fp32 table and 25.25 for a bf16 one
        self.table_scale = math.sqrt(self.width) if gemma else 1.0
        self.score_scale = (config.get("query_pre_attn_scalar", 256) if gemma else self.head) ** -0.5
        self.logit_cap = config.get("final_logit_softcapping") if gemma else None
        self.tied = config.get("tie_word_embeddings", gemma)
        kinds = layer_types(config)
        self.layers = [Layer(config.get("sliding_window", 4096) if k == "sliding_attention" else None, rope_of(config, k)) for k in kinds]


def head_size(config):
    usual = config["hidden_size"] // config["num_attention_heads"]
    return config.get("head_dim") or dict(qwen3=128, gemma3_text=256).get(config["model_type"], usual)


def layer_types(config):
    """full_attention or sliding_attention for each layer."""
    count, family = config["num_hidden_layers"], config["model_type"]
    if config.get("layer_types"):
        return config["layer_types"]
    if family == "gemma3_text":  # the underscore is newer; every so manieth layer is full
        every = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or 6
        return ["full_attention" if (i + 1) % every == 0 else "sliding_attention" for i in range(count)]
    if family == "mistral":
        return ["sliding_attention" if config.get("sliding_window", 4096) else "full_attention"] * count
    if family in ("qwen2", "qwen3") and config.get("use_sliding_window") and config.get("sliding_window"):
        return ["full_attention" if i < config.get("max_window_layers", 28) else "sliding_attention" for i in range(count)]
    return ["full_attention"] * count


def rope_of(config, kind="full_attention"):
    """(R/2 frequencies, factor of cosine and sine) for layers of a kind, from either generation's keys: transformers 4 has rope_theta,
    rope_local_base_freq and rope_scaling, 5 has rope_parameters, for Gemma 3 one for each kind."""
    gemma = config["model_type"] == "gemma3_text"
    local = gemma and kind == "sliding_attention"
    rope = config.get("rope_parameters") or {}
    if kind in rope:
        rope = rope[kind]
    else:
        rope = {} if local else dict(rope, **(config.get("rope_scaling") or {}))
    theta = rope.get("rope_theta") or config.get("rope_local_base_freq" if local else "rope_theta")
    theta = theta or (1e6 if gemma and not local else 1e4)
    rotated = int(head_size(config) * (rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0))
    freq = theta ** (-torch.arange(0, rotated, 2, dtype=torch.float64) / rotated)

    scaling = rope.get("rope_type") or rope.get("type") or "default"
    if scaling == "default":
        return freq, 1.0
    if scaling == "linear":
        return freq / rope["factor"], 1.0
    original = rope.get("original_max_position_embeddings") or config["max_position_embeddings"]
    if scaling == "llama3":
        return llama3(freq, rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"], original), 1.0
    if scaling == "yarn":
        return yarn(freq, theta, rope, original)
    raise ValueError(f"rope_type {scaling} is not default, linear, llama3 or yarn")


def llama3(freq, factor, low, high, original):
    """Waves that fit `high` times into the original context stay; those that do not fit `low` times are slower by the factor."""
    fits = original * freq / (2 * math.pi)
    keep = ((fits - low) / (high - low)).clamp(0, 1)
    return freq * (keep + (1 - keep) / factor)


def yarn(freq, theta, rope, original):
    """As llama3, but the ramp is linear in the frequency's index; and queries and keys grow."""
    factor, rotated = rope["factor"], 2 * len(freq)

    def index(fits):  # of the frequency whose wave fits so many times
        return rotated * math.log(original / (fits * 2 * math.pi)) / (2 * math.log(theta))

    def grow(scale):
        return 0.1 * scale * math.log(factor) + 1 if factor > 1 else 1.0

    first, last = index(rope.get("beta_fast") or 32), index(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, rotated - 1)
    if first == last:
        last += 0.001
    slow = ((torch.arange(len(freq), dtype=torch.float64) - first) / (last - first)).clamp(0, 1)
    attention = rope.get("attention_factor")
    if attention is None:
        both = rope.get("mscale") and rope.get("mscale_all_dim")
        attention = grow(rope["mscale"]) / grow(rope["mscale_all_dim"]) if both else grow(1)
    return freq * (1 - slow + slow / factor), attention


# ---- the forward pass ----------------------------------------------------------------------------------------------

def silu(x):
    return x * torch.sigmoid(x)


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def norm(model, x, gain):
    """RMSNorm over the last dimension: a row, or a head."""
    x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + model.eps)
    return x * (1 + gain) if model.norm_plus_one else x * gain


def linear(x, p, name):
    y = x @ p[name + ".weight"].t()
    return y + p[name + ".bias"] if name + ".bias" in p else y


def rotate(x, rope, first=0):
    """x (...,T,D) at positions first, first + 1 and so on: pairs are (i, i + R/2), and what is behind R stays. In transformers these
    families turn all of a head; a fraction is as modeling_phi.py has it."""
    freq, factor = rope
    half = len(freq)
    angle = torch.arange(first, first + x.shape[-2], dtype=torch.float64)[:, None] * freq  # (T,R/2)
    cos, sin = ((f(angle) * factor).to(x.dtype) for f in (torch.cos, torch.sin))
    a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1)


def attention(model, layer, x, p, name):
    b, t, _ = x.shape

    def part(which, heads):  # (B,heads,T,D)
        return linear(x, p, f"{name}.{which}_proj").reshape(b, t, heads, model.head).transpose(1, 2)

    q, k, v = part("q", model.heads), part("k", model.kv_heads), part("v", model.kv_heads)
    if model.head_norms:
        q, k = norm(model, q, p[name + ".q_norm.weight"]), norm(model, k, p[name + ".k_norm.weight"])
    q, k = rotate(q, layer.rope), rotate(k, layer.rope)
    group = model.heads // model.kv_heads  # query heads g·group and those behind it read key/value head g
    k, v = (s.repeat_interleave(group, 1) for s in (k, v))
    back = torch.arange(t)[:, None] - torch.arange(t)  # (T,T): how far key j lies behind query i
    hidden = (back < 0) | (back >= (layer.window or t))
    y = (q @ k.transpose(2, 3) * model.score_scale).masked_fill(hidden, -math.inf).softmax(-1) @ v
    return linear(y.transpose(1, 2).reshape(b, t, -1), p, name + ".o_proj")


def mlp(model, x, p, name):
    return linear(model.act(linear(x, p, name + ".gate_proj")) * linear(x, p, name + ".up_proj"), p, name + ".down_proj")


def forward(model, p, tokens, last=False):
    """logits (B,T,V) of tokens (B,T), or (B,1,V) of the last position alone"""
    table = p["model.embed_tokens.weight"]
    x = table[tokens.long()] * model.table_scale
    for i, layer in enumerate(model.layers):
        name = f"model.layers.{i}"

        def normed(x, which):
            return norm(model, x, p[f"{name}.{which}_layernorm.weight"])

        y = attention(model, layer, normed(x, "input"), p, name + ".self_attn")
        x = x + (normed(y, "post_attention") if model.post_norms else y)
        y = mlp(model, normed(x, "pre_feedforward" if model.post_norms else "post_attention"), p, name + ".mlp")
        x = x + (normed(y, "post_feedforward") if model.post_norms else y)
    x = norm(model, x[:, -1:] if last else x, p["model.norm.weight"])
    logits = x @ (table if model.tied else p["lm_head.weight"]).t()
    return model.logit_cap * torch.tanh(logits / model.logit_cap) if model.logit_cap else logits


# ---- parameters ----------------------------------------------------------------------------------------------------

def shapes(model):
    """name -> shape of every parameter, as transformers stores them: weights are (outputs, inputs)."""
    out = {"model.embed_tokens.weight": (model.vocab, model.width)}

    def add(name, rows, cols, bias=False):
        out[name + ".weight"] = (rows, cols)
        if bias:
            out[name + ".bias"] = (rows,)

    q, kv = model.heads * model.head, model.kv_heads * model.head
    for i in range(len(model.layers)):
        name = f"model.layers.{i}"
        add(name + ".self_attn.q_proj", q, model.width, model.qkv_bias)
        add(name + ".self_attn.k_proj", kv, model.width, model.qkv_bias)
        add(name + ".self_attn.v_proj", kv, model.width, model.qkv_bias)
        add(name + ".self_attn.o_proj", model.width, q, model.out_bias)
        if model.head_norms:
            out[name + ".self_attn.q_norm.weight"] = out[name + ".self_attn.k_norm.weight"] = (model.head,)
        add(name + ".mlp.gate_proj", model.mlp, model.width, model.mlp_bias)
        add(name + ".mlp.up_proj", model.mlp, model.width, model.mlp_bias)
        add(name + ".mlp.down_proj", model.width, model.mlp, model.mlp_bias)
        post = ("pre_feedforward", "post_feedforward") if model.post_norms else ()
        for which in ("input", "post_attention") + post:
            out[f"{name}.{which}_layernorm.weight"] = (model.width,)
    out["model.norm.weight"] = (model.width,)
    if not model.tied:
        out["lm_head.weight"] = (model.vocab, model.width)
    return out


def read_safetensors(path):
    """name -> tensor, of F32, F16 or BF16"""
    types = dict(F32=torch.float32, F16=torch.float16, BF16=torch.bfloat16)
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = bytearray(f.read())
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            at, count = entry["data_offsets"][0], math.prod(entry["shape"])
            out[name] = torch.frombuffer(data, dtype=types[entry["dtype"]], count=count, offset=at).reshape(entry["shape"])
    return out


def load(folder, dtype=torch.float64):
    """(model, parameters) of a folder of config.json and model.safetensors, or of several files and their index"""
    with open(os.path.join(folder, "config.json")) as f:
        model = Model(json.load(f))
    index = os.path.join(folder, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if os.path.exists(index):
        with open(index) as f:
            files = sorted(set(json.load(f)["weight_map"].values()))
    p = {}
    for name in files:
        p.update({n: t.to(dtype) for n, t in read_safetensors(os.path.join(folder, name)).items()})
    for name, shape in shapes(model).items():
        if name not in p or tuple(p[name].shape) != shape:
            raise ValueError(f"{folder}: {name} should be there with shape {shape}")
    return model, p
