#!/usr/bin/env bats
# siam-index and siam-query: what goes in is found again, in every form of list.

bats_require_minimum_version 1.5.0
load model.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH w=$BATS_FILE_TMPDIR
    make_world "$w"
    questions "$w/test.csv" >"$w/list.txt"
    siam-index -q -m "$w/model.st" -o "$w/index.st" "$w/list.txt"
}

setup() { t=$BATS_TEST_TMPDIR; }

index() { siam-index -q -m "$w/model.st" "$@"; }

@test "text, a question column, pairs, TSV, gz and stdin make the same index" {
    (echo question; cat "$w/list.txt") | index -o "$t/column.st"
    index -o "$t/pairs.st" "$w/test.csv"
    tr , '\t' <"$w/test.csv" | index -o "$t/tabs.st" -
    sed 's/$/\r/' "$w/list.txt" | gzip | index -o "$t/crlf.st"
    (printf '\357\273\277'; cat "$w/list.txt" "$w/list.txt"; echo; echo) | index -o "$t/again.st"
    sed '1s/question1/a/; 1s/question2/b/' "$w/test.csv" | index --columns question1=a,question2=b -o "$t/named.st"
    for i in column pairs tabs crlf again named; do cmp "$t/$i.st" "$w/index.st"; done
    for n in 1 3; do
        index --threads $n -o "$t/threads.st" "$w/list.txt"
        cmp "$t/threads.st" "$w/index.st"
    done
}

@test "the report counts what was read, repeated and empty" {
    run siam-index -m "$w/model.st" -o "$t/i.st" - < <(printf 'w1\nw2\n\nw1\nnothing known here\n')
    [ "$status" -eq 0 ]
    [[ $output == *"3 questions from a question a line (5 read, 1 repeated, 1 empty; 0 rows rejected)"* ]]
    [[ $output == *"warning: 1 questions have no word"* ]]
}

@test "every question finds itself first, its distance rising from there" {
    [ "$(wc -l <"$w/list.txt")" -gt 100 ]
    siam-query -q "$w/index.st" -k 5 --json <"$w/list.txt" >"$t/answers"
    perl -MJSON::PP -ne '$j = decode_json($_); @r = @{$j->{results}}; $n++;
        die "$n: $_" unless @r == 5 && $r[0]{distance} < 1e-4 && $r[0]{probability} >= $r[1]{probability};
        for (1 .. 4) { die "$n: order" if $r[$_]{distance} < $r[$_ - 1]{distance} }
        die "$n: itself" unless grep { $_->{distance} < 1e-4 && $_->{question} eq $j->{query} } @r;
        END { die "none" unless $n > 100 }' "$t/answers"
}

@test "distances and probabilities are those of siam-predict" {
    q=$(head -1 "$w/list.txt")
    siam-query -q "$w/index.st" -k 20 "$q" >"$t/near"
    (echo question1,question2; cut -f3 "$t/near" | sed "s/^/$q,/") | siam-predict -q -m "$w/model.st" | sed 1d >"$t/predicted"
    paste "$t/near" "$t/predicted" | awk -F'[\t,]' '{ n++; d = $1 - $6; p = $2 - $7
        if (d > 2e-6 || d < -2e-6 || p > 1e-4 || p < -1e-4) exit 1 } END { exit n != 20 }'
}

@test "one question: k lines of distance, probability, question" {
    run siam-query -q "$w/index.st" -k 3 "w1 w2"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 3 ]
    for l in "${lines[@]}"; do [[ $l =~ ^[0-9.]+$'\t'[0-9.]+$'\t'w ]]; done
    run siam-query -q "$w/index.st" "w1 w2"
    [ "${#lines[@]}" -eq 10 ]
    run siam-query -q "$w/index.st" -k 1000000 "w1 w2"
    [ "${#lines[@]}" -eq "$(wc -l <"$w/list.txt")" ]
}

@test "several questions: each answer has its head and ends with an empty line" {
    siam-query -q "$w/index.st" -k 2 "w1 w2" "w3	w4" >"$t/operands"
    printf 'w1 w2\nw3\tw4' | siam-query -q "$w/index.st" -k 2 >"$t/stdin"
    cmp "$t/operands" "$t/stdin"
    [ "$(wc -l <"$t/operands")" -eq 8 ]
    [ "$(sed -n 1p "$t/operands")" = "# w1 w2" ]
    [ "$(sed -n 5p "$t/operands")" = "# w3 w4" ]
    [ -z "$(sed -n 4p "$t/operands")" ]
}

