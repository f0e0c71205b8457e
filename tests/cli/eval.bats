#!/usr/bin/env bats
# siam-eval: its figures against a count over siam-predict's answers, its curves
# against its figures, and what it refuses.

bats_require_minimum_version 1.5.0
load model.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH w=$BATS_FILE_TMPDIR
    make_world "$w"
    siam-eval -q -m "$w/model.st" --pairs "$w/test.csv" >"$w/report"
    siam-eval -q -m "$w/model.st" --pairs "$w/test.csv" --json --curves "$w/curves.tsv" >"$w/report.json"
    siam-predict -q -m "$w/model.st" "$w/test.csv" >"$w/predicted.csv"
}

setup() { t=$BATS_TEST_TMPDIR; }

keys="n threshold accuracy precision recall f1 auc average_precision log_loss brier ece accuracy_best threshold_best seed_metric"

@test "every figure is there, as text and as JSON, and they agree" {
    for k in $keys; do
        text=$(field $k "$w/report")
        json=$(perl -MJSON::PP -e 'print decode_json(join "", <STDIN>)->{$ARGV[0]}' $k <"$w/report.json")
        near "$text" "$json" "$(awk -v v="$json" 'BEGIN { print (v < 0 ? -v : v) * 1e-5 + 1e-9 }')"
    done
    [ "$(wc -l <"$w/report.json")" -eq 1 ]
    [ "$(field n "$w/report")" -eq 400 ]
    grep -q '^accuracy_best .*chosen on these very pairs' "$w/report"
}

@test "the figures are those of a count over the predictions" {
    awk -F, 'NR > 1 { y = $6; d = $7; p = $8; x = $9; n++; ok += x == y; tp += x && y; fp += x && !y; fn += !x && y
                      if (d < 0.5) { s++; st += y }
                      ll -= log(y ? p : 1 - p); br += (p - y) ^ 2 }
             END { print "accuracy", ok / n; print "precision", tp / (tp + fp); print "recall", tp / (tp + fn)
                   print "f1", 2 * tp / (2 * tp + fp + fn); print "seed_metric", st / s
                   print "log_loss", ll / n; print "brier", br / n }' OFMT=%.9g "$w/predicted.csv" >"$t/counted"
    [ "$(wc -l <"$t/counted")" -eq 7 ]
    while read -r k v; do near "$(field "$k" "$w/report")" "$v" 1e-4; done <"$t/counted"
    near "$(field accuracy "$w/report")" 0.8 0.2 # the model has learnt something
}

@test "the curves hold what the figures say" {
    [ "$(head -1 "$w/curves.tsv")" = "$(printf 'curve\tthreshold\tx\ty\tpairs')" ]
    awk -F'\t' '$1 == "roc" { if (n++) { if ($3 < x || $4 < y || $2 <= t) exit 1; area += ($3 - x) * ($4 + y) / 2 }
                              else if ($3 || $4) exit 1
                              x = $3; y = $4; t = $2 }
                $1 == "precision-recall" { ap += ($3 - r) * $4; r = $3 }
                $1 == "reliability" { d = $3 - $4; ece += (d < 0 ? -d : d) * $5; m += $5 }
                END { if (x != 1 || y != 1 || r != 1) exit 1
                      print "auc", area; print "average_precision", ap; print "ece", ece / m; print "n", m }' \
        OFMT=%.9g "$w/curves.tsv" >"$t/drawn"
    [ "$(wc -l <"$t/drawn")" -eq 4 ]
    while read -r k v; do near "$(field "$k" "$w/report")" "$v" 1e-5; done <"$t/drawn"
}

@test "pairs that the model was trained on draw a warning, also when quiet" {
    run --separate-stderr siam-eval -q -m "$w/model.st" --pairs "$w/train.csv" --json
    [ "$status" -eq 0 ]
    [[ $stderr == *"trained on these very pairs"* ]]
    [[ $output == *'"trained_on_this":true'* ]]
    run --separate-stderr siam-eval -q -m "$w/model.st" --pairs "$w/test.csv" --json
    [ -z "$stderr" ]
    [[ $output == *'"trained_on_this":false'* ]]
}

