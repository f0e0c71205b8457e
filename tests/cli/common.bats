#!/usr/bin/env bats
# What every command owes its user: help, version, exit codes, error texts.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$SIAM_BIN:$PATH
    tmp=$(mktemp -d)
    tools=$(cd "$SIAM_BIN" && ls siam-*)
    printf 'question1,question2,is_duplicate\nhow tall is it,what is its height,1\nwho,what,0\n' >"$tmp/pairs.csv"
}

teardown() { rm -rf "$tmp"; }

@test "every tool has --help on stdout, exit 0, naming itself" {
    [ -n "$tools" ]
    for t in $tools; do
        run "$t" --help
        [ "$status" -eq 0 ]
        [[ ${lines[0]} == "usage: $t "* ]]
        "$t" -h 2>/dev/null | grep -q -- --version
    done
}

@test "every tool has --version that tells the BLAS kernels" {
    for t in $tools siam; do
        run "$t" --version
        [ "$status" -eq 0 ]
        [[ ${lines[0]} == "$t "[0-9]* ]]
        [[ $output == *BLAS:* ]]
    done
}

@test "an unknown option is exit 2, said on stderr, nothing on stdout" {
    for t in $tools; do
        run --separate-stderr "$t" --no-such-option
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [[ $stderr == "$t: unknown option --no-such-option"* ]]
    done
}

@test "every tool takes --threads, --seed and --device, so that all stages of a script may have the same" {
    for t in $tools; do
        run "$t" --threads 1 --seed 2 --device cpu --no-such-option
        [[ $output == "$t: unknown option --no-such-option"* ]]
    done
    diff <(siam-stats "$tmp/pairs.csv") <(siam-stats --threads 1 --seed 2 --device cpu "$tmp/pairs.csv")
    siam-stats --help | (! grep -q -- --device)
}

@test "numbers out of range and trailing junk are exit 2" {
    for bad in 0 -1 257 abc 1x 99999999999999999999 ''; do
        run siam-tokenize --threads="$bad" "$tmp/pairs.csv"
        [ "$status" -eq 2 ]
    done
    run siam-stats --json=yes "$tmp/pairs.csv"
    [ "$status" -eq 2 ]
    run siam-tokenize --threads
    [ "$status" -eq 2 ]
    run siam-tokenize --profile latin "$tmp/pairs.csv"
    [ "$status" -ne 0 ]
    for bad in 'auto|cpu' au cpus '' '|'; do
        run siam-bench --device "$bad"
        [ "$status" -eq 2 ]
        [[ $output == *"--device takes one of auto|cpu|cuda, not \"$bad\""* ]]
    done
    run siam-stats "$tmp/pairs.csv" "$tmp/pairs.csv"
    [ "$status" -eq 2 ]
}

@test "a missing file is exit 1 and named" {
    for t in siam-stats siam-tokenize siam-tfidf; do
        run --separate-stderr "$t" "$tmp/nowhere.csv"
        [ "$status" -eq 1 ]
        [[ $stderr == "$t: "*nowhere.csv* ]]
    done
}

@test "a closed pipe and a full disk are exit 1 with a message" {
    for i in $(seq 2000); do cat "$tmp/pairs.csv" | sed 1d; done >"$tmp/rows"
    (head -1 "$tmp/pairs.csv"; cat "$tmp/rows") >"$tmp/big.csv"
    run bash -c "set -o pipefail; siam-tokenize $tmp/big.csv 2>$tmp/err | true; exit \${PIPESTATUS[0]}"
    [ "$status" -eq 1 ]
    grep -q "cannot be written" "$tmp/err"
    [ -w /dev/full ] || skip "/dev/full is not here"
    run --separate-stderr bash -c "siam-tokenize $tmp/pairs.csv >/dev/full"
    [ "$status" -eq 1 ]
    [[ $stderr == *"cannot be written"* ]]
}

@test "a killed run leaves the old output whole and no litter after SIGTERM" {
    echo old >"$tmp/out.csv"
    mkfifo "$tmp/slow"
    siam-tokenize -q -o "$tmp/out.csv" "$tmp/slow" &
    pid=$!
    exec 8>"$tmp/slow"
    cat "$tmp/pairs.csv" >&8
    sleep 0.2
    kill -TERM $pid
    wait $pid && false
    exec 8>&-
    [ "$(cat "$tmp/out.csv")" = old ]
    run bash -c "ls $tmp | grep -c tmp"
    [ "$output" = 0 ]
}

@test "a hangup that is ignored, as under nohup, stays ignored" {
    mkfifo "$tmp/slow"
    (trap '' HUP; exec siam-tokenize -q -o "$tmp/out.csv" "$tmp/slow") &
    pid=$!
    exec 8>"$tmp/slow"
    cat "$tmp/pairs.csv" >&8
    sleep 0.2
    kill -HUP $pid
    exec 8>&-
    wait $pid
    [ "$(wc -l <"$tmp/out.csv")" -eq 3 ]
}

@test "siam VERB runs siam-VERB; no verb is exit 2" {
    run siam stats --help
    [[ ${lines[0]} == "usage: siam-stats "* ]]
    run siam
    [ "$status" -eq 2 ]
    run siam frobnicate
    [ "$status" -eq 2 ]
    run siam ../bin/siam-stats
    [ "$status" -eq 2 ]
}

@test "--device cuda says why when it cannot" {
    [ ! -e "$SIAM_BIN/../siam-cuda.so" ] || skip "the plugin is built here"
    run siam-bench --device cuda
    [ "$status" -eq 1 ]
    [[ $output == *"CUDA cannot be used"* ]]
}

@test "no plugin is taken from the working directory" {
    [ ! -e "$SIAM_BIN/../siam-cuda.so" ] || skip "the plugin is built here"
    echo junk >"$tmp/siam-cuda.so"
    cd "$tmp"
    run siam-bench --device cuda
    [ "$status" -eq 1 ]
    [[ $output == *"CUDA cannot be used"*"not found"* ]]
}

@test "a misspelt --columns is wrong usage; control characters of a file stay out of messages" {
    for bad in question3=a question1 =a 'question1=a,nonsense' ''; do
        run siam-stats --columns "$bad" "$tmp/pairs.csv"
        [ "$status" -eq 2 ]
    done
    printf 'a\033[31mb,c\nd,e\n' >"$tmp/evil.csv"
    run --separate-stderr siam-stats "$tmp/evil.csv"
    [ "$status" -eq 1 ]
    [[ $stderr == *'a?[31mb'* ]]
}
