#!/usr/bin/env bats
# siam-image-score and siam-image-attend: against answers told by hand.

bats_require_minimum_version 1.5.0
load images.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH
    make_images "$BATS_FILE_TMPDIR"
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    t=$BATS_TEST_TMPDIR
}

score() { siam-image-score -q "$@"; }

# refused STATUS PATTERN COMMAND...
refused() {
    local status_wanted=$1 pattern=$2
    shift 2
    run --separate-stderr "$@"
    [ "$status" -eq "$status_wanted" ]
    [ -z "$output" ]
    [[ $stderr == *$pattern* ]] || { echo "$stderr"; return 1; }
}

# probability OF OTHER OTHER: of softmax at four times the pixels
probability() { awk -v a="$1" -v b="$2" -v c="$3" 'BEGIN { printf "%.6g", exp(4 * a) / (exp(4 * a) + exp(4 * b) + exp(4 * c)) }'; }

@test "a model that compares gives its vectors" {
    siam-image-score -q -m compare.st flat/b.pgm flat/d.pgm >"$t/csv"
    [ "$(head -1 "$t/csv")" = file,v1,v2,v3,v4 ]
    near "$(awk -F, 'NR == 2 { print $2 }' "$t/csv")" 0.2 1e-6
    near "$(awk -F, 'NR == 3 { print $3 }' "$t/csv")" 0.2 1e-6
    [ "$(wc -l <"$t/csv")" -eq 3 ]
}

@test "scores of a source and of files, in their order" {
    score -m scores.st --images scored >"$t/csv"
    printf 'file,score\na.pgm,2\nb.pgm,4\nc.pgm,6\nd.pgm,12\n' >"$t/want"
    sed 's/\(\.[0-9]*\)$/\1/' "$t/csv" | awk -F, 'NR > 1 { $2 = sprintf("%.4g", $2) } 1' OFS=, | cmp - "$t/want"
    score -m scores.st scored/d.pgm flat/a.pgm scored/d.pgm | awk -F, 'NR > 1 { printf "%s %.4g,", $1, $2 }' >"$t/files"
    [ "$(cat "$t/files")" = "scored/d.pgm 12,flat/a.pgm 2,scored/d.pgm 12," ]
    score -m scores.st - <scored/d.pgm | grep -q '^-,12'
    score -m scores.st -o "$t/out.csv" --images scored
    cmp "$t/csv" "$t/out.csv"
}

@test "the most probable class, and all of them" {
    score -m classes.st --images classed >"$t/csv"
    [ "$(head -1 "$t/csv")" = file,class,probability ]
    [ "$(grep '^like/1.pgm' "$t/csv")" = "like/1.pgm,like,$(probability 1 0 0)" ]
    [ "$(grep '^nope/3.pgm' "$t/csv")" = "nope/3.pgm,like,$(probability .6 0 0)" ]
    grep -qF '"a, ""b""/1.pgm","a, ""b""",0.9' "$t/csv"
    [ "$(wc -l <"$t/csv")" -eq 10 ]
    score -m classes.st --images classed --all >"$t/csv"
    [ "$(head -1 "$t/csv")" = 'file,like,nope,"a, ""b"""' ]
    [ "$(grep '^nope/3.pgm' "$t/csv")" = "nope/3.pgm,$(probability .6 0 0),$(probability 0 .6 0),$(probability 0 .6 0)" ]
}

@test "a profile is liked when one picture is" {
    pgm "$t/p/ann/1.pgm" 0 255 0 0
    pgm "$t/p/ann/2.pgm" 102 0 0 0 # 0.71
    pgm "$t/p/bob/1.pgm" 0 0 0 0   # 0.33
    pgm "$t/p/bob/in/3.pgm" 255 0 0 0
    pgm "$t/p/bob/z.pgm" 0 0 255 0
    pgm "$t/p/top.pgm" 0 255 0 0
    score -m classes.st --images "$t/p" --any-like like >"$t/csv"
    {
        echo profile,images,probability,decision
        echo ".,1,$(probability 0 1 0),NOPE"
        echo "ann,2,$(probability .4 0 0),LIKE"
        echo "bob,2,$(probability 0 0 0),NOPE"
        echo "bob/in,1,$(probability 1 0 0),LIKE"
    } | diff - "$t/csv"
    score -m classes.st --images "$t/p" --any-like like --threshold 0.3 | grep -q '^bob,2,.*,LIKE$'
    score -m classes.st --images "$t/p" --any-like like --threshold 0.72 | grep -q '^ann,2,.*,NOPE$'
    score -m classes.st --any-like like "$t/p/ann/1.pgm" "$t/p/bob/1.pgm" "$t/p/bob/in/3.pgm" >"$t/csv"
    [ "$(sed 1d "$t/csv")" = ".,3,$(probability 1 0 0),LIKE" ]
}

@test "more images than a chunk holds, and any number of threads" {
    for i in $(seq 300); do pgm "$t/many/$i.pgm" $((i % 256)) 0 0 0; done
    score -m scores.st --images "$t/many" --threads 2 >"$t/csv"
    [ "$(wc -l <"$t/csv")" -eq 301 ]
    awk -F, 'NR > 1 { split($1, n, "."); d = $2 - 2 - 10 * (n[1] % 256) / 255; if (d > 1e-5 || d < -1e-5) exit 1 }' "$t/csv"
    score -m scores.st --images "$t/many" --threads 1 | cmp - "$t/csv"
}

