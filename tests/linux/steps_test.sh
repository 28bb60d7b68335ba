#!/usr/bin/env bash
# steps_test.sh - proves the steps in which the servers grow (course/steps): the last one is the chapter's
# server.c; each compiles without a warning with both compilers, is short, and is something new; the checks that a
# lesson names hold from its step on and fail one step earlier; the lines that it shows are printed by
# its step; its diffs are what tools/steps.c prints. The last line: N passed, N failed. Started by
# build.sh test, which has built the checks and the clients.
#
#     steps_test.sh [CHAPTER | verb]    only the steps of this chapter, or only the verb step of build.bat
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=steps
source tests/linux/report.sh
copy_repository "$scratch/copy"
cd "$scratch/copy" || exit 1
root=$PWD
source tests/linux/environment.sh
# steps WORD ...: tools/steps.c. Wine now and then fails to start a program.
steps() {
    local said=$scratch/said.$BASHPID
    for _ in 1 2; do
        wine build/tools/steps.exe "$@" 2>/dev/null | tr -d '\r' >"$said"
        [ ! -s "$said" ] || break
    done
    cat "$said"
}

# section LESSON STEP: prints the lines of a step.
section() { awk -v step="### Step $2: " 'index($0, step) == 1 { inside = 1; next } /^##+ / { inside = 0 } inside' "$1"; }

# block LANGUAGE: the blocks of that language in what it reads.
block() { awk -v begin='```'"$1" '$0 == "```" { inside = 0 } inside { print } $0 == begin { inside = 1 }'; }

# names LESSON STEP: the checks that hold from this step on.
names() {
    section "$1" "$2" | tr '\n' ' ' | grep -oE '(Holds from here on|여기서부터 통과하는 검사): [^.]*\.' |
        grep -oE '\*[^*]+\*' | tr -d '*'
}

# background COMMAND ...: runs it alongside others, but not too many.
background() {
    while [ "$(jobs -rp | wc -l)" -ge 6 ]; do
        wait -n
    done
    "$@" &
}

# run_check FOLDER NAME: prints ok if the check passes. A step that cannot shut down yet is killed.
run_check() {
    local kill=--kill
    [[ $2 == Ctrl+C* ]] && kill=--storm\ 3
    # shellcheck disable=SC2086 # two words, or one
    timeout 100 wine build/tests/check.exe $kill --program server --only "$2" "build\\$1" 2>/dev/null |
        tr -d '\r' | grep -q '^1 passed, 0 failed' && echo ok
}

# compile_steps: the folders with the compiler. Prints the end of what went wrong.
compile_steps() {
    ./build.sh "$compiler" strict "${folders[@]}" >"$scratch/compile" 2>&1 </dev/null || tail -n 12 "$scratch/compile"
}

# proof FOLDER_BEFORE FOLDER NAME: prints what is different from what the lesson says.
proof() {
    [ -z "$(run_check "$1" "$3")" ] || echo "\"$3\" already holds one step earlier"
    [ -n "$(run_check "$2" "$3")" ] || echo "\"$3\" does not hold"
}

# with_server FOLDER PROGRAM VISIT: starts the program, calls VISIT PORT, and stops it. What it prints is added to
# the log of the folder.
with_server() {
    local log=$scratch/$1.$3.log port server
    wine "build/$1/$2.exe" 0 >"$log" 2>&1 </dev/null &
    server=$!
    for ((i = 0; i < 100; i++)); do
        grep -qs "listening on" "$log" && break
        sleep 0.1
    done
    port=$(sed -nE 's/^listening on .*:([0-9]+).*/\1/p' "$log")
    $3 "$port" >/dev/null 2>&1
    kill -INT $server 2>/dev/null
    for ((i = 0; i < 30; i++)); do
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    kill -9 $server 2>/dev/null
    wait $server 2>/dev/null
    cat "$log" >>"$scratch/$1.log"
}

# say FILE_DESCRIPTOR WORD: a client sends a word, and waits a little for the echo.
say() { echo "$2" >&"$1" && timeout 2 head -n 1 <&"$1"; }

# Two clients send in turn and leave; one is reset; one does not read; 64 come at the same time.
ordinary_clients() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" && say 3 hello
    exec 4<>"/dev/tcp/127.0.0.1/$1" && say 4 "hey!"
    say 3 hello
    exec 3>&- 4>&-
    sleep 0.3
    perl -MSocket -e 'socket($s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0));
        connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)); syswrite $s, "reset\n"; select(undef, undef, undef, 0.3); close $s' "$1"
    does_not_read "$1"
    timeout 20 wine build/ch23_iocp/load_client.exe --quiet --connections 64 --messages 1 --seconds 2 127.0.0.1 "$1"
}
does_not_read() { timeout 2 bash -c "yes | head -c 20000000 >/dev/tcp/127.0.0.1/$1"; }

# Three clients of a server that can have two: see few_sockets.h.
one_too_many() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" 4<>"/dev/tcp/127.0.0.1/$1" && say 3 hello && say 4 hello
    exec 5<>"/dev/tcp/127.0.0.1/$1"
    sleep 0.3
    exec 3>&-
    say 5 hello
    exec 4>&- 5>&-
}

