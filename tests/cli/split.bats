#!/usr/bin/env bats
# siam-split: every row goes out once, byte for byte, and questions stay on one side.
bats_require_minimum_version 1.5.0

setup() {
    PATH=${SIAM_BIN:=build/bin}:$PATH
    tmp=$(mktemp -d)
    # 1000 pairs in chains of 1 to 4 pairs, quoted now and then, CRLF on some rows
    awk 'BEGIN { print "id,question1,question2,is_duplicate"
        for (i = 0; i < 1000; i++) {
            one = "what is number " i; two = "what is number " i + 1
            if (i % 4 == i % 7 % 4) two = "nothing like " i
            if (i % 10 == 0) one = "\"" one ", \"\"please\"\"\n\""
            printf "%d,%s,%s,%d%s\n", i, one, two, i % 3 == 0, i % 5 ? "" : "\r"
        } }' >"$tmp/pairs.csv"
}

teardown() { rm -rf "$tmp"; }

split() { siam-split --out-train "$tmp/train" --out-test "$tmp/test" "$@"; }

# The rows of files that start with the header, in one order; rows end in 0 or 1.
rows() {
    for f in "$@"; do tail -n +2 "$f"; done | awk '{ row = row $0 "|" } /,[01]\r?$/ { print row; row = "" }' | sort
}

# The questions of a file, one a line.
questions() {
    python3 -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1], newline="")):
    for q in r["question1"], r["question2"]: print(repr(q.strip()))' "$1" | sort -u
}

@test "by row: exact shares, every row once, byte for byte, with the header" {
    run --separate-stderr split --by row --train 0.88 "$tmp/pairs.csv"
    [ "$status" -eq 0 ]
    [[ $stderr == *"1000 rows read = 880 train + 0 dev + 120 test + 0 rejected + 0 too short"* ]]
    grep -qx "train  *880" <<<"$output"
    for f in train test; do
        cmp <(head -1 "$tmp/pairs.csv") <(head -1 "$tmp/$f")
    done
    [ "$(rows "$tmp/pairs.csv" | wc -l)" -eq 1000 ]
    [ "$(rows "$tmp/test" | wc -l)" -eq 120 ]
    diff <(rows "$tmp/pairs.csv") <(rows "$tmp/train" "$tmp/test")
}

@test "order is kept" {
    split --by row "$tmp/pairs.csv"
    grep -o '^[0-9]*,' "$tmp/train" | sort -n -c
    grep -o '^[0-9]*,' "$tmp/test" | sort -n -c
}

@test "by component: no question on both sides" {
    run --separate-stderr split --by component --out-dev "$tmp/dev" --train 0.8 "$tmp/pairs.csv"
    [ "$status" -eq 0 ]
    grep -qx "test_questions_in_train  *0" <<<"$output"
    diff <(rows "$tmp/pairs.csv") <(rows "$tmp/train" "$tmp/dev" "$tmp/test")
    command -v python3 >/dev/null || skip "python3 is not here to look at the questions"
    for pair in "train test" "train dev" "dev test"; do
        set -- $pair
        [ -z "$(comm -12 <(questions "$tmp/$1") <(questions "$tmp/$2"))" ]
    done
    split --by row "$tmp/pairs.csv"
    [ -n "$(comm -12 <(questions "$tmp/train") <(questions "$tmp/test"))" ]
}

@test "the same seed gives the same bytes, another seed others; dev leaves the test alone" {
    for by in row component; do
        split --by $by --seed 5 "$tmp/pairs.csv"
        cp "$tmp/train" "$tmp/train5"
        cp "$tmp/test" "$tmp/test5"
        split --by $by --seed 5 "$tmp/pairs.csv"
        cmp "$tmp/train" "$tmp/train5"
        cmp "$tmp/test" "$tmp/test5"
        split --by $by --seed 5 --out-dev "$tmp/dev" "$tmp/pairs.csv"
        cmp "$tmp/test" "$tmp/test5"
        [ "$(rows "$tmp/dev" | wc -l)" -eq "$(rows "$tmp/test" | wc -l)" ]
        split --by $by --seed 6 "$tmp/pairs.csv"
        run cmp -s "$tmp/test" "$tmp/test5"
        [ "$status" -eq 1 ]
    done
}

