#!/usr/bin/env bats
# siam-tokenize: the same CSV, the questions as tokens.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$SIAM_BIN:$PATH
    tmp=$BATS_TEST_TMPDIR
}

@test "question columns become tokens, all else stays byte for byte" {
    printf '\xef\xbb\xbfid,question1,"note, x",question2,is_duplicate\r\n1,"Don'"'"'t ""go"", now?","a ""b""\nc",It'"'"'s 5,1\r\n 2 ,,"",?,0' >"$tmp/in.csv"
    printf '\xef\xbb\xbfid,question1,"note, x",question2,is_duplicate\r\n1,"do n'"'"'t "" go "" , now ?","a ""b""\nc",it '"'"'s 5,1\r\n 2 ,,"",?,0' >"$tmp/want.csv"
    siam-tokenize -q "$tmp/in.csv" >"$tmp/out.csv"
    cmp "$tmp/want.csv" "$tmp/out.csv"
}

@test "TSV, columns in the other order, other names, stdin, -o" {
    printf 'b\tx\ta\nOne, two\t"q"\tThree!\n' >"$tmp/in.tsv"
    printf 'b\tx\ta\none , two\t"q"\tthree !\n' >"$tmp/want.tsv"
    siam-tokenize -q --columns question1=a,question2=b -o "$tmp/out.tsv" - <"$tmp/in.tsv"
    cmp "$tmp/want.tsv" "$tmp/out.tsv"
    run --separate-stderr siam-tokenize --columns question1=a,question2=a "$tmp/in.tsv"
    [ "$status" -eq 1 ]
}

@test "tokenising tokens changes nothing, whatever --threads" {
    siam-tokenize -q --threads 1 data/sample.csv >"$tmp/1.csv"
    for t in 1 2 3 8; do
        siam-tokenize -q --threads $t "$tmp/1.csv" | cmp - "$tmp/1.csv"
        siam-tokenize -q --threads $t data/sample.csv | cmp - "$tmp/1.csv"
    done
    [ "$(wc -l <"$tmp/1.csv")" -gt 600 ]
}

@test "gzip in, and counts on stderr unless --quiet" {
    printf 'question1,question2\nHow are you?,\n' | gzip >"$tmp/in.gz"
    run --separate-stderr siam-tokenize "$tmp/in.gz"
    [ "$output" = $'question1,question2\nhow are you ?,' ]
    [[ $stderr == *"1 rows read = 1 written + 0 rejected; 4 tokens, 1 questions without any"* ]]
    run --separate-stderr siam-tokenize --quiet "$tmp/in.gz"
    [ -z "$stderr" ]
}

@test "a malformed row is an error with row and byte; --skip-bad counts it" {
    printf 'question1,question2,is_duplicate\na,b,1\nonly one field\nc,d,0\ne,f,maybe\n' >"$tmp/bad.csv"
    run --separate-stderr siam-tokenize "$tmp/bad.csv"
    [ "$status" -eq 1 ]
    [[ $stderr == "siam-tokenize: $tmp/bad.csv: row 3, byte 39: "* ]]
    run --separate-stderr siam-tokenize --skip-bad "$tmp/bad.csv"
    [ "$status" -eq 0 ]
    [ "$output" = $'question1,question2,is_duplicate\na,b,1\nc,d,0' ]
    [[ $stderr == *"4 rows read = 2 written + 2 rejected"* ]]
    run siam-tokenize --skip-bad -o "$tmp/none/out.csv" "$tmp/bad.csv"
    [ "$status" -eq 1 ]
}

@test "hostile fields: 1 MiB, NUL, invalid UTF-8, empty file" {
    { printf 'question1,question2\n'; head -c 1048576 /dev/zero | tr '\0' 'x'; printf ',y\n'; } >"$tmp/long.csv"
    siam-tokenize -q "$tmp/long.csv" | cmp - "$tmp/long.csv"
    printf 'question1,question2\na\0b,c\xffd\n' | siam-tokenize -q >"$tmp/out"
    printf 'question1,question2\na b,c \xef\xbf\xbd d\n' | cmp - "$tmp/out"
    run --separate-stderr siam-tokenize /dev/null
    [ "$status" -eq 1 ]
    [ -z "$output" ]
}

@test "memory does not grow with the input" {
    header='question1,question2,is_duplicate'
    row='"How does a kettle know that its water boils?",What makes an electric kettle switch off?,1'
    { echo "$header"; for _ in $(seq 200); do echo "$row"; done; } >"$tmp/small.csv"
    { echo "$header"; yes "$row" | head -n 300000; } >"$tmp/large.csv"
    command -v python3 >/dev/null || skip "python3 measures the memory"
    peak() {
        python3 -c 'import resource,subprocess,sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' siam-tokenize -q --threads 2 "$1"
    }
    small=$(peak "$tmp/small.csv") large=$(peak "$tmp/large.csv")
    [ "$large" -lt $((small + 32768)) ] # 27 MB of input; a sanitizer's own memory grows a little
}
