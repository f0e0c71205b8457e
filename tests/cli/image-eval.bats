#!/usr/bin/env bats
# siam-eval of models of images: against answers told by hand.

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

# measure ARGUMENT...: a report as JSON in $t/json, and the same as text in $t/text
measure() {
    siam-eval -q "$@" --json >"$t/json"
    siam-eval -q "$@" >"$t/text"
    [ "$(wc -l <"$t/json")" -eq 1 ]
}

# is KEY VALUE: in both reports
is() {
    near "$(json "$1" "$t/json")" "$2" 1e-6 || { echo "$1 is $(json "$1" "$t/json"), not $2"; return 1; }
    near "$(awk -v k="$1" '$1 == k { print $2 }' "$t/text")" "$2" 1e-4
}

# refused STATUS PATTERN ARGUMENT...
refused() {
    local status_wanted=$1 pattern=$2
    shift 2
    run --separate-stderr siam-eval "$@"
    [ "$status" -eq "$status_wanted" ]
    [ -z "$output" ]
    [[ $stderr == *$pattern* ]] || { echo "$stderr"; return 1; }
}

@test "scores: correlation and errors of the test split, of another one, and of what has none" {
    measure -m scores.st --images scored
    is n 3
    is pearson 0.960768923 # of 2 4 6 and 2 5 6
    is mae 0.333333333
    is rmse 0.577350269
    measure -m scores.st --images scored --split train
    is n 1
    [ "$(json pearson "$t/json")" = null ]
    grep -q '^pearson  *nan' "$t/text"
    printf 'file,score\na.pgm,2\nb.pgm,4\nc.pgm,6\nd.pgm,12\n' >"$t/all.csv"
    measure -m scores.st --images scored --labels "$t/all.csv" --folds 2
    is n 4
    is pearson 1
    is mae 0
    is folds 2
    is pearson_mean 1
    is pearson_sd 0
}

@test "what a split holds is said" {
    run --separate-stderr siam-eval -m scores.st --images scored
    [[ $stderr == *"split 'test': 3 of 4 images"* ]]
}