@test "gzip and standard input give what the file gives" {
    split --seed 3 "$tmp/pairs.csv"
    cp "$tmp/test" "$tmp/want"
    gzip -c "$tmp/pairs.csv" >"$tmp/pairs.gz"
    split --seed 3 "$tmp/pairs.gz"
    cmp "$tmp/test" "$tmp/want"
    split --seed 3 - <"$tmp/pairs.csv"
    cmp "$tmp/test" "$tmp/want"
    split --seed 3 < <(cat "$tmp/pairs.gz")
    cmp "$tmp/test" "$tmp/want"
}

@test "short questions and malformed rows are counted, not lost" {
    printf 'question1\tquestion2\tis_duplicate\nlong enough\tlong enough too\t1\nshort?\tlong enough\t0\n1\t2\n%s\n%s\n' \
        $'  padded  \tlong enough\t1' $'\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\tlong enough\t0' >"$tmp/few.tsv"
    run split --min-chars 10 "$tmp/few.tsv"
    [ "$status" -eq 1 ]
    [[ $output == *"few.tsv: row 4, byte "*"2 fields where the header has 3"* ]]
    [ ! -e "$tmp/train" ]
    run --separate-stderr split --by row --train 0.5 --min-chars 10 --skip-bad --json "$tmp/few.tsv"
    [ "$status" -eq 0 ]
    [ "$output" = '{"rows":5,"rejected":1,"too_short":3,"train":1,"dev":0,"test":0,"test_questions":0,"test_questions_in_train":0}' ]
    [[ $stderr == *"1 rows rejected, the last one: row 4"* ]]
}

@test "a last row without its newline gets one" {
    printf 'question1,question2\na,b\nc,d' >"$tmp/open.csv"
    split --by row --train 0.5 "$tmp/open.csv"
    diff <(printf 'a,b\nc,d\n') <(tail -qn +2 "$tmp/train" "$tmp/test" | sort)
}

@test "a byte order mark stays, and may name the first column all the same" {
    printf '\xef\xbb\xbfquestion1,question2\na,b\n' >"$tmp/bom.csv"
    split "$tmp/bom.csv"
    cmp "$tmp/bom.csv" "$tmp/train"
}

@test "an input may be replaced by a part of itself" {
    split --by row --out-train "$tmp/pairs.csv" "$tmp/pairs.csv"
    [ "$(rows "$tmp/pairs.csv" | wc -l)" -eq 880 ]
}

@test "wrong usage is exit 2" {
    run siam-split --out-train "$tmp/train" "$tmp/pairs.csv"
    [ "$status" -eq 2 ]
    for bad in "--train 0" "--train 1" "--train 1.5" "--train x" "--by word" "--min-chars -1" "--seed -1" \
        "--train 0.5 --out-dev $tmp/dev" "--out-dev $tmp/test"; do
        run split $bad "$tmp/pairs.csv"
        [ "$status" -eq 2 ]
    done
    [ ! -e "$tmp/train" ]
}

@test "what cannot be read or written is exit 1, named, and leaves nothing behind" {
    run split "$tmp/none.csv"
    [ "$status" -eq 1 ]
    [[ $output == *none.csv*"No such file"* ]]
    run siam-split --out-train "$tmp/train" --out-test "$tmp/no/test" "$tmp/pairs.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"$tmp/no/test"* ]]
    TMPDIR=$tmp/no run split "$tmp/pairs.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"set TMPDIR"* ]]
    gzip -c "$tmp/pairs.csv" | head -c 500 >"$tmp/cut.gz"
    run split "$tmp/cut.gz"
    [ "$status" -eq 1 ]
    [[ $output == *"cut.gz: "*"cut short"* ]]
    [ "$(ls "$tmp")" = "$(printf 'cut.gz\npairs.csv')" ]
}
