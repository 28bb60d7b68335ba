#!/usr/bin/env bash
# docs_test.sh - checks the documents like code: both languages have the same headings, blocks and
# links; links lead somewhere; every command is run; every excerpt is in the code; the steps of
# lesson and code agree. The last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=docs
source tests/linux/report.sh
# In a copy, because the commands of the documents make folders.
copy_repository "$scratch/copy"
cd "$scratch/copy" || exit 1
shorten_exercises
./build.sh help >/dev/null # prepares the compilers
root=$PWD
source tests/linux/environment.sh

# blocks FILE [LANGUAGE]: the lines of the fenced blocks.
blocks() {
    awk -v wanted="${2-}" '/^```/ { inside = !inside; language = substr($0, 4); if (inside) next }
        inside && (wanted == "" || language == wanted)' "$1"
}

# Steps in old lessons (Step 22-5), steps that can be built (Step 5), places of a client's tour (Place A).
labels() { grep -oE 'Step [0-9]+-[0-9]+|^### (Step [0-9]|Place [A-Z])' "$1"; }

# without_steps FILE: without the section about the steps, which steps_test.sh proves.
without_steps() { awk '/^## / { inside = /^## .*(step by step|단계)/ } !inside' "$1"; }

headings() { awk '/^```/ { inside = !inside } !inside && /^#/ { print $1 }' "$1"; }
links() { grep -oE '\]\([^)#]+\)' "$1" | sed -E 's/^\]\(//; s/\)$//; s/\.ko\.(md|svg)$/.\1/' | sort; }

# ---- both languages ------------------------------------------------------------------------------

mapfile -t documents < <(find . -path ./build -prune -o -name '*.md' ! -name '*.ko.md' ! -name CONTRIBUTING.md ! -name checks.md -print |
    sed 's:^\./::' | LC_ALL=C sort)
for english in "${documents[@]}"; do
    korean=${english%.md}.ko.md
    name=$(basename "$english" .md)
    report "$english: the first lines lead to the other language" "$(
        [ "$(head -n 1 "$english")" = "English | [한국어]($name.ko.md)" ] || head -n 1 "$english"
        [ "$(head -n 1 "$korean")" = "[English]($name.md) | 한국어" ] || head -n 1 "$korean"
    )"
    report "$english: the same headings in Korean" "$(diff <(headings "$english") <(headings "$korean"))"
    report "$english: the same blocks in Korean" "$(diff <(blocks "$english") <(blocks "$korean"))"
    report "$english: the same steps in Korean" \
        "$(diff <(labels "$english") <(labels "$korean"))"
    report "$english: the same links in Korean" "$(diff <(links "$english") <(links "$korean") | grep -vE "\b$name(\.ko)?\.md$")"
    report "$english: the links lead somewhere" "$(
        for document in "$english" "$korean" CONTRIBUTING.md; do
            grep -oE '\]\([^)#]+\)' "$document" | sed 's/^](//; s/)$//' | while read -r link; do
                [[ $link == http* ]] || [ -e "$(dirname "$document")/$link" ] || echo "$document: $link"
            done
        done
    )"
done

# ---- excerpts and steps --------------------------------------------------------------------------

# The map of the textbook names steps by their titles, or by a part of them.
for map in course/textbook.md course/textbook.ko.md; do
    report "$map: its steps have the titles of the lessons" "$(
        lesson=
        while IFS= read -r line; do
            [[ $line =~ \]\(\.\./(ch[a-z0-9_]+/README[a-z.]*\.md)\) ]] && lesson=${BASH_REMATCH[1]}
            grep -oE 'Step [0-9], [^|;(]+' <<<"$line" | while read -r title; do
                number=${title:5:1} title=${title#Step ?, }
                grep "^### Step $number: " "$lesson" | grep -qF -- "${title%%: *}" || echo "$lesson has no Step $number, $title"
            done
        done <$map
    )"
done