# scenario FOLDER: records what its server prints while clients do typical things.
scenario() {
    with_server "$1" server ordinary_clients
    with_server "$1" server does_not_read
    x86_64-w64-mingw32-gcc -std=c11 -include tests/linux/few_sockets.h "$1/server.c" build/gcc_strict/common/*.o \
        -o "build/$1/few.exe" -lws2_32 2>/dev/null && with_server "$1" few one_too_many
}
mask() { sed -E 's/[0-9]+/N/g; s/ +/ /g; s/^ //'; }

./build.sh gcc strict step ch21 >/dev/null 2>&1 # compiles tools/steps.c, and forgets what was there
mkdir -p build/tests build/ch23_iocp
cp "$source_root/build/tests/check.exe" build/tests/
cp "$source_root/build/ch23_iocp/load_client.exe" build/ch23_iocp/

for authored in course/steps/*.c; do
    chapter=$(basename "$authored" .c)
    [ "${1-$chapter}" = "$chapter" ] || continue
    steps list "$chapter" >"$scratch/list"
    count=$(grep -c '^    Step ' "$scratch/list")
    report "$chapter: its steps are listed" "$([ "$count" -ge 2 ] || cat "$scratch/list")"
    folders=()
    for ((step = 1; step <= count; step++)); do
        short=$(sed -nE "s/^build\.bat step (\w+) $step\$/\1/p" "$chapter/README.md") # the command of the lesson
        folders[step]=my_${short}_$step
        for _ in 1 2; do # Wine now and then fails to start a program
            ./build.sh step "$short" "$step" >"$scratch/begin" 2>&1 </dev/null
            [ ! -e "${folders[step]}/server.c" ] || break
        done
        report "$chapter: step $step is written, with what to type" "$(
            grep -q "build.sh run ${folders[step]} server" "$scratch/begin" || cat "$scratch/begin"
        )"
    done
    report "$chapter: the last step is server.c" "$(diff "${folders[count]}/server.c" "$chapter/server.c")"
    report "$chapter: step 1 has at most 80 lines, a step at most 70 changed ones, and at least one" "$(
        [ "$(wc -l <"${folders[1]}/server.c")" -le 80 ] || wc -l "${folders[1]}/server.c"
        for ((step = 2; step <= count; step++)); do
            changed=$(diff "${folders[step - 1]}/server.c" "${folders[step]}/server.c" | grep -c '^[<>]')
            [ "$changed" -ge 1 ] && [ "$changed" -le 70 ] || echo "step $step: $changed"
        done
    )"
    rm -f "$scratch"/proof.*
    if command -v clang-format >/dev/null; then
        report "$chapter: each step is formatted as .clang-format says" "$(
            clang-format --dry-run -Werror "${folders[@]/%//server.c}" 2>&1
        )"
    fi
    report "$chapter: each step compiles directly from $authored" "$(
        for ((step = 1; step <= count; step++)); do
            x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra -Werror -fsyntax-only -Icommon -DSTEP=$step "$authored" 2>&1
        done
    )"
    for compiler in cl gcc; do
        report "$chapter: each step compiles with $compiler, without a warning" "$(twice compile_steps)"
    done

    for ((step = 1; step <= count; step++)); do
        background scenario "${folders[step]}"
    done
    wait
    for ((step = 1; step <= count; step++)); do
        mapfile -t names < <(names "$chapter/README.md" "$step")
        for name in "${names[@]}"; do
            background twice proof "${folders[step - 1]-}" "${folders[step]}" "$name" >"$scratch/proof.$step.${name//[^a-zA-Z0-9]/_}"
        done
    done
    wait
    for ((step = 1; step <= count; step++)); do
        for language in README.md README.ko.md; do
            report "$chapter/$language: step $step shows what it changes" "$(
                if [ $step = 1 ]; then
                    diff <(section "$chapter/$language" 1 | block c) "${folders[1]}/server.c"
                else
                    diff <(section "$chapter/$language" $step | block diff) <(steps diff "$chapter" $step)
                fi
            )"
        done
        report "$chapter: step $step prints what the lesson shows" "$(
            section "$chapter/README.md" $step | block text | mask | while read -r line; do
                mask <"$scratch/${folders[step]}.log" 2>/dev/null | tr -d '\r' | grep -qF -- "$line" || echo "$line"
            done
        )"
        for result in "$scratch"/proof.$step.*; do
            [ -e "$result" ] || continue
            report "$chapter: step $step: ${result##*.}: fails before, holds now" "$(cat "$result")"
        done
    done
    report "$chapter: its lesson names the same checks in Korean" "$(
        for ((step = 1; step <= count; step++)); do
            diff <(names "$chapter/README.md" $step) <(names "$chapter/README.ko.md" $step) || echo "step $step"
        done
    )"
    report "$chapter: its lesson has these steps" "$(
        diff <(sed -nE 's/^    (Step [0-9]: .*) \([0-9]+ lines\)$/\1/p' "$scratch/list") \
            <(sed -nE 's/^### (Step [0-9]: .*)$/\1/p' "$chapter/README.md")
        [ "$(grep -cE '^build\.bat step \w+ [0-9]+$' "$chapter/README.md")" = "$count" ] || echo "not one command for each"
    )"
done

# ---- the verb ------------------------------------------------------------------------------------

if [ "${1-verb}" = verb ]; then
    expect "step: the folder has the name of the chapter as it was typed" 0 'my_ch21_2\server.c has been written' ./build.sh step ch21 2
    expect "step: what is unchanged is overwritten" 0 'my_ch21_2\server.c has been written' ./build.sh step ch21 3 my_ch21_2
    echo "/* mine */" >>my_ch21_2/server.c
    expect "step: what was changed is not" 1 'step ch21_event_select 2 my_ch21_2_new' ./build.sh step ch21 2
    expect "step: it still has the change" 0 "/* mine */" tail -n 1 my_ch21_2/server.c
    expect "step: a step that does not exist" 2 "has no step 9. It has:" ./build.sh step ch21 9
    expect "step: a chapter that does not exist" 2 '"ch99" is neither' ./build.sh step ch99 1
    expect "step: no chapter" 2 "step needs a chapter" ./build.sh step
    expect "step: a folder without steps" 2 "has no steps" ./build.sh step my_ch21_2
fi

print_counts
