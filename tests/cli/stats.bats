#!/usr/bin/env bats
# siam-stats: figures that can be counted by hand, and the sample's against Python.
bats_require_minimum_version 1.5.0

setup() {
    PATH=${SIAM_BIN:=build/bin}:$PATH
    tmp=$(mktemp -d)
    # a - b - c - d hang together, e - f and e - f again; g with itself
    printf 'question1,question2,is_duplicate\n%s\n%s\n%s\n%s\n%s\n%s\n' \
        'the letter a,the letter b,1' 'the letter b,the letter c,1' ' the letter c ,the letter d,1' \
        'e?,the letter f,0' 'the letter f,e?,0' ',,0' >"$tmp/pairs.csv"
}

teardown() { rm -rf "$tmp"; }

# is KEY VALUE: the report in $output says so
is() {
    grep -qE "^$1 +$2( |$)" <<<"$output" || { echo "$1 is not $2 in: $output"; return 1; }
}

@test "figures of a few pairs" {
    run --separate-stderr siam-stats "$tmp/pairs.csv"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    is rows 6
    is pairs 6
    is rejected 0
    is duplicates 3
    is duplicate_share 0.5000
    is repeated_pairs 1
    is characters_mean 8.3333     # 8 questions of 12, 2 of 2, 2 of 0
    is characters_median 12
    is characters_max 12
    is tokens_max 3
    is questions 12
    is short_questions 4
    is empty_questions 2
    is unique_questions 7
    is components 3
    is largest_component_questions 4
    is largest_component_pairs 3
    # rarer frequencies: 1 2 1 of duplicates, 2 2 2 of others: of 9 comparisons 0 won, 3 drawn
    is leakage_auc_min 0.1667
    is leakage_accuracy_min 0.5000
    # means: 1.5 2 1.5 and 2 2 2
    is leakage_auc_mean 0.1667
    is majority_accuracy 0.5000
}

@test "frequency gives the label away where it does" {
    printf 'question1,question2,is_duplicate\n%s\n%s\n%s\n%s\n' a,b,1 a,b,1 c,d,0 e,f,0 >"$tmp/leak.csv"
    run siam-stats "$tmp/leak.csv"
    is leakage_auc_min 1
    is leakage_accuracy_min 1
    is leakage_auc_mean 1
    is majority_accuracy 0.5000
}

@test "--json holds the same, null where there is nothing" {
    command -v python3 >/dev/null || skip "python3 is not here to read JSON"
    siam-stats "$tmp/pairs.csv" >"$tmp/text"
    siam-stats --json "$tmp/pairs.csv" | python3 -c '
import json, sys
for key, value in json.load(sys.stdin).items():
    print(key, "-" if value is None else round(value, 4))' >"$tmp/json"
    diff <(awk '{ print $1, $2 + 0 }' "$tmp/text") <(awk '{ print $1, $2 + 0 }' "$tmp/json")
    [ "$(wc -l <"$tmp/json")" -eq 26 ]
    cut -d, -f1,2 "$tmp/pairs.csv" | siam-stats --json >"$tmp/json"
    for key in duplicates duplicate_share leakage_auc_min leakage_accuracy_mean majority_accuracy; do
        grep -q "\"$key\":null" "$tmp/json"
    done
    grep -q '"unique_questions":7,' "$tmp/json"
}

@test "no rows, and rows of one label, are no errors" {
    run siam-stats - <<<"question1,question2,is_duplicate"
    [ "$status" -eq 0 ]
    is rows 0
    is components 0
    is leakage_auc_min -
    run siam-stats - <<<$'question1,question2,is_duplicate\na,b,1'
    [ "$status" -eq 0 ]
    is leakage_auc_min -
    is majority_accuracy 1
}

@test "rows read are pairs and rejected" {
    printf 'x,y\n"open\nlast,row,1\n' >>"$tmp/pairs.csv"
    run siam-stats "$tmp/pairs.csv"
    [ "$status" -eq 1 ]
    [[ $output == "siam-stats: $tmp/pairs.csv: row 8, byte "*": 2 fields where the header has 3; --skip-bad "* ]]
    run --separate-stderr siam-stats --skip-bad "$tmp/pairs.csv"
    [ "$status" -eq 0 ]
    is rows 9
    is pairs 7
    is rejected 2
    [[ $stderr == *"2 rows rejected, the last one: row 9, byte "*"a quote is never closed" ]]
}

@test "columns by other names; a missing column is told with those there are" {
    sed -i '1s/.*/left,right,same/' "$tmp/pairs.csv"
    run siam-stats "$tmp/pairs.csv"
    [ "$status" -eq 1 ]
    [[ $output == *'no column "question1"'*'left, right, same'*--columns* ]]
    run siam-stats --columns question1=left,question2=right,is_duplicate=same "$tmp/pairs.csv"
    [ "$status" -eq 0 ]
    is duplicates 3
}

@test "the sample's figures are those that Python counts" {
    command -v python3 >/dev/null || skip "python3 is not here to count"
    [ -e data/sample.csv ] || skip "no data/sample.csv"
    python3 - >"$tmp/want" <<'END'
import collections, csv, statistics
rows = list(csv.DictReader(open("data/sample.csv", newline="", encoding="utf-8")))
texts = [r[q].strip() for r in rows for q in ("question1", "question2")]
parent = {t: t for t in texts}
def root(t):
    while parent[t] != t:
        t = parent[t]
    return t
for a, b in zip(texts[::2], texts[1::2]):
    parent[root(a)] = root(b)
sizes = collections.Counter(root(t) for t in parent)
asked = collections.Counter(texts)
score = [min(asked[a], asked[b]) for a, b in zip(texts[::2], texts[1::2])]
yes = [s for s, r in zip(score, rows) if r["is_duplicate"] == "1"]
no = [s for s, r in zip(score, rows) if r["is_duplicate"] == "0"]
auc = sum((y > n) + (y == n) / 2 for y in yes for n in no) / len(yes) / len(no)
best = max(sum(y >= t for y in yes) + sum(n < t for n in no) for t in range(1, max(score) + 2)) / len(rows)
lengths = sorted(map(len, texts))
print("rows", len(rows))
print("duplicates", len(yes))
print("characters_mean", f"{statistics.mean(lengths):.4f}")
print("characters_median", lengths[(len(lengths) - 1) // 2])
print("characters_max", lengths[-1])
print("short_questions", sum(n < 10 for n in lengths))
print("unique_questions", len(parent))
print("components", len(sizes))
print("largest_component_questions", max(sizes.values()))
print("leakage_auc_min", f"{auc:.4f}")
print("leakage_accuracy_min", f"{best:.4f}")
END
    [ "$(wc -l <"$tmp/want")" -eq 11 ]
    run siam-stats data/sample.csv
    while read -r key value; do is "$key" "$value"; done <"$tmp/want"
}
