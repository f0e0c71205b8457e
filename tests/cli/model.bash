# What the tests of eval, predict, index and query share: a small world of words
# with vectors, labelled pairs over it, and a model trained on them. Source it,
# call make_world FOLDER once a file.

# words N: N made-up words with 8 numbers each, in GloVe's text form
vectors() {
    awk -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++) {
            printf "w%d", i
            for (k = 1; k <= 8; k++) printf " %.5f", sin(i * 12.9898 + k * 78.233) * cos(i * 3.7 * k)
            printf "\n"
        }
        printf "? 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1\n"
    }'
}

# pairs FROM TO: labelled pairs; duplicates share two words of three, some others one
pairs() {
    awk -v from="$1" -v to="$2" 'BEGIN {
        print "id,qid1,qid2,question1,question2,is_duplicate"
        for (i = from; i < to; i++) {
            same = i % 5 < 2
            a = i * 7 % 40; b = 40 + i * 11 % 30; c = 70 + i % 13; d = 70 + (i * 3 + 1) % 13
            e = same ? a : (a + 1 + i % 39) % 40
            f = same || i % 4 == 0 ? b : 40 + (b + 5 + i % 20) % 30
            printf "%d,%d,%d,w%d w%d w%d ?,w%d w%d w%d ?,%d\n", i, 2 * i, 2 * i + 1, a, b, c, d, f, e, same
        }
    }'
}

make_world() {
    pairs 0 600 >"$1/train.csv"
    pairs 600 1000 >"$1/test.csv"
    vectors 83 >"$1/vectors.txt"
    siam-vectors -q "$1/vectors.txt" -o "$1/vectors.st"
    siam-train -q --pairs "$1/train.csv" --vectors "$1/vectors.st" -o "$1/model.st" --epochs 3 --batch 64 --arch seed
}

# The questions of a CSV that pairs() made, distinct, in order of first sight.
questions() { awk -F, 'NR > 1 { for (k = 4; k <= 5; k++) if (!seen[$k]++) print $k }' "$1"; }

# field NAME FILE: one value of siam-eval's report
field() { awk -v k="$1" '$1 == k { print $2 }' "$2"; }

# near A B TOLERANCE; nan is near to nothing
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= t && -d <= t) }'; }
