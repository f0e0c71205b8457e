#!/usr/bin/env bats
# siam-inspect: every kind of file, files inside files, and what is no file of ours.

bats_require_minimum_version 1.5.0
load model.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH
    vectors 20 >"$BATS_FILE_TMPDIR/vectors.txt"
    pairs 0 30 >"$BATS_FILE_TMPDIR/pairs.csv"
    cd "$BATS_FILE_TMPDIR"
    siam-vectors -q vectors.txt -o vectors.st
    siam-tfidf -q -o idf.tsv pairs.csv
    siam-embed -q --vectors vectors.st --idf idf.tsv -o features.st pairs.csv
    # a file whose header is given as text, and its data as printf's format
    file() {
        local n=$(printf %s "$1" | wc -c)
        printf "$(printf '\\x%02x' $((n % 256)) $((n / 256)))\0\0\0\0\0\0%s" "$1"
        printf "$2"
    }
    file '{"__metadata__":{"note":"a\u001b[31m line\nthat goes on '"$(printf 'é%.0s' $(seq 60))"'"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"h":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]}}' \
        '\0\0\300\177\0\0\200\177\0\0\200\377\0\0\0\300\0\0\200\77\0\0\100\100\200\77\300\77' >made.st
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    root=$BATS_TEST_DIRNAME/../..
}

# rows FILE: what is shown, with one space between columns
rows() {
    run bash -c 'set -o pipefail; siam-inspect "$1" | tr -s " "' - "$1"
    [ "$status" -eq 0 ]
}

@test "counts NaN and infinity, and takes least, greatest and mean of the rest" {
    rows made.st
    [[ $output == *'x F32 [2,3] 24 -2 3 0.66667 1 2 nan inf -inf -2 1'* ]]
    [[ $output == *'h BF16 [2] 4 1 1.5 1.25 0 0 1 1.5'* ]]
    run siam-inspect --json made.st
    [[ $output == '{"format":"safetensors","metadata":{"note":'* ]]
    [[ $output == *',"tensors":[{"name":"x","dtype":"F32","shape":[2,3],"bytes":24,"min":-2.0,"max":3.0,"mean":0.666666667,"nan":1,"inf":2,"first":[null,null,null,-2.0,1.0]},'* ]]
}

@test "a long setting is cut between characters and keeps no escape; JSON has it whole" {
    run siam-inspect made.st
    [[ ${lines[0]} == "note = a [31m line that goes on é"*"é... (145 bytes)" ]]
    [[ $(siam-inspect --json made.st) == *'"note":"a\u001B[31m line\nthat goes on '"$(printf 'é%.0s' $(seq 60))"'"'* ]]
    siam-inspect made.st | iconv -f UTF-8 -t UTF-8 >/dev/null
}

@test "a vector store, and features with the recipe inside" {
    run siam-inspect vectors.st
    [[ $output == *"format = siam-vectors"* ]]
    [[ $output == *"vectors "*"[21,8]"* ]]
    run siam-inspect features.st
    [[ $output == *"format = siam-features"* ]]
    [[ $output == *"q1 "*"[30,24]"* ]]
    [[ $output == *"recipe "*"holds a file:"*"  format = siam-recipe"*"  vectors "* ]]
    run siam-inspect --json features.st
    [[ $output == *'"pairs":"30"'*'{"name":"recipe","dtype":"U8","shape":['*'],"bytes":'*',"holds":{"format":"safetensors","metadata":{"format":"siam-recipe"'* ]]
    [[ $output == *'{"name":"vectors","dtype":"F32","shape":[21,8],"bytes":672,'* ]]
}

@test "an array of NumPy, inside an archive too" {
    rows "$root/tests/ref/npy.npz:f8.npy"
    [[ ${lines[1]} == 'array F64 [3,4] 96 -0.625 0.75 0.0625 0 0 -0.625 -0.5 -0.375 -0.25 -0.125' ]]
    run siam-inspect --json "$root/tests/ref/npy.npz:flat.npy"
    [[ $output == '{"format":"npy","tensors":[{"name":"array","dtype":"F32","shape":[7],"bytes":28,"min":-0.625,'*'}]}' ]]
}

@test "from a pipe as from the file" {
    [ "$(siam-inspect - <features.st)" = "$(siam-inspect features.st)" ]
    [ "$(cat features.st | siam-inspect --json -)" = "$(siam-inspect --json features.st)" ]
}

@test "-o FILE" {
    siam-inspect -o shown made.st
    [ "$(cat shown)" = "$(siam-inspect made.st)" ]
}

@test "what is no file of ours is exit 1 and named" {
    for f in vectors.txt pairs.csv nowhere.st .; do
        run --separate-stderr siam-inspect "$f"
        [ "$status" -eq 1 ]
        [ -z "$output" ]
        [[ $stderr == "siam-inspect: $f: "* ]]
    done
    : >empty
    run siam-inspect empty
    [ "$status" -eq 1 ]
    run siam-inspect - </dev/null
    [ "$status" -eq 1 ]
    [[ $output == "siam-inspect: <stdin>: "* ]]
    run siam-inspect
    [ "$status" -eq 2 ]
}

@test "a file cut anywhere is exit 1 with a message" {
    n=$(wc -c <made.st)
    for i in 0 1 7 8 9 50 $((n - 29)) $((n - 28)) $((n - 1)); do
        head -c "$i" made.st >cut
        run siam-inspect cut
        [ "$status" -eq 1 ]
        [[ $output == "siam-inspect: cut: "* ]]
    done
}
