#!/usr/bin/env bash
# grade_test.sh - checks build.bat grade on a class of typical submissions: right, wrong, crashing, not
# compiling, with a child process, in folders with odd names; and hints at a console. The last
# line: N passed, N failed. Started by build.sh test all.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=grade
source tests/linux/report.sh
copy_repository "$scratch/copy"
cd "$scratch/copy" || exit 1
root=$PWD
source tests/linux/environment.sh

# submission FOLDER [SED SCRIPT]: makes a solution of UPPER, changed by the script.
submission() {
    mkdir -p "$1"
    cp "$scratch/UPPER.c" "$1/server.c"
    [ $# = 1 ] || { sed -i "$2" "$1/server.c" && ! cmp -s "$scratch/UPPER.c" "$1/server.c"; } || echo "the script changes nothing: $2"
}
# What is in this folder, or was started in it, and runs.
still_running() {
    local process
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd")" = "$PWD" ] && tr '\0' ' ' <"$process/cmdline" | grep -E 'server.exe|check.exe|ping'; then
            kill -9 "${process#/proc/}"
        fi
    done
}
row() { grep -E "^$1 +$2 +$3( |\$)" <<<"$table" >/dev/null || echo "no row $1 $2 $3:"$'\n'"$table"; }
# build STATUS ARGUMENT ...: runs build.sh grade; grade STATUS ARGUMENT ...: runs grade.exe in the same way. They
# leave what is printed in log, and the table in table.
run() {
    local status=$1 found
    shift
    log=$(timeout 300 "$@" 2>&1 </dev/null)
    found=$?
    log=${log//$'\r'/}
    table=$(sed -n '/^name /,$p' <<<"$log")
    [ $found = "$status" ] || printf 'status %s instead of %s:\n%s\n' $found "$status" "$log" >>"$scratch/wrong"
}
build() { run "$1" ./build.sh gcc grade "${@:2}"; }
grade() {
    # shellcheck disable=SC1003 # a backslash
    run "$1" wine build/tools/grade.exe --seconds "$2" gcc 'build\grade' "Z:${3//\//\\}" "${@:4}"
}
statuses() {
    cat "$scratch/wrong" 2>/dev/null
    rm -f "$scratch/wrong"
}

shorten_exercises
cp ch21_event_select/server.c "$scratch/UPPER.c"
patch -s --fuzz=0 "$scratch/UPPER.c" course/homework/UPPER/UPPER.patch
class="$scratch/week 1 UPPER"
full='([0-9]+)/\1' # a score
receive='/^static void receive(/,/^}/'
report "the submissions are as they are meant" "$(
    submission "$class/김민준"
    submission "$class/R&D lee (2)/archive/my_upper"
    submission "$class/R&D lee (2)/archive/ch21_event_select"
    submission "$class/=wrong" "s/ - 'a' + 'A'//"
    submission "$class/crash" "$receive s/^    for .*/    *(volatile int *)0 = 1;\n&/"
    submission "$class/broken" "$receive s/^    for .*/    nothing;\n&/"
    submission "$class/queue" 's/^#include ".*common.h"/&\n#include "queue.h"/'
    echo '#include "queue.c"' >"$class/queue/queue.h"
    echo '/* empty */' >"$class/queue/queue.c"
    submission "$class/child" 's/^    start_winsock();/    static char ping[] = "cmd \/c ping -n 300 127.0.0.1";\n    STARTUPINFOA info = {.cb = sizeof info};\n    PROCESS_INFORMATION begun;\n    CreateProcessA(NULL, ping, NULL, NULL, TRUE, 0, NULL, NULL, \&info, \&begun);\n&/'
    submission "$scratch/twice/near" "$receive s/i < bytes;/i < bytes \&\& i < 1000;/"
    submission "$scratch/twice/unlucky" 's/^    start_winsock();/    FILE *once = fopen("build\\\\once", "r");\n    if (once == NULL)\n        return fclose(fopen("build\\\\once", "w"));\n&/'
    for name in slow/kim both/ahn both/yoo; do
        submission "$scratch/$name" 's/^    start_winsock();/    Sleep(1000);\n&/'
    done
    mkdir "$class/greeting" && cp ch22_overlapped_event/server.c "$class/greeting/"
    patch -s --fuzz=0 "$class/greeting/server.c" course/homework/GREETING/GREETING.patch
    echo 'Exercise: greeting' >"$class/greeting/exercise.txt"
    mkdir "$class/empty" "$class/__MACOSX"
    touch "$class/park.zip"
)"
names=('=wrong' broken child crash empty greeting park.zip queue 'R&D lee (2)' 김민준)