@test "classes: accuracy and log loss, by the names of classes" {
    measure -m classes.st --images classed
    is n 9
    is accuracy 0.888888889
    logs=$(awk 'function lse(a, b, c) { return log(exp(4 * a) + exp(4 * b) + exp(4 * c)) }
        BEGIN { print (lse(1, 0, 0) - 4 + lse(250 / 255, 0, 0) - 4 * 250 / 255 + lse(245 / 255, 0, 0) - 4 * 245 / 255 \
            + lse(1, 0, 0) - 4 + lse(250 / 255, 0, 0) - 4 * 250 / 255 + lse(.6, 0, 0) \
            + lse(1, 0, 0) - 4 + lse(245 / 255, 0, 0) - 4 * 245 / 255 + lse(1, 0, 0) - 4) / 9 }' OFMT=%.9g)
    is log_loss "$logs"
}

@test "a list of pairs: at the model's threshold, over all, and its probabilities" {
    measure -m compare.st --images flat --pairs pairs.txt --curves "$t/curves.tsv" --folds 4
    is n 4
    is threshold 0.5
    is accuracy 0.5
    is precision 0.5
    is recall 0.5
    is auc 0.75
    is accuracy_best 0.75
    is log_loss "$(awk 'function l(z) { return log(1 + exp(-z)) }
        BEGIN { printf "%.9f", (l(2 - .8) + l(2 - 2.4) + l(1.6 - 2) + l(4 - 2)) / 4 }')"
    is folds 4
    [ "$(json positives "$t/json")" -eq 2 ]
    [[ $(cat "$t/json") == *'"calibrated":true,"trained_on_this":false,'* ]]
    [[ $(cat "$t/json") != *seed_metric* ]]
    grep -q '^roc' "$t/curves.tsv"
}

@test "classes and a network that compares: seeded pairs, and one-shot trials" {
    measure -m compare.st --images classed --one-shot 3 --trials 500
    is n 18
    is one_shot_ways 3
    is one_shot_trials 500
    auc=$(json auc "$t/json")
    near "$auc" 0.9 0.1
    # wrong is one query of nine (nope/3), and a query of nope whose support is nope/3
    near "$(json one_shot "$t/json")" 0.77 0.2
    siam-eval -q -m compare.st --images classed --one-shot 3 --trials 500 --json --threads 1 | cmp - "$t/json"
    siam-eval -q -m compare.st --images classed --one-shot 3 --trials 500 --json --seed 2 >"$t/other"
    run cmp -s "$t/other" "$t/json"
    [ "$status" -eq 1 ]
    rm -rf "$t/apart"
    cp -r classed "$t/apart"
    pgm "$t/apart/nope/3.pgm" 0 245 0 0
    measure -m compare.st --images "$t/apart" --one-shot 3
    is one_shot 1
    is one_shot_trials 2000
    is auc 1
}

@test "a tar is as good as a folder" {
    tar -C classed -czf "$t/classed.tar.gz" .
    siam-eval -q -m classes.st --images classed --json >"$t/folder"
    siam-eval -q -m classes.st --images "$t/classed.tar.gz" --json | cmp - "$t/folder"
    siam-eval -q -m classes.st --images - --json <"$t/classed.tar.gz" | cmp - "$t/folder"
}

@test "model and options that do not fit" {
    refused 1 "not a model of images; --images is for those" -m text.st --images scored
    refused 1 "reads images, not questions" -m scores.st --pairs pairs.csv
    refused 1 "--pairs is for a model that compares images; this one tells scores" -m scores.st --images flat --pairs pairs.txt
    refused 1 "--one-shot is for a model that compares images; this one tells classes" -m classes.st --images classed --one-shot 2
    refused 1 "--curves is for a model that compares images" -m classes.st --images classed --curves "$t/c.tsv"
    refused 1 "--folds is for a model that tells scores or compares" -m classes.st --images classed --folds 5
    [ ! -e "$t/c.tsv" ]
}

@test "data that do not fit" {
    refused 1 "flat: not all images have a score" -q -m scores.st --images flat
    refused 1 "flat: not all images have a class" -q -m classes.st --images flat
    refused 1 "not all images have a class: --pairs LIST" -q -m compare.st --images flat
    refused 1 "scored: no image is of split 'dev'" -q -m scores.st --images scored --split dev
    refused 1 "there are 3 classes of two images or more: 4 cannot be told apart" -q -m compare.st --images classed --one-shot 4
    refused 1 "cannot be cut into 3 parts of 2" -q -m scores.st --images scored --folds 3
    mkdir -p "$t/strange/what"
    cp classed/like/1.pgm "$t/strange/what"
    refused 1 "tells 3 classes apart, and 'what' is none of them" -q -m classes.st --images "$t/strange"
    refused 1 "no pairs can be made" -q -m compare.st --images "$t/strange"
    printf 'a.pgm nowhere.pgm 1\n' >"$t/list"
    refused 1 'line 1: "nowhere.pgm" is no image of the source' -q -m compare.st --images flat --pairs "$t/list"
    refused 1 nowhere -q -m compare.st --images nowhere
    refused 1 nowhere -q -m nowhere.st --images flat
}

@test "a broken image is named, and left out when asked" {
    cp -r classed "$t/broken"
    head -c 12 classed/like/3.pgm >"$t/broken/like/3.pgm"
    refused 1 like/3.pgm -q -m classes.st --images "$t/broken"
    run --separate-stderr siam-eval -m classes.st --images "$t/broken" --skip-bad --json
    [ "$status" -eq 0 ]
    [[ $output == '{"n":8,'* ]]
}

@test "wrong usage" {
    refused 2 "-m MODEL and --pairs CSV, or --images SOURCE" -m scores.st
    refused 2 "-m MODEL and --pairs CSV, or --images SOURCE" --images scored
    refused 2 "--split goes with --images" -m text.st --pairs pairs.csv --split test
    refused 2 "--one-shot goes with --images" -m text.st --pairs pairs.csv --one-shot 5
    refused 2 "--labels goes with --images" -m text.st --pairs pairs.csv --labels x
    refused 2 "--columns is for a CSV of questions" -m scores.st --images scored --columns question1=a
    refused 2 "--split and --pairs do not go together" -m compare.st --images flat --pairs pairs.txt --split test
    refused 2 "--one-shot and --pairs do not go together" -m compare.st --images flat --pairs pairs.txt --one-shot 2
    refused 2 "--trials goes with --one-shot" -m compare.st --images classed --trials 5
    refused 2 "--one-shot takes a whole number from 2" -m compare.st --images classed --one-shot 1
    refused 2 "--folds takes a whole number from 2" -m compare.st --images classed --folds 1
}

@test "folds of a model of questions" {
    siam-eval -q -m text.st --pairs pairs.csv --folds 5 --json >"$t/json"
    [ "$(json folds "$t/json")" -eq 5 ]
    near "$(json accuracy_mean "$t/json")" 0.5 0.5
}

@test "siam-predict, siam-index and siam-image-score say which model they need" {
    for c in "siam-predict -m compare.st pairs.csv" "siam-index -m compare.st -o $t/index pairs.csv"; do
        run --separate-stderr $c
        [ "$status" -eq 1 ]
        [[ $stderr == *"compare.st: this model reads images, not questions: siam-eval --images and siam-image-score"* ]]
    done
}

@test "siam-inspect shows what a model knows of images" {
    run siam-inspect classes.st
    [ "$status" -eq 0 ]
    [[ $output == *"recipe"*"holds JSON:"*"  kind = images"*"  height = 2"*'  classes = ["like","nope","a, \"b\""]'* ]]
    siam-inspect --json classes.st | perl -MJSON::PP -e 'my $t = decode_json(join "", <STDIN>)->{tensors}[0];
        exit !($t->{name} eq "recipe" && $t->{holds}{kind} eq "images" && $t->{holds}{classes}[2] eq "a, \"b\"" && !exists $t->{min})'
}
