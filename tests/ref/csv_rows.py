#!/usr/bin/env python3
"""What Python's csv module makes of generated CSV: writes csv_rows.json beside this.

A case is {"delimiter", "input", "rows", "end"}; bytes are in hex. `rows` are the
records up to the first one that breaks quoting, the header first; `end` is
"bad" when such a record follows and "end" otherwise. Blank lines are left out,
unless the header has one column: then they are an empty field. Bytes go through
Python as Latin-1, which maps each to itself. strict=True: text behind a closing
quote and a quote never closed are errors. A CR appears only before an LF: alone
it ends a row for Python, and is text for siam.

usage: python3 tests/ref/csv_rows.py   (Python 3.11 or later, which takes NUL)
"""
import csv
import io
import json
import pathlib
import random

csv.field_size_limit(1 << 30)
PIECES = ["a", "bc", "d e", " ", "", "\xc3\xa9", "\xff", "\0", "'", "x" * 17]


def read(text, delimiter):
    rows, end = [], "end"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                rows.append(row)
            elif len(rows) == 0 or len(rows[0]) == 1:
                rows.append([""])
    except csv.Error:
        end = "bad"
    return rows, end


def field(rng):
    kind = rng.random()
    text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(4)))
    if kind < 0.3:
        for extra in rng.sample([",", "\t", '"', "\n", "\r\n", '""', '",'], 2):
            text += extra + rng.choice(PIECES)
    return text


def written(rng, delimiter):
    """A well-formed file: Python writes it."""
    out = io.StringIO(newline="")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n"]), quoting=quoting)
    columns = rng.randrange(1, 6)
    for _ in range(rng.randrange(1, 6)):
        writer.writerow([field(rng) for _ in range(columns)])
    text = out.getvalue()
    return text if rng.random() < 0.7 else text.rstrip("\r\n")


def soup(rng, delimiter):
    """Anything: special bytes are as frequent as text."""
    alphabet = PIECES[:4] + [delimiter] * 3 + ['"'] * 3 + ["\n"] * 2 + ["\r\n", ",", "\t"]
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 40)))


def main():
    rng = random.Random(20240229)
    cases = []
    while len(cases) < 300:
        delimiter = rng.choice(",\t")
        text = (written if len(cases) % 3 == 0 else soup)(rng, delimiter)
        rows, end = read(text, delimiter)
        if not rows:
            continue
        cases.append({"delimiter": delimiter, "input": text.encode("latin-1").hex(),
                      "rows": [[f.encode("latin-1").hex() for f in r] for r in rows], "end": end})
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    pathlib.Path(__file__).with_suffix(".json").write_text("[\n" + lines + "\n]\n")


main()
