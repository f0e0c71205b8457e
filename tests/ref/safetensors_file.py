#!/usr/bin/env python3
"""Writes tests/ref/safetensors.st with the reference implementation, for
tests/test_safetensors.c to read, and checks that the reference implementation
reads what that test writes (tests/ref/safetensors-ours.st: the same tensors by
ds_st_bytes) to the same values.

Usage, from the root of the checkout: python3 tests/ref/safetensors_file.py
Needs numpy and safetensors (made with numpy 2.4.6, safetensors 0.8.0)."""
import pathlib

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
tensors = {
    "f32": np.array([[1.5, -2.25, 0.0], [3e38, -1e-38, np.inf]], np.float32),
    "f16": np.array([0.5, -65504, 2**-24], np.float16),
    "f64": np.array([np.pi], np.float64),
    "i8": np.array([[-128, 127]], np.int8),
    "u8": np.arange(5, dtype=np.uint8),
    "i16": np.array([-32768], np.int16),
    "u16": np.array([65535], np.uint16),
    "i32": np.array([-(2**31)], np.int32),
    "u32": np.array([2**32 - 1], np.uint32),
    "i64": np.array([-(2**63)], np.int64),
    "u64": np.array([2**64 - 1], np.uint64),
    "bool": np.array([True, False, True]),
    "scalar": np.array(7.0, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "wörter \"quoted\"": np.array([1, 2], np.uint8),
}
metadata = {"format": "np", "line": "one\ntwo", "ключ": "значение"}

save_file(tensors, here / "safetensors.st", metadata)

ours = here / "safetensors-ours.st"
if ours.exists():
    with safe_open(ours, "np") as f:
        assert f.metadata() == metadata, f.metadata()
        assert set(f.keys()) == set(tensors), f.keys()
        for name, expected in tensors.items():
            got = f.get_tensor(name)
            assert got.dtype == expected.dtype and got.shape == expected.shape, name
            assert got.tobytes() == expected.tobytes(), name
    print("the reference implementation reads", ours)
