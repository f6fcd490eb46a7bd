"""Yardsticks for bench-cpu.sh and gpu-report.sh: OpenBLAS's sgemm and PyTorch, timed as `pumice bench` times: operands take turns, the
median counts.

usage: bench_reference.py WHERE about
       bench_reference.py WHERE gemm M N K [a|b|f16]       GFLOP/s; a: A is stored transposed, b: B is; f16: of half precision, on a GPU
       bench_reference.py WHERE attention|attention-bwd B H T D [f16]      GFLOP/s, counted as 4 or 10 T T D a head
       bench_reference.py WHERE layernorm|softmax|gelu N C           GB/s, input and output
       bench_reference.py WHERE train-step L H C T B V [bf16]        tokens/s: forward, backward, clipping, AdamW; bf16: autocast

WHERE is a number of the CPU's threads, or PyTorch's name of a GPU, such as cuda. On a GPU matrices are PyTorch's, fp32 without TF32, and
attention is its fused kernel; on the CPU they are OpenBLAS's, and attention is written out.
Prints one number, or "-" where the library or the GPU is not there.
"""
import contextlib
import ctypes
import ctypes.util
import math
import os
import statistics
import sys
import time

# PyTorch's OpenMP threads spin at their barriers by default: with anything else on the cores they then take twenty times as long, and the
# yardstick is none. Waiting costs little where the machine is quiet. Read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

rotation = 128 << 20  # bytes, as engine/bench/measure.c has it for a CPU; twice as much for a GPU


finish = lambda: None  # waits until the GPU has done what it was given


def median_seconds(run, copies):
    """Of run(0), run(1), … in turn: at least 7 runs and half a second of them, 3 where they are long."""
    for i in range(copies):
        run(i)
    finish()
    times, start = [], time.perf_counter()
    while True:
        before = time.perf_counter()
        run(len(times) % copies)
        finish()
        times.append(time.perf_counter() - before)
        spent = time.perf_counter() - start
        if len(times) >= (3 if spent > 10 else 7) and (spent > 0.5 or len(times) >= 200):
            return statistics.median(times)


