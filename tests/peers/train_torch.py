"""Training the seed network: siam beside PyTorch, pairs a second.

    SIAM_BIN=build/bin python3 tests/peers/train_torch.py

The same network, 100-d inputs, both twins in one batch, contrastive loss, Adam
(PyTorch's fused one), rows gathered from one table by shuffled indexes, two
threads each. siam's figure is a whole epoch's of siam-bench, PyTorch's the best
of its epochs, eager; with COMPILE=1 torch.compile is tried too. In turns."""
import json
import os
import subprocess
import sys
import time

siam = os.environ.get("SIAM_BIN", "build/bin")
try:
    import torch
except ImportError:
    sys.exit(print("training the seed network: skipped, PyTorch is not installed"))

threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)
PAIRS, INPUT, WIDTH = 1 << 15, 100, 128


class Seed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.ModuleList(torch.nn.Linear(i, WIDTH, bias=False) for i in (INPUT, WIDTH, WIDTH))
        self.norm = torch.nn.ModuleList(torch.nn.BatchNorm1d(WIDTH) for _ in range(3))
        self.last = torch.nn.BatchNorm1d(3 * WIDTH)

    def forward(self, x):
        r1 = torch.relu(self.norm[0](self.linear[0](x)))
        r2 = torch.relu(self.norm[1](self.linear[1](r1)) + r1)
        r3 = torch.relu(self.norm[2](self.linear[2](r2)) + r2)
        return self.last(torch.cat((r3, r2, r1), 1))


def rate(batch, compiled):
    torch.manual_seed(1)
    table = torch.rand(2 * PAIRS, INPUT) * 2 - 1
    label = (torch.arange(PAIRS) % 2).float()
    net = Seed()
    adam = torch.optim.Adam(net.parameters(), fused=True)

    def loss_of(rows, y):
        z = net(table[rows])
        d = ((z[: len(y)] - z[len(y):]).square().sum(1) + 1e-12).sqrt()
        return (y * d * d + (1 - y) * torch.clamp(1 - d, min=0).square()).mean()

    if compiled:
        loss_of = torch.compile(loss_of)
    best = 0
    for _ in range(4):
        order = torch.randperm(PAIRS)
        start = time.perf_counter()
        for i in range(0, PAIRS, batch):
            pick = order[i: i + batch]
            adam.zero_grad()
            loss_of(torch.cat((pick, pick + PAIRS)), label[pick]).backward()
            adam.step()
        best = max(best, PAIRS / (time.perf_counter() - start))
    return best


def ours():
    out = subprocess.run([f"{siam}/siam-bench", "--what", "steps", "--json", "-q", "--threads", str(threads)],
                         capture_output=True, check=True).stdout
    return {s["batch"]: s["pairs_per_second"] for s in json.loads(out)["steps"] if s["arch"] == "seed"}


batches = (128, 512, 4096)
peer, siams = dict.fromkeys(batches, 0.0), dict.fromkeys(batches, 0.0)
for _ in range(3):
    for b in batches:
        peer[b] = max(peer[b], rate(b, False), rate(b, True) if os.environ.get("COMPILE") else 0)
    mine = ours()
    for b in batches:
        siams[b] = max(siams[b], mine[b])
print(f"training the seed network, {INPUT}-d, {threads} threads, PyTorch {torch.__version__}, pairs a second")
for b in batches:
    print(f"  batch {b:<6} PyTorch {peer[b]:9.0f}   siam {siams[b]:9.0f}   {siams[b] / peer[b]:5.2f} x")
