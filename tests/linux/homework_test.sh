#!/usr/bin/env bash
# homework_test.sh - checks the exercises: each has hints, a statement in both languages and a solution;
# the unchanged chapter fails its checks, and the solution passes them, with both compilers. The
# last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
source_root=$PWD
scratch=$(mktemp -d)
root=$scratch
passed=0
failed=0
trap 'rm -rf "$scratch"' EXIT

# report NAME OUTPUT: passed if the output is empty.
report() {
    if [ -z "$2" ]; then
        echo "ok       homework: $1"
        passed=$((passed + 1))
    else
        echo "FAIL     homework: $1"
        head -n 12 <<<"$2" | cut -c1-200 | sed 's/^/         | /'
        failed=$((failed + 1))
    fi
}

git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$scratch"
mkdir -p "$scratch/build/linux"
ln -s "$source_root/build/linux/prefix" "$source_root/build/linux/ccache" "$scratch/build/linux/"
cd "$scratch" || exit 1
source tests/linux/environment.sh

# "CHAPTER EXERCISE" for each of them, as the list has them.
list=$(./build.sh gcc strict check) || report "build.sh check lists the exercises" "$list"
exercises=$(awk '/^ch/ { chapter = $1; sub(":", "", chapter) } /^    [A-Z]/ { print chapter, $1 }' <<<"$list")
report "there are ten exercises at least, in each chapter some of three levels" "$(
    [ "$(wc -l <<<"$exercises")" -ge 10 ] || echo "only these: $exercises"
    for chapter in ch*/; do
        for level in '\*' '\*\*' '\*\*\*'; do
            awk -v c="${chapter%/}:" '/^ch/ { here = $1 == c } here' <<<"$list" |
                grep -qE "^    [A-Z]+ +$level " || echo "$chapter has none of level $level"
        done
    done
)"
report "build.bat knows the same exercises" "$(
    diff <(grep -oP '(?<=^set "opt_exercises=)[A-Z ]+' build.bat | tr ' ' '\n') <(cut -d ' ' -f 2 <<<"$exercises")
)"

while read -r chapter exercise; do
    hints=()
    for number in 1 2 3 4; do
        hints[number]=$(wine build/tests/check.exe --hint "$exercise" $number "$chapter" 2>/dev/null | tr -d '\r')
    done
    report "$exercise: three hints, and no fourth" "$(
        for number in 1 2 3; do
            [[ ${hints[number]} == "$exercise, hint $number of 3"* ]] || echo "there is no hint $number"
        done
        echo -n "${hints[4]}"
    )"
    report "$exercise: a statement in both languages, the hints in the English one" "$(
        for readme in "$chapter/README.md" "$chapter/README.ko.md"; do
            grep -qE "^### $exercise: " "$readme" || echo "$readme has no heading \"### $exercise: \""
        done
        text=$(tr -s '[:space:]' ' ' <"$chapter/README.md")
        for number in 1 2 3; do
            hint=$(sed -n '3,/^$/p' <<<"${hints[number]}" | tr -s '[:space:]' ' ' | sed 's/ $//')
            # In the lesson names stand between backquotes.
            [[ ${text//\`/} == *"$hint"* ]] || echo "$chapter/README.md lacks: $hint"
        done
    )"
    report "$exercise: a solution, which changes this chapter's server only" "$(
        mkdir "solution_$exercise"
        grep -q "^+++ b/$chapter/server.c" "tests/solutions/$exercise.patch" || echo "not of $chapter"
        cp "$chapter/server.c" "solution_$exercise"
        patch --fuzz=0 -s "solution_$exercise/server.c" "tests/solutions/$exercise.patch" 2>&1
    )"
done <<<"$exercises"
report "TODO names an exercise of its chapter" "$(
    grep -ro 'TODO [A-Z0-9-]*' ch* --include='*.c' | while IFS=: read -r file words; do
        grep -qxF "${file%%/*} ${words#TODO }" <<<"$exercises" || echo "$file: $words"
    done
)"

# check_one COMPILER CHAPTER EXERCISE: the unchanged chapter must fail, the solution must pass.
check_one() {
    local compiler=$1 chapter=$2 exercise=$3 log status
    log=$(wine "build/$compiler/check.exe" --exercise "$exercise" --stop-at-failure "build\\$compiler\\$chapter" 2>&1)
    status=$?
    if [ $status != 1 ] || ! grep -qE '^(FAIL|TIMEOUT) ' <<<"$log" || grep -q '^ENV ' <<<"$log"; then
        printf 'the unchanged chapter does not fail (status %s):\n%s\n' "$status" "$log"
    fi
    log=$(wine "build/$compiler/check.exe" --exercise "$exercise" "build\\$compiler\\solution_$exercise" 2>&1)
    status=$?
    if [ $status != 0 ] || ! grep -qxE '([0-9]+)/\1'$'\r?' <<<"$log"; then
        printf 'the solution does not pass (status %s):\n%s\n' "$status" "$(grep -vE '^ok ' <<<"$log")"
    fi
}

# The programs of one compiler move to a folder of their own, so that both can be checked at a time.
for compiler in gcc cl; do
    log=$(./build.sh $compiler strict ch21 ch22_o ch22_c ch23 solution_*) || report "the solutions compile with $compiler" "$log"
    ./build.sh $compiler strict check >/dev/null
    mkdir "build/$compiler"
    mv build/ch* build/solution_* build/tests/check.exe "build/$compiler/"
done
for compiler in gcc cl; do
    while read -r chapter exercise; do
        while [ "$(jobs -rp | wc -l)" -ge "${HOMEWORK_JOBS:-5}" ]; do
            wait -n
        done
        check_one "$compiler" "$chapter" "$exercise" >"$scratch/$compiler.$exercise.log" &
    done <<<"$exercises"
done
wait
for compiler in gcc cl; do
    while read -r chapter exercise; do
        report "$exercise, $compiler: the unchanged chapter fails, the solution passes" "$(cat "$compiler.$exercise.log")"
    done <<<"$exercises"
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