@test "a question over a pipe is answered before the next is asked" {
    coproc Q { siam-query -q "$w/index.st" -k 1 --json; }
    local pid=$Q_PID # bash forgets it as soon as the job is over
    for q in "w1 w2" "" "w3"; do
        echo "$q" >&"${Q[1]}"
        read -r -t 20 line <&"${Q[0]}"
        [[ $line == "{\"query\":\"$q\","* ]]
    done
    exec {Q[1]}>&-
    wait "$pid"
}

@test "--min-probability leaves out what is below it" {
    siam-query -q "$w/index.st" -k 100 "w1 w41 w71" >"$t/all"
    for p in 0 0.3 0.9 1; do
        siam-query -q "$w/index.st" -k 100 --min-probability $p "w1 w41 w71" >"$t/some"
        [ "$(wc -l <"$t/some")" -eq "$(awk -v p=$p '$2 >= p - 0.00005' "$t/all" | wc -l)" ] ||
            [ "$(wc -l <"$t/some")" -eq "$(awk -v p=$p '$2 >= p + 0.00005' "$t/all" | wc -l)" ]
        head -n "$(wc -l <"$t/some")" "$t/all" | cmp - "$t/some"
    done
}

@test "any bytes go in and come out; JSON stays JSON" {
    printf 'question\n"w1 ""quoted""\nw2\tw3"\nw4 \377\376 \\ w5\n' | index -o "$t/odd.st"
    run siam-query -q "$t/odd.st" "w1 w2"
    [ "${#lines[@]}" -eq 2 ]
    [[ $output == *'w1 "quoted" w2 w3'* ]]
    siam-query -q "$t/odd.st" --json "w1 w2" $'\377"\\' | perl -MJSON::PP -ne 'decode_json($_); $n++; END { exit($n != 2) }'
}

@test "an unknown question is answered with a warning" {
    run --separate-stderr siam-query -q "$w/index.st" -k 1 --json "nothing known"
    [ "$status" -eq 0 ]
    [[ $stderr == *"no word of \"nothing known\""* ]]
    [[ $output == *'"known_words":0'* ]]
}

@test "malformed rows are an error, or rejected and counted" {
    printf 'question,x\nw1,1\nw2\nw3,3\n' >"$t/bad.csv"
    run siam-index -m "$w/model.st" -o "$t/i.st" "$t/bad.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"bad.csv: row 3"* ]]
    [ ! -e "$t/i.st" ]
    run siam-index -m "$w/model.st" -o "$t/i.st" --skip-bad "$t/bad.csv"
    [ "$status" -eq 0 ]
    [[ $output == *"2 questions"*"1 rows rejected"* ]]
}

@test "wrong usage is exit 2" {
    for args in "" "-m $w/model.st" "-o $t/i.st" "-m $w/model.st -o -" "-m $w/model.st -o $t/i.st a b" "--add x"; do
        run siam-index $args </dev/null
        [ "$status" -eq 2 ]
    done
    for args in "" "-k 0 $w/index.st w1" "-k x $w/index.st w1" "--min-probability 2 $w/index.st w1"; do
        run siam-query $args </dev/null
        [ "$status" -eq 2 ]
    done
}

@test "what cannot be used is exit 1 and named" {
    check() { # the words expected, then the command
        run "${@:2}" </dev/null
        [ "$status" -eq 1 ]
        [[ $output == *"$1"* ]]
    }
    check "no questions" siam-index -m "$w/model.st" -o "$t/i.st"
    check absent.txt siam-index -m "$w/model.st" -o "$t/i.st" "$t/absent.txt"
    check absent.st siam-index -m "$t/absent.st" -o "$t/i.st" "$w/list.txt"
    check "not a model" siam-index -m "$w/index.st" -o "$t/i.st" "$w/list.txt"
    check no/folder siam-index -m "$w/model.st" -o "$t/no/folder/i.st" "$w/list.txt"
    check "no CSV" siam-index -m "$w/model.st" -o "$t/i.st" --columns question=q "$w/list.txt"
    check absent.st siam-query "$t/absent.st" w1
    check "not an index" siam-query "$w/model.st" w1
    head -c 500 "$w/index.st" >"$t/cut.st"
    check cut.st siam-query "$t/cut.st" w1
    run bash -c "siam-query -q $w/index.st w1 >/dev/full"
    [ "$status" -eq 1 ]
}
