#!/usr/bin/env bats
# siam-vectors: sources of every kind to a store, what is told of it, and looking
# into one.
bats_require_minimum_version 1.5.0

setup() {
    PATH=${SIAM_BIN:=build/bin}:$PATH
    root=$BATS_TEST_DIRNAME/../..
    tmp=$(mktemp -d)
    cd "$tmp"
    printf 'the 1 0 0.25\ncat 0.5 0.5 0\n. . 0 0 1\ndog 0.5 0.4 0\ncat 9 9 9\n' >glove.txt
}

teardown() { rm -rf "$tmp"; }

# same NAME SOURCE: the source makes the very store that glove.txt makes
same() {
    siam-vectors -q glove.txt -o expected.st
    siam-vectors -q "$2" -o "$1.st"
    cmp expected.st "$1.st"
}

@test "a file, a pipe, gzip and zip give the same store" {
    gzip -k glove.txt
    python3 -c 'import zipfile; zipfile.ZipFile("glove.zip", "w", zipfile.ZIP_DEFLATED).write("glove.txt")' ||
        skip "Python is not here"
    same gz glove.txt.gz
    same zip glove.zip
    siam-vectors -q - -o stdin.st <glove.txt
    cmp expected.st stdin.st
    siam-vectors -q --threads 1 - -o stdin.st < <(while IFS= read -r line; do echo "$line"; done <glove.txt)
    cmp expected.st stdin.st
}

@test "rows in = rows kept + repeated + not wanted + rejected, told on stderr" {
    run --separate-stderr siam-vectors glove.txt -o store.st
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [[ $stderr == *"GloVe text: 5 rows of 3 numbers read = 4 kept + 1 repeated + 0 not wanted + 0 rejected"* ]]
    run --separate-stderr siam-vectors --json -q --limit 2 glove.txt -o store.st
    [ "$output" = '{"kind":"GloVe text","dim":3,"rows":2,"kept":2,"repeated":0,"not_wanted":0,"rejected":0}' ]
    [ -z "$stderr" ]
}

@test "a malformed line is an error with its place, and no store; --skip-bad counts it" {
    printf 'ant 1 2\n' >>glove.txt
    run siam-vectors glove.txt -o store.st
    [ "$status" -eq 1 ]
    [[ $output == "siam-vectors: glove.txt: line 6, byte 61: 2 numbers behind the word where 3 are expected" ]]
    [ ! -e store.st ]
    run siam-vectors --skip-bad glove.txt -o store.st
    [ "$status" -eq 0 ]
    [[ $output == *"+ 1 rejected"*"line 6, byte 61"* ]]
}

@test "a last line cut short is an error that names it, from a gzip too" {
    head -c 60 glove.txt | gzip >cut.gz
    run siam-vectors cut.gz -o store.st
    [ "$status" -eq 1 ]
    [[ $output == "siam-vectors: cut.gz: line 5, byte 51: the file ends inside this line"* ]]
}

@test "--keep-words-from keeps the words of a CSV and tells the coverage" {
    printf 'question1,question2,is_duplicate\nThe cat!,the dog,0\n' >pairs.csv
    run siam-vectors --keep-words-from pairs.csv glove.txt -o store.st
    [ "$status" -eq 0 ]
    [[ $output == *"3 kept + 1 repeated + 1 not wanted"* ]]
    [[ $output == *"coverage of pairs.csv: 80.00 % of 5 tokens, 75.00 % of 4 different words"* ]]
    run siam-vectors --json -q --keep-words-from pairs.csv glove.txt -o store.st
    [[ $output == *'"coverage":{"tokens":5,"known_tokens":4,"words":4,"known_words":3}'* ]]
    run siam-vectors --keep-words-from pairs.csv --columns question1=a glove.txt -o store.st
    [ "$status" -eq 1 ]
    [[ $output == *"pairs.csv: "* ]]
}

@test "--info tells words, width and type" {
    for type in f32 f16 i8; do
        siam-vectors -q --dtype $type glove.txt -o store.st
        run siam-vectors --info store.st
        [ "$status" -eq 0 ]
        [ "$output" = "$(printf 'words\t4\ndim\t3\ndtype\t%s' ${type^^})" ]
    done
    run siam-vectors --info --json store.st
    [ "$output" = '{"words":4,"dim":3,"dtype":"I8"}' ]
}

@test "--nearest gives the nearest words, best first, without the word itself" {
    siam-vectors -q glove.txt -o store.st
    run siam-vectors store.st --nearest cat
    [ "$status" -eq 0 ]
    [ "$output" = "$(printf '0.9939\tdog\n0.6860\tthe\n0.0000\t. .')" ]
    run siam-vectors store.st --nearest cat -k 1 --json
    [[ $output == '{"word":"dog","similarity":0.99388'* ]]
    [ "${#lines[@]}" -eq 1 ]
    run siam-vectors store.st --nearest zebra
    [ "$status" -eq 1 ]
    [[ $output == *'store.st: "zebra" is not among its 4 words'* ]]
}

@test "the bundled store knows its neighbours" {
    run siam-vectors "$root/data/glove-6b-100d-40k.st" --nearest king -k 2
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == *prince && ${lines[1]} == *queen ]]
}

@test "a store is a source, too; from a pipe it is refused" {
    siam-vectors -q glove.txt -o store.st
    siam-vectors -q store.st --limit 2 --dtype f16 -o smaller.st
    run siam-vectors --info smaller.st
    [[ ${lines[0]} == *2 && ${lines[2]} == *F16 ]]
    run siam-vectors - -o again.st <store.st
    [ "$status" -eq 1 ]
    [[ $output == *"<stdin>: "*"not from a pipe"* ]]
}

@test "wrong usage is exit 2, what is no store is exit 1" {
    for bad in '' '--info --nearest a' '-o x.st --info' '--nearest a -k 0' '-o x.st --limit -1' '-o x.st --limit 1x' '--info --limit 2' \
        '--nearest a --dtype i8' '-o x.st --dtype f64' '-o -'; do
        # shellcheck disable=SC2086
        run siam-vectors glove.txt $bad
        [ "$status" -eq 2 ]
    done
    run siam-vectors --info
    [ "$status" -eq 2 ]
    run siam-vectors --info glove.txt
    [ "$status" -eq 1 ]
    [[ $output == "siam-vectors: glove.txt: not a safetensors file"* ]]
    run siam-vectors absent.txt -o x.st
    [ "$status" -eq 1 ]
    [[ $output == "siam-vectors: absent.txt: cannot be opened: No such file or directory" ]]
    run siam-vectors glove.txt -o no/folder/x.st
    [ "$status" -eq 1 ]
    [[ $output == *"no/folder/x.st"* ]]
}

@test "an import that is interrupted leaves the old store and no litter" {
    siam-vectors -q glove.txt -o store.st
    cp store.st old.st
    mkfifo slow
    siam-vectors -q slow -o store.st &
    pid=$!
    exec 8>slow
    cat glove.txt >&8
    sleep 0.2
    kill -TERM $pid
    run wait $pid
    exec 8>&-
    cmp old.st store.st
    [ -z "$(find . -name '*.tmp')" ]
}
