#!/usr/bin/env bats
# siam-image-pretrain and siam-image-train from the command line: they learn, are
# the same for any --threads, resume to the same bytes, and say what they lack.

bats_require_minimum_version 1.5.0
load images.bash

setup_file() {
    export PATH=$SIAM_BIN:$PATH
    cd "$BATS_FILE_TMPDIR" || return
    # 12 classes of 6 drawings: a bright pixel of its own place, with noise; scores are the place
    perl -e 'srand 3; print STDERR "";
        open my $csv, ">", "scores.csv"; print $csv "file,score,split\n";
        for my $c (0 .. 11) { mkdir "set" unless -d "set"; my $d = sprintf "set/c%02d", $c; mkdir $d;
            for my $k (1 .. 6) { my @p = map { int rand 60 } 0 .. 63;
                $p[4 * $c + $_] = 200 + int rand 50 for 0 .. 3, 8 .. 11;
                open my $f, ">", "$d/$k.pgm"; print $f "P2 8 8 255\n@p\n";
                printf $csv "c%02d/%d.pgm,%d,%s\n", $c, $k, $c, $k == 6 ? "test" : $k == 5 ? "dev" : "train"; } }'
    tar cf set.tar set
    for c in 00 01 02 03 04 05; do
        echo "c$c/1.pgm c$c/2.pgm 1"; echo "c$c/3.pgm c$c/4.pgm 1"; echo "c$c/1.pgm c11/2.pgm 0"; echo "c$c/3.pgm c10/2.pgm 0"
    done >pairs.txt
    export small="--net conv4:4 --size 16 --batch 24 --lr 0.01 --rotate 0 --zoom 0 --shift 0 --colour 0"
    siam-image-pretrain -q --images set $small --epochs 3 -o features.st
    siam-image-train -q --images set.tar $small --epochs 40 -o classes.st
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    t=$BATS_TEST_TMPDIR
}

# refused STATUS PATTERN TOOL ARGUMENT...
refused() {
    local status_wanted=$1 pattern=$2
    shift 2
    run --separate-stderr "$@"
    [ "$status" -eq "$status_wanted" ] || { echo "status $status: $stderr"; return 1; }
    [[ $stderr == *$pattern* ]] || { echo "$stderr"; return 1; }
    [ ! -e "$t/no.st" ]
}

@test "pretraining on classes: what it says, in words and as JSON" {
    run --separate-stderr siam-image-pretrain --images set $small --epochs 2 --log "$t/log" --json -o "$t/m.st"
    [ "$status" -eq 0 ]
    [[ $stderr == *"60 images to train on, 24 to judge by"* ]]
    [[ $stderr == *"epoch 2/2: loss"*"AUC"*"images/s"* ]]
    perl -MJSON::PP -e 'my $r = decode_json($ARGV[0]); die unless $r->{best_epoch} >= 1 && $r->{dev}{auc} >= 0;
        open my $f, "<", $ARGV[1]; my @l = map { decode_json($_) } <$f>;
        die unless @l == 2 && $l[1]{images_per_second} > 0 && $l[1]{dev_auc} >= 0' "$output" "$t/log"
    [ ! -e "$t/m.st.checkpoint" ]
}

@test "classes are learnt, from a folder as from a tar" {
    siam-image-train -q --images set $small --epochs 40 -o "$t/folder.st"
    siam-eval -q -m classes.st --images set --json >"$t/json"
    near "$(json accuracy "$t/json")" 1 0.3
    [ "$(siam-image-score -q -m "$t/folder.st" set/c03/1.pgm | tail -1)" = "$(siam-image-score -q -m classes.st set/c03/1.pgm | tail -1)" ]
}

@test "scores are learnt, judged by the split dev, measured on the split test" {
    run --separate-stderr siam-image-train --images set --labels scores.csv $small --epochs 30 -o "$t/m.st"
    [ "$status" -eq 0 ]
    [[ $stderr == *"48 images to train on, 12 to judge by"* ]]
    [[ $stderr == *"correlation"*"MAE"*"RMSE"* ]]
    siam-eval -q -m "$t/m.st" --images set --labels scores.csv --json >"$t/json"
    [ "$(json n "$t/json")" -eq 12 ]
    near "$(json pearson "$t/json")" 1 0.5
    siam-image-train -q --images set --labels scores.csv $small --epochs 2 --loss mse --balanced -o "$t/mse.st"
    siam-inspect "$t/mse.st" | grep -q 'loss = mse'
}

@test "a fold: trained on what it leaves, measured on what it takes" {
    run --separate-stderr siam-image-train --images set --labels scores.csv $small --epochs 2 --fold 1-2/5 --hold-out 0 -o "$t/m.st"
    [[ $stderr == *"--fold 1-2/5: 42 of 72 images"*"42 images to train on"* ]]
    local n=0
    for k in 1 2 3 4 5; do
        siam-eval -q -m "$t/m.st" --images set --labels scores.csv --fold "$k/5" --json >"$t/json"
        n=$((n + $(json n "$t/json")))
    done
    [ "$n" -eq 72 ]
    run --separate-stderr siam-eval -m "$t/m.st" --images set --labels scores.csv --fold 1-2/5 --json
    [[ $stderr == *"30 of 72 images"* ]]
}

