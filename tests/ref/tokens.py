"""Reference for tests/test_tokenize.c: the rules of profile glove once more, as
regular expressions over Python's own Unicode tables.

    python3 tests/ref/tokens.py

writes tests/ref/tokens.tsv: random text in hexadecimal UTF-8, a tab, its tokens
joined by spaces in hexadecimal."""
import pathlib
import random
import re
import unicodedata

FOLD = {c: "'" for c in map(chr, (0x60, 0xB4, 0x2B9, 0x2BC, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032, 0x2035, 0x2039,
                                  0x203A))}
FOLD |= {c: '"' for c in map(chr, (0xAB, 0xBB, 0x201C, 0x201D, 0x201E, 0x201F))}
FOLD |= {c: "-" for c in map(chr, (0x2010, 0x2011, 0x2012, 0x2013, 0x2212))}
FOLD |= {c: " -- " for c in map(chr, (0x2014, 0x2015, 0x2E3A, 0x2E3B))} | {"\u2044": "/"}
IGNORED = set(map(chr, [0xAD, 0x34F, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
                        *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0x180B, 0x1810)]))


def decompose(c):
    if c in FOLD:
        return FOLD[c]
    kind = unicodedata.decomposition(c).split(" ")[0]
    text = "".join(FOLD.get(d, d.lower()) for d in unicodedata.normalize("NFKD", c))
    return (" " if kind in ("<fraction>", "<super>") else "") + text + (" " if kind == "<fraction>" else "")


def kind(c):
    category = unicodedata.category(c)
    if category in ("Zs", "Zl", "Zp", "Cc"):
        return " "
    return c if c < "\x80" or category[0] in "LMN" else f" {c} "


def normalize(text):
    text = "".join(decompose(c) for c in text if c not in IGNORED)
    return "".join(map(kind, unicodedata.normalize("NFC", text)))


W = r"[a-z0-9\x80-\U0010ffff]"
TOKEN = re.compile(rf"""
    (?P<number> [0-9]/[0-9](?!{W}|/) | [0-9]+(?:\.[0-9]+|,[0-9]{{2,3}}(?![0-9]))+ | [0-9]{W}*)
  | (?P<dotted> [a-z](?:\.[a-z](?!{W}))+\.?)
  | (?P<word>   {W}+(?:['-]{W}+)*)
  | (?P<dots>   \.\.+) | (?P<dashes> --+) | (?P<quote> '')
  | (?P<clitic> '(?:[smd]|re|ve|ll)(?!{W}|['-]{W}))
  | (?P<mark>   [^ ])""", re.X)
ENDING = re.compile(r"(.+)(n't|'[smd]|'re|'ve|'ll|['-])", re.S)
ABBREVIATION = "mr ms dr jr st co vs inc sen jan aug oct nov dec corp sept".split()


def tokens(text):
    text, at, out = normalize(text), 0, []
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            at += 1
            continue
        at, token, what = m.end(), m.group(), m.lastgroup
        if what == "word":
            endings = []
            while e := ENDING.fullmatch(token):
                token = e[1]
                endings.insert(0, e[2])
            if not endings and token in ABBREVIATION and re.match(r"\.(?!\.)", text[at:at + 2]):
                token += "."
                at += 1
            out += [token] + endings
        else:
            respelt = {"dots": "...", "dashes": "--", "quote": '"', "dotted": token.rstrip(".") + "."}
            out.append(respelt.get(what, token))
    return out


rng = random.Random(20)
ASCII = list("aabdeglmnorstvx0129 '''--..,,/?$%\"`") + ["n't", "'s", "'re", "u.s.", "1,000", "don't", "dr.", " ", " "]
BLOCKS = [(0xA0, 0x250), (0x300, 0x370), (0x370, 0x520), (0x5D0, 0x5EB), (0x900, 0xE60), (0x1E00, 0x2000),
          (0x2000, 0x2065), (0x2070, 0x2200), (0x2460, 0x2500), (0x3040, 0x3100), (0xAC00, 0xAD00), (0xFB00, 0xFB07), (0xFF01, 0xFF5F),
          (0x1D400, 0x1D500), (0x1F600, 0x1F650)]


def anything(share):
    if rng.random() > share:
        return rng.choice(ASCII)
    while True:
        c = chr(rng.randrange(*rng.choice(BLOCKS)))
        if unicodedata.category(c) != "Cn":  # what is not assigned yet may be in the next version
            return c


path = pathlib.Path(__file__).with_suffix(".tsv")
with open(path, "w", encoding="ascii") as f:
    for share in [0] * 250 + [0.2] * 150 + [0.7] * 150:
        text = "".join(anything(share) for _ in range(rng.randrange(1, 14)))
        f.write(text.encode().hex() + "\t" + " ".join(tokens(text)).encode().hex() + "\n")
