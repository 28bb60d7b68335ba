#!/usr/bin/env bash
# variants_test.sh - proves that the checks of an exercise tell right from wrong: each patch of its folder wrong
# makes a server that fails the check that the patch names, and each patch of its folder right one that passes
# them all, also under the verifier, as the exercise's solution does. The last line: N passed, N failed. Started by
# build.sh test all, which has built the checks; it tries a sample, a different one each day: one wrong and one right
# variant of each third exercise. By hand, after a build.sh test or a build.sh check of any exercise:
#
#     tests/linux/variants_test.sh                  the sample; beside=4 before it: four at a time
#     tests/linux/variants_test.sh all              all of them
#     tests/linux/variants_test.sh all UPPER IDLE   all of these exercises
#
# The first lines of a patch:
#     # base: solution, or: chapter: what it changes, the server with NAME.patch or that of the chapter
#     # what: what the server does
#     # caught: part of the name of the check; a right variant has none
#     # seed: N: only the verifier can see it, with this seed; most have none
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=variants
source tests/linux/report.sh
sample=yes
if [ "${1-}" = all ]; then
    sample=
    shift
fi
copy_repository "$scratch/copy"
cd "$scratch/copy" || exit 1
root=$PWD
source tests/linux/environment.sh
ulimit -n "$(ulimit -Hn)"
mkdir -p build/tests build/plain build/verified
cp "$source_root/build/tests/check.exe" build/tests/ || exit 1
day=$((10#$(date +%j)))

compile=(x86_64-w64-mingw32-gcc -std=c11 -O2 -g)
verifier=(-include tests/verifier/verifier.h)

# background COMMAND ...: runs it alongside others, but not too many: the checks mostly wait.
background() {
    while [ "$(jobs -rp | wc -l)" -ge "${beside:-6}" ]; do
        wait -n
    done
    "$@" &
}

# header PATCH FIELD: a line at the beginning of the patch.
header() { sed -nE "/^---/q; s/^# $2: //p" "$1"; }

# of_sample PATCH ...: prints one of them, a different one each day; or all.
of_sample() {
    if [ -n "$sample" ] && [ -e "${1-}" ]; then
        local patches=("$@")
        set -- "${patches[day % $#]}"
    fi
    for patch in "$@"; do
        [ ! -e "$patch" ] || echo "$patch"
    done
}

# folder_of PATCH: CHAT_wrong_NAME; CHAT_CHAT is the solution.
folder_of() { sed 's|course/homework/||; s|\.patch$||; s|/|_|g' <<<"$1"; }

# must_pass PATCH: is it a right variant, or the solution? Their checks run as a student's do, with the verifier.
must_pass() { [[ $1 != */wrong/* ]]; }

# make_server PATCH: makes build/FOLDER/server.exe, for the verifier build/verified/FOLDER/server.exe; prints what goes
# wrong.
make_server() {
    local folder exercise solution
    folder=$(folder_of "$1")
    exercise=${folder%%_*}
    solution=course/homework/$exercise/$exercise.patch
    mkdir -p "$folder" "build/$folder" "build/verified/$folder"
    cp "$(sed -nE 's/^\+\+\+ b\///p' "$solution")" "$folder/server.c" || return
    [ "$(header "$1" base)" != solution ] || patch --fuzz=0 -s "$folder/server.c" "$solution" || return
    patch --fuzz=0 -s "$folder/server.c" "$1" || return
    "${compile[@]}" "$folder/server.c" build/plain/*.o -o "build/$folder/server.exe" -lws2_32 2>&1
    "${compile[@]}" "${verifier[@]}" "$folder/server.c" build/verified/*.o -o "build/verified/$folder/server.exe" \
        -lws2_32 2>&1
}

# check_server PATCH: prints what check.exe says.
check_server() {
    local folder seed caught program options=()
    folder=$(folder_of "$1")
    seed=$(header "$1" seed)
    caught=$(header "$1" caught)
    program=build\\$folder
    if must_pass "$1"; then
        options=(--verified "build\\verified\\$folder")
    else
        options=(--only "$caught" ${seed:+--seed "$seed"})
        [ -z "$seed" ] || program=build\\verified\\$folder
    fi
    timeout 1900 wine build/tests/check.exe "${options[@]}" --exercise "${folder%%_*}" "$program" 2>/dev/null | tr -d '\r'
}

# proof PATCH: prints what is not as it should be.
proof() {
    local said caught
    said=$(check_server "$1")
    caught=$(header "$1" caught)
    if [ -z "$said" ]; then
        echo "check.exe printed nothing"
    elif must_pass "$1"; then
        grep -aqxE '([1-9][0-9]*)/\1' <<<"$said" || grep -avE '^ok ' <<<"$said"
    elif ! grep -aE '^[A-Z]+ ' <<<"$said" | grep -av '^ENV ' | grep -aqF -- "$caught"; then
        printf 'the check "%s" does not fail:\n%s\n' "$caught" "$said"
    fi
}

exercises=("$@")
[ $# -gt 0 ] || exercises=(course/homework/*/)
patches=()
for exercise in "${exercises[@]}"; do
    folder=course/homework/$(basename "$exercise")
    number=$((${number:-0} + 1))
    while read -r patch; do
        [ -n "$sample" ] && [ $(((day + number) % 3)) != 0 ] || patches+=("$patch")
    done < <(of_sample "$folder"/wrong/*.patch && of_sample "$folder"/right/*.patch "$folder"/*.patch)
    report "$(basename "$exercise"): eight wrong variants and four right ones, each as its patch and the table say" "$(
        [ "$(compgen -G "$folder/wrong/*.patch" | wc -l)" -ge 8 ] || echo "not eight wrong ones"
        [ "$(compgen -G "$folder/right/*.patch" | wc -l)" -ge 4 ] || echo "not four right ones"
        for patch in "$folder"/*/*.patch; do
            [[ $(header "$patch" base) =~ ^(solution|chapter)$ ]] || echo "$patch: no base"
            [ -n "$(header "$patch" what)" ] || echo "$patch: it does not say what"
            [[ $patch != */wrong/* ]] || [ -n "$(header "$patch" caught)" ] || echo "$patch: it names no check"
            [[ $patch != */wrong/* ]] || grep -qF "$(basename "$patch" .patch)" "$folder/checks.md" ||
                echo "$patch: not in checks.md"
        done 2>&1
    )"
done

for source in common/*.c; do
    background "${compile[@]}" -c "$source" -o "build/plain/$(basename "$source" .c).o" >>"$scratch/objects" 2>&1
done
for source in common/*.c tests/verifier/verifier.c; do
    background "${compile[@]}" "${verifier[@]}" -c "$source" -o "build/verified/$(basename "$source" .c).o" \
        >>"$scratch/objects" 2>&1
done
wait
report "common compiles" "$(<"$scratch/objects")"
for patch in "${patches[@]}"; do
    background make_server "$patch" >"$scratch/$(folder_of "$patch").build"
done
wait
for patch in "${patches[@]}"; do
    [ -s "$scratch/$(folder_of "$patch").build" ] || background twice proof "$patch" >"$scratch/$(folder_of "$patch").proof"
done
wait
for patch in "${patches[@]}"; do
    folder=$(folder_of "$patch")
    what=$(header "$patch" what)
    report "$(sed 's/_/, /; s/_/: /' <<<"$folder"): ${what:-the solution}" \
        "$(cat "$scratch/$folder.build" "$scratch/$folder.proof" 2>/dev/null)"
done
print_counts
