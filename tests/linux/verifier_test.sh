#!/usr/bin/env bash
# verifier_test.sh - the rules of the verifier (tests/verifier): each case of rules.c breaks its rule, and the verifier
# reports it once, with the call and the marked line; done right, the case brings no report, even where Windows is
# unkind. The programs of right.c are right in unusual ways: nothing is reported, and they work. With gcc and cl.
# The last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
group=verifier
source tests/linux/environment.sh
source tests/linux/report.sh
ulimit -n "$(ulimit -Hn)"
compilers=(gcc cl)
seeds=(1 2 3)
declare -A right_seeds=([gcc]="plain 0 1 2 3" [cl]="0 1 2 3") # plain: without the verifier

# build COMPILER rules|right: makes the program in $scratch/COMPILER; prints the messages of the compiler.
build() {
    local flags=(-std=c11 -Wall -Wextra -O2 -g -include tests/verifier/verifier.h)
    local ends=(-o "$scratch/$1/$2.exe" -lws2_32)
    if [ "$1" = cl ]; then
        flags=(/nologo /std:c11 /utf-8 /W4 /wd4204 /wd4221 /O2 /Z7 /FI tests/verifier/verifier.h)
        ends=("/Fe$scratch/$1/$2.exe")
    fi
    mkdir -p "$scratch/$1"
    bash tests/linux/compile.sh "Z:$scratch/$1/status" "$1" "${flags[@]}" "tests/verifier/$2.c" \
        tests/verifier/verifier.c "${ends[@]}"
    cat "$scratch/$1/status.messages"
    [ "$(cat "$scratch/$1/status")" = 0 ] || echo "the compiler's status is $(cat "$scratch/$1/status")"
}

# play COMPILER NAME breaks|keeps|right SEED: leaves output and exit status in $scratch/COMPILER/NAME.MODE.SEED.
play() {
    local run=$scratch/$1/$2.$3.$4 words=(rules.exe "$2" "$3")
    [ "$3" != right ] || words=(right.exe "$2")
    [ "$4" != plain ] || words=(plain.exe "$2")
    VERIFIER_SEED=$4 timeout 20 wine "$scratch/$1/${words[0]}" "${words[@]:1}" >"$run" 2>&1 </dev/null
    echo "exit status $?" >>"$run"
}
export -f play
export scratch

# The line marked RULE that belongs to each case: in its function, or in one between it and the case before.
awk '/\/\* RULE/ { marked = FNR }
    /^static void [a-z_]+\(bool breaks\)$/ { name = $3; sub(/\(.*/, "", name) }
    /^}/ && name { print name "\t" marked; name = marked = "" }' tests/verifier/rules.c >"$scratch/marked"

# judge COMPILER NAME RULE CALL TEXT: prints what is wrong with the runs of this case.
judge() {
    local line crashes='' place="[A-Za-z]+ \((rules\.c|pair\.h):[0-9]+\)"
    line=$(awk -F '\t' -v name="$2" '$1 == name { print $2 }' "$scratch/marked")
    tr -d '\r' <"$scratch/$1/$2.breaks.0" | sed 's/(after /(/' >"$scratch/said"
    if [ "$3" = 0 ]; then # no rule, but a sign of what goes wrong
        diff - "$scratch/said" <<<$'read too early: 0xEE\nexit status 0'
    else
        [ "$4" = memory ] && crashes=yes
        grep -vxE "RULE $3: $4 \(rules\.c:$line\) .*|verifier: 1 rule broken|exit status 3" "$scratch/said" |
            grep -vxE "${crashes:+exit status [1-9][0-9]*}"
        sed -nE "s/^RULE $3: $4 \(rules\.c:$line\) //p" "$scratch/said" >"$scratch/texts"
        [ "$(wc -l <"$scratch/texts")" = 1 ] || echo "RULE $3 is reported $(wc -l <"$scratch/texts") times, not once, for $4 in line $line"
        sed -E "s/ $place$//" "$scratch/texts" | grep -vxF -- "$5"
        [ -n "$crashes" ] || grep -qx 'exit status 3' "$scratch/said" || echo "the exit status is not 3"
    fi
    sed 's/^/kept: /' "$scratch/$1/$2.keeps.0" | grep -vx 'kept: exit status 0'
}