# Every run of lines of a C block must appear in one of the chapter's sources, unchanged.
for lesson in ch*/README.md; do
    folder=$(dirname "$lesson")
    report "$lesson: the excerpts are in the code" "$(
        awk -v base="$scratch/excerpt." '/^```/ { inside = !inside && $0 == "```c"; if (inside) n++; next }
            inside { print > (base n) }' <(without_steps "$lesson")
        for excerpt in "$scratch"/excerpt.*; do
            [ -e "$excerpt" ] || { echo "no excerpt was found"; break; }
            found=
            for source in "$folder"/*.c; do
                [[ $(<"$source") == *"$(<"$excerpt")"* ]] && found=yes
            done
            [ -n "$found" ] || cat "$excerpt"
            rm "$excerpt"
        done
    )"
    report "$lesson: the steps of the lesson and of the code" "$(
        diff <(grep -ohE 'Step [0-9]+-[0-9]+' "$lesson" | sort -uV) \
            <(grep -ohE 'Step [0-9]+-[0-9]+' "$folder"/*.c | sort -uV)
        diff <(sed -nE 's/^### Place ([A-Z]): .*/\1/p' "$lesson") \
            <(grep -ohE '/\* [A-Z]: ' "$folder"/*client.c | grep -oE '[A-Z]' | sort)
        # A step need not have a comment, but a comment must have its step.
        comm -13 <(grep -oE '^### Step [0-9]:' "$lesson" | grep -oE '[0-9]' | sort -u) \
            <(grep -ohE 'Step [0-9]:' "$folder"/server.c | grep -oE '[0-9]' | sort -u)
    )"
done

# The rules of the verifier: each has a section, in both languages, with an excerpt of its case.
rules=course/rules.md
sections() { grep -oE '^### (Rule [0-9]+:)?' "$1" | grep -oE '[0-9]+'; }
without_spaces() { tr -d ' \t\n' <"$1"; }
for document in "$rules" "${rules%.md}.ko.md"; do
    report "$document: the rules are those of the verifier, in their order" "$(
        diff <(sed -nE 's/^    RULE_[A-Z_]+ = ([0-9]+),.*/\1/p' tests/verifier/report.h) <(sections "$document")
    )"
    report "$document: the kinds are those of the verifier, in their order" "$(
        diff <(sed -n '/kind_names\[KINDS\] = {/,/};/p' tests/verifier/unkindness.h | grep -oE '"[a-z_]+"' | tr -d '"') \
            <(sed -nE 's/^\| `([a-z_]+)` \|.*/\1/p' "$document")
    )"
    report "$document: each rule has an example, and no example is without a rule" "$(
        diff <(sections "$document") \
            <(awk '/^### Rule/ { rule = $3; sub(/:/, "", rule) } /^## / { rule = "" } /^```c$/ { print rule }' "$document")
    )"
done
# A case is a function with its name in the table, and what comes between it and the case before.
report "$rules: the examples are in rules.c, in a case of their rule" "$(
    perl -0777 -ne '
        my $all = $_; my %rule;
        $rule{$1} = $2 while $all =~ /\{CASE\((\w+)\), (\d+),/g;
        my @parts = split /^(?=static void \w+\(bool breaks\)$)/m, $all;
        my $before = "";
        for my $part (@parts) {
            my ($name) = $part =~ /^static void (\w+)\(bool breaks\)/;
            my ($case, $rest) = $part =~ /^(.*?\n\}\n)(.*)$/s;
            if (defined $name && defined $rule{$name}) {
                (my $text = "$before$case") =~ s/\s//g;
                print "$rule{$name} $text\n";
            }
            $before = $rest // "";
        }' tests/verifier/rules.c >"$scratch/cases"
    awk -v base="$scratch/example." '/^### Rule/ { rule = $3; sub(/:/, "", rule) }
        /^```/ { inside = $0 == "```c"; next } inside { print > (base rule) }' "$rules"
    for example in "$scratch"/example.*; do
        grep "^${example##*.} " "$scratch/cases" | grep -qF -- "$(without_spaces "$example")" || cat "$example"
        grep -qF '/* RULE */' "$example" || echo "no line is marked RULE: $(<"$example")"
    done
)"

# What has changed since the last chapter: the block after the diff command is generated from the code.
for lesson in ch*/README.md; do
    report "$lesson: the calls that go and come" "$(
        pair=$(blocks "$lesson" sh | sed -n 's/^diff //p')
        # shellcheck disable=SC2086 # two names
        diff <(blocks <(without_steps "$lesson") diff) <(tests/linux/calls.sh $pair)
    )"
done

report "the pictures are as tools/models.py draws them" "$(python3 tools/models.py --check 2>&1)"

# The pictures of models.py are drawn in both languages, and no Korean page shows an English one.
for picture in ch*/*.ko.svg; do
    report "$picture: the Korean lesson shows it, and not the English one" "$(
        name=$(basename "$picture")
        well_formed "$picture"
        grep -q "]($name)" "${picture%/*}/README.ko.md" || echo "not in the lesson"
        grep -HnE "\]\(([^)]*/)?${name%.ko.svg}\.svg\)" "${documents[@]/%.md/.ko.md}"
    )"
