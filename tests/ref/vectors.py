#!/usr/bin/env python3
"""Writes the same five word vectors as other programs write them, for
tests/test_import.c: gensim's word2vec text and binary form (without a newline
behind a vector), and the binary form of word2vec's own C code (with one).

Usage, from the root of the checkout: python3 -P tests/ref/vectors.py
Needs gensim and numpy (made with gensim 4.4.0)."""
import pathlib

import numpy as np
from gensim.models import KeyedVectors

here = pathlib.Path(__file__).parent
words = ["</s>", "the", "naïve", "été", "\u4e2d\u6587"]
x = (np.arange(20, dtype=np.float32).reshape(5, 4) - 9.5) / 7

kv = KeyedVectors(4)
kv.add_vectors(words, x)
kv.save_word2vec_format(here / "vectors-w2v.txt", binary=False)
kv.save_word2vec_format(here / "vectors-w2v.bin", binary=True)

with open(here / "vectors-w2v-newlines.bin", "wb") as f:
    f.write(b"5 4\n")
    for word, row in zip(words, x):
        f.write(word.encode() + b" " + row.tobytes() + b"\n")
