#!/usr/bin/env bats
# siam-train: one shot equals the piped stages, threads change nothing, a killed
# run resumes to the same bytes, every variant is a matter of flags.

bats_require_minimum_version 1.5.0
load model.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH w=$BATS_FILE_TMPDIR
    pairs 0 600 >"$w/train.csv"
    pairs 600 1000 >"$w/test.csv"
    vectors 83 >"$w/vectors.txt"
    siam-vectors -q "$w/vectors.txt" -o "$w/vectors.st"
    siam-tokenize -q "$w/train.csv" >"$w/tokens.csv"
    siam-tfidf -q "$w/tokens.csv" >"$w/idf.tsv"
    siam-embed -q --vectors "$w/vectors.st" --idf "$w/idf.tsv" "$w/tokens.csv" -o "$w/features.st"
}

setup() { t=$BATS_TEST_TMPDIR; }

small="--arch seed --epochs 3 --batch 64"

@test "one shot and the piped stages give the same model, byte for byte" {
    for pool in idf-mean idf-mean+mean+max; do
        siam-embed -q --vectors "$w/vectors.st" --idf "$w/idf.tsv" --pool $pool "$w/tokens.csv" -o "$t/features.st"
        siam-train -q --features "$t/features.st" -o "$t/piped.st" $small
        siam-train -q --pairs "$w/train.csv" --vectors "$w/vectors.st" --pool $pool -o "$t/one.st" $small
        cmp "$t/piped.st" "$t/one.st"
        siam-train -q --features "$t/features.st" --dev "$w/test.csv" -o "$t/piped.st" $small
        siam-train -q --pairs "$w/train.csv" --vectors "$w/vectors.st" --pool $pool --dev "$w/test.csv" -o "$t/one2.st" $small
        cmp "$t/piped.st" "$t/one2.st"
        run ! cmp -s "$t/one.st" "$t/one2.st" # another dev part: another threshold
    done
}

@test "threads change no byte, another seed does" {
    for n in 1 2 3 8; do
        siam-train -q --features "$w/features.st" -o "$t/$n.st" --threads $n $small --dropout 0.1
        cmp "$t/1.st" "$t/$n.st"
    done
    siam-train -q --features "$w/features.st" -o "$t/other.st" --seed 2 $small --dropout 0.1
    run ! cmp -s "$t/1.st" "$t/other.st"
}

@test "every variant of the table is a matter of flags, and learns" {
    while read -r flags; do
        siam-train -q --features "$w/features.st" -o "$t/m.st" --epochs 5 --batch 64 $flags
        siam-eval -q -m "$t/m.st" --pairs "$w/test.csv" >"$t/report"
        auc=$(field auc "$t/report")
        echo "$flags: $auc"
        awk -v a="$auc" 'BEGIN { exit !(a > 0.6) }'
    done <<'FLAGS'

--arch mlp2 --optimizer sgd --lr 0.05 --momentum 0.9 --nesterov
--arch mlp3
--arch residual-post
--arch residual
--arch residual-dropout
--arch seed --distance cosine
--arch seed --distance l1 --loss hinge
--arch seed --schedule step --step-epochs 2 --step-factor 0.5 --warmup 0.1 --decay 1e-4
--arch seed --margin 5 --patience 2 --hold-out 0.2
FLAGS
    siam-train -q --features "$w/features.st" -o "$t/m.st" --epochs 5 --arch 'linear 16; elu; linear 8'
    printf 'linear 16 # from a file\nrelu\n' >"$t/net.txt"
    siam-train -q --features "$w/features.st" -o "$t/m.st" --epochs 5 --arch "$t/net.txt"
}

@test "killed at any time and resumed, it ends in the same bytes" {
    flags="--features $w/features.st --arch seed --batch 32 --epochs 12 --dropout 0.1"
    siam-train -q $flags -o "$t/whole.st"
    [ ! -e "$t/whole.st.checkpoint" ]
    killed=0
    for signal in KILL INT TERM KILL KILL; do
        printf old >"$t/m.st"
        env --default-signal=INT siam-train -q $flags -o "$t/m.st" 2>"$t/err" 3>&- & # a job in the background ignores it
        pid=$!
        until [ -e "$t/m.st.checkpoint" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
        kill -$signal $pid 2>/dev/null || true
        wait $pid && continue # it was faster
        killed=$((killed + 1))
        [ "$(cat "$t/m.st")" = old ]
        siam-train -q $flags -o "$t/m.st" --resume
        cmp "$t/whole.st" "$t/m.st"
        [ ! -e "$t/m.st.checkpoint" ]
    done
    [ $killed -gt 0 ]
}

@test "a gentle stop says how to go on, exit 1" {
    env --default-signal=INT siam-train --features "$w/features.st" --arch seed --batch 16 --epochs 5000 -o "$t/m.st" \
        2>"$t/err" 3>&- &
    pid=$!
    until [ -e "$t/m.st.checkpoint" ]; do sleep 0.01; done
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ "$status" -eq 1 ]
    grep -q 'stopped in epoch .*--resume' "$t/err"
    run siam-train -q --features "$w/features.st" --arch seed --batch 32 --epochs 5000 -o "$t/m.st" --resume
    [ "$status" -eq 1 ]
    [[ $output == *"its run was another one"*"batch"* ]]
}

