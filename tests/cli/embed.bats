#!/usr/bin/env bats
# siam-embed: features, the same however they are made.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$SIAM_BIN:$PATH
    tmp=$BATS_TEST_TMPDIR
    siam-vectors -q tests/ref/tfidf_vectors.txt -o "$tmp/v.st"
    siam-tfidf -q tests/ref/tfidf.csv >"$tmp/idf.tsv"
}

embed() { siam-embed -q --vectors "$tmp/v.st" --idf "$tmp/idf.tsv" "$@"; }

@test "raw or tokenised, file or pipe, any --threads: the same bytes" {
    embed --threads 1 -o "$tmp/a.st" tests/ref/tfidf.csv
    for t in 1 2 3 8; do
        siam-tokenize -q tests/ref/tfidf.csv | embed --threads $t -o "$tmp/b.st"
        cmp "$tmp/a.st" "$tmp/b.st"
    done
    embed --pool max -o "$tmp/c.st" tests/ref/tfidf.csv
    run cmp -s "$tmp/a.st" "$tmp/c.st"
    [ "$status" -eq 1 ]
}

@test "stages and siam-train --pairs give the same model" {
    store=data/glove-6b-100d-40k.st
    siam-tokenize -q data/sample.csv >"$tmp/tokens.csv"
    siam-tfidf -q "$tmp/tokens.csv" >"$tmp/sample.tsv"
    siam-embed -q --vectors $store --idf "$tmp/sample.tsv" --pool idf-mean+max -o "$tmp/f.st" "$tmp/tokens.csv"
    siam-train -q --features "$tmp/f.st" --epochs 1 --arch 'linear 8' -o "$tmp/a.model"
    siam-train -q --pairs data/sample.csv --vectors $store --pool idf-mean+max --epochs 1 --arch 'linear 8' -o "$tmp/b.model"
    cmp "$tmp/a.model" "$tmp/b.model"
}

@test "siam-inspect shows what is inside, Python's safetensors opens it" {
    embed -o "$tmp/f.st" tests/ref/tfidf.csv
    run siam-inspect "$tmp/f.st"
    [ "$status" -eq 0 ]
    [[ $output == *siam-features* && $output == *q1* && $output == *recipe* ]]
    python3 -c 'import safetensors, numpy' 2>/dev/null || skip "python3 has no safetensors here"
    python3 - "$tmp/f.st" <<'P'
import sys
from safetensors.numpy import load_file
t = load_file(sys.argv[1])
assert t["q1"].shape == (10, 5) and t["q2"].shape == (10, 5) and t["label"].tolist() == [1, 0, 0, 1, 0, 1, 1, 0, 0, 0]
P
}

@test "coverage is said" {
    run siam-embed --vectors "$tmp/v.st" --idf "$tmp/idf.tsv" -o "$tmp/f.st" tests/ref/tfidf.csv
    [[ $output == *"10 rows = 10 pairs + 0 rejected; 19 distinct questions, 1 of all without a known word; 88.82 % of 170 tokens known"* ]]
}

@test "wrong usage is exit 2" {
    run siam-embed --vectors "$tmp/v.st" -o "$tmp/f.st" tests/ref/tfidf.csv
    [ "$status" -eq 2 ]
    run embed tests/ref/tfidf.csv
    [ "$status" -eq 2 ]
    run embed -o - tests/ref/tfidf.csv
    [ "$status" -eq 2 ]
    for pool in '' median mean+ mean+mean; do
        run embed --pool "$pool" -o "$tmp/f.st" tests/ref/tfidf.csv
        [ "$status" -eq 2 ]
    done
    [ ! -e "$tmp/f.st" ]
}

@test "what cannot be read is exit 1 and named; the old file stays" {
    echo old >"$tmp/f.st"
    printf 'question1,question2\na,b\n' >"$tmp/nolabel.csv"
    run embed -o "$tmp/f.st" "$tmp/nolabel.csv"
    [ "$status" -eq 1 ]
    [[ $output == *is_duplicate* ]]
    run siam-embed --vectors "$tmp/idf.tsv" --idf "$tmp/idf.tsv" -o "$tmp/f.st" tests/ref/tfidf.csv
    [ "$status" -eq 1 ]
    [[ $output == "siam-embed: $tmp/idf.tsv: "* ]]
    head -c 200 "$tmp/idf.tsv" >"$tmp/cut.tsv"
    run siam-embed --vectors "$tmp/v.st" --idf "$tmp/cut.tsv" -o "$tmp/f.st" tests/ref/tfidf.csv
    [ "$status" -eq 1 ]
    [[ $output == "siam-embed: $tmp/cut.tsv: line "* ]]
    [ "$(cat "$tmp/f.st")" = old ]
}
