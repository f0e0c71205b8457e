"""Training three image networks with PyTorch, images a second.

    python3 tests/peers/conv_torch.py

  mnist    conv 64 8x8/2, conv 128 6x6/2, conv 128 5x5, ReLU, linear 10; 28x28x1
  blocks   four times conv 64 3x3, batch norm, ReLU, max 2x2; linear 10; 28x28x1
  darknet  tiny-darknet (pjreddie's tiny.cfg) with ELU and no batch norm; 128x128x3

Cross entropy and Adam (PyTorch's fused one), all cores, eager. The faster of
PyTorch's two memory formats counts; the median of the rounds of each."""
import os
import statistics
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


def seconds(step, least=0.5):
    """Of one step, over as many as fill `least` seconds."""
    start, n = time.perf_counter(), 0
    while n == 0 or time.perf_counter() - start < least:
        step()
        n += 1
    return (time.perf_counter() - start) / n


print("training on images, images a second: PyTorch " + torch.__version__)
for build, batch, shape, classes in NETS:
    formats = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    steps = {name: stepper(build, batch, shape, classes, layout) for name, layout in formats.items()}
    times = {name: [] for name in steps}
    for step in steps.values():
        seconds(step, 0)
    for _ in range(5):
        for name, step in steps.items():
            times[name].append(seconds(step))
    rates = {name: batch / statistics.median(t) for name, t in times.items()}
    print(f"{build.__name__:8} batch {batch:3}  " + "  ".join(f"{name} {rate:8.0f}" for name, rate in rates.items()))
