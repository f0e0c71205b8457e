#!/usr/bin/env bats
# siam-tfidf: word, df and idf, by scikit-learn's formula.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$SIAM_BIN:$PATH
    tmp=$BATS_TEST_TMPDIR
}

@test "the table of the reference corpus is scikit-learn's" {
    siam-tfidf -q tests/ref/tfidf.csv >"$tmp/idf.tsv"
    [ "$(head -1 "$tmp/idf.tsv")" = '# siam-idf n=20 words=76' ]
    sed 1d "$tmp/idf.tsv" | paste - tests/ref/tfidf_idf.tsv >"$tmp/both"
    [ "$(wc -l <"$tmp/both")" -eq 76 ]
    awk -F '\t' '$1 != $4 || $2 != $5 || !($3 - $6 <= 1e-6 && $6 - $3 <= 1e-6) { print; bad = 1 } END { exit bad }' "$tmp/both"
}

@test "sorted by df, then by the bytes of the word" {
    siam-tfidf -q data/sample.csv | sed 1d | cut -f1,2 >"$tmp/is"
    LC_ALL=C sort -t "$(printf '\t')" -k2,2nr -k1,1 "$tmp/is" | cmp - "$tmp/is"
    [ "$(wc -l <"$tmp/is")" -gt 1000 ]
}

@test "tokens, raw text, a pipe, and any --threads give the same bytes" {
    siam-tfidf -q --threads 1 data/sample.csv >"$tmp/idf.tsv"
    for t in 1 2 3 8; do
        siam-tokenize -q data/sample.csv | siam-tfidf -q --threads $t | cmp - "$tmp/idf.tsv"
    done
    siam-tfidf -q -o "$tmp/out.tsv" data/sample.csv
    cmp "$tmp/out.tsv" "$tmp/idf.tsv"
}

@test "counts on stderr; labels are not needed; an empty set is a table too" {
    printf 'question1,question2\nto be or not to be,\n' >"$tmp/in.csv"
    run --separate-stderr siam-tfidf "$tmp/in.csv"
    [ "$status" -eq 0 ]
    [[ $stderr == *"1 rows read = 1 counted + 0 rejected; 2 questions, 6 tokens, 4 different words"* ]]
    [ "${lines[1]}" = $'be\t1\t1.4054651081081644' ]
    run --separate-stderr siam-tfidf - < <(printf 'question1,question2\n')
    [ "$output" = '# siam-idf n=0 words=0' ]
}

@test "a malformed row is exit 1; a killed or failed run leaves the old table" {
    printf 'question1,question2\na,b\nc\n' >"$tmp/bad.csv"
    echo old >"$tmp/idf.tsv"
    run siam-tfidf -o "$tmp/idf.tsv" "$tmp/bad.csv"
    [ "$status" -eq 1 ]
    [[ $output == *"bad.csv: row 3, byte "* ]]
    [ "$(cat "$tmp/idf.tsv")" = old ]
}