def copies_of(words):
    return max(2, min(64, -(-rotation // (4 * words))))


# ---- OpenBLAS ----


def openblas(threads):
    try:
        library = ctypes.CDLL("libopenblas.so.0")
    except OSError:
        return None
    library.openblas_get_corename.restype = ctypes.c_char_p
    library.openblas_get_config.restype = ctypes.c_char_p
    library.openblas_set_num_threads(threads)
    return library


def gemm(threads, m, n, k, stored):
    library = openblas(threads)
    if library is None:
        return None
    import numpy

    random = numpy.random.default_rng(1)
    shapes = ((k, m) if stored == "a" else (m, k), (n, k) if stored == "b" else (k, n), (m, n))
    count = copies_of(sum(rows * cols for rows, cols in shapes))
    sets = [[random.random(shape, dtype=numpy.float32) for shape in shapes] for _ in range(count)]
    pointer, one, zero = ctypes.POINTER(ctypes.c_float), ctypes.c_float(1), ctypes.c_float(0)
    row_major, plain, transposed = 101, 111, 112  # CBLAS's enumerations

    def run(i):
        a, b, y = sets[i]
        library.cblas_sgemm(
            row_major, transposed if stored == "a" else plain, transposed if stored == "b" else plain, m, n, k,
            one, a.ctypes.data_as(pointer), a.shape[1], b.ctypes.data_as(pointer), b.shape[1],
            zero, y.ctypes.data_as(pointer), n)

    return 2e-9 * m * n * k / median_seconds(run, count)


# ---- PyTorch ----


def torch_module(where):
    """With tensors made on the GPU, if `where` is one."""
    global finish, rotation
    try:
        import torch
    except ImportError:
        return None
    if where.isdigit():
        torch.set_num_threads(int(where))
    else:
        if not torch.cuda.is_available():
            return None
        torch.set_default_device(where)
        torch.backends.cuda.matmul.allow_tf32 = False
        finish, rotation = torch.cuda.synchronize, 256 << 20
    torch.manual_seed(1)
    return torch


def torch_gemm(torch, m, n, k, kind):
    dtype = torch.float16 if kind == "f16" else torch.float32
    count = copies_of(m * k + k * n + m * n)
    sets = [(torch.randn(m, k, dtype=dtype), torch.randn(k, n, dtype=dtype)) for _ in range(count)]
    with torch.no_grad():
        return 2e-9 * m * n * k / median_seconds(lambda i: sets[i][0] @ sets[i][1], count)


def causal_attention(torch, q, k, v, mask):
    if q.is_cuda:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1) @ v


def attention(torch, kind, backward, b, h, t, d):
    dtype = torch.float16 if kind == "f16" else torch.float32
    count = copies_of(b * h * t * d * 4)
    sets = [[torch.randn(b, h, t, d, dtype=dtype, requires_grad=backward) for _ in range(3)] for _ in range(count)]
    mask = torch.triu(torch.ones(t, t, dtype=torch.bool), diagonal=1)
    if not backward:
        with torch.no_grad():
            seconds = median_seconds(lambda i: causal_attention(torch, *sets[i], mask), count)
        return 4e-9 * b * h * t * t * d / seconds
    count = 2  # each keeps its T x T matrices
    outputs = [causal_attention(torch, *sets[i], mask) for i in range(count)]
    dy = torch.randn(b, h, t, d, dtype=dtype)
    seconds = median_seconds(lambda i: torch.autograd.grad(outputs[i], sets[i], dy, retain_graph=True), count)
    return 10e-9 * b * h * t * t * d / seconds


def rows(torch, what, n, c):
    count = copies_of(2 * n * c)
    xs = [torch.randn(n, c) for _ in range(count)]
    gain, bias = torch.randn(c), torch.randn(c)
    functions = {
        "layernorm": lambda x: torch.nn.functional.layer_norm(x, (c,), gain, bias),
        "softmax": lambda x: torch.softmax(x, dim=-1),
        "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    }
    with torch.no_grad():
        return 8e-9 * n * c / median_seconds(lambda i: functions[what](xs[i]), count)


def train_step(torch, kind, layers, heads, channels, time_, batch, vocab):
    """GPT-2 as its paper has it, without dropout; the output layer is the token table."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
            self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
            self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

        def forward(self, x, mask):
            parts = self.qkv(self.norm_1(x)).view(batch, time_, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
            y = causal_attention(torch, parts[0], parts[1], parts[2], mask)
            x = x + self.out(y.transpose(1, 2).reshape(batch, time_, channels))
            return x + self.down(functional.gelu(self.up(self.norm_2(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(vocab, channels), nn.Embedding(time_, channels)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.LayerNorm(channels)
            nn.init.normal_(self.tokens.weight, std=0.02)

        def forward(self, x, mask):
            h = self.tokens(x) + self.positions.weight
            for block in self.blocks:
                h = block(h, mask)
            return self.norm(h) @ self.tokens.weight.t()

    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    mask = torch.triu(torch.ones(time_, time_, dtype=torch.bool), diagonal=1)
    x, y = torch.randint(vocab, (batch, time_)), torch.randint(vocab, (batch, time_))

    def run(_):
        with torch.autocast("cuda", dtype=torch.bfloat16) if kind == "bf16" else contextlib.nullcontext():
            loss = functional.cross_entropy(model(x, mask).view(-1, vocab), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return batch * time_ / median_seconds(run, 2)


def about(where):
    torch = torch_module(where)
    if where.isdigit():
        library = openblas(int(where))
        if library is None:
            print("OpenBLAS: not there (Debian's libopenblas0-pthread)")
        else:
            name, version = library.openblas_get_config().decode().split(" ")[:2]
            print(f"{name} {version}, {library.openblas_get_corename().decode()} kernels, {library.openblas_get_num_threads()} threads")
        print("PyTorch: not there (Debian's python3-torch)" if torch is None
              else f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    else:
        print(f"PyTorch on {where}: not there" if torch is None
              else f"PyTorch {torch.__version__} on {torch.cuda.get_device_name(where)}")


def main():
    where, what, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if what == "about":
        about(where)
        return
    kind = rest.pop() if rest and not rest[-1].isdigit() else ""
    numbers = [int(word) for word in rest]
    if what == "gemm" and where.isdigit():
        value = gemm(int(where), *numbers, kind)
    else:
        torch = torch_module(where)
        if torch is None:
            value = None
        elif what == "gemm":
            value = torch_gemm(torch, *numbers, kind)
        elif what.startswith("attention"):
            value = attention(torch, kind, what == "attention-bwd", *numbers)
        elif what == "train-step":
            value = train_step(torch, kind, *numbers)
        else:
            value = rows(torch, what, *numbers)
    print("-" if value is None else f"{value:.4g}")


main()
