#!/usr/bin/env bats
# siam-predict: the same CSV with three columns more, whatever the CSV is.

bats_require_minimum_version 1.5.0
load model.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH w=$BATS_FILE_TMPDIR
    make_world "$w"
    siam-predict -q -m "$w/model.st" "$w/test.csv" >"$w/predicted.csv"
}

setup() { t=$BATS_TEST_TMPDIR; }

predict() { siam-predict -q -m "$w/model.st" "$@"; }

answers() { sed 's/.*,\([^,]*,[^,]*,[^,]*\)$/\1/'; }

@test "three columns behind the others, rows and order kept" {
    [ "$(head -1 "$w/predicted.csv")" = "$(head -1 "$w/test.csv"),distance,probability,duplicate" ]
    sed 's/,[^,]*,[^,]*,[^,]*$//' "$w/predicted.csv" | cmp - "$w/test.csv"
}

@test "distance, probability and answer go together" {
    threshold=$(siam-eval -q -m "$w/model.st" --pairs "$w/test.csv" | awk '$1 == "threshold" { print $2 }')
    awk -F, -v t="$threshold" 'NR > 1 { n++; if (!($7 > 0 && $8 >= 0 && $8 <= 1)) exit 1
        if ($7 < t - 1e-5 && $9 != 1 || $7 > t + 1e-5 && $9 != 0) exit 1; ones += $9 }
        END { exit !(n == 400 && ones > 0 && ones < n) }' "$w/predicted.csv"
    sed 1d "$w/predicted.csv" | sort -t, -k7,7g | awk -F, 'NR > 1 && $8 > last { exit 1 } { last = $8 }'
}

@test "swapping the questions of every pair changes no answer" {
    awk -F, -v OFS=, 'NR > 1 { q = $4; $4 = $5; $5 = q } 1' "$w/test.csv" | predict - | answers >"$t/swapped"
    answers <"$w/predicted.csv" | cmp - "$t/swapped"
}

@test "a row alone gets what it gets among others" {
    for row in 2 17 400; do
        (head -1 "$w/test.csv"; sed -n ${row}p "$w/test.csv") | predict | sed 1d >"$t/alone"
        sed -n ${row}p "$w/predicted.csv" | cmp - "$t/alone"
    done
    (cat "$w/test.csv"; for i in $(seq 20); do sed 1d "$w/test.csv"; done) | predict | head -401 | cmp - "$w/predicted.csv"
}

@test "one thread and two give the same bytes; gz, stdin and -o too" {
    for n in 1 2 3; do predict --threads $n "$w/test.csv" | cmp - "$w/predicted.csv"; done
    gzip -c "$w/test.csv" | predict - | cmp - "$w/predicted.csv"
    predict <"$w/test.csv" | cmp - "$w/predicted.csv"
    predict "$w/test.csv" -o "$t/out.csv"
    cmp "$t/out.csv" "$w/predicted.csv"
}

@test "quotes, newlines, delimiters and empty questions come out as they stood" {
    printf 'note,question1,question2\n"a ""b"", c","w1 w2\nw3",w4\n,,\n"x",w1," w2"\n' >"$t/hard.csv"
    predict "$t/hard.csv" >"$t/out"
    [ "$(head -1 "$t/out")" = "note,question1,question2,distance,probability,duplicate" ]
    sed -n '2,3p' "$t/out" | grep -q '^w3",w4,[0-9.]*'
    [ "$(sed -n 2p "$t/out")" = '"a ""b"", c","w1 w2' ]
    sed -n 4p "$t/out" | grep -q '^,,,[0-9.e-]*,[0-9.e-]*,[01]$'
    sed -n 5p "$t/out" | grep -q '^"x",w1," w2",'
    [ "$(wc -l <"$t/out")" -eq 5 ]
}

@test "tabs stay tabs, and columns may have other names" {
    tr , '\t' <"$w/test.csv" | predict | tr '\t' , | cmp - "$w/predicted.csv"
    sed '1s/question1/a/; 1s/question2/b/' "$w/test.csv" | predict --columns question1=a,question2=b | answers >"$t/out"
    answers <"$w/predicted.csv" | cmp - "$t/out"
}

@test "a byte order mark, CRLF and a last row without newline are kept" {
    (printf '\357\273\277'; sed 's/$/\r/' "$w/test.csv") | head -c -2 >"$t/dos.csv"
    predict "$t/dos.csv" >"$t/out"
    (printf '\357\273\277'; sed 's/$/\r/' "$w/predicted.csv") | cmp - "$t/out"
}

@test "an empty list has a header only" {
    run predict - <<<"question1,question2"
    [ "$status" -eq 0 ]
    [ "$output" = "question1,question2,distance,probability,duplicate" ]
}

@test "malformed rows: an error that names the row, or rejected and counted" {
    sed '3s/,/;/g; 9s/^/"/' "$w/test.csv" >"$t/bad.csv"
    run siam-predict -m "$w/model.st" "$t/bad.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"row 3"* ]]
    siam-predict -m "$w/model.st" --skip-bad "$t/bad.csv" >"$t/out" 2>"$t/err"
    set -- $(sed -n 's/.*: \([0-9]*\) rows read = \([0-9]*\) written + \([0-9]*\) rejected$/\1 \2 \3/p' "$t/err")
    [ "$1" -eq 400 ]
    [ $(($2 + $3)) -eq "$1" ]
    [ "$3" -eq 2 ]
    [ "$(wc -l <"$t/out")" -eq $(($2 + 1)) ]
}

@test "a model that is not calibrated leaves the probability empty and says so" {
    siam-train -q --pairs "$w/train.csv" --vectors "$w/vectors.st" -o "$t/raw.st" --epochs 1 --arch linear --hold-out 0
    run --separate-stderr siam-predict -q -m "$t/raw.st" "$w/test.csv"
    [ "$status" -eq 0 ]
    [[ $stderr == *"not calibrated"* ]]
    [[ ${lines[1]} =~ ,[0-9.e-]+,,[01]$ ]]
}

@test "wrong usage is exit 2; what cannot be used is exit 1 and named" {
    for args in "" "$w/test.csv" "-m $w/model.st $w/test.csv $w/test.csv"; do
        run siam-predict $args </dev/null
        [ "$status" -eq 2 ]
    done
    check() {
        run siam-predict -m "$1" "$2"
        [ "$status" -eq 1 ]
        [[ $output == "siam-predict: "*"$3"* ]]
    }
    printf 'a,b\n1,2\n' >"$t/other.csv"
    check "$t/absent.st" "$w/test.csv" absent.st
    check "$w/vectors.st" "$w/test.csv" "not a model"
    check "$w/model.st" "$t/absent.csv" absent.csv
    check "$w/model.st" "$t/other.csv" question1
    run bash -c "siam-predict -q -m $w/model.st $w/test.csv >/dev/full"
    [ "$status" -eq 1 ]
}
