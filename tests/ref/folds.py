#!/usr/bin/env python3
"""Reference values for siamese/folds.c: accuracy at the threshold that is best
on the other parts, when every pair is a part of its own (scikit-learn's
LeaveOneOut), so that no random cut matters.

Usage: folds.py      (numpy, scikit-learn 1.9); test_folds.c has what it prints
"""
import numpy as np
from sklearn.model_selection import LeaveOneOut

d = np.array([0.1, 0.9, 0.35, 0.3, 0.75, 0.5, 0.2, 0.4, 0.65, 0.55, 0.45, 0.6, 0.25], dtype=np.float32)
y = np.array([1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1])


def best_threshold(d, y):
    s = np.unique(d).astype(np.float64)
    t = np.r_[s[0], (s[1:] + s[:-1]) / 2, np.nextafter(s[-1], np.inf)]
    right = np.array([((d < c) == (y == 1)).sum() for c in t])
    at = np.flatnonzero(right == right.max())
    return t[at[(len(at) - 1) // 2]]


right = np.array([float((d[test[0]] < best_threshold(d[train], y[train])) == (y[test[0]] == 1))
                  for train, test in LeaveOneOut().split(d)])
print("mean %.12f sd %.12f" % (right.mean(), right.std(ddof=1)))
