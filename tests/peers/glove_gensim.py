"""Reading GloVe's text form: siam-vectors beside gensim.

    SIAM_BIN=build/bin python3 tests/peers/glove_gensim.py [GLOVE]

GLOVE defaults to ../shared/glove/glove.6B.100d.txt.gz. Timed are the gzip and
its text unpacked: gensim from the file to its table in memory
(load_word2vec_format, no_header), siam-vectors from the file to a saved store
(fsync included), then the opening of that store with all its checks
(siam-vectors --info, from exec to exit). Ours are the best of three; gensim
runs once a form, for it takes a quarter of a minute each."""
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time

glove = sys.argv[1] if len(sys.argv) > 1 else "../shared/glove/glove.6B.100d.txt.gz"
siam = os.environ.get("SIAM_BIN", "build/bin") + "/siam-vectors"
try:
    from gensim.models import KeyedVectors
except ImportError:
    sys.exit(print("reading GloVe: skipped, gensim is not installed"))
if not os.path.exists(glove):
    sys.exit(print(f"reading GloVe: skipped, there is no {glove}"))


def best(times, work):
    seconds = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds


def run(*args):
    subprocess.run([siam, *args], stdout=subprocess.DEVNULL, check=True)


with tempfile.TemporaryDirectory() as folder:
    text, store = f"{folder}/glove.txt", f"{folder}/glove.st"
    with gzip.open(glove) as packed, open(text, "wb") as plain:
        shutil.copyfileobj(packed, plain)
    print(f"reading GloVe's vectors, {os.path.getsize(text) / 1e6:.0f} MB of text")
    for form, path in ("text", text), ("gzip", glove):
        ours = best(3, lambda: run("-q", path, "-o", store))
        theirs = best(1, lambda: KeyedVectors.load_word2vec_format(path, binary=False, no_header=True))
        print(f"  {form}: gensim {theirs:6.2f} s, siam-vectors {ours:5.2f} s, {theirs / ours:5.1f} x gensim")
    print(f"  the store of it opened and closed: {1e3 * best(3, lambda: run('--info', store)):.1f} ms")