@test "pretraining on a list of pairs and on scores" {
    siam-image-pretrain -q --images set --pairs pairs.txt $small --epochs 2 --hold-out 0.25 -o "$t/m.st"
    siam-eval -q -m "$t/m.st" --images set --pairs pairs.txt --json >"$t/json"
    [ "$(json n "$t/json")" -eq 24 ]
    printf 'file,score\n' >"$t/s.csv"
    for c in 00 01 02 03; do for k in 1 2 3 4 5 6; do echo "c$c/$k.pgm,$c"; done; done >>"$t/s.csv"
    siam-image-pretrain -q --images set --labels "$t/s.csv" --bins 4 --net conv4:4 --size 16 --batch 16 --epochs 2 -o "$t/bins.st"
}

@test "classes of a list are left out" {
    run --separate-stderr siam-image-pretrain --images set --without pairs.txt $small --epochs 1 -o "$t/m.st"
    [ "$status" -eq 0 ]
    [[ $stderr == *"24 of 72 images are left without the classes of pairs.txt"* ]]
}

@test "--init, --freeze and --widen go on from features" {
    run --separate-stderr siam-image-train --images set --init features.st --freeze 8 --freeze-epochs 2 --batch 24 --epochs 2 -o "$t/m.st"
    [ "$status" -eq 0 ]
    siam-inspect features.st --json >"$t/a"
    siam-inspect "$t/m.st" --json >"$t/b"
    perl -MJSON::PP -e 'my ($a, $b) = map { open my $f, "<", $_; decode_json(join "", <$f>) } @ARGV;
        my %b = map { $_->{name} => $_ } @{$b->{tensors}}; my $same = 0;
        for (@{$a->{tensors}}) { next unless $_->{dtype} eq "F32"; my $o = $b{$_->{name}} or die $_->{name};
            die $_->{name} unless "@{$_->{first}}" eq "@{$o->{first}}"; $same++ } die unless $same > 8' "$t/a" "$t/b"
    siam-image-train -q --images set --init features.st --widen 2 --batch 24 --epochs 1 -o "$t/wide.st"
    siam-inspect "$t/wide.st" | grep network | grep -q 'conv 8'
    siam-image-train -q --images set --init features.st --dropout 0.3 --batch 24 --epochs 1 -o "$t/drop.st"
    siam-inspect "$t/drop.st" --json | grep -q 'dropout 0.3.nlinear 12'
}

@test "--grow makes the network larger" {
    siam-image-pretrain -q --images set $small --lr 1e-9 --grow --epochs 18 -o "$t/m.st"
    [ "$(stat -c %s "$t/m.st")" -gt "$(stat -c %s features.st)" ]
}

@test "--threads 1 and 2 give the same bytes, and so does a run that was killed and resumed" {
    siam-image-train -q --images set.tar $small --epochs 3 --threads 1 -o "$t/one.st"
    siam-image-train -q --images set.tar $small --epochs 3 --threads 2 -o "$t/two.st"
    cmp "$t/one.st" "$t/two.st"
    siam-image-train -q --images set.tar $small --epochs 1000000 --threads 2 -o "$t/killed.st" &
    pid=$!
    for _ in $(seq 200); do [ -e "$t/killed.st.checkpoint" ] && break; sleep 0.05; done
    kill -TERM $pid
    ! wait $pid
    [ ! -e "$t/killed.st" ]
    run --separate-stderr siam-image-train --images set.tar $small --epochs 3 --resume -o "$t/killed.st"
    [ "$status" -eq 1 ] # another number of epochs is another run
    [[ $stderr == *"its run was another one"* ]]
}

@test "--minutes becomes a number of epochs, which gives the same model" {
    run --separate-stderr siam-image-train --images set.tar $small --minutes 0.05 -o "$t/m.st"
    [ "$status" -eq 0 ]
    epochs=$(sed -n 's|.*epoch 1/\([0-9]*\):.*|\1|p' <<<"$stderr")
    [ "$epochs" -ge 1 ]
    siam-image-train -q --images set.tar $small --epochs "$epochs" -o "$t/same.st"
    cmp "$t/m.st" "$t/same.st"
}

@test "a broken image is an error that names it, or is left out and counted" {
    cp -r set "$t/set"
    head -c 30 set/c01/1.pgm >"$t/set/c01/1.pgm"
    refused 1 "c01/1.pgm" siam-image-train --images "$t/set" $small --epochs 1 -o "$t/no.st"
    run --separate-stderr siam-image-train --images "$t/set" --skip-bad $small --epochs 1 -o "$t/m.st"
    [ "$status" -eq 0 ]
    [[ $stderr == *"1 "*"left out"* || $stderr == *"rejected"* ]]
}

@test "wrong usage is 2, what cannot be done is 1" {
    for fold in 0/5 6/5 3-2/5 1-5/5 1 /5 1/x -1/5; do
        refused 2 "--fold is K/N" siam-image-train --images set --fold=$fold -o "$t/no.st"
    done
    refused 2 "--images SOURCE is needed" siam-image-train -o "$t/no.st"
    refused 2 "-o MODEL is needed" siam-image-train --images set
    refused 2 "--widen is of the network of --init" siam-image-train --images set --widen 2 -o "$t/no.st"
    refused 2 "--init brings its own" siam-image-train --images set --init features.st --size 8 -o "$t/no.st"
    refused 2 "says itself what is like what" siam-image-pretrain --images set --pairs pairs.txt --each 3 -o "$t/no.st"
    refused 2 "--size is HxW" siam-image-train --images set --size 0x4 -o "$t/no.st"
    refused 2 "" siam-image-train --images set --loss hinge -o "$t/no.st"
    refused 1 "not every image has a score" siam-image-train --images set --loss huber -o "$t/no.st"
    refused 1 "cannot be opened" siam-image-train --images nothing-here -o "$t/no.st"
    refused 1 "does not fit an image" siam-image-train --images set --size 4 --net "conv 4 5x5" -o "$t/no.st"
}
