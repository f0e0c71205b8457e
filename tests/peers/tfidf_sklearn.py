"""Tokens and idf of all questions: siam beside scikit-learn's TfidfVectorizer.

    SIAM_BIN=build/bin python3 tests/peers/tfidf_sklearn.py [PAIRS]

PAIRS defaults to ../shared/quora/pairs.tsv.gz. scikit-learn starts from strings
that are in memory already and is timed in fit() alone; siam reads, unpacks and
parses the file too, in one program (siam-tfidf tokenises what is not) and as
the pipe of two. Taken in turns, the best of three each."""
import csv
import gzip
import os
import subprocess
import sys
import time

pairs = sys.argv[1] if len(sys.argv) > 1 else "../shared/quora/pairs.tsv.gz"
siam = os.environ.get("SIAM_BIN", "build/bin")
try:
    from sklearn.feature_extraction.text import TfidfVectorizer
except ImportError:
    sys.exit(print("tokens and idf: skipped, scikit-learn is not installed"))
if not os.path.exists(pairs):
    sys.exit(print(f"tokens and idf: skipped, there is no {pairs}"))

csv.field_size_limit(1 << 30)
unpack = gzip.open if pairs.endswith(".gz") else open
with unpack(pairs, "rt", encoding="utf-8", newline="") as f:
    delimiter = "\t" if "\t" in f.readline() else ","
    f.seek(0)
    questions = [row[k] for row in csv.DictReader(f, delimiter=delimiter) for k in ("question1", "question2")]

ways = {
    "scikit-learn": lambda: TfidfVectorizer().fit(questions),
    "siam-tfidf": lambda: subprocess.run([f"{siam}/siam-tfidf", "-q", pairs], stdout=subprocess.DEVNULL, check=True),
    "siam-tokenize | siam-tfidf": lambda: subprocess.run(
        f"{siam}/siam-tokenize -q {pairs} | {siam}/siam-tfidf -q >/dev/null", shell=True, check=True),
}
best = dict.fromkeys(ways, float("inf"))
for _ in range(3):
    for name, work in ways.items():
        start = time.perf_counter()
        work()
        best[name] = min(best[name], time.perf_counter() - start)
print(f"tokens and idf of {len(questions)} questions")
for name, seconds in best.items():
    print(f"  {name:<28}{seconds:7.2f} s {best['scikit-learn'] / seconds:7.1f} x scikit-learn")
