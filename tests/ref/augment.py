"""Writes tests/ref/augment.st: images turned, zoomed, shifted, mirrored and recoloured by SciPy, in float64.

    python3 tests/ref/augment.py        # needs scipy, numpy, safetensors

Tensors of case K:
  K.px       [h,w,c] the image, bytes
  K.change   [12] row[3], col[3] of the map from the result to the image, scale[3], offset[3] of the colours
  K.input    [6] mean[3], std[3]
  K.y        [h,w,c] what the network is to read
"""
import pathlib

import numpy as np
from safetensors.numpy import save_file
from scipy.ndimage import affine_transform

#        h   w  c  angle  size  down  across  flip
CASES = [(28, 28, 1, 12, 1.15, 1.5, -2.25, False),
         (17, 23, 3, -30, 0.8, -3, 4.5, True),
         (9, 70, 3, 175, 1.7, 0.5, 0.25, False),
         (5, 5, 1, 90, 1, 0, 0, False),
         (6, 11, 1, 0, 1, 0, 0, True),
         (8, 8, 3, 45, 0.3, 40, -40, False),
         (6, 4, 3, 0, 1, 2.5, 0, False),
         (4, 6, 1, 0, 1, 0, -1.5, False),
         (1, 9, 1, 20, 1.1, 0, 1, False),
         (7, 1, 3, 20, 1.1, 1, 0, False),
         (1, 1, 1, 10, 1, 0, 0, True)]


def case(rng, h, w, c, angle, size, down, across, flip):
    px = rng.integers(0, 256, (h, w, c), dtype=np.uint8)
    turn = np.deg2rad(angle)
    # (y,x) about the centre of the result: mirror, then turn and zoom, then shift
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / size
    matrix = matrix @ np.diag([1, -1 if flip else 1])
    centre = np.array([h - 1, w - 1]) / 2
    to = centre + [down, across]
    scale, offset = rng.uniform(0.7, 1.3, 3), rng.uniform(-0.3, 0.3, 3)
    mean, std = rng.uniform(0.2, 0.8, 3), rng.uniform(0.2, 0.8, 3)
    colour = np.clip(px / 255 * scale[:c] + offset[:c], 0, 1)
    y = np.stack([affine_transform(colour[..., k], matrix, to - matrix @ centre, order=1, mode="nearest")
                  for k in range(c)], 2)
    change = np.concatenate([matrix[0], to[:1], matrix[1], to[1:], scale, offset])
    return {"px": px, "change": change.astype(np.float32), "input": np.concatenate([mean, std]).astype(np.float32),
            "y": (y - mean[:c]) / std[:c]}


rng = np.random.default_rng(5)
out = {}
for number, sizes in enumerate(CASES):
    out |= {f"{number}.{name}": np.ascontiguousarray(t) for name, t in case(rng, *sizes).items()}
save_file({name: t.astype(np.float32) if t.dtype == np.float64 else t for name, t in out.items()},
          pathlib.Path(__file__).with_suffix(".st"))
