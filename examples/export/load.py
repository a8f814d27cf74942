# SPDX-License-Identifier: Apache-2.0
"""Runs an exported model in float32.

    pip install numpy safetensors
    poaiw model export --model result --output model.safetensors [--manifest TASK.toml]
    python load.py model.safetensors TEXT.txt      # text model: loss in nats per token of the last tenth
    python load.py model.safetensors DATA.csv.gz   # perceptron: accuracy on rows 0, 5, 10, ...

The offset and exponent of the CSV are those of examples/digits: value = (number - 8) / 8.
"""

import gzip
import json
import math
import sys

import numpy as np
from safetensors import safe_open

ARCHITECTURE = "poaiw.architecture"
CARD = "poaiw.card"


def load(path):
    with safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def normalise(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True))


def logits(weights, model, tokens):
    """Logits of a transformer or an encoder: RMS normalisation before each part, ReLU, no biases."""
    heads, width = model["heads"], model["width"] // model["heads"]
    # The factor of the scores is the power of two at or below 1 / sqrt(width).
    scale = 2.0 ** -math.ceil(math.ceil(math.log2(width)) / 2)
    hidden = np.zeros((len(tokens), len(tokens)))
    if model["kind"] == "transformer":
        hidden = np.triu(np.full_like(hidden, -np.inf), 1)
    x = weights["tok"][tokens] + weights["pos"][: len(tokens)]
    for n in range(model["layers"]):
        a = normalise(x)
        q, k, v = ((a @ weights[f"{part}{n}"].T).reshape(-1, heads, width).swapaxes(0, 1) for part in "qkv")
        scores = q @ k.swapaxes(1, 2) * scale + hidden
        p = np.exp(scores - scores.max(-1, keepdims=True))
        mean = (p / p.sum(-1, keepdims=True)) @ v
        x = x + mean.swapaxes(0, 1).reshape(x.shape) @ weights[f"o{n}"].T
        x = x + np.maximum(normalise(x) @ weights[f"u{n}"].T, 0) @ weights[f"d{n}"].T
    return normalise(x) @ weights["head"].T


def held_out(model, weights, tokens, start):
    """Logits and labels of a window: of every next token, or of every seventh token, hidden from an encoder."""
    end = start + model["context"]
    if model["kind"] == "transformer":
        return logits(weights, model, tokens[start:end]), tokens[start + 1 : end + 1]
    hidden = np.arange(start, end) % 7 == 1
    mask = len(weights["tok"]) - 1
    z = logits(weights, model, np.where(hidden, mask, tokens[start:end]))
    return z[hidden], tokens[start:end][hidden]


def language_model(card, weights, path):
    model = card["architecture"]["model"]
    text = open(path, encoding="utf-8", newline="").read()
    if card.get("characters"):
        number = {c: n for n, c in enumerate(card["characters"])}
        tokens = [number[c] for c in text]
    else:
        from tokenizers import Tokenizer

        tokens = Tokenizer.from_str(card["tokenizer"]).encode(text).ids
    tokens = np.array(tokens[len(tokens) * 9 // 10 :])
    context = model["context"]
    losses = []
    for start in range(0, min(len(tokens) - context - 1, 64 * context), context):
        z, labels = held_out(model, weights, tokens, start)
        z = z - z.max(-1, keepdims=True)
        losses.extend(np.log(np.exp(z).sum(-1)) - z[np.arange(len(z)), labels])
    print(f"loss {np.mean(losses):.4f} nats per token over {len(losses)} tokens")


def perceptron(weights, path):
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    with opened as file:
        rows = np.loadtxt(file, delimiter=",")[::5]
    x, labels = (rows[:, :-1] - 8) / 8, rows[:, -1]
    names = sorted(weights, key=lambda name: int(name.split(".")[1]))
    for name in names[:-1]:
        x = np.maximum(x @ weights[name].T, 0)
    hits = (x @ weights[names[-1]].T).argmax(-1) == labels
    print(f"accuracy {hits.mean():.4f}: {hits.sum()} of {len(hits)}")


def main():
    path, data = sys.argv[1:3]
    metadata, weights = load(path)
    if CARD in metadata:
        return language_model(json.loads(metadata[CARD]), weights, data)
    kind = json.loads(metadata[ARCHITECTURE])["model"]["kind"]
    if kind != "mlp":
        sys.exit(f"this example runs text models and perceptrons, not `{kind}`")
    perceptron(weights, data)


if __name__ == "__main__":
    main()
