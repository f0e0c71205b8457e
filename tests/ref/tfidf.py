"""Reference for tests/test_tfidf.c and tests/test_recipe.c: document frequencies
and idf by scikit-learn, pooled vectors by numpy in double precision.

    python3 tests/ref/tfidf.py

reads tests/ref/tfidf.csv (questions that are tokenised already) and
tests/ref/tfidf_vectors.txt (made here too, when absent), writes
tests/ref/tfidf_idf.tsv (word, df, idf) and tests/ref/tfidf_pools.tsv (pool, then
the vector of each question in the order of the file)."""
import csv
import pathlib

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

here = pathlib.Path(__file__).parent
with open(here / "tfidf.csv", encoding="utf-8", newline="") as f:
    questions = [row[k] for row in csv.DictReader(f) for k in ("question1", "question2")]

# analyzer=str.split: the tokens as they stand, no lower-casing, no pattern of its own
vectorizer = TfidfVectorizer(analyzer=str.split, smooth_idf=True, norm=None)
counts = vectorizer.fit_transform(questions)
df = np.asarray((counts > 0).sum(axis=0)).ravel()
idf = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_))
with open(here / "tfidf_idf.tsv", "w", encoding="utf-8") as f:
    for word, column in sorted(vectorizer.vocabulary_.items(), key=lambda i: (-df[i[1]], i[0].encode())):
        f.write(f"{word}\t{df[column]}\t{idf[word]:.17g}\n")

# Vectors of most of the words, and of two that no question has.
store = here / "tfidf_vectors.txt"
if not store.exists():
    rng = np.random.default_rng(7)
    words = [w for w in sorted(idf) if w not in ("pigeons", "café", "juggle", "?")] + ["zebra", "quux"]
    with open(store, "w", encoding="utf-8") as f:
        for w in words:
            f.write(" ".join([w] + [f"{x:.5f}" for x in rng.normal(0, 0.5, 5)]) + "\n")
vectors = {}
for line in open(store, encoding="utf-8"):
    word, *numbers = line.split(" ")
    vectors[word] = np.array(numbers, dtype=np.float32).astype(np.float64)

pools = {
    "idf-mean": lambda v, w: (w[:, None] * v).sum(0) / w.sum(),
    "mean": lambda v, w: v.mean(0),
    "max": lambda v, w: v.max(0),
    "sum": lambda v, w: (w[:, None] * v).sum(0),
}
with open(here / "tfidf_pools.tsv", "w", encoding="utf-8") as f:
    for name, pool in pools.items():
        for question in questions:
            known = [t for t in question.split() if t in vectors]
            x = pool(np.array([vectors[t] for t in known]), np.array([idf[t] for t in known])) if known else np.zeros(5)
            f.write("\t".join([name] + [f"{y:.9g}" for y in x]) + "\n")