done

# Pictures of the finished servers. A name is a word with an underscore or with two capitals.
for picture in ch*/{states,calls,client}{,.ko}.svg; do
    language=
    [[ $picture != *.ko.svg ]] || language=.ko
    report "$picture: its names are in the code, and the lesson shows it" "$(
        names=$(sed -nE 's/^<text[^>]*>(.*)<\/text>$/\1/p' "$picture" | grep -oE '[A-Za-z0-9_]+' | grep -E '_|[A-Z].*[A-Z]' | sort -u)
        [ -n "$names" ] || echo "no name was found"
        for name in $names; do
            grep -qw "$name" "${picture%/*}/server.c" || echo "$name"
        done
        grep -q "]($(basename "$picture"))" "${picture%/*}/README$language.md" || echo "not in the lesson"
    )"
done

# ---- the statements of the notes -----------------------------------------------------------------

# rows FILE: "number|statement|steps" of its table.
rows() { sed -nE 's/^\| (2[0-9]\.[0-9]+) \| (.*) \| (.*) \|$/\1|\2|\3/p' "$1"; }

# "number place" pairs: in the lessons, and in the table. A place is an old step (22-5), or the chapter, its
# program, and the number of a step or the letter of a place.
lesson_pairs() {
    perl -ne '
        if (/^### Step (\d+-\d+)/) { $place = $1 }
        elsif (/^### (Step|Place) (\w):/) {
            my $at = ($1 eq "Step" ? "server" : "client") . " $2";
            $place = ($ARGV =~ m{^(\w+)/})[0] . " $at";
        }
        elsif (/^## /) { $place = "" }
        $inside = 1 if /^(Call|Shows):/;
        $inside = 0 if /^$/;
        if ($inside && $place) { print "$1 $place\n" while /(2\d\.\d+)/g }' ch*/README.md | sort -u
}
table_pairs() {
    rows course/notes/README.md | perl -F'\|' -ane '
        chomp @F;
        my $program = "ch21_event_select server";
        for (split /[,;] /, $F[2]) {
            if (/^Step (\d+-\d+)$/) { print "$F[0] $1\n" }
            elsif (/^(ch\w+) (server|client)$/) { $program = "$1 $2" }
            elsif (/^(server|client)$/) { $program =~ s/\w+$/$_/ }
            elsif (/^Step (\d)$/ || /^([A-Z])$/) { print "$F[0] $program $1\n" }
        }' | sort -u
}
report "course/notes/README.md: each statement is what the experiment says" "$(
    diff <(rows course/notes/README.md | cut -d'|' -f1,2) <(
        # A long sentence is several strings.
        cat course/notes/notes_2?.c | tr '\n' ' ' | sed -E 's/" +"//g' | grep -oE '\.number = "2[0-9]\.[0-9]+", +\.sentence = +"([^"\\]|\\.)*"' |
            sed -E 's/.number = "([0-9.]+)", +.sentence = +"(.*)"/\1|\2/'
    )
)"
report "course/notes/README.md: the statements and steps of the table are those of the lessons" \
    "$(diff <(table_pairs) <(lesson_pairs))"
report "course/notes/README.md: the same statements and steps in Korean" "$(
    diff <(rows course/notes/README.md | cut -d'|' -f1,3 | grep Step) <(rows course/notes/README.ko.md | cut -d'|' -f1,3 | grep Step)
    diff <(rows course/notes/README.md | cut -d'|' -f1) <(rows course/notes/README.ko.md | cut -d'|' -f1)
)"
report "the lessons mention every statement of their chapter" "$(
    diff <(rows course/notes/README.md | cut -d'|' -f1 | sort) \
        <(for chapter in 21 22 23; do grep -ohE "\b$chapter\.[0-9]+" ch$chapter*/README.md; done | sort -u)
)"

# ---- commands ------------------------------------------------------------------------------------

