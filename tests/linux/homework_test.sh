#!/usr/bin/env bash
# homework_test.sh - checks the exercises: each has hints, a statement in both languages and a solution;
# the unchanged chapter fails its checks, and the solution passes them, with both compilers. The
# last line: N passed, N failed. Started by build.sh test, which has built the checks.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=homework
source tests/linux/report.sh

# A copy for each compiler, so that both can build at the same time.
for compiler in gcc cl; do
    copy_repository "$scratch/$compiler"
    rm "$scratch/$compiler"/ch*/*client.c "$scratch/$compiler"/ch*/select_server.c # not needed, and slow
done
root=$scratch/gcc
cd "$root" || exit 1
source tests/linux/environment.sh

# "CHAPTER EXERCISE" for each of them, as the list has them.
list=$(./build.sh gcc strict check) || report "build.sh check lists the exercises" "$list"
exercises=$(awk '/^ch/ { chapter = $1; sub(":", "", chapter) } /^    [A-Z]/ { print chapter, $1 }' <<<"$list")
report "there are at least ten exercises, in each lesson some of three levels" "$(
    [ "$(wc -l <<<"$exercises")" -ge 10 ] || echo "only these: $exercises"
    for chapter in $(lessons); do
        for level in '\*' '\*\*' '\*\*\*'; do
            awk -v c="$chapter:" '/^ch/ { here = $1 == c } here' <<<"$list" |
                grep -qE "^    [A-Z]+ +$level " || echo "$chapter has none of level $level"
        done
    done
)"
report "the list in Korean has the goals of the Korean pages" "$(
    diff <(./build.sh gcc strict check ko | sed -nE 's/^    ([A-Z]+) +\*+ +- +(.*[^ ]) *$/\1: \2/p' | LC_ALL=C sort) \
        <(sed -nsE '3s/^# //p' course/homework/*/README.ko.md | LC_ALL=C sort)
)"
report "the list has every folder of course/homework" "$(
    diff <(for folder in course/homework/*/; do basename "$folder"; done) <(cut -d ' ' -f 2 <<<"$exercises" | LC_ALL=C sort)
)"

# background COMMAND ...: runs it alongside others, but not too many.
background() {
    while [ "$(jobs -rp | wc -l)" -ge 4 ]; do
        wait -n
    done
    "$@" &
}
print_hint() {
    wine build/tools/homework.exe hint "$1" "$2" "$1" "$3" 2>/dev/null | tr -d '\r' >"$scratch/hint.$3.$1.$2"
}
for exercise in $(cut -d ' ' -f 2 <<<"$exercises"); do
    for language in en ko; do
        for number in 1 2 3 4; do
            background print_hint "$exercise" $number $language
        done
    done
done
wait

while read -r chapter exercise; do
    report "$exercise: three hints, and no fourth" "$(
        for number in 1 2 3; do
            [[ $(<"$scratch/hint.en.$exercise.$number") == "$exercise, hint $number of 3"* ]] || echo "there is no hint $number"
            [[ $(<"$scratch/hint.ko.$exercise.$number") == "$exercise, 힌트 $number/3"* ]] || echo "there is no hint $number in Korean"
        done
        cat "$scratch"/hint.{en,ko}."$exercise".4
    )"
    report "$exercise: the hints are those of the pages, the English ones in ASCII" "$(
        page=course/homework/$exercise/README
        for number in 1 2 3; do
            diff <(sed -n '3,$p' "$scratch/hint.en.$exercise.$number" | sed '/^$/,$d') \
                <(sed -n "/Hint $number</,/^<.details>/p" "$page.md" | sed '1,2d' | sed '/^$/,$d')
            diff <(sed -n '3,$p' "$scratch/hint.ko.$exercise.$number" | sed '/^$/,$d') \
                <(sed -n "/힌트 $number</,/^<.details>/p" "$page.ko.md" | sed '1,2d' | sed '/^$/,$d')
        done
        LC_ALL=C grep -l '[^ -~]' "$scratch"/hint.en."$exercise".[123]
        [ "$(grep -c '<summary>' "$page.md")" = "$(grep -c '<summary>' "$page.ko.md")" ] || echo "not as many in Korean"
    )"
    report "$exercise: a solution, which changes this chapter's server only" "$(
        mkdir "solution_$exercise"
        grep -q "^+++ b/$chapter/server.c" "course/homework/$exercise/$exercise.patch" || echo "not of $chapter"
        cp "$chapter/server.c" "solution_$exercise"
        patch --fuzz=0 "solution_$exercise/server.c" "course/homework/$exercise/$exercise.patch" 2>&1 | grep -v "^patching file"
        cp -r "solution_$exercise" "$scratch/cl"
    )"
done <<<"$exercises"
report "TODO names an exercise of its chapter" "$(
    grep -ro 'TODO [A-Z0-9-]*' ch* --include='*.c' | while IFS=: read -r file words; do
        grep -qxF "${file%%/*} ${words#TODO }" <<<"$exercises" || echo "$file: $words"
    done
)"

# build_all COMPILER: the unchanged chapters and the solutions. Prints the end of what went wrong.
build_all() {
    local log
    cd "$scratch/$1" || exit
    # shellcheck disable=SC2046 # the names are words
    log=$(./build.sh "$1" strict $(lessons) solution_*) || tail -n 8 <<<"status $?: $log"
    mkdir -p build/tests
    cp "$source_root/build/tests/check.exe" build/tests/
}
for compiler in gcc cl; do
    background twice build_all $compiler >"$scratch/$compiler.build"
done
wait
for compiler in gcc cl; do
    report "the solutions compile with $compiler, without a warning" "$(cat "$scratch/$compiler.build" 2>/dev/null)"
done

# check_one COMPILER CHAPTER EXERCISE: the unchanged chapter must fail, and the solution must pass.
check_one() {
    local log status
    cd "$scratch/$1" || exit
    log=$(wine build/tests/check.exe --exercise "$3" --stop-at-failure "build\\$2" 2>&1)
    status=$?
    if [ $status != 1 ] || ! grep -qE '^(FAIL|TIMEOUT) ' <<<"$log" || grep -q '^ENV ' <<<"$log"; then
        printf 'the unchanged chapter does not fail (status %s):\n%s\n' "$status" "$log"
    fi
    log=$(wine build/tests/check.exe --exercise "$3" "build\\solution_$3" 2>&1)
    status=$?
    if [ $status != 0 ] || ! grep -qxE '([0-9]+)/\1'$'\r?' <<<"$log"; then
        printf 'the solution does not pass (status %s):\n%s\n' "$status" "$(grep -vE '^ok ' <<<"$log")"
    fi
}
# In "build.sh test all" all of them; otherwise one in eight with gcc and another one in eight with cl, different ones
# each day: the checks of one exercise take one to two minutes, and longer beside the other scripts.
of_day() {
    local turn=0
    [ "$1" = gcc ] || turn=4
    awk -v all="${TEST_ALL-}" -v day="$(date +%-j)" -v turn=$turn 'all != "" || (NR + day) % 8 == turn' <<<"$exercises"
}
for compiler in gcc cl; do
    while read -r chapter exercise; do
        background twice check_one $compiler "$chapter" "$exercise" >"$scratch/$compiler.$exercise"
    done < <(of_day $compiler)
done
wait
for compiler in gcc cl; do
    while read -r chapter exercise; do
        report "$exercise, $compiler: the unchanged chapter fails, the solution passes" "$(cat "$scratch/$compiler.$exercise")"
    done < <(of_day $compiler)
done

print_counts
