"""Compute golden.json with PyTorch: SASRec's loss, gradient and scores of three histories. Run it in this folder.

It follows the paper, uses PyTorch's own modules (MultiheadAttention, LayerNorm) and encodes each history alone, so
that it needs none of the padding and masks of the Go code.
"""
import json
import math
import torch
from torch import nn

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
ITEMS, DIM, HEADS, BLOCKS, LENGTH = 7, 4, 2, 2, 5
HISTORIES = [[3, 1, 7], [2], [5, 4, 6, 1, 2, 7, 3]]  # the last is longer than LENGTH
LABELS = [[1, 7, 2], [6], [4, 6, 1, 2, 7, 3, 5]]

items = nn.Parameter(torch.randn(ITEMS + 1, DIM) * 0.5)
positions = nn.Parameter(torch.randn(LENGTH, DIM) * 0.5)
blocks, parameters = [], [items, positions]
for _ in range(BLOCKS):
    first, second = nn.LayerNorm(DIM, eps=1e-8), nn.LayerNorm(DIM, eps=1e-8)
    attention = nn.MultiheadAttention(DIM, HEADS, bias=False, batch_first=True)
    up, down = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
    blocks.append((first, attention, second, up, down))
    parameters += [first.weight, first.bias, attention.in_proj_weight, attention.out_proj.weight]
    parameters += [second.weight, second.bias, up.weight, up.bias, down.weight, down.bias]
last = nn.LayerNorm(DIM, eps=1e-8)
parameters += [last.weight, last.bias]
with torch.no_grad():
    for p in parameters:
        p.add_(torch.randn_like(p) * 0.3)
        p.copy_(p.float().double())  # so that Go reads exactly these values


def encode(history):
    n = len(history)
    x = (items[torch.tensor(history)] * math.sqrt(DIM) + positions[:n]).unsqueeze(0)
    future = torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)
    for first, attention, second, up, down in blocks:
        h = first(x)
        x = x + attention(h, h, h, attn_mask=future, need_weights=False)[0]
        x = x + down(torch.relu(up(second(x))))
    return last(x)[0] @ items[1:].T


losses, scores = [], []
for history, labels in zip(HISTORIES, LABELS):
    logits = encode(history[-LENGTH:])
    losses.append(nn.functional.cross_entropy(logits, torch.tensor(labels[-LENGTH:]) - 1, reduction="none"))
    scores.append(logits[-1].tolist())
loss = torch.cat(losses).mean()
loss.backward()
json.dump({
    "items": ITEMS, "dim": DIM, "heads": HEADS, "blocks": BLOCKS, "length": LENGTH, "histories": HISTORIES, "labels": LABELS,
    "weights": torch.cat([p.detach().flatten() for p in parameters]).tolist(), "loss": loss.item(),
    "gradient": torch.cat([p.grad.flatten() for p in parameters]).tolist(), "scores": scores,
}, open("golden.json", "w"))
