#!/usr/bin/env bats
# The whole way on a slice of the real pairs with real vectors, when they are
# here: ../shared/quora and ../shared/glove, or where SIAM_SHARED says.

setup() {
    PATH=$SIAM_BIN:$PATH
    shared=${SIAM_SHARED:-../shared}
    pairs=$shared/quora/pairs.tsv.gz vectors=$shared/glove/glove.6B.100d.txt.gz
    [ -r "$pairs" ] && [ -r "$vectors" ] || skip "$pairs or $vectors is not here"
    tmp=$(mktemp -d)
}

teardown() { [ -z "$tmp" ] || rm -rf "$tmp"; }

@test "a slice of Quora: split, train, eval, predict, index, query" {
    cd "$tmp"
    pairs=$(cd "$OLDPWD" && realpath "$pairs") vectors=$(cd "$OLDPWD" && realpath "$vectors")
    gzip -dc "$pairs" 2>/dev/null | head -20001 >slice.tsv
    siam-split -q --train 0.8 --by component --out-train train.tsv --out-dev dev.tsv --out-test test.tsv slice.tsv
    siam-vectors -q "$vectors" --keep-words-from slice.tsv -o vectors.st
    siam-train -q --pairs train.tsv --dev dev.tsv --vectors vectors.st --arch seed --pool idf-mean --epochs 5 --batch 128 -o model.st
    siam-eval -q -m model.st --pairs test.tsv --json >eval.json
    auc=$(sed -n 's/.*"auc": *\([0-9.]*\).*/\1/p' eval.json)
    echo "AUC on unseen questions: $auc"
    awk -v a="$auc" 'BEGIN { exit !(a > 0.7 && a < 0.95) }' # 0.5 is a coin; near 1 would be a leak

    # The piped stages are the same model, whatever the threads.
    siam-tokenize -q train.tsv | tee tokens.tsv | siam-tfidf -q >idf.tsv
    siam-embed -q --threads 1 --vectors vectors.st --idf idf.tsv --pool idf-mean tokens.tsv -o features.st
    siam-train -q --threads 1 --features features.st --dev dev.tsv --arch seed --epochs 5 --batch 128 -o piped.st
    cmp model.st piped.st

    # Every row comes back, in order, with a decision.
    siam-predict -q -m model.st test.tsv >decided.tsv
    [ "$(siam-stats -q test.tsv --json | sed -n 's/.*"pairs": *\([0-9]*\).*/\1/p')" -gt 1000 ]
    head -1 decided.tsv | grep -q 'distance	probability	duplicate'
    [ "$(wc -l <decided.tsv)" -eq "$(wc -l <test.tsv)" ]

    siam-index -q -m model.st -o index.st test.tsv
    sed -n 2p test.tsv | cut -f4 >question
    siam-query -q index.st -k 1 "$(cat question)" >answer # an indexed question finds itself
    [ "$(cut -f3 answer)" = "$(cat question)" ]
}