# Runs a load against the server of chapter 23; what it prints is as the document shows it.
try_load() {
    local log=$scratch/load_server output
    wine build/ch23_iocp/server.exe --quiet 0 >"$log" 2>&1 </dev/null &
    for ((i = 0; i < 100; i++)); do
        grep -q "listening on" "$log" && break
        sleep 0.1
    done
    local port
    port=$(sed -nE 's/^listening on .*:([0-9]+).*/\1/p' "$log")
    output=$(eval "./build.sh run ${1#* run } 127.0.0.1 $port" 2>/dev/null </dev/null | tr -d '\r' | mask_load)
    kill -INT $!
    wait $!
    diff <(blocks <(without_steps ch23_iocp/README.md) text | grep -vE '^(server|client) \||^echo' | mask_load) <(echo "$output")
}
mask_load() { sed -E 's/[0-9]+(\.[0-9]+)? (ms|s|messages\/s|MB\/s)/N \2/g'; }

# try_rule RULE BROKEN: breaks my_chat with a patch of tests/verifier/broken; what a check then says is as the
# document about the rules shows it.
try_rule() {
    local output shown
    mask_lines() { tr -d '\r' | sed -E 's/\.c:[0-9]+\)/.c:N)/g'; }
    shown=$(blocks course/rules.md text | mask_lines)
    patch --fuzz=0 -s my_chat/server.c "tests/verifier/broken/$2.patch" || return
    ./build.sh verify run my_chat server --help >/dev/null 2>&1 </dev/null
    output=$(wine build/tests/check.exe --seed 3 --program server --only "echoes text" 'build\verified\my_chat' 2>/dev/null |
        mask_lines | head -n 4)
    [[ $output == *"RULE $1:"* ]] || echo "rule $1 is not reported as broken"
    diff <(echo "$shown") <(echo "$output")
    cp ch21_event_select/server.c my_chat/ && ./build.sh verify run my_chat server --help >/dev/null 2>&1 </dev/null
}

