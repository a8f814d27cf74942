# SPDX-License-Identifier: Apache-2.0
"""The float32 twin of a sentence encoder of the BERT family: in PyTorch, and exported to ONNX for onnxruntime."""

import json
import logging
import math
import pathlib
import time
import warnings

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

from baseline import load, read_tensors, write


class Encoder(torch.nn.Module):
    """BERT with mean pooling; embeddings of length 1."""

    def __init__(self, folder):
        super().__init__()
        self.config = json.loads((folder / "config.json").read_text())
        self.names = {}
        for name, value in read_tensors(folder / "model.safetensors").items():
            if value.is_floating_point():
                self.names[name] = name.replace(".", "_")
                self.register_buffer(self.names[name], value)

    def w(self, name):
        return getattr(self, self.names[name])

    def linear(self, x, name):
        return F.linear(x, self.w(f"{name}.weight"), self.w(f"{name}.bias"))

    def norm(self, x, name):
        weight, bias = self.w(f"{name}.weight"), self.w(f"{name}.bias")
        return F.layer_norm(x, weight.shape, weight, bias, self.config["layer_norm_eps"])

    def forward(self, tokens, mask):
        c = self.config
        heads, width = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
        batch, length = tokens.shape
        positions = self.w("embeddings.position_embeddings.weight")[:length]
        x = self.w("embeddings.word_embeddings.weight")[tokens] + positions
        x = self.norm(x + self.w("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
        hidden = (1.0 - mask)[:, None, None, :] * -1e9
        split = lambda y: y.reshape(batch, length, heads, width).transpose(1, 2)
        for n in range(c["num_hidden_layers"]):
            at = f"encoder.layer.{n}"
            q, k, v = (split(self.linear(x, f"{at}.attention.self.{m}")) for m in ("query", "key", "value"))
            weights = F.softmax(q @ k.transpose(-1, -2) / math.sqrt(width) + hidden, dim=-1)
            o = (weights @ v).transpose(1, 2).reshape(batch, length, heads * width)
            o = self.linear(o, f"{at}.attention.output.dense")
            x = self.norm(x + o, f"{at}.attention.output.LayerNorm")
            f = self.linear(F.gelu(self.linear(x, f"{at}.intermediate.dense")), f"{at}.output.dense")
            x = self.norm(x + f, f"{at}.output.LayerNorm")
        pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(pooled, dim=-1)


def session(encoder, file, threads):
    """The encoder in onnxruntime with all of its optimisations."""
    tokens = torch.ones(3, 8, dtype=torch.long)
    # The exporter warns about operators of packages that are not used here.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    dims = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("length", min=2, max=512)}
    torch.onnx.export(
        encoder, (tokens, torch.ones(3, 8)), str(file), input_names=["tokens", "mask"], output_names=["embedding"],
        dynamic_shapes=(dims, dims), dynamo=True, verbose=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def batches(lengths, limit):
    """Sentences sorted by length, in batches of at most `limit` tokens with their padding."""
    order, parts = sorted(range(len(lengths)), key=lambda n: int(lengths[n])), []
    for n in order:
        if not parts or (len(parts[-1]) + 1) * int(lengths[n]) > limit:
            parts.append([])
        parts[-1].append(n)
    return parts


def rate(run, inputs, count):
    """Sentences a second: the median of repeated passes over all of them."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        for given in inputs:
            run(*given)
        times.append(time.perf_counter() - start)
    return count / sorted(times)[len(times) // 2]


def embed(spec_path, out):
    spec, tensors = load(spec_path)
    encoder = Encoder(pathlib.Path(spec["model"])).eval()
    tokens, lengths = tensors["tokens"].long(), tensors["lengths"].long()
    mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).float()
    threads = torch.get_num_threads()
    with torch.no_grad():
        reference = torch.cat([encoder(t[None, :n], m[None, :n]) for t, m, n in zip(tokens, mask, lengths)])
        onnx = session(encoder, pathlib.Path(out).with_suffix(".onnx"), threads)
        speeds = {"torch": {}, "onnxruntime": {}}
        # Small batches stay in the caches, large ones fill products: each side is shown at its best.
        for limit in (256, 1024, 4096):
            inputs = []
            for part in batches(lengths, limit):
                n = int(lengths[part].max())
                inputs.append((tokens[part][:, :n].contiguous(), mask[part][:, :n].contiguous()))
            arrays = [(t.numpy(), m.numpy()) for t, m in inputs]
            run = lambda t, m: onnx.run(None, {"tokens": t, "mask": m})
            speeds["torch"][limit] = rate(encoder, inputs, len(tokens))
            speeds["onnxruntime"][limit] = rate(run, arrays, len(tokens))
        first = onnx.run(None, {"tokens": tokens[:1, : int(lengths[0])].numpy(), "mask": mask[:1, : int(lengths[0])].numpy()})
        same = float(np.abs(first[0][0] - reference[0].numpy()).max())
    write(out, {"embeddings": reference.tolist(), "sentences_per_second": speeds, "onnx_difference": same})