# What has failed is run once more: on a busy machine Wine may lose a program, or a thread may be late.
judge_again() {
    if [ -e "$scratch/$1/$2.judged" ]; then
        play "$1" "$2" breaks 0
        play "$1" "$2" keeps 0
    fi
    touch "$scratch/$1/$2.judged"
    judge "$@"
}
judge_seed() {
    [ ! -e "$scratch/$1/$2.judged" ] || play "$1" all keeps "$2"
    touch "$scratch/$1/$2.judged"
    grep -vx 'exit status 0' "$scratch/$1/all.keeps.$2"
}
judge_right() {
    local run seed
    for run in "$scratch/$1/$2".right.*; do
        seed=${run##*.}
        [ ! -e "$scratch/$1/right.$2.judged" ] || play "$1" "$2" right "$seed"
        tr -d '\r' <"$run" | sed "s/^/seed $seed: /" | grep -vx "seed $seed: exit status 0"
    done
    touch "$scratch/$1/right.$2.judged"
}

export WARNINGS_ARE_ERRORS=1
for compiler in "${compilers[@]}"; do
    for program in rules right; do
        report "$compiler: $program.c compiles without a warning" "$(build "$compiler" "$program")"
        wine "$scratch/$compiler/$program.exe" --list </dev/null | tr -d '\r' >"$scratch/$compiler/$program"
    done
done
report "right.c compiles without the verifier" "$(x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra -O2 \
    tests/verifier/right.c -o "$scratch/gcc/plain.exe" -lws2_32 2>&1)"
report "each rule of report.h has a case" "$(
    diff <(sed -nE 's/^    RULE_[A-Z_]+ = ([0-9]+),.*/\1/p' tests/verifier/report.h | sort -u) \
        <(cut -f 2 "$scratch/gcc/rules" | grep -vx 0 | sort -u)
)"
report "each text of a broken rule has a case" "$(
    # The strings of the calls of broken and broken_now, and of the choices between texts.
    cat tests/verifier/[a-z]*.h tests/verifier/verifier.c | tr '\n' ' ' |
        perl -ne 'while (/\bbroken(?:_now)?\((RULE_|never)((?:[^;"]|"[^"]*")*);/g) {
            my $call = $2; $call =~ s/" +"//g; print "$1\n" while $call =~ /"([^"]*)"/g; }' |
        grep -vxFf <(cut -f 4 "$scratch/gcc/rules" | grep .)
)"

for compiler in "${compilers[@]}"; do
    for seed in "${seeds[@]}"; do echo "$compiler all keeps $seed"; done
    # Those that wait for long come first.
    sed -n 's/^\(never_alertable\|event_closed_in_wait\)\t.*/\1/p' "$scratch/$compiler/rules" >"$scratch/first"
    cut -f 1 "$scratch/$compiler/rules" | grep -vxFf "$scratch/first" | cat "$scratch/first" - |
        sed -E "s/(.*)/$compiler \1 breaks 0\n$compiler \1 keeps 0/"
    for seed in ${right_seeds[$compiler]}; do sed "s/.*/$compiler & right $seed/" "$scratch/$compiler/right"; done
done | xargs -P 8 -L 1 bash -c 'play "$@"' play

for compiler in "${compilers[@]}"; do
    while IFS=$'\t' read -r name rule call text; do
        report "$compiler: $name" "$(twice judge_again "$compiler" "$name" "$rule" "$call" "$text")"
    done <"$scratch/$compiler/rules"
    for seed in "${seeds[@]}"; do
        report "$compiler: all are kept, seed $seed" "$(twice judge_seed "$compiler" "$seed")"
    done
    while read -r name; do
        report "$compiler: right: $name" "$(twice judge_right "$compiler" "$name")"
    done <"$scratch/$compiler/right"
done

for target in i686 aarch64; do
    report "$target: no warning" "$(clang --target=$target-w64-mingw32 -isystem /usr/share/mingw-w64/include \
        -std=c11 -Wall -Wextra -include tests/verifier/verifier.h -fsyntax-only \
        tests/verifier/rules.c tests/verifier/right.c tests/verifier/verifier.c 2>&1)"
done
print_counts
