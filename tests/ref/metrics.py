#!/usr/bin/env python3
"""Reference values for siamese/eval.c and siamese/calibrate.c.

Usage: metrics.py > metrics.txt      (numpy, scikit-learn 1.9)

The metrics come from scikit-learn, the expected calibration error from numpy's
histogram. The sigmoid is fitted by scikit-learn's LogisticRegression without
penalty: each pair stands there twice, once with each label, weighted by Platt's
target, which is the same likelihood by another program and another method.

One case: a line "case NAME PAIRS THRESHOLD", a line "d label p" for each pair,
then a line "METRIC VALUE" for each value, then "end". nan: not defined.
"""
import warnings

import numpy as np
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("ignore")
NAN = float("nan")


def best(d, y):
    """Accuracy at every cut between distinct distances, and the middle best one."""
    s = np.unique(d).astype(np.float64)
    t = np.r_[s[0], (s[1:] + s[:-1]) / 2, np.nextafter(s[-1], np.inf)]
    right = np.array([((d < c) == (y == 1)).sum() for c in t])
    at = np.flatnonzero(right == right.max())
    return right.max() / len(y), t[at[(len(at) - 1) // 2]]


def ece(y, p):
    edges = np.arange(16) / 15
    bins = np.clip((p * 15).astype(int), 0, 14)
    assert np.array_equal(np.histogram(p, edges)[0], np.bincount(bins, minlength=15))
    gap = [abs(y[bins == b].mean() - p[bins == b].mean()) * (bins == b).sum() for b in range(15) if (bins == b).any()]
    return sum(gap) / len(y)


def sigmoid(d, y):
    pos, neg = (y == 1).sum(), (y == 0).sum()
    if pos == 0 or neg == 0 or len(np.unique(d)) < 2:
        return NAN, NAN
    t = np.where(y == 1, (pos + 1) / (pos + 2), 1 / (neg + 2))
    mean, spread = d.mean(dtype=np.float64), d.std(dtype=np.float64)
    x = ((d.astype(np.float64) - mean) / spread)[:, None]
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-14, max_iter=1000)
    fit.fit(np.r_[x, x], np.r_[np.ones(len(y)), np.zeros(len(y))], sample_weight=np.r_[t, 1 - t])
    beta = -fit.coef_[0, 0] / spread
    if beta < 0:
        return np.log(t.mean() / (1 - t.mean())), 0.0
    return fit.intercept_[0] + beta * mean, beta


def report(name, d, y, p, threshold):
    d = np.asarray(d, dtype=np.float32)
    y = np.asarray(y, dtype=np.int64)
    p = np.asarray(p, dtype=np.float64)
    guess = (d.astype(np.float64) < threshold).astype(int)
    both, any_pos, any_guess = 0 < y.sum() < len(y), y.sum() > 0, guess.sum() > 0
    seed = (d < 0.5).astype(int)
    acc, cut = best(d, y)
    alpha, beta = sigmoid(d, y)
    values = dict(
        accuracy=metrics.accuracy_score(y, guess),
        precision=metrics.precision_score(y, guess) if any_guess else NAN,
        recall=metrics.recall_score(y, guess) if any_pos else NAN,
        f1=metrics.f1_score(y, guess) if any_pos or any_guess else NAN,
        auc=metrics.roc_auc_score(y, -d) if both else NAN,
        average_precision=metrics.average_precision_score(y, -d) if any_pos else NAN,
        log_loss=metrics.log_loss(y, p, labels=[0, 1]),
        brier=metrics.brier_score_loss(y, p, labels=[0, 1]),
        ece=ece(y, p),
        accuracy_best=acc,
        threshold_best=cut,
        seed_metric=metrics.precision_score(y, seed) if seed.any() else NAN,
        alpha=alpha,
        beta=beta,
    )
    print("case", name, len(y), repr(float(threshold)))
    for row in zip(d, y, p):
        print("%.9g %d %.17g" % row)
    for key, value in values.items():
        print(key, "%.17g" % value)
    print("end")


def main():
    rng = np.random.default_rng(20240601)

    def probability(d):
        return 1 / (1 + np.exp(-(2 - 4 * np.asarray(d, dtype=np.float64))))

    y = rng.random(80) < 0.37
    d = np.abs(rng.normal(np.where(y, 0.4, 0.8), 0.25)).astype(np.float32)
    report("overlapping", d, y, probability(d), 0.55)
    d = np.round(d * 5) / 5
    report("heavy-ties", d, y, np.round(probability(d), 1), 0.6)
    report("two-distances", d > 0.5, y, (d <= 0.5) * 1.0, 0.5)
    report("all-equal", np.full(20, 0.3), y[:20], np.full(20, 0.37), 0.5)
    report("separable", np.where(y, 0.25, 0.75) + d / 8, y, probability(d), 0.4)
    report("upside-down", -d[:40] + 2, y[:40], probability(d[:40]), 1.5)
    report("all-duplicates", d[:15], np.ones(15), probability(d[:15]), 0.5)
    report("no-duplicates", d[:15], np.zeros(15), probability(d[:15]), 0.5)
    report("one-duplicate", [0.2], [1], [1.0], 0.5)
    report("one-other", [0.2], [0], [0.0], 0.5)
    report("certain-and-wrong", [0.1, 0.9, 0.3, 0.5], [0, 1, 1, 0], [1.0, 0.0, 1 / 15, 14 / 15], 0.5)
    report("large-offset", 1000 + d[:60] / 16, y[:60], probability(d[:60]), 1000.03)
    report("plateau", [1, 2, 3, 4, 5, 6, 7], [1, 0, 1, 0, 1, 0, 0], np.linspace(0, 1, 7), 2.5)


main()
