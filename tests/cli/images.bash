# What the tests of models of images share: small grey images, and linear networks
# on them with weights given by hand, so that every answer can be told.

# pgm FILE P P P P: a grey image of 2 x 2 pixels
pgm() {
    mkdir -p "$(dirname "$1")"
    printf 'P2 2 2 255 %s %s %s %s\n' "$2" "$3" "$4" "$5" >"$1"
}

# image_model FILE LOSS CLASSES WEIGHT...: a network on 2 x 2 grey pixels (as 0 to 1)
# of one output for every four weights. CLASSES as JSON. A score is 2 + 10 times the
# output. It compares by l1 and says the same below 0.5, p = 1/(1+exp(-(2 - 4 d))).
image_model() {
    perl -e 'my ($file, $loss, $classes, @w) = @ARGV;
        my $out = @w / 4;
        my $recipe = qq({"kind":"images","height":2,"width":2,"channels":1,"mean":[0],"std":[1],"mirror":false,) .
            qq("classes":$classes,"score_mean":2,"score_std":10});
        $recipe .= " " x (-length($recipe) % 64);
        my $r = length $recipe;
        my ($b, $e) = ($r + 16 * $out, $r + 20 * $out);
        my $header = qq({"__metadata__":{"format":"siam-model","version":"1","network":"input 2x2x1\\nlinear $out",) .
            qq("input":"4","distance":"l1","loss":"$loss","margin":"1","threshold":"0.5","alpha":"2","beta":"4",) .
            qq("calibrated":"true","seed":"1","digest":"","settings":"{}"},) .
            qq("recipe":{"dtype":"U8","shape":[$r],"data_offsets":[0,$r]},) .
            qq("1.weight":{"dtype":"F32","shape":[$out,4],"data_offsets":[$r,$b]},) .
            qq("1.bias":{"dtype":"F32","shape":[$out],"data_offsets":[$b,$e]}});
        $header .= " " x (-(8 + length $header) % 64);
        open my $f, ">:raw", $file or die;
        print $f pack("Q<", length $header), $header, $recipe, pack("f<*", @w, (0) x $out)' "$@"
}

# json KEY FILE: one value of a report, "null" where it is none
json() { perl -MJSON::PP -e '$v = decode_json(join "", <STDIN>)->{$ARGV[0]}; print defined $v ? $v : "null"' "$1" <"$2"; }

# near A B TOLERANCE; nan is near to nothing
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= t && -d <= t) }'; }

make_images() {
    cd "$1" || return
    image_model scores.st huber '[]' 1 0 0 0
    image_model classes.st softmax '["like","nope","a, \"b\""]' 4 0 0 0 0 4 0 0 0 0 4 0
    image_model compare.st hinge '[]' 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1
    # scores 2, 4, 6 and 12 by that model
    pgm scored/a.pgm 0 9 9 9
    pgm scored/b.pgm 51 9 9 9
    pgm scored/c.pgm 102 9 9 9
    pgm scored/d.pgm 255 9 9 9
    printf 'file,score,split\na.pgm,2,test\nb.pgm,5,test\nc.pgm,6,test\nd.pgm,12,train\n' >scored/labels.csv
    # three classes of three images each; the last of "nope" looks like "like"
    pgm classed/like/1.pgm 255 0 0 0
    pgm classed/like/2.pgm 250 0 0 0
    pgm classed/like/3.pgm 245 0 0 0
    pgm classed/nope/1.pgm 0 255 0 0
    pgm classed/nope/2.pgm 0 250 0 0
    pgm classed/nope/3.pgm 153 0 0 0
    pgm 'classed/a, "b"/1.pgm' 0 0 255 0
    pgm 'classed/a, "b"/2.pgm' 0 0 245 0
    pgm 'classed/a, "b"/3.pgm' 0 0 255 5
    # distances: 0.2 and 0.6 of the same, 0.4 and 1 of others
    pgm flat/a.pgm 0 0 0 0
    pgm flat/b.pgm 51 0 0 0
    pgm flat/c.pgm 0 153 0 0
    pgm flat/d.pgm 51 51 0 0
    pgm flat/e.pgm 204 51 0 0
    printf 'a.pgm b.pgm 1\n# a comment\na.pgm c.pgm 1\na.pgm d.pgm 0\na.pgm e.pgm 0\n' >pairs.txt
    # a text model
    printf 'w1 1 0\nw2 0 1\nw3 1 1\n' >vectors.txt
    awk 'BEGIN { print "question1,question2,is_duplicate"
                 for (i = 0; i < 300; i++) printf "w%d,w%d,%d\n", i % 3 + 1, (i % 2 ? i % 3 : (i + 1) % 3) + 1, i % 2 }' >pairs.csv
    siam-vectors -q vectors.txt -o vectors.st
    siam-train -q --pairs pairs.csv --vectors vectors.st -o text.st --arch linear --epochs 1 --batch 32
}