# Runs one command of a document in the folder that it is meant for; prints what went wrong.
try_command() {
    local folder=$1 line=$2 output words
    read -r -a words <<<"$line"
    case $line in
    "build.bat test" | "./build.sh test" | "build.bat notes") ;; # this is part of such a run
    "build.bat notes 21" | "build.bat notes 23") ;;              # and so are these; 22 is tried
    "build.bat step ch"*" "[0-9]) ;; # steps_test.sh runs the command of each step
    "cd "*) [ -d "${line#cd }" ] || echo "no such folder: $line" ;;
    "build.bat bench" | "./build.sh bench") ;; # takes minutes: build_test.sh runs a round of it
    *" load_client --connections "*) try_load "$line" ;;
    "build.bat verify check my_chat") # takes minutes: one check, of a server that breaks a rule
        try_rule 31 closes_twice
        ;;
    "set VERIFIER_SEED="* | "set VERIFIER_UNKIND="*) # a name that the verifier does not know would end the program
        output=$(export "${line#set }" && wine build/verified/my_chat/server.exe --help 2>&1 </dev/null)
        [[ $output == *"usage: "* ]] || echo "$line: $output"
        ;;
    "build.bat run "* | "./build.sh run "* | "build.bat verify run "*)
        # A server waits for clients, and a client for typed lines: here they only print the usage.
        output=$(eval "./build.sh ${line#* } --help" 2>&1 </dev/null)
        [[ $output == *"usage: "* ]] || echo "$line: $output"
        ;;
    'build\'*) ;; # run together, at the end
    *" timeline")
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null) || echo "$line: status $?: $output"
        [[ $output == *"timeline.svg"* ]] || echo "$line: $output"
        ;;
    "set NARRATION_LOG="*) ;; # so are these
    "build.bat replay "*)
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null) || echo "$line: status $?: $output"
        [[ $output == *"replay.html"* ]] || echo "$line: $output"
        ;;
    *" notes"*)
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null) || echo "$line: status $?: $output"
        [[ $output == *" passed, 0 failed"* ]] || echo "$line: $output"
        ;;
    "build.bat step "*)
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null) || echo "$line: status $?: $output"
        [[ $output == *"Step 1: "* || $output == *"has been written"* ]] || echo "$line: $output"
        ;;
    "xcopy "*)
        rm -rf "${words[3]}" # otherwise xcopy asks whether to overwrite it
        wine cmd /c "${words[@]}" >/dev/null 2>&1 </dev/null
        [ -e "${words[3]}/server.c" ] || echo "$line: there is no ${words[3]}/server.c"
        ;;
    *" check my_"*) # an unchanged copy: the score is not the best one, and there is a report
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null | tr -d '\r')
        grep -qE '^For a hint: ./build.sh hint my_[a-z]+ [A-Z]+ 1$' <<<"$output" || echo "$line: $output"
        [[ ${output##*$'\n'} =~ ^[0-9]+/[0-9]+$ ]] || echo "$line: the last line is ${output##*$'\n'}"
        diff <(tail -n +2 "build/${words[2]}/${words[3]}.txt" | tr -d '\r') <(sed -n '/^[A-Z]*: /,$p' <<<"$output")
        ;;
    *" check")
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null)
        [[ $output == *"UPPER "*"ROOM "* ]] || echo "$line: $output"
        ;;
    *" hint "*)
        output=$(eval "./build.sh ${line#* }" 2>&1 </dev/null)
        [[ $output == *", hint "*"The next one: ./build.sh hint "* ]] || echo "$line: $output"
        ;;
    "build.bat grade "*) # two students, who have changed nothing
        mkdir -p "$scratch/class/kim" "$scratch/class/lee"
        cp ch21_event_select/server.c "$scratch/class/kim" && cp ch21_event_select/server.c "$scratch/class/lee"
        output=$(./build.sh grade "$scratch/class" "${words[3]}" 2>&1 </dev/null)
        [[ $output == *"2 submissions, 2 results: 0 with all checks passed, 0 not graded"* ]] || echo "$line: $output"
        ;;
    "git apply "*) # only tried, for the chapter itself must not change; there may be no git
        patch --dry-run --fuzz=0 -s -p1 <"${words[2]}" 2>&1
        ;;
    "build.bat help" | "build.bat demo"*)
        output=$(wine cmd /c "${words[@]}" 2>&1 </dev/null) || echo "$line: status $?: $output"
        [[ $line != *demo* || $output == *"summary: 1 clients served"* ]] || echo "$line: $output"
        ;;
    "./build.sh demo"*)
        output=$(eval "$line" 2>&1 </dev/null) || echo "$line: status $?: $output"
        tr -d '\r' <<<"$output" >"$scratch/demo"
        ;;
    *" my_program.c "*) # rules.c needs only pair.h beside it
        mkdir "$scratch/by_hand" "$scratch/by_hand/tests"
        cp -r tests/verifier "$scratch/by_hand/tests/" && cp tests/verifier/rules.c "$scratch/by_hand/my_program.c"
        cp tests/verifier/pair.h "$scratch/by_hand/"
        output=$(cd "$scratch/by_hand" && wine cmd /c "${words[@]}" 2>&1 </dev/null)
        [[ $output != *warning* ]] || echo "$line: $output"
        output=$(cd "$scratch/by_hand" && wine my_program.exe closed_twice breaks 2>&1 </dev/null)
        [[ $? = 3 && $output == "RULE 31: closesocket (my_program.c:"* ]] || echo "$line: $output"
        rm -rf "$scratch/by_hand"
        ;;
    "cl "* | "gcc "*)
        cp -r common "$scratch/" && cp -r "$folder" "$scratch/chapter"
        output=$(cd "$scratch/chapter" && wine cmd /c "${words[@]}" 2>&1 </dev/null)
        [ -e "$scratch/chapter/server.exe" ] || echo "$line: no server.exe: $output"
        [[ $output != *warning* ]] || echo "$line: $output"
        rm -rf "$scratch/chapter" "$scratch/common"
        ;;
    "diff ch"*)
        output=$(eval "$line" 2>&1)
        [ $? = 1 ] || echo "$line: $output"
        ;;
    "x86_64-w64-mingw32-gcc "*)
        cp -r common "$scratch/" && cp -r "$folder" "$scratch/chapter"
        output=$(cd "$scratch/chapter" && eval "$line" 2>&1)
        [ -e "$scratch/chapter/server.exe" ] && [ -z "$output" ] || echo "$line: $output"
        rm -rf "$scratch/chapter" "$scratch/common"
        ;;
    *) echo "this test does not know how to try: $line" ;;
    esac
}

