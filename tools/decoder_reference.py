"""What a Llama, Mistral, Qwen 2, Qwen 3 or Gemma 3 says of a text, by tests/golden/decoder.py in double: PyTorch, none of Pumice's code.

usage: decoder_reference.py FOLDER loss INPUT [CONTEXT]     mean loss of each token but the first; as `pumice eval` cuts it: consecutive windows
                                                            of CONTEXT tokens (default: max_position_embeddings), each without a past
       decoder_reference.py FOLDER greedy COUNT [INPUT]     the COUNT likeliest tokens, one after another (default INPUT: bos alone)
       decoder_reference.py FOLDER logits INPUT OUT.npy     (T,V) in double, NumPy's format
       decoder_reference.py FOLDER encode INPUT             ids
       decoder_reference.py FOLDER decode INPUT             text

FOLDER is a model as transformers writes it: config.json and model.safetensors of F32, F16 or BF16, and tokenizer.model, SentencePiece's, where a
text is encoded or decoded. INPUT is a file: of text if its name ends in .txt, else of ids between white space. A text has no bos, unless its
name is written bos:NAME.txt. `greedy` prints ids, and on the next lines their text where there is a tokenizer.model.

Gemma's table is multiplied by sqrt(width) without rounding, as for fp32 weights. Every token of `greedy` reads the whole text again.
Needs torch 1.13 or later and NumPy. Slow and plain on purpose.
"""
import heapq
import json
import os
import struct
import sys

import numpy
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden"))
import decoder

# ---- SentencePiece's BPE ----

NORMAL, USER_DEFINED, BYTE = 1, 4, 6


def fields(data):
    """(number, value) of each field of a protocol buffer's message"""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, data[at : at + size]
        at += size


class Tokenizer:
    def __init__(self, path):
        with open(path, "rb") as file:
            model = list(fields(file.read()))
        self.pieces, self.kinds, self.scores = [], [], []
        for number, value in model:
            if number == 1:  # SentencePiece: piece, score, type
                piece = dict(fields(value))
                self.pieces.append(piece[1].decode())
                self.scores.append(struct.unpack("<f", piece.get(2, b"\0\0\0\0"))[0])
                self.kinds.append(piece.get(3, NORMAL))
        trainer, normalizer = (dict(fields(b"".join(v for n, v in model if n == number))) for number in (2, 3))
        if trainer.get(3) != 2:
            raise ValueError(f"{path} is not of the kind BPE")
        if normalizer.get(2):
            raise ValueError(f"{path} has rules of normalization, which are not done here")
        self.prefix, self.squeeze = normalizer.get(3, 1), normalizer.get(4, 1)
        self.ids = {p: i for i, p in enumerate(self.pieces) if self.kinds[i] in (NORMAL, USER_DEFINED)}
        self.bytes = {int(p[3:5], 16): i for i, p in enumerate(self.pieces) if self.kinds[i] == BYTE}
        self.whole = sorted((p for p in self.ids if self.kinds[self.ids[p]] == USER_DEFINED), key=len, reverse=True)
        self.unknown = trainer.get(40, 0)

    def symbols(self, text):
        """Characters, and user-defined pieces, which stay whole"""
        at = 0
        while at < len(text):
            symbol = next((p for p in self.whole if text.startswith(p, at)), text[at])
            yield symbol
            at += len(symbol)

    def encode(self, text):
        if self.squeeze:
            text = " ".join(word for word in text.split(" ") if word)
        if self.prefix and text:
            text = " " + text
        symbols = list(self.symbols(text.replace(" ", "\u2581")))
        frozen = [len(s) > 1 for s in symbols]
        before, after = list(range(-1, len(symbols) - 1)), list(range(1, len(symbols))) + [-1]
        queue = []

        def offer(left, right):  # the best score first, then the leftmost
            if left >= 0 and right >= 0 and not frozen[left] and not frozen[right] and symbols[left] + symbols[right] in self.ids:
                joined = symbols[left] + symbols[right]
                heapq.heappush(queue, (-self.scores[self.ids[joined]], left, right, joined))

        for left in range(len(symbols) - 1):
            offer(left, left + 1)
        while queue:
            _, left, right, joined = heapq.heappop(queue)
            if symbols[left] is None or after[left] != right or symbols[left] + symbols[right] != joined:
                continue  # a part of it has been merged since
            symbols[left], symbols[right], after[left] = joined, None, after[right]
            if after[left] >= 0:
                before[after[left]] = left
            offer(before[left], left)
            offer(left, after[left])
        out = []
        for symbol in symbols:
            if symbol is None:
                continue
            if symbol in self.ids:
                out.append(self.ids[symbol])
            else:
                out += [self.bytes.get(b, self.unknown) for b in symbol.encode()] if self.bytes else [self.unknown]
        return out

    def decode(self, ids):
        out = b""
        for i in ids:
            if self.kinds[i] == BYTE:
                out += bytes([int(self.pieces[i][3:5], 16)])
            elif self.kinds[i] in (NORMAL, USER_DEFINED):
                out += self.pieces[i].replace("\u2581", " ").encode()
        return out[1:] if self.prefix and out[:1] == b" " else out


