#!/usr/bin/env bats
# The bundled sample: what the demo, the README and other tests take for granted.
# It is read here by a few lines of awk, so that a fault in our own CSV reader
# cannot hide a fault in the file.

sample=${SIAM_SAMPLE:-data/sample.csv}
queries=${SIAM_QUERIES:-data/new-questions.txt}

setup_file() {
    rows "$sample" >"$BATS_FILE_TMPDIR/rows"
}

setup() {
    rows=$BATS_FILE_TMPDIR/rows
}

# A CSV file as tab-separated lines, header first, an embedded newline as \n.
# A row that RFC 4180 does not allow becomes the line "malformed NUMBER".
rows() {
    awk '
        function emit(record,    line, field, ended) {
            do {
                if (!match(record, /^("([^"]|"")*"|[^",]*)(,|$)/)) { print "malformed", NR; return }
                field = substr(record, 1, RLENGTH)
                ended = sub(/,$/, "", field) == 0
                record = substr(record, RLENGTH + 1)
                if (field ~ /^"/) {
                    field = substr(field, 2, length(field) - 2)
                    gsub(/""/, "\"", field)
                }
                gsub(/\n/, "\\n", field)
                line = line sep field
                sep = "\t"
            } while (!ended)
            sep = ""
            print line
        }
        {
            record = open ? record "\n" $0 : $0
            quotes = record
            open = gsub(/"/, "", quotes) % 2
            if (!open) emit(record)
        }
        END { if (open) print "malformed", NR }' "$1"
}

# Data rows that meet an awk condition.
count() {
    awk -F '\t' "NR > 1 && ($1) { n++ } END { print n + 0 }" "$rows"
}

@test "the header is that of the Quora set" {
    [ "$(head -n 1 "$rows")" = "id	qid1	qid2	question1	question2	is_duplicate" ] # tabs
}

@test "no malformed row: six fields, numbers where numbers belong, two questions, a label" {
    [ "$(count '$0 ~ /^malformed /')" -eq 0 ]
    [ "$(count 'NF != 6')" -eq 0 ]
    [ "$(count '$1 !~ /^[0-9]+$/ || $2 !~ /^[0-9]+$/ || $3 !~ /^[0-9]+$/')" -eq 0 ]
    [ "$(count '$4 == "" || $5 == ""')" -eq 0 ]
    [ "$(count '$6 != "0" && $6 != "1"')" -eq 0 ]
}

@test "at least 600 pairs, both labels in fair shares" {
    n=$(count 1) duplicates=$(count '$6 == 1')
    [ "$n" -ge 600 ]
    [ $((100 * duplicates)) -ge $((40 * n)) ]
    [ $((100 * duplicates)) -le $((50 * n)) ]
}

@test "ids are unique; a text has one qid and a qid one text" {
    [ "$(count 'id[$1]++')" -eq 0 ]
    run awk -F '\t' '
        function check(qid, text) {
            if ((text in by_text && by_text[text] != qid) || (qid in by_qid && by_qid[qid] != text))
                print "row", NR ":", qid, text
            by_text[text] = qid
            by_qid[qid] = text
            seen++
        }
        NR > 1 { check($2, $4); check($3, $5) }
        END { if (!seen) print "no questions" }' "$rows"
    [ -z "$output" ]
}

@test "no pair stands twice or against itself, and some questions stand in several pairs" {
    [ "$(count '$2 == $3')" -eq 0 ]
    [ "$(count 'pair[$2 < $3 ? $2 " " $3 : $3 " " $2]++')" -eq 0 ]
    [ "$(count 'again[$2]++ || again[$3]++')" -ge 50 ]
}

@test "duplicate of a duplicate is never labelled different" {
    # Union of the duplicates, then every pair labelled 0 must join two groups.
    run awk -F '\t' '
        function root(x) { while (x in up) x = up[x]; return x }
        NR == 1 { next }
        $6 == 1 { a = root($2); b = root($3); if (a != b) up[a] = b; next }
        { one[++n] = $2; two[n] = $3; text[n] = $4 " / " $5 }
        END {
            if (!n) print "no negatives"
            for (i = 1; i <= n; i++) if (root(one[i]) == root(two[i])) print text[i]
        }' "$rows"
    [ -z "$output" ]
}

@test "it holds what real files hold: commas, quotes, a newline in a field, letters beyond ASCII" {
    [ "$(count '($4 $5) ~ /,/')" -ge 5 ]
    [ "$(count '($4 $5) ~ /"/')" -ge 3 ]
    [ "$(count '($4 $5) ~ /\\n/')" -ge 1 ]
    [ "$(count '($4 $5) ~ /é/')" -ge 1 ]
    [ "$(count '($4 $5) ~ /ü/')" -ge 1 ]
    [ "$(count 'length($4) < 10 || length($5) < 10')" -ge 1 ]
}

@test "the demo's questions are new ones" {
    n=$(grep -c . "$queries")
    [ "$n" -ge 8 ]
    [ "$(wc -l <"$queries")" -eq "$n" ]
    run awk -F '\t' 'NR == FNR { known[tolower($4)]; known[tolower($5)]; next } tolower($0) in known' \
        "$rows" "$queries"
    [ -z "$output" ]
}

@test "siam-stats counts the same rows" {
    [ -x "${SIAM_BIN:=build/bin}/siam-stats" ] || skip "siam-stats is not built"
    run "$SIAM_BIN/siam-stats" "$sample"
    [ "$status" -eq 0 ]
    grep -qw "$(count 1)" <<<"$output"
    grep -qw "$(count '$6 == 1')" <<<"$output"
}