declare -A tried
for document in "${documents[@]}"; do
    folder=$(dirname "$document")
    case $folder in
    . | course) folder=ch21_event_select ;;      # what is compiled by hand is in this chapter
    course/homework/*) continue ;; # see below
    esac
    while read -r line; do
        # Only what is compiled by hand depends on the folder. build.sh passes its verbs to build.bat; the demo
        # is tried with both.
        key=$line
        case $line in
        "cl "* | "gcc "* | "x86_64"*) key="$folder $line" ;;
        "./build.sh demo"*) ;;
        "./build.sh "*) key="build.bat ${line#* }" ;;
        esac
        [ -n "${tried[$key]-}" ] && continue
        tried[$key]=yes
        report "$document: $line" "$(twice try_command "$folder" "$line")"
    done < <(blocks "$document" bat && blocks "$document" sh)
done

# The pages of the exercises: each shows the same three commands, with its names. homework_test.sh tests the
# checks and the hints themselves.
for page in course/homework/*/README.md; do
    exercise=$(basename "$(dirname "$page")")
    chapter=$(sed -nE '5s/.*\[(ch[a-z0-9_]+)\].*/\1/p' "$page")
    copy=my_${exercise,,}
    report "$page: how to try it" "$(
        diff <(blocks "$page" bat) <(printf '%s\n' "xcopy /i $chapter $copy" "build.bat check $copy $exercise" \
            "build.bat hint $copy $exercise 1")
    )"
done

# The table of a lesson has the exercises of its chapter, with the goals of their pages.
for lesson in ch*/README.md ch*/README.ko.md; do
    report "$lesson: its exercises are those of course/homework" "$(
        name=$(basename "$lesson")
        diff <(grep -oE '^\| \[[A-Z]+\]\(\.\./course/homework/.*' "$lesson" | LC_ALL=C sort) <(
            for page in course/homework/*/"$name"; do
                exercise=$(basename "$(dirname "$page")")
                sed -n 5p "$page" | grep -qF "[${lesson%%/*}]" &&
                    echo "| [$exercise](../$page) | $(sed -n 5p "$page" | grep -oE '★+') | $(sed -nE "3s/^# $exercise: //p" "$page") |"
            done | LC_ALL=C sort
        )
    )"
done

# ---- what is printed -----------------------------------------------------------------------------

# Times, threads and places vary from run to run.
mask() { sed -E 's/ +[0-9]+\.[0-9]{3} +[0-9]+ / TIME THREAD /; s/one of [0-9]+/one of N/; s/event [0-9]+ is/event N is/'; }

mask <"$scratch/demo" >"$scratch/masked_demo"
for document in "${documents[@]}"; do
    [[ $document == */* && $document != ch* ]] && continue
    report "$document: what it shows is what the demo prints" "$(
        shown=$(blocks "$document" text | grep -E '^(server|client) \||^echo' | mask)
        [ -n "$shown" ] || echo "it shows nothing"
        while read -r line; do
            grep -qF -- "$line" "$scratch/masked_demo" || echo "$line"
        done <<<"$shown"
    )"
done
own_picture() {
    NARRATION_LOG=$(windows_name server_places.log) wine build/ch21_event_select/server.exe 0 >"$scratch/server.log" 2>&1 </dev/null &
    for ((i = 0; i < 100; i++)); do
        grep -q "listening on" "$scratch/server.log" && break
        sleep 0.1
    done
    port=$(sed -nE 's/^listening on .*:([0-9]+).*/\1/p' "$scratch/server.log")
    printf 'hello\nQ\n' | NARRATION_LOG=$(windows_name client_places.log) wine build/ch21_event_select/client.exe 127.0.0.1 "$port" >/dev/null 2>"$scratch/client.log"
    kill -INT $!
    wait $!
    cd "$scratch" && wine "$root/build/tools/timeline.exe" server.log client.log 2>&1 >run.svg </dev/null
    well_formed run.svg
    grep -q "FD_READ" run.svg || echo "it does not show FD_READ"
    cd "$root" && wine build/tools/replay.exe --chapter ch21_event_select ch21_event_select "$(windows_name server_places.log)" \
        "$(windows_name client_places.log)" 2>&1 >"$scratch/run.html" </dev/null
    grep -q '"FD_READ",0,[1-9]' "$scratch/run.html" || echo "the page does not show FD_READ and its place"
}
windows_name() { echo "Z:${scratch//\//\\}\\$1"; }
report "course/visual-studio.md: your own run becomes a picture and a page" "$(twice own_picture)"
unlike_usage() {
    for program in server client; do
        usage=$(wine "build/ch21_event_select/$program.exe" --help 2>&1 </dev/null | head -n 1 | tr -d '\r')
        [ -n "$usage" ] && blocks README.md text | grep -qF "$program.exe ${usage#*"$program" }" ||
            echo "$program: $usage"
    done
}
report "README.md: the command line is the usage" "$(twice unlike_usage)"

print_counts
