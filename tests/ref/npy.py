#!/usr/bin/env python3
"""Arrays as NumPy writes them, for data/npy.c.

Usage: npy.py npy.npz      (numpy 2)

Element i of each, in C order, is (i - 5) / 8, which every dtype holds exactly.
Times in the archive are fixed, so that the same NumPy gives the same bytes.
"""
import io
import sys
import zipfile

import numpy as np

ARRAYS = {  # name: (dtype, shape, version or None for what numpy.save chooses)
    "f4": ("<f4", (3, 4), None),
    "f8": ("<f8", (3, 4), None),
    "f2": ("<f2", (3, 4), None),
    "flat": ("<f4", (7,), None),
    "column": ("<f4", (7, 1), None),
    "empty": ("<f4", (0, 4), None),
    "version2": ("<f4", (3, 4), (2, 0)),
    "version3": ("<f4", (3, 4), (3, 0)),
    # what is refused
    "big-endian": (">f4", (3, 4), None),
    "integers": ("<i8", (3, 4), None),
    "by-columns": ("<f4", (3, 4), None),
    "scalar": ("<f4", (), None),
    "three": ("<f4", (2, 3, 2), None),
    "records": ([("a", "<f4"), ("b", "<i4")], (3,), None),
}

with zipfile.ZipFile(sys.argv[1], "w") as out:
    for name, (dtype, shape, version) in ARRAYS.items():
        n = int(np.prod(shape, dtype=int))
        x = ((np.arange(n) - 5) / 8).astype(dtype).reshape(shape)
        if name == "by-columns":
            x = np.asfortranarray(x)
        member = io.BytesIO()
        np.lib.format.write_array(member, x, version=version)
        out.writestr(zipfile.ZipInfo(name + ".npy"), member.getvalue())