# Started directly, so that it can be interrupted. After build.sh the file that compiles exists.
mkdir "$scratch/nothing"
build 1 "$scratch/nothing" UPPER
report "a folder without a submission: status 1 and a reason" "$(statuses && grep -q 'has no folder in it' <<<"$log" || echo "$log")"
interrupt() {
    touch "$scratch/log"
    # shellcheck disable=SC1003 # a backslash
    wine build/tools/grade.exe --seconds 20 --at-once 2 gcc 'build\grade' "Z:${class//\//\\}" >"$scratch/log" 2>&1 </dev/null &
    local run=$! i
    for ((i = 0; i < 600; i++)); do
        grep -q '^\[2/' "$scratch/log" && break
        sleep 0.05
    done
    # shellcheck disable=SC1003 # a backslash
    wine build/tools/grade.exe gcc 'build\grade' 'build\grade' 2>&1 </dev/null | grep -q 'another build.bat grade is running' || echo "a second one runs at the same time"
    kill -INT $run
    wait $run
    sleep 0.5
    still_running
    grep '^name ' "$scratch/log"
}
report "Ctrl+C ends it, and what it has started" "$(interrupt)"

build 1 "$class" 15
report "without an exercise, the folders name it: status 1, because two cannot be graded" "$(statuses)"
report "it continues where it was" "$(
    done_before=$(grep -c '^\[' "$scratch/log")
    [ "$(grep -c '(unchanged: not checked again)$' <<<"$log")" -ge $((done_before - 1)) ] || printf '%s\n' "$(<"$scratch/log")" "$log"
    [ "$(grep -cE '^\[[0-9]+/10\] ' <<<"$log")" = 10 ] || echo "$log"
)"
report "each is in the table, with its score and its first failure" "$(
    row 김민준 UPPER "$full"
    row 'R&D lee \(2\)' UPPER "$full"
    row '=wrong' UPPER '[0-9]+/[0-9]+ +FAIL: small letters come back as capitals: byte 1 of'
    row crash UPPER '0/[0-9]+ +CRASH:'
    row broken UPPER 'NOT COMPILED +server.c:[0-9:]+ error: .nothing. undeclared'
    row queue UPPER "$full"
    row child UPPER "$full"
    row greeting GREETING '([0-9]+)/\1'
    row empty UPPER 'NOT GRADED +there is no server.c'
    row park.zip UPPER 'NOT GRADED +a ZIP file: unpack it first'
)"
report "the processes that a submission has started end with its check" "$(still_running)"
report "build/grade.csv: a byte order mark, lines and cells as a spreadsheet reads them" "$(
    python3 - "${names[@]}" <<'PYTHON'
import csv, io, sys
data = open("build/grade.csv", "rb").read()
if not data.startswith(b"\xef\xbb\xbf") or data.count(b"\n") != data.count(b"\r\n"):
    print("no byte order mark, or no line ends of Windows")
rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
if rows[0] != ["name", "exercise", "score", "first failure"]:
    print(rows[0])
names = ["'=wrong" if name == "=wrong" else name for name in sys.argv[1:]]
if [row[0] for row in rows[1:]] != names or any(len(row) != 4 or row[3][:1] in list("=+-@") for row in rows):
    print(rows)
cells = {row[0]: row for row in rows}
if cells["김민준"] != ["김민준", "UPPER", cells["김민준"][2], ""] or '"' not in cells["'=wrong"][3]:
    print(cells["김민준"], cells["'=wrong"])
PYTHON
)"
report "a report stays for each" "$(
    tr -d "\r" <"build/grade/김민준/UPPER.txt" | grep -qxE "$full" || echo "none of 김민준"
    grep -q '^FAIL ' "build/grade/=wrong/UPPER.txt" || echo "none of =wrong"
    cmp "$class/queue/server.c" build/grade/queue/server.c
    crc=$(python3 -c 'import sys, zlib; print("%08X" % zlib.crc32(open(sys.argv[1], "rb").read()))' "$class/=wrong/server.c")
    head -n 1 "build/grade/=wrong/UPPER.txt" | tr -d '\r' | grep -q "CRC32 $crc\$" || head -n 1 "build/grade/=wrong/UPPER.txt"
    ! grep 'For a hint' "build/grade/=wrong/UPPER.txt" # there is no such folder to ask for
)"