@test "a broken image is named, and left out when asked" {
    cp -r flat "$t/broken"
    head -c 9 flat/b.pgm >"$t/broken/b.pgm"
    refused 1 b.pgm siam-image-score -q -m scores.st "$t/broken/b.pgm"
    run --separate-stderr siam-image-score -q -m scores.st --images "$t/broken" --skip-bad
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 5 ]
    [[ $stderr == *"1 images were left out, the last one: "*b.pgm* ]]
    run --separate-stderr siam-image-score -q -m scores.st --skip-bad nowhere.pgm "$t"/broken/*
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 5 ]
    [[ $stderr == *"2 images were left out"* ]]
    refused 1 "none of its images is left" siam-image-score -q -m scores.st --skip-bad "$t/broken/b.pgm"
    refused 1 nowhere.pgm siam-image-score -q -m scores.st nowhere.pgm
}

@test "models that say nothing of one image" {
    refused 1 "compares images: --all is for" siam-image-score -m compare.st --all flat/a.pgm
    refused 1 "text.st: not a model of images" siam-image-score -m text.st flat/a.pgm
    refused 1 "tells scores: --any-like is for one that tells classes" siam-image-score -m scores.st --any-like x flat/a.pgm
    refused 1 "tells scores: --all is for" siam-image-score -m scores.st --all flat/a.pgm
    refused 1 "'x' is none of the 3 classes" siam-image-score -m classes.st --any-like x flat/a.pgm
    refused 1 nowhere.st siam-image-score -m nowhere.st flat/a.pgm
}

@test "wrong usage" {
    refused 2 "either --images SOURCE or FILEs" siam-image-score -m scores.st
    refused 2 "either --images SOURCE or FILEs" siam-image-score -m scores.st --images flat flat/a.pgm
    refused 2 "-m MODEL" siam-image-score flat/a.pgm
    refused 2 "ask for one of them" siam-image-score -m classes.st --all --any-like like flat/a.pgm
    refused 2 "--threshold goes with --any-like" siam-image-score -m classes.st --threshold 0.5 flat/a.pgm
    refused 2 "--threshold takes a number from 0 to 1" siam-image-score -m classes.st --any-like like --threshold 2 flat/a.pgm
    refused 2 "-o MAP.png are needed" siam-image-attend -m scores.st flat/a.pgm
    refused 2 "-o MAP.png are needed" siam-image-attend -m scores.st flat/a.pgm -o -
    refused 2 "a file is missing" siam-image-attend -m scores.st -o "$t/m.png"
    refused 2 "there would be gaps" siam-image-attend -m scores.st -o "$t/m.png" flat/a.pgm --patch 0.1 --stride 0.2
    refused 2 "--patch takes a number from 0.001 to 1" siam-image-attend -m scores.st -o "$t/m.png" flat/a.pgm --patch 0
}

# side FILE: width and height of a PNG
side() { od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; }

@test "attention: what covering takes away, as numbers and as a picture" {
    pgm "$t/x.pgm" 255 0 255 0
    run --separate-stderr siam-image-attend -m scores.st "$t/x.pgm" -o "$t/map.png" --json --patch 0.5
    [ "$status" -eq 0 ]
    [[ $output == '{"file":"'*'/x.pgm","class":null,"probability":null,"score":12.0,"patch":1,"stride":1,"drop_min":0.0,"drop_max":10.0}' ]]
    [ "$(od -An -tx1 -N8 "$t/map.png" | tr -d ' ')" = 89504e470d0a1a0a ]
    [ "$(side "$t/map.png")" = 256x256 ]
    # brightness of the first pixel: grey without the map, a mixture with red under it
    siam-image-attend -q -m scores.st "$t/x.pgm" -o "$t/again.png" --patch 0.5
    cmp "$t/map.png" "$t/again.png"
    run --separate-stderr siam-image-attend -m classes.st "$t/x.pgm" -o "$t/c.png" --class nope --json --patch 0.5
    [[ $output == *'"class":"nope","probability":0.0'*'"drop_min":-0.'* ]]
    run --separate-stderr siam-image-attend -m classes.st "$t/x.pgm" -o "$t/c.png" --patch 0.5
    [ -z "$output" ]
    [[ $stderr == *"x.pgm: like with probability 0.49"* ]]
    run --separate-stderr siam-image-attend -m compare.st "$t/x.pgm" -o "$t/d.png" --json --patch 0.5
    [[ $output == *'"score":null'*'"drop_max":1'* ]]
}

@test "attention that finds nothing, or cannot" {
    run --separate-stderr siam-image-attend -q -m scores.st flat/a.pgm -o "$t/plain.png"
    [ "$status" -eq 0 ]
    [[ $stderr == *"changes nothing: the map is plain"* ]]
    refused 1 "--class is for a model that tells classes" siam-image-attend -m scores.st flat/a.pgm -o "$t/no.png" --class x
    refused 1 "'x' is none of the 3 classes" siam-image-attend -m classes.st flat/a.pgm -o "$t/no.png" --class x
    refused 1 "not a model of images" siam-image-attend -m text.st flat/a.pgm -o "$t/no.png"
    refused 1 nowhere.pgm siam-image-attend -m scores.st nowhere.pgm -o "$t/no.png"
    refused 1 nowhere/no.png siam-image-attend -m scores.st flat/a.pgm -o "$t/nowhere/no.png"
    [ ! -e "$t/no.png" ]
}
