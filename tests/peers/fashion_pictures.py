"""The pictures of README's page on images, from Fashion-MNIST (MIT licence).

    SIAM_BIN=build/bin python3 tests/peers/fashion_pictures.py OUT     # needs numpy, pillow

Debian's dataset-fashion-mnist has the images. Trains `mnist-net` on the ten
classes and `conv4` to compare, and draws into the folder OUT: curve.png, the
training curve; neighbours.png, test images and the five nearest to each of the
others; attention.png, where a picture of each of a few classes is looked at."""
import csv
import gzip
import io
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image, ImageDraw

SIAM = os.environ.get("SIAM_BIN", "build/bin")
DATA = "/usr/share/datasets/fashion-mnist"
INK, GRID, TRAIN, TEST = (60, 60, 60), (225, 225, 225), (31, 119, 180), (214, 90, 30)


def run(tool, *arguments):
    return subprocess.run([f"{SIAM}/{tool}", "-q", *map(str, arguments)], check=True, capture_output=True).stdout


def idx(name):
    path = next(p for p in (f"{DATA}/{name}", f"{DATA}/{name}.gz") if os.path.exists(p))
    raw = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28), path


def curve(log, path):
    """Loss of training and of dev, and dev accuracy, by epoch."""
    rows = [json.loads(line) for line in open(log)]
    W, H, left, bottom = 640, 300, 46, 36
    im = Image.new("RGB", (W, H), "white")
    draw = ImageDraw.Draw(im)
    for name, keys, x0, low, high in (("loss", ("loss", "dev_loss"), 0, 0, max(r["dev_loss"] for r in rows) * 1.1),
                                      ("dev accuracy", ("dev_accuracy",), W // 2, 0.8, 0.95)):
        def at(i, v):
            return (x0 + left + (W / 2 - left - 14) * i / (len(rows) - 1),
                    24 + (H - bottom - 24) * (1 - (v - low) / (high - low)))
        for k in range(5):
            v = low + (high - low) * k / 4
            draw.line([at(0, v), at(len(rows) - 1, v)], fill=GRID)
            draw.text((x0 + 8, at(0, v)[1] - 6), f"{v:.2f}", fill=INK)
        for key, colour in zip(keys, (TRAIN, TEST) if len(keys) == 2 else (TEST,)):
            draw.line([at(i, min(max(r[key], low), high)) for i, r in enumerate(rows)], fill=colour, width=2)
        draw.text((x0 + left, 6), name, fill=INK)
        draw.text((x0 + left, H - bottom + 12), f"epoch 1 to {len(rows)}", fill=INK)
    draw.text((left + 60, 6), "training", fill=TRAIN)
    draw.text((left + 120, 6), "dev", fill=TEST)
    im.save(path, optimize=True)


def vectors(model, source):
    rows = list(csv.reader(io.StringIO(run("siam-image-score", "-m", model, "--images", source).decode())))[1:]
    return np.array([[float(v) for v in r[1:]] for r in rows], np.float32)


def neighbours(z, images, path, queries=6, shown=5, of=3000):
    side, gap = 56, 6
    im = Image.new("L", ((shown + 1) * (side + gap) + 18, queries * (side + gap) + gap), 255)
    for row, q in enumerate(np.linspace(0, of - 1, queries).astype(int)):
        d = np.abs(z[:of] - z[q]).sum(1)
        d[q] = np.inf
        for col, i in enumerate([q, *np.argsort(d, kind="stable")[:shown]]):
            picture = Image.fromarray(255 - images[i]).resize((side, side), Image.BICUBIC)
            im.paste(picture, (gap + col * (side + gap) + (12 if col else 0), gap + row * (side + gap)))
    im.save(path, optimize=True)


def attention(model, images, out, chosen):
    maps = []
    for i in chosen:
        Image.fromarray(images[i]).save(f"{out}/one.png")
        run("siam-image-attend", "-m", model, f"{out}/one.png", "-o", f"{out}/map.png")
        both = Image.new("RGB", (2 * 128 + 4, 128), "white")
        both.paste(Image.fromarray(images[i]).resize((128, 128), Image.NEAREST).convert("RGB"), (0, 0))
        both.paste(Image.open(f"{out}/map.png").convert("RGB").resize((128, 128), Image.BICUBIC), (132, 0))
        maps.append(both)
    im = Image.new("RGB", (2 * 268, (len(maps) + 1) // 2 * 134), "white")
    for k, m in enumerate(maps):
        im.paste(m, (k % 2 * 272, k // 2 * 134))
    im.save(f"{out}/attention.png", optimize=True)
    os.remove(f"{out}/one.png")
    os.remove(f"{out}/map.png")


def main(out):
    os.makedirs(out, exist_ok=True)
    images, test = idx("t10k-images-idx3-ubyte")
    _, train = idx("train-images-idx3-ubyte")
    classes, features = f"{out}/classes.st", f"{out}/features.st"
    run("siam-image-train", "--images", train, "--net", "mnist-net", "--flip", "yes", "--rotate", 0, "--zoom", 0,
        "--shift", 0.04, "--colour", 0, "--epochs", 9, "--log", f"{out}/classes.jsonl", "-o", classes)
    run("siam-image-pretrain", "--images", train, "--net", "conv4", "--size", 28, "--flip", "yes", "--each", 8,
        "--epochs", 2, "--hold-out", 0, "-o", features)
    print(run("siam-eval", "-m", classes, "--images", test, "--json").decode().strip())
    curve(f"{out}/classes.jsonl", f"{out}/curve.png")
    neighbours(vectors(features, test), images, f"{out}/neighbours.png")
    attention(classes, images, out, (0, 1, 2, 11, 18, 23))


main(sys.argv[1])