rm -r "$class"/{empty,park.zip,child,crash,greeting}
submission "$class/=wrong"
grade 0 15 "$class" upper
report "a change is checked again, and nothing else; status 0, whatever the scores" "$(
    statuses
    row '=wrong' UPPER "$full"
    [ "$(grep -c '(unchanged: not checked again)$' <<<"$log")" = 3 ] || echo "$log"
)"

grade 0 2 "$scratch/slow" UPPER
report "a time limit" "$(
    statuses
    row kim UPPER 'TIMEOUT +the checks did not end within 2 s'
    still_running
)"
grade 0 1 "$scratch/slow/" UPPER
report "with less time it is not checked again" "$(statuses && grep 'unchanged: not checked again' <<<"$log" >/dev/null || echo "$log")"
grade 0 60 "$scratch/slow" UPPER
report "with more time it is" "$(statuses && row kim UPPER "$full")"
grade 0 60 "$scratch/twice" UPPER
report "few checks failed: once more, alone; what passes then has passed" "$(
    statuses
    row near UPPER '[0-9]+/[0-9]+ +FAIL: 4 MiB of any bytes: byte'
    row unlucky UPPER "$full"' +passed when it was checked alone; together with others: (TIMEOUT|FAIL|CRASH|ENDED):'
    [ "$(grep -c ': once more at the end$' <<<"$log")" = 2 ] || echo "$log"
)"
grade 0 2 "$scratch/both" UPPER
report "none failed before the time was over: once more, alone" "$(
    statuses
    for name in ahn yoo; do row $name UPPER 'TIMEOUT +the checks did not end within 2 s'; done
    [ "$(grep -c 'TIMEOUT, the checks did not end within 2 s: once more at the end$' <<<"$log")" = 2 ] || echo "$log"
)"
mkdir -p "$scratch/class/lee" && cp "$scratch/UPPER.c" "$scratch/class/lee/server.c"
grade 1 20 "$scratch/class"
report "no exercise is named: not graded" "$(statuses && row lee - 'NOT GRADED +which exercise\?')"
build 2 "$scratch/class/none"
report "a folder that does not exist: status 2" "$(statuses && grep -q 'there is no folder' <<<"$log" || echo "$log")"
build 2 "$scratch/class" NONSENSE
report "an exercise that does not exist: status 2" "$(statuses && grep -q '"NONSENSE" is neither' <<<"$log" || echo "$log")"

# ---- hints in Korean -----------------------------------------------------------------------------

# A console shows them in each code page; the screen is compared without spaces.
korean_hint() { sed -n '/힌트 2</,/^<.details>/p' course/homework/CHAT/README.ko.md | sed '1,2d' | sed '/^$/,$d' | tr -d ' \n'; }
on_console() {
    local screen
    printf '@chcp %s\r\n@build.bat hint ch21 CHAT 2 ko\r\n' "$1" >build/hint.bat
    screen=$(timeout 60 python3 tests/linux/console.py batch 'build\hint.bat')
    [[ $screen == *"codepage:$1CHAT,힌트2/3$(korean_hint)힌트3:"* ]] || echo "$screen"
}
./build.sh hint ch21 CHAT 2 ko >/dev/null 2>&1 </dev/null # compiles what prints it
for page in 949 65001; do
    report "a console of code page $page shows a hint in Korean" "$(twice on_console $page)"
done
# A locale of this name is what Wine takes for a Korean Windows.
on_korean_windows() {
    mkdir -p "$scratch/locale"
    cp -r /usr/lib/locale/C.utf8 "$scratch/locale/ko_KR.utf8"
    LOCPATH=$scratch/locale LC_ALL=ko_KR.UTF-8 wine build/tools/homework.exe hint CHAT 2 ch21 "$@" 2>/dev/null | head -n 1 | tr -d '\r'
}
if [ -d /usr/lib/locale/C.utf8 ]; then
    report "a Korean Windows gets Korean, unless English is asked for" "$(
        [ "$(on_korean_windows)" = "CHAT, 힌트 2/3" ] || on_korean_windows
        [ "$(on_korean_windows en)" = "CHAT, hint 2 of 3" ] || on_korean_windows en
    )"
else
    skip "a Korean Windows speaks Korean" "this machine has no locale to make one of"
fi
report "a page without its hint is reported, and the English hint given" "$(
    sed -i 's/힌트 3</힌트</' course/homework/CHAT/README.ko.md
    log=$(./build.sh hint ch21 CHAT 2 ko 2>&1 </dev/null) && echo "status 0"
    [[ $log == *"README.ko.md: it has no"*"3</summary>"* ]] || echo "$log"
)"
print_counts