@test "one thread and two give the same bytes, and so does stdin" {
    for n in 1 2 3; do siam-eval -q --threads $n -m "$w/model.st" --pairs "$w/test.csv" | cmp - "$w/report"; done
    siam-eval -q -m "$w/model.st" --pairs - <"$w/test.csv" | cmp - "$w/report"
    siam-eval -q -m "$w/model.st" --pairs "$w/test.csv" -o "$t/out"
    cmp "$t/out" "$w/report"
}

@test "swapping the questions of every pair changes nothing" {
    awk -F, -v OFS=, 'NR > 1 { q = $4; $4 = $5; $5 = q } 1' "$w/test.csv" >"$t/swapped.csv"
    siam-eval -q -m "$w/model.st" --pairs "$t/swapped.csv" | cmp - "$w/report"
}

@test "what is not defined is nan, in JSON null" {
    awk -F, 'NR == 1 || $6 == 1' "$w/test.csv" >"$t/same.csv"
    run siam-eval -q -m "$w/model.st" --pairs "$t/same.csv"
    [ "$status" -eq 0 ]
    [[ $output == *"auc "*nan* ]]
    siam-eval -q -m "$w/model.st" --pairs "$t/same.csv" --json --curves "$t/curves.tsv" | perl -MJSON::PP -e \
        '$j = decode_json(join "", <STDIN>); exit !(exists $j->{auc} && !defined $j->{auc} && $j->{recall} > 0)'
    run ! grep -e nan -e '^roc' "$t/curves.tsv"
    grep -q '^precision-recall' "$t/curves.tsv"
}

@test "a malformed row is an error with its row, or is counted" {
    sed '5s/$/,extra/' "$w/test.csv" >"$t/bad.csv"
    run siam-eval -m "$w/model.st" --pairs "$t/bad.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"bad.csv: row 5"* ]]
    run --separate-stderr siam-eval -m "$w/model.st" --skip-bad --pairs "$t/bad.csv"
    [ "$status" -eq 0 ]
    [[ $output == "n  "*" 399 "* ]]
    [[ $stderr == *"400 rows = 399 pairs + 1 rejected"* ]]
}

@test "wrong usage is exit 2" {
    for args in "" "-m $w/model.st" "--pairs $w/test.csv" "-m $w/model.st --pairs $w/test.csv more" "-m" "--threshold 1"; do
        run siam-eval $args
        [ "$status" -eq 2 ]
    done
}

@test "what cannot be used is exit 1 and named" {
    printf 'question1,question2,is_duplicate\n' >"$t/none.csv"
    printf 'question1,question2\nw1,w2\n' >"$t/bare.csv"
    printf 'question1,question2,is_duplicate\nw1,w2,maybe\n' >"$t/maybe.csv"
    head -c 1000 "$w/model.st" >"$t/cut.st"
    : >"$t/empty"
    check() {
        run siam-eval -m "$1" --pairs "$2"
        [ "$status" -eq 1 ]
        [[ $output == "siam-eval: "*"$3"* ]]
    }
    check "$t/absent.st" "$w/test.csv" absent.st
    check "$w/vectors.st" "$w/test.csv" "not a model"
    check "$w/test.csv" "$w/test.csv" test.csv
    check "$t/cut.st" "$w/test.csv" cut.st
    check "$t/empty" "$w/test.csv" empty
    check "$w/model.st" "$t/absent.csv" absent.csv
    check "$w/model.st" "$t/none.csv" "no pairs"
    check "$w/model.st" "$t/bare.csv" is_duplicate
    check "$w/model.st" "$t/maybe.csv" "row 2"
    check "$w/model.st" "$t/empty" empty
    run siam-eval -m "$w/model.st" --pairs "$w/test.csv" --curves "$t/no/such/folder"
    [ "$status" -eq 1 ]
    [[ $output == *"no/such/folder"* ]]
    run bash -c "siam-eval -q -m $w/model.st --pairs $w/test.csv >/dev/full"
    [ "$status" -eq 1 ]
}
