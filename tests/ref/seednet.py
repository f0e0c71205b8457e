"""Writes tests/ref/seednet.st: the seed network run and trained by PyTorch.

    python3 tests/ref/seednet.py        # needs torch, numpy, safetensors

Computed in float64, so that the reference's own rounding is far below ours.
Two cases: `small` (8 pairs, 20 inputs, width 12) with everything, `true` (16
pairs, 100 inputs, width 128) without gradients and final weights, to stay
small. The margin is set so that pairs of both labels are inside and outside it.
Tensors of case C: C.x [2B, D], rows 0..B-1 the first of each pair; C.y [B];
C.margin; C.start.PART, as siam names the parts of a network; C.z, C.d, C.loss
of the first forward; C.stat.PART after it; C.grad.PART; C.losses of ten steps
of Adam; C.after.PART; C.infer_d, distances by running statistics after them.
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

EPS = 1e-12  # KN_EPS_DIST
LR = 1e-2


class Seed(torch.nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        sizes = [inputs, width, width]
        self.linear = torch.nn.ModuleList(torch.nn.Linear(i, width, bias=False) for i in sizes)
        self.norm = torch.nn.ModuleList(torch.nn.BatchNorm1d(width) for _ in sizes)
        self.last = torch.nn.BatchNorm1d(3 * width)

    def forward(self, x):
        r1 = torch.relu(self.norm[0](self.linear[0](x)))
        r2 = torch.relu(self.norm[1](self.linear[1](r1)) + r1)
        r3 = torch.relu(self.norm[2](self.linear[2](r2)) + r2)
        return self.last(torch.cat([r3, r2, r1], 1))

    def parts(self):
        """siam's number of each op in its text -> the module."""
        ops = {1: self.linear[0], 2: self.norm[0], 4: self.linear[1], 5: self.norm[1],
               8: self.linear[2], 9: self.norm[2], 13: self.last}
        for number, module in ops.items():
            for name, p in module.named_parameters():
                yield f"{number}.{name}", p
            for name, b in module.named_buffers():
                if name != "num_batches_tracked":
                    yield f"{number}.{name}", b


def distance(z):
    a, b = z.chunk(2)
    return ((a - b).square().sum(1) + EPS).sqrt()


def case(out, name, pairs, inputs, width, margin, whole):
    torch.manual_seed(1)
    x = torch.randn(2 * pairs, inputs).double()
    y = (torch.arange(pairs) % 3 == 0).double()
    x[pairs:][y > 0] = x[:pairs][y > 0] + 0.7 * x[pairs:][y > 0]
    net = Seed(inputs, width)
    for norm in [*net.norm, net.last]:  # 1 and 0 would hide mistakes
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    net = net.double()

    def keep(key, tensor):
        out[f"{name}.{key}"] = tensor.detach().numpy().astype(np.float32).copy()

    def loss_of(z):
        d = distance(z)
        return d, y * d.square() + (1 - y) * (margin - d).clamp(min=0).square()

    keep("x", x)
    keep("y", y)
    keep("margin", torch.tensor([margin]))
    for part, p in net.parts():
        keep(f"start.{part}", p)
    # fp32 is what the other side starts from
    with torch.no_grad():
        x = x.float().double()
        for _, p in net.parts():
            p.copy_(p.float().double())
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    losses = []
    for step in range(10):
        optimizer.zero_grad()
        z = net(x)
        d, loss = loss_of(z)
        if step == 0:
            inside = (d < margin)[y == 0]
            assert 0 < inside.sum() < len(inside), (name, d)
            keep("z", z)
            keep("d", d)
            keep("loss", loss)
        loss.mean().backward()
        if step == 0 and whole:
            for part, p in net.parts():
                keep(f"grad.{part}" if p.requires_grad else f"stat.{part}", p.grad if p.requires_grad else p)
        losses.append(loss.mean())
        optimizer.step()
    keep("losses", torch.stack(losses))
    if whole:
        for part, p in net.parts():
            keep(f"after.{part}", p)
    net.eval()
    keep("infer_d", distance(net(x)))


tensors = {}
case(tensors, "small", 8, 20, 12, 10.0, True)
case(tensors, "true", 16, 100, 128, 27.0, False)
save_file(tensors, pathlib.Path(__file__).with_suffix(".st"), {"torch": torch.__version__})
