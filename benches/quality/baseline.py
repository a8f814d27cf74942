# SPDX-License-Identifier: Apache-2.0
"""Float32 twins of the integer models, in PyTorch on the CPU.

Every twin gets what the integer model got: data, split, shapes, first weights, the batch of every step, number of steps,
and the form of the schedule. Its learning rate is its own: the best of the specification's grid.

    baseline.py train SPEC OUT [RATE]     train (every rate of the grid, or the one given) and write the best run
    baseline.py speed SPEC OUT            milliseconds of a training step
    baseline.py embed SPEC OUT            embeddings of a BERT-type encoder, in PyTorch and onnxruntime
"""

import json
import math
import os
import pathlib
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {"F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "I8": np.int8}


def read_tensors(path):
    """Tensors of a safetensors file: a length, a JSON header, the bytes."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
    tensors = {}
    for name, info in header.items():
        if name != "__metadata__":
            start, end = info["data_offsets"]
            values = np.frombuffer(body[start:end], DTYPES[info["dtype"]])
            tensors[name] = torch.from_numpy(values.reshape(info["shape"]).copy())
    return tensors


class Classifier:
    """Convolutions and dense layers with ReLU between them, no biases."""

    def __init__(self, spec, tensors):
        self.spec, self.tensors = spec, tensors
        self.weights = []
        for n in range(spec["matrices"]):
            weight = tensors[f"layer{n}"].clone()
            if n < len(spec["convolutions"]):
                # Integer programs store [filters, window row, window column, channel].
                c = spec["convolutions"][n]
                k = c["kernel"]
                weight = weight.reshape(c["filters"], k, k, -1).permute(0, 3, 1, 2).contiguous()
            self.weights.append(weight.requires_grad_())

    def parameters(self):
        return [(w, True) for w in self.weights]

    def logits(self, x):
        convolutions = self.spec["convolutions"]
        if convolutions:
            i = self.spec["input"]
            x = x.reshape(-1, i["height"], i["width"], i["channels"]).permute(0, 3, 1, 2)
        for n, weight in enumerate(self.weights):
            if n < len(convolutions):
                c = convolutions[n]
                x = F.conv2d(x, weight, stride=c["stride"], padding=c["padding"])
            else:
                if n == len(convolutions) and n > 0:
                    x = x.permute(0, 2, 3, 1).flatten(1)
                x = x @ weight.T
            if n + 1 < len(self.weights):
                x = F.relu(x)
        return x

    def loss(self, step):
        rows = self.tensors["index"][step].long()
        labels = self.tensors["train_y"][rows].long()
        return F.cross_entropy(self.logits(self.tensors["train_x"][rows]), labels)

    def score(self):
        """Held-out accuracy."""
        best = self.logits(self.tensors["test_x"]).argmax(1)
        return (best == self.tensors["test_y"].long()).float().mean().item()

    better = staticmethod(lambda a, b: a > b)


class Transformer:
    """Decoder-only transformer: pre-norm blocks without biases and gains, ReLU, untied head."""

    def __init__(self, spec, tensors):
        self.spec, self.tensors = spec, tensors
        names = [n for n in tensors if n not in ("train", "held_out", "index")]
        self.p = {n: tensors[n].clone().requires_grad_() for n in names}
        self.mask = torch.ones(spec["context"], spec["context"], dtype=torch.bool).tril()

    def parameters(self):
        return [(w, n not in self.spec["no_decay"]) for n, w in self.p.items()]

    @staticmethod
    def norm(x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-12)

    def logits(self, tokens):
        s, p = self.spec, self.p
        b, t = tokens.shape
        heads, width = s["heads"], s["width"] // s["heads"]
        split = lambda x: x.view(b, t, heads, width).transpose(1, 2)
        h = p["tok"][tokens] + p["pos"][:t]
        for n in range(s["layers"]):
            a = self.norm(h)
            q, k, v = (split(a @ p[f"{m}{n}"].T) for m in "qkv")
            o = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=s["scale"])
            h = h + o.transpose(1, 2).reshape(b, t, -1) @ p[f"o{n}"].T
            h = h + F.relu(self.norm(h) @ p[f"u{n}"].T) @ p[f"d{n}"].T
        return self.norm(h) @ p["head"].T

    def windows(self, text, starts):
        at = starts.long()[:, None] + torch.arange(self.spec["context"] + 1)
        w = self.tensors[text].long()[at]
        return w[:, :-1], w[:, 1:]

    def cross_entropy(self, x, y):
        return F.cross_entropy(self.logits(x).flatten(0, 1), y.flatten())

    def loss(self, step):
        return self.cross_entropy(*self.windows("train", self.tensors["index"][step]))

    def score(self):
        """Loss on the held-out windows, in nats per token."""
        starts = torch.arange(self.spec["held_out_windows"]) * self.spec["context"]
        parts = [self.cross_entropy(*self.windows("held_out", s)).item() * len(s) for s in starts.split(64)]
        return sum(parts) / len(starts)

    better = staticmethod(lambda a, b: a < b)


MODELS = {"classifier": Classifier, "transformer": Transformer}


def load(path):
    spec = json.loads(pathlib.Path(path).read_text())
    tensors = read_tensors(pathlib.Path(path).with_suffix(".safetensors"))
    return spec, tensors


def rate_at(spec, peak, step):
    """The schedule of the integer models: linear up, linear down."""
    warmup, total, floor = spec["warmup"], spec["steps"], peak * spec["floor"]
    if step < warmup:
        return peak * (step + 1) / warmup
    return max(floor, peak - (peak - floor) * (step - warmup) / (total - warmup))


class Trainer:
    """One model and AdamW."""

    def __init__(self, spec, tensors, peak):
        self.spec, self.peak = spec, peak
        self.model = MODELS[spec["kind"]](spec, tensors)
        groups = [
            {"params": [w for w, d in self.model.parameters() if d == decays], "weight_decay": decay}
            for decays, decay in ((True, spec["weight_decay"]), (False, 0.0))
        ]
        self.optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=peak, betas=(0.9, 0.99))

    def step(self, n):
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.spec, self.peak, n)
        loss = self.model.loss(n)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.item()


def train(spec_path, out, rate=None):
    spec, tensors = load(spec_path)
    rates = [float(rate)] if rate else spec["rates"]
    best, tried = None, {}
    for peak in rates:
        trainer, start = Trainer(spec, tensors, peak), time.time()
        losses = [trainer.step(n) for n in range(spec["steps"])]
        with torch.no_grad():
            score = trainer.model.score()
        tried[str(peak)] = score
        print(f"  float32, rate {peak}: {score:.4f} in {time.time() - start:.0f} s", flush=True)
        if math.isfinite(score) and (best is None or trainer.model.better(score, best["score"])):
            best = {"rate": peak, "score": score, "losses": losses}
    best["tried"] = tried
    write(out, best)


def speed(spec_path, out):
    spec, tensors = load(spec_path)
    trainer = Trainer(spec, tensors, spec["rates"][0])
    for n in range(min(20, spec["steps"])):
        trainer.step(n)
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < 5 or len(times) < 30:
        start = time.perf_counter()
        trainer.step(len(times) % spec["steps"])
        times.append((time.perf_counter() - start) * 1000)
    write(out, {"milliseconds": sorted(times)[len(times) // 2], "threads": torch.get_num_threads()})


def write(path, value):
    pathlib.Path(path).write_text(json.dumps(value))


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("POAIW_BENCH_THREADS", os.cpu_count() or 1)))
    jobs = {"train": train, "speed": speed}
    if sys.argv[1] == "embed":
        import encoder

        jobs["embed"] = encoder.embed
    jobs[sys.argv[1]](*sys.argv[2:])