@test "it tells what it does, and in JSON" {
    run --separate-stderr siam-train --pairs "$w/train.csv" --vectors "$w/vectors.st" -o "$t/m.st" $small --json --log "$t/log"
    [ "$status" -eq 0 ]
    [[ $stderr == *"tokens known"* ]]
    [[ $stderr == *"570 pairs to train on, 30 to judge by; network 24 -> 384"* ]]
    [ "$(grep -c 'epoch [123]/3: loss .*AUC' <<<"$stderr")" -eq 3 ]
    perl -MJSON::PP -e '
        my $r = decode_json($ARGV[0]);
        die unless $r->{best_epoch} >= 1 && $r->{dev}{accuracy} > 0.3 && $r->{dev}{auc} > 0.3 && $r->{seconds} > 0;
        open my $f, "<", $ARGV[1] or die; my @l = map { decode_json($_) } <$f>;
        die unless @l == 3 && $l[2]{epoch} == 3 && $l[0]{loss} > 0 && $l[0]{lr} > $l[2]{lr} && $l[0]{best};
        for (@l) { for my $k (qw(dev_loss dev_auc dev_accuracy seconds pairs_per_second)) { die $k unless $_->{$k} > 0 } }
    ' "$output" "$t/log"
    run --separate-stderr siam-train -q --features "$w/features.st" -o "$t/m.st" $small --hold-out 0 --log "$t/log"
    [ -z "$output$stderr" ]
    grep -q '"loss":' "$t/log"
    ! grep -q dev_ "$t/log"
}

@test "--init goes on from another model's weights and network" {
    siam-train -q --features "$w/features.st" -o "$t/a.st" --arch mlp3 --epochs 5 --batch 64 --log "$t/a"
    siam-train -q --features "$w/features.st" -o "$t/b.st" --init "$t/a.st" --epochs 5 --batch 64 --log "$t/b"
    loss() { sed -n '1s/.*"loss":\([0-9.e-]*\).*/\1/p' "$1"; }
    awk -v a="$(loss "$t/a")" -v b="$(loss "$t/b")" 'BEGIN { exit !(b > 0 && b < a) }'
    run siam-train -q --features "$w/features.st" -o "$t/b.st" --init "$t/a.st" --arch seed
    [ "$status" -eq 1 ]
    [[ $output == *"another network"* ]]
}

@test "wrong usage is exit 2" {
    for bad in "" "--pairs x" "--features x --pairs y --vectors z" "--features x --pool max" "--features x --batch 1" \
        "--features x --epochs 0" "--features x --lr 0" "--features x --margin 0" "--features x --dropout 1" \
        "--features x --distance manhattan" "--features x --loss softmax" "--features x --optimizer lion" \
        "--features x --nesterov" "--features x --schedule linear" "--features x --hold-out 1" "--features x extra" \
        "--pairs x --vectors y --pool median"; do
        run siam-train -o "$t/m.st" $bad
        [ "$status" -eq 2 ]
    done
    for out in "" "-o -"; do
        run siam-train --features "$w/features.st" $out
        [ "$status" -eq 2 ]
        [[ $output == *"-o MODEL is needed"* ]]
    done
    [ ! -e "$t/m.st" ]
}

@test "what cannot be done is exit 1, says why, and leaves the old model" {
    printf old >"$t/m.st"
    try() {
        run siam-train -q -o "$t/m.st" "${@:2}"
        echo "$output"
        [ "$status" -eq 1 ]
        [[ $output == *"$1"* ]]
        [ "$(cat "$t/m.st")" = old ]
    }
    try "$t/none.csv" --pairs "$t/none.csv" --vectors "$w/vectors.st"
    try "$t/none.st" --pairs "$w/train.csv" --vectors "$t/none.st"
    try "$t/none.st" --features "$t/none.st"
    try "not features" --features "$w/vectors.st"
    try "no built-in network" --features "$w/features.st" --arch sead
    try "line 2" --features "$w/features.st" --arch $'linear 8\nlinaer 8'
    printf 'question1,question2\na,b\n' >"$t/nolabel.csv"
    try "is_duplicate" --pairs "$t/nolabel.csv" --vectors "$w/vectors.st"
    printf 'question1,question2,is_duplicate\nw1,w2,1\n' >"$t/one.csv"
    try "too few" --pairs "$t/one.csv" --vectors "$w/vectors.st"
    printf 'question1,question2,is_duplicate\n' >"$t/none.csv"
    try "" --pairs "$t/none.csv" --vectors "$w/vectors.st"
    try "duplicates and others" --features "$w/features.st" --dev "$t/one.csv"
    try "lower --lr" --features "$w/features.st" --arch 'linear 8; linear 8' --optimizer sgd --lr 1000 --batch 64
    try "cannot be written" --features "$w/features.st" --log "$t/no/such/folder"
    run siam-train -o "$t/no/such/m.st" --features "$w/features.st" $small
    [ "$status" -eq 1 ]
    [ "${lines[*]}" = "siam-train: $t/no/such/m.st: cannot be created: No such file or directory" ] # before any epoch
}
