"""Training three image networks: siam beside PyTorch, images a second.

    SIAM_BIN=build/bin python3 tests/peers/conv_torch.py

  mnist    conv 64 8x8/2, conv 128 6x6/2, conv 128 5x5, ReLU, linear 10; 28x28x1
  blocks   four times conv 64 3x3, batch norm, ReLU, max 2x2; linear 10; 28x28x1
  darknet  tiny-darknet (pjreddie's tiny.cfg) with ELU and no batch norm; 128x128x3

Cross entropy and Adam (PyTorch's fused one), all cores, eager. The faster of
PyTorch's two memory formats counts; each one's best of three turns. siam's figure
is a whole epoch's of siam-bench, batches prepared from bytes included."""
import json
import os
import subprocess
import sys
import time

try:
    import torch
except ImportError:
    sys.exit(print("training on images: skipped, PyTorch is not installed"))

from torch import nn

torch.set_num_threads(len(os.sched_getaffinity(0)))


def mnist():
    return nn.Sequential(nn.Conv2d(1, 64, 8, 2, 3), nn.ReLU(), nn.Conv2d(64, 128, 6, 2), nn.ReLU(),
                         nn.Conv2d(128, 128, 5), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


def blocks():
    layers = []
    for c in (1, 64, 64, 64):
        layers += [nn.Conv2d(c, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))


def darknet():
    layers, c = [], 3
    for width, size in ((16, 3), (0, 2), (32, 3), (0, 2), (16, 1), (128, 3), (16, 1), (128, 3), (0, 2), (32, 1),
                        (256, 3), (32, 1), (256, 3), (0, 2), (64, 1), (512, 3), (64, 1), (512, 3), (128, 1)):
        layers += [nn.Conv2d(c, width, size, 1, size // 2), nn.ELU()] if width else [nn.MaxPool2d(size)]
        c = width or c
    return nn.Sequential(*layers, nn.Conv2d(c, 1000, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


NETS = ((mnist, 128, (1, 28, 28), 10), (blocks, 128, (1, 28, 28), 10), (darknet, 32, (3, 128, 128), 1000))


def stepper(build, batch, shape, classes, layout):
    torch.manual_seed(1)
    net = build().to(memory_format=layout)
    x = torch.rand(batch, *shape).contiguous(memory_format=layout)
    label = torch.arange(batch) % classes
    adam = torch.optim.Adam(net.parameters(), fused=True)

    def step():
        adam.zero_grad()
        nn.functional.cross_entropy(net(x), label).backward()
        adam.step()

    return step


def seconds(step, least=2):
    """Of one step, over as many as fill `least` seconds."""
    start, n = time.perf_counter(), 0
    while n == 0 or time.perf_counter() - start < least:
        step()
        n += 1
    return (time.perf_counter() - start) / n


def ours():
    siam = os.environ.get("SIAM_BIN", "build/bin")
    out = subprocess.run([f"{siam}/siam-bench", "--what", "steps", "--json", "-q"], capture_output=True, check=True).stdout
    return {s["arch"]: s["images_per_second"] for s in json.loads(out)["steps"] if "images_per_second" in s}


NAMES = {"mnist": "mnist-net", "blocks": "conv4", "darknet": "tiny-darknet"}
formats = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
best, siams = {}, dict.fromkeys(NAMES, 0.0)
for turn in range(3):
    for build, batch, shape, classes in NETS:
        for name, layout in formats.items():
            step = stepper(build, batch, shape, classes, layout)
            seconds(step, 0)
            key = build.__name__, name
            best[key] = max(best.get(key, 0), batch / seconds(step))
    mine = ours()
    for net, name in NAMES.items():
        siams[net] = max(siams[net], mine[name])
print(f"training on images, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, images a second")
for build, batch, _, _ in NETS:
    net = build.__name__
    rates = {name: best[net, name] for name in formats}
    print(f"  {net:8} batch {batch:3}  " + "  ".join(f"{name} {rate:7.0f}" for name, rate in rates.items()) +
          f"  siam {siams[net]:7.0f}  {siams[net] / max(rates.values()):5.2f} x")