# ---- the commands ----


def bos_of(folder):
    with open(folder + "/config.json") as file:
        return json.load(file)["bos_token_id"]


def read_ids(folder, name):
    start, _, path = name.partition(":") if name.startswith("bos:") else ("", "", name)
    if path.endswith(".txt"):
        with open(path, encoding="utf-8", newline="") as file:
            ids = Tokenizer(folder + "/tokenizer.model").encode(file.read())
    else:
        with open(path) as file:
            ids = [int(word) for word in file.read().split()]
    return ([bos_of(folder)] if start else []) + ids


def loss(folder, name, context=None):
    model, p = decoder.load(folder)
    ids = read_ids(folder, name)
    with open(folder + "/config.json") as file:
        context = int(context or json.load(file)["max_position_embeddings"])
    total = 0
    for at in range(0, len(ids) - 1, context):
        part = torch.tensor(ids[at : at + context + 1])
        logits = decoder.forward(model, p, part[None, :-1])[0]
        total += torch.nn.functional.cross_entropy(logits, part[1:], reduction="sum").item()
    mean = total / (len(ids) - 1)
    print(f"loss {mean:.9f}, perplexity {numpy.exp(mean):.6f}, {len(ids) - 1} tokens, context {context}")


def greedy(folder, count, name=None):
    model, p = decoder.load(folder)
    ids = read_ids(folder, name) if name else [bos_of(folder)]
    start, close = len(ids), float("inf")
    for _ in range(int(count)):
        best = decoder.forward(model, p, torch.tensor([ids]), last=True)[0, 0].topk(2)
        close = min(close, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
    print(*ids[start:])
    if os.path.exists(folder + "/tokenizer.model"):
        decode_ids(folder, ids[start:])
    print(f"the two likeliest tokens are never nearer than {close:.2g} in logits", file=sys.stderr)


def logits(folder, name, out):
    model, p = decoder.load(folder)
    numpy.save(out, decoder.forward(model, p, torch.tensor([read_ids(folder, name)]))[0].numpy())


def encode(folder, name):
    print(*read_ids(folder, name))


def decode_ids(folder, ids):
    sys.stdout.flush()
    sys.stdout.buffer.write(Tokenizer(folder + "/tokenizer.model").decode(ids))
    sys.stdout.buffer.flush()


def decode(folder, name):
    decode_ids(folder, read_ids(folder, name))


def main():
    commands = dict(loss=loss, greedy=greedy, logits=logits, encode=encode, decode=decode)
    if len(sys.argv) < 4 or sys.argv[2] not in commands:
        sys.exit(__doc__)
    with torch.no_grad():
        commands[sys.argv[2]](sys.argv[1], *sys.argv[3:])


main()
