#!/usr/bin/env bash
# broken_test.sh - proves that the verifier catches broken servers: each patch of tests/verifier/broken is
# applied to its chapter, and the verified server fails the check that the patch names, with the rule that it
# names. Where that takes a kind of unkindness, the broken server passes without it, and the unbroken one
# passes with it. The last line: N passed, N failed. Started by build.sh test all, which has built the checks.
#
# The first lines of a patch:
#     # chapter: the folder of the server
#     # what: what the broken server does
#     # caught: check "WORD", or: rule N, check "WORD" (WORD selects one check, as --only does)
#     # kind: none: the verifier is strict, and not unkind; or: a kind of unkindness.h, seed N; or the same with
#       ", likelier": now and then the server is caught even without it
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=broken
source tests/linux/report.sh
copy_repository "$scratch/copy"
cd "$scratch/copy" || exit 1
root=$PWD
source tests/linux/environment.sh
ulimit -n "$(ulimit -Hn)"
mkdir -p build/tests build/verified
cp "$source_root/build/tests/check.exe" build/tests/

# A compiled header saves most of the time that a server takes.
compile=(x86_64-w64-mingw32-gcc -std=c11 -O2 -g -include tests/verifier/verifier.h)
precompile() { "${compile[@]:0:4}" -x c-header tests/verifier/verifier.h -o tests/verifier/verifier.h.gch; }

# background COMMAND ...: runs it alongside others, but not too many.
background() {
    while [ "$(jobs -rp | wc -l)" -ge 6 ]; do
        wait -n
    done
    "$@" &
}

# header NAME FIELD: a line at the beginning of the patch.
header() { sed -nE "/^---/q; s/^# $2: //p" "tests/verifier/broken/$1.patch"; }

# link_server FOLDER: makes build/FOLDER/server.exe from FOLDER/server.c; a source of common that FOLDER has takes
# the place of the shared one.
link_server() {
    local source objects=()
    for source in build/verified/*.o; do
        [ -e "$1/$(basename "$source" .o).c" ] || objects+=("$source")
    done
    mkdir -p "build/$1"
    "${compile[@]}" -Icommon "$1"/*.c "${objects[@]}" -o "build/$1/server.exe" -lws2_32
}

# break_server NAME: the same for the chapter with the patch, in a folder of that name.
break_server() {
    local chapter file
    chapter=$(header "$1" chapter)
    file=$(sed -nE 's/^\+\+\+ b\///p' "tests/verifier/broken/$1.patch")
    mkdir "$1" && cp "$chapter/server.c" "$1/" || return
    patch --fuzz=0 -s -o "$1/$(basename "$file")" "$file" "tests/verifier/broken/$1.patch" || return
    link_server "$1"
}

# check_server FOLDER WORD SEED [KIND]: prints what check.exe says.
check_server() {
    VERIFIER_UNKIND=${4-} timeout 100 wine build/tests/check.exe --seed "$3" --program server --only "$2" "build\\$1" \
        2>/dev/null | tr -d '\r'
}

# passes FOLDER WORD SEED KIND: whether the server can pass the check; said is what check.exe says. On a busy machine
# a server may be so late that what the unkindness brings about happens without it.
passes() {
    for _ in 1 2 3; do
        said=$(check_server "$@")
        [[ $said =~ ^(ok|skip) && $said == *", 0 failed, "* ]] && return
    done
    return 1
}

# proof NAME: prints what is different from what the patch says.
proof() {
    local caught word rule kind seed likelier said next
    caught=$(header "$1" caught)
    word=$(sed -nE 's/^(rule [0-9]+, )?check "(.+)"$/\2/p' <<<"$caught")
    rule=$(sed -nE 's/^rule ([0-9]+), .*/\1/p' <<<"$caught")
    read -r kind seed likelier < <(header "$1" kind | sed -E 's/^none$/none, seed 0/; s/,( seed)? / /g')
    # A busy machine can hide what one seed shows; then another one does.
    for next in "$seed" $((seed + 1)) $((seed + 2)) $((seed + 3)); do
        said=$(check_server "$1" "$word" "$next" "${kind#none}")
        [[ ! $said =~ ^(FAIL|TIMEOUT|RULE|CRASH) && $kind != none ]] || break
    done
    [[ $said =~ ^(FAIL|TIMEOUT|RULE|CRASH) ]] || echo "it is not caught: $said"
    [ -z "$rule" ] || [[ $said == *"RULE $rule:"* ]] || echo "it is caught, but rule $rule is not reported: $said"
    [ "$kind" != none ] || return
    [ -n "$likelier" ] || passes "$1" "$word" 0 "$kind" || echo "it is caught even without $kind: $said"
    passes "$(header "$1" chapter)" "$word" "$seed" "$kind" || echo "the server that is not broken is caught as well: $said"
}

report "the verifier compiles" "$(precompile 2>&1)"
for source in common/*.c tests/verifier/verifier.c; do
    background "${compile[@]}" -c "$source" -o "build/verified/$(basename "$source" .c).o" >>"$scratch/objects" 2>&1
done
wait
names=()
for patch in tests/verifier/broken/*.patch; do
    names+=("$(basename "$patch" .patch)")
done
for chapter in ch*/; do
    mkdir -p "$scratch/copy/build/${chapter%/}"
    background "${compile[@]}" "${chapter}server.c" build/verified/*.o -o "build/${chapter}server.exe" -lws2_32 \
        >>"$scratch/objects" 2>&1
done
for name in "${names[@]}"; do
    background break_server "$name" >"$scratch/$name.build" 2>&1
done
wait
report "the servers compile with the verifier" "$(<"$scratch/objects")"

for name in "${names[@]}"; do
    [ -s "$scratch/$name.build" ] || background twice proof "$name" >"$scratch/$name.proof"
done
wait
for name in "${names[@]}"; do
    report "$name: $(header "$name" what)" "$(cat "$scratch/$name.build" "$scratch/$name.proof" 2>/dev/null)"
done
report "for each kind of unkindness there is a server that it breaks" "$(
    for kind in $(sed -n '/kind_names\[KINDS\] = {/,/};/p' tests/verifier/unkindness.h | grep -oE '"[a-z_]+"' | tr -d '"'); do
        grep -qE "^# kind: $kind, seed [1-9]" tests/verifier/broken/*.patch || echo "there is none for $kind"
    done
)"
print_counts
