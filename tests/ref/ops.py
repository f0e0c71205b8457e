"""Writes tests/ref/ops.st: single ops as PyTorch computes them, in float64.

    python3 tests/ref/ops.py        # needs torch, numpy, safetensors

Tensors, by op:
  bn.*     N x C batch norm in training, once with act(bn(x) + res) of ReLU and
           once of ELU: x, gamma, beta, res, dy, running (mean, var) before and
           after, y, dx, dres, dgamma, dbeta
  pair.K.L.*  2B x D vectors z, labels y, loss [B], d [B], dz of the mean loss;
           K euclidean, l1, cosine; L contrastive, hinge
  batch.K.L.*  N x D vectors z, groups, loss (0.3 of the mean over pairs of one
           group, 0.7 of that over the others) and dz; the same K and L
  softmax.*  z, label, loss of each row, p, dz of the mean loss
  value.L.*  z, target, loss of each, dz of the mean loss; L squared, huber
  bag.*    table, start, idx, weight, y, dy and the table's gradient
  adam.*, sgd.*  parameter p, gradients g [T, n], p after each of T steps
  elu.x, elu.y
  conv.K.*, maxpool.K.*, avgpool.K.*  images [N, H, W, C] through window K of WINDOWS:
           x, w [O, KH, KW, C], bias, dy, y, dx, dw, dbias, and the window as
           struct kn_window has it; the pools of the same x: dy, y, dx
  bn_pool.K.*  images [N, H, W, C] through batch norm, a max pool of window K and
           elu (relu where K is odd): x, gamma, beta, dy, y, dx, dgamma, dbeta
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

EPS = 1e-12  # KN_EPS_DIST
T = 5


def batch_norm(out):
    N, C = 13, 6
    x = (torch.randn(N, C) * 2 + 3).double().requires_grad_()
    res = torch.randn(N, C).double().requires_grad_()
    dy = torch.randn(N, C).double()
    norm = torch.nn.BatchNorm1d(C).double()
    with torch.no_grad():
        for p in (norm.weight, norm.bias, norm.running_mean):
            p.copy_(torch.randn(C))
        norm.running_var.copy_(torch.rand(C) + 0.5)
    start = torch.stack([norm.running_mean, norm.running_var]).clone()
    out |= {"bn.x": x, "bn.res": res, "bn.dy": dy, "bn.gamma": norm.weight.clone(), "bn.beta": norm.bias.clone(),
            "bn.running": start}
    for name, act in (("relu", torch.relu), ("elu", torch.nn.functional.elu)):
        norm.running_mean.copy_(start[0])
        norm.running_var.copy_(start[1])
        for p in (x, res, norm.weight, norm.bias):
            p.grad = None
        y = act(norm(x) + res)
        y.backward(dy)
        out |= {f"bn.{name}.y": y, f"bn.{name}.dx": x.grad, f"bn.{name}.dres": res.grad,
                f"bn.{name}.dgamma": norm.weight.grad, f"bn.{name}.dbeta": norm.bias.grad}
    out["bn.after"] = torch.stack([norm.running_mean, norm.running_var])


def distance(kind, a, b):
    if kind == "euclidean":
        return ((a - b).square().sum(1) + EPS).sqrt()
    if kind == "l1":
        return (a - b).abs().sum(1)
    return 1 - torch.nn.functional.cosine_similarity(a, b)


def pair_losses(out):
    B, D = 9, 7
    z = torch.randn(2 * B, D).double().requires_grad_()
    y = (torch.arange(B) % 3 == 0).double()
    out |= {"pair.z": z, "pair.y": y, "pair.margin": torch.tensor([4.0, 8.0, 1.1])}
    for kind, margin in zip(("euclidean", "l1", "cosine"), (4.0, 8.0, 1.1)):
        for loss in ("contrastive", "hinge"):
            z.grad = None
            d = distance(kind, z[:B], z[B:])
            gap = (margin - d).clamp(min=0)
            each = y * d**2 + (1 - y) * gap**2 if loss == "contrastive" else y * d + (1 - y) * gap
            each.mean().backward()
            name = f"pair.{kind}.{loss}"
            out |= {f"{name}.loss": each, f"{name}.d": d, f"{name}.dz": z.grad}


def batch_losses(out):
    N, D = 11, 6
    z = torch.randn(N, D).double().requires_grad_()
    group = torch.tensor([0, 1, 2, 0, 1, 3, 3, 0, 4, 5, 1])
    i, j = torch.triu_indices(N, N, 1)
    same = group[i] == group[j]
    out |= {"batch.z": z, "batch.group": group}
    for kind, margin in zip(("euclidean", "l1", "cosine"), (4.0, 8.0, 1.1)):
        for loss in ("contrastive", "hinge"):
            z.grad = None
            d = distance(kind, z[i], z[j])
            gap = (margin - d).clamp(min=0)
            near, far = (d**2, gap**2) if loss == "contrastive" else (d, gap)
            total = 0.3 * near[same].mean() + 0.7 * far[~same].mean()
            total.backward()
            out |= {f"batch.{kind}.{loss}.loss": total[None], f"batch.{kind}.{loss}.dz": z.grad}


def other_losses(out):
    z = (torch.randn(9, 7) * 8).double().requires_grad_()
    label = torch.randint(7, (9,))
    loss = torch.nn.functional.cross_entropy(z, label, reduction="none")
    loss.mean().backward()
    out |= {"softmax.z": z, "softmax.label": label, "softmax.loss": loss, "softmax.p": z.softmax(1),
            "softmax.dz": z.grad}
    target = torch.randn(20).double()
    out["value.target"] = target
    for name in ("squared", "huber"):
        x = torch.linspace(-3, 3, 20).double().requires_grad_()
        loss = (x - target) ** 2 if name == "squared" else torch.nn.functional.huber_loss(x, target, "none", 0.7)
        loss.mean().backward()
        out |= {"value.z": x, f"value.{name}.loss": loss, f"value.{name}.dz": x.grad}


def bag(out):
    table = torch.randn(8, 5).double().requires_grad_()
    start, idx = torch.tensor([0, 3, 3, 4, 10, 12]), torch.tensor([1, 7, 1, 0, 2, 3, 5, 7, 2, 6, 1, 0])
    weight, dy = torch.randn(12).double(), torch.randn(5, 5).double()
    y = torch.nn.functional.embedding_bag(idx, table, start, per_sample_weights=weight, mode="sum",
                                          include_last_offset=True)
    y.backward(dy)
    out |= {"bag.table": table, "bag.start": start, "bag.idx": idx, "bag.weight": weight, "bag.y": y, "bag.dy": dy,
            "bag.dtable": table.grad}


def optimiser(out, name, make):
    p = torch.nn.Parameter(torch.randn(10).double())
    g = torch.randn(T, 10).double()
    out |= {f"{name}.p": p.clone(), f"{name}.g": g}
    opt = make([p])
    steps = []
    for t in range(T):
        p.grad = g[t].clone()
        opt.step()
        steps.append(p.detach().clone())
    out[f"{name}.after"] = torch.stack(steps)


# C, O, H, W, KH, KW, stride, pad, dilation
WINDOWS = ((3, 2, 4, 5, 3, 3, 1, 1, 1), (2, 3, 6, 5, 2, 3, 2, 1, 1), (1, 4, 7, 6, 3, 2, 3, 1, 2),
           (4, 2, 3, 4, 1, 1, 1, 0, 1))


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def windows(out):
    functional = torch.nn.functional
    for k, (C, O, H, W, KH, KW, stride, pad, dilation) in enumerate(WINDOWS):
        x = torch.randn(2, C, H, W).double().requires_grad_()
        w = torch.randn(O, C, KH, KW).double().requires_grad_()
        bias = torch.randn(O).double().requires_grad_()
        y = functional.conv2d(x, w, bias, stride, pad, dilation)
        dy = torch.randn_like(y)
        y.backward(dy)
        parts = {"x": nhwc(x), "w": nhwc(w), "dy": nhwc(dy), "y": nhwc(y), "dx": nhwc(x.grad), "dw": nhwc(w.grad)}
        out |= {f"conv.{k}.{name}": t for name, t in parts.items()}
        out |= {f"conv.{k}.bias": bias, f"conv.{k}.dbias": bias.grad}
        out[f"conv.{k}.window"] = torch.tensor([H, W, C, KH, KW, stride, pad, dilation, *y.shape[2:]], dtype=torch.float64)
        pools = {"maxpool": lambda: functional.max_pool2d(x, (KH, KW), stride, pad, dilation)}
        if dilation == 1:  # PyTorch's mean has no other
            pools["avgpool"] = lambda: functional.avg_pool2d(x, (KH, KW), stride, pad, count_include_pad=False)
        for name, pool in pools.items():
            x.grad = None
            y = pool()
            dy = torch.randn_like(y)
            y.backward(dy)
            out |= {f"{name}.{k}.y": nhwc(y), f"{name}.{k}.dy": nhwc(dy), f"{name}.{k}.dx": nhwc(x.grad)}


def norm_and_pool(out):
    functional = torch.nn.functional
    for k, (C, _, H, W, KH, KW, stride, pad, dilation) in enumerate(WINDOWS):
        x = torch.randn(2, C, H, W).double().requires_grad_()
        gamma, beta = (torch.randn(C).double().requires_grad_() for _ in range(2))
        y = functional.batch_norm(x, None, None, gamma, beta, training=True)
        y = (functional.elu, torch.relu)[k % 2](functional.max_pool2d(y, (KH, KW), stride, pad, dilation))
        dy = torch.randn_like(y)
        y.backward(dy)
        parts = {"x": nhwc(x), "gamma": gamma, "beta": beta, "dy": nhwc(dy), "y": nhwc(y), "dx": nhwc(x.grad),
                 "dgamma": gamma.grad, "dbeta": beta.grad}
        out |= {f"bn_pool.{k}.{name}": t for name, t in parts.items()}


torch.manual_seed(1)
ref = {}
batch_norm(ref)
pair_losses(ref)
optimiser(ref, "adam", lambda p: torch.optim.Adam(p, lr=0.01))
optimiser(ref, "adam_decay", lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1))
optimiser(ref, "sgd", lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1))
optimiser(ref, "sgd_momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
optimiser(ref, "sgd_nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1))
windows(ref)
batch_losses(ref)
other_losses(ref)
bag(ref)
norm_and_pool(ref)
ref["elu.x"] = torch.tensor([-100, -20, -5, -1, -0.5, -0.01, -1e-4, -1e-6, 0, 1e-6, 0.3, 4], dtype=torch.float64)
ref["elu.y"] = torch.nn.functional.elu(ref["elu.x"])
save_file({k: np.ascontiguousarray(v.detach().numpy().astype(np.float32 if v.is_floating_point() else np.uint32))
           for k, v in ref.items()},
          pathlib.Path(__file__).with_suffix(".st"))
