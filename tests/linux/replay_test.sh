#!/usr/bin/env bash
# replay_test.sh - checks tools/replay.c and its page: real runs of all chapters in a real browser, the
# places in a log, a hostile source and log, bad and long logs. The last line: N passed, N failed.
# Started by build.sh test all. As root it installs Debian's chromium; axe-core from npm is used if it is there.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
group=replay
source tests/linux/environment.sh
source tests/linux/report.sh
chapters=()
for client in ch*/client.c; do chapters+=("${client%/client.c}"); done

cache=$(command -v ccache)
compile() { $cache x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra -Werror "$@" -lws2_32 || exit 1; }
common=()
compile_all() {
    local source chapter
    for source in common/*.c tools/{process,utf8,log,operations}.c; do
        compile -c "$source" -o "$scratch/$(basename "$source" .c).o"
    done
    for source in common/*.c; do common+=("$scratch/$(basename "$source" .c).o"); done
    compile tools/scenario.c "${common[@]}" "$scratch"/{process,utf8}.o -o "$scratch/scenario.exe"
    compile tools/replay.c "${common[@]}" "$scratch"/{utf8,log,operations}.o -o "$scratch/replay.exe"
    for chapter in "${chapters[@]}"; do
        mkdir "$scratch/$chapter"
        compile "$chapter/server.c" "${common[@]}" -o "$scratch/$chapter/server.exe"
        compile "$chapter/client.c" "${common[@]}" -o "$scratch/$chapter/client.exe"
    done
}
compile_all

# replay STATUS PAGE WORD ...: makes a page; prints a problem if the exit status is different.
replay() { twice replay_once "$@"; }
replay_once() {
    local expected=$1 page=$2 error=$2.err status
    shift 2
    wine "$scratch/replay.exe" "$@" >"$page" 2>"$error" </dev/null
    status=$?
    [ $status = "$expected" ] || echo "expected status $expected, found $status: $(head -n 1 "$error")"
}
in_windows() { echo "Z:${1//\//\\}"; }
says() { grep -q "$1" "$scratch/page.err" || cat "$scratch/page.err"; }

# ---- runs of the chapters ------------------------------------------------------------------------

run_chapter() {
    local folder=$scratch/$1 log logs=()
    (cd "$scratch" && wine scenario.exe "$1" 2>&1 </dev/null)
    for log in server client_a client_b; do logs+=("$(in_windows "$folder/$log.log")"); done
    replay 0 "$folder/replay.html" --chapter "$1" "$1" "${logs[@]}"
}
for chapter in "${chapters[@]}"; do twice run_chapter "$chapter" >"$scratch/$chapter.txt" & done
wait
for chapter in "${chapters[@]}"; do report "$chapter: a run and its page" "$(cat "$scratch/$chapter.txt")"; done

# ---- the places in a log -------------------------------------------------------------------------

cat >"$scratch/places.c" <<'SOURCE'
#include "common.h"
int main(void)
{
    start_narration(false, stdout);
    narrate(0, "one", "line");
    narrate(2, "several",
            "lines, %d of them",
            3);
    narrate_failure(3, "recv", WSAECONNRESET);
    pause_narration();
    narrate(0, "never", "seen");
    resume_narration();
    narrate(0, "last", "line");
    return 0;
}
SOURCE
places() {
    local compiler
    for compiler in x86_64-w64-mingw32-gcc "clang --target=x86_64-w64-mingw32"; do
        rm -f "$scratch/places.log"
        $compiler -std=c11 -Wall -Wextra -Werror -Icommon -c "$scratch/places.c" -o "$scratch/places.o" &&
            compile "$scratch/places.o" "${common[@]}" -o "$scratch/places.exe" || echo "$compiler: it does not compile"
        (cd "$scratch" && wine places.exe >console.txt 2>/dev/null </dev/null
            NARRATION_LOG=places.log wine places.exe >console_too.txt 2>/dev/null </dev/null)
        # Only the times and the threads of two runs differ.
        diff <(cut -c25- "$scratch/console.txt" | sed 's/is .* ms/is/') <(cut -c25- "$scratch/console_too.txt" | sed 's/is .* ms/is/')
        diff <(tr -d '\r' <"$scratch/console_too.txt") <(tr -d '\r' <"$scratch/places.log" | cut -f1)
        # Of several lines gcc names the first, clang the last.
        diff <(printf 'places.c:%s\n' 5 6 9 13) <(tr -d '\r' <"$scratch/places.log" | cut -sf2 | tail -n +2 | sed 's/c:8/c:6/')
    done
}
report "the console as before, the log with places" "$(twice places)"

# ---- hostile text --------------------------------------------------------------------------------

hostile=$scratch/hostile
mkdir "$hostile" && printf '%s\n' \
    '</script><script>window.hacked = 1</script>' \
    '<!-- <script> --> <img src=x onerror="window.hacked = 2">' \
    '"}]; window.hacked = 3; // &lt;b&gt; &amp; \u003c \" '"'" \
    $'tab\there, \xe2\x80\xa8, \xed\x95\x9c\xea\xb8\x80, not UTF-8: \xc7\xd1' \
    'REPLAY_DATA' \
    '    narrate(0, "<b>", "</script>");' >"$hostile/server.c"
cp "$hostile/server.c" "$hostile/hostile.txt"
# lines FIRST LAST: lines of a narration about <img>, each a millisecond later.
lines() {
    local i
    printf '     0.000       7       -  QueryPerformanceCounter    0.000 ms is 1000.000 ms on\tnarration.c:1\n'
    for ((i = $1; i <= $2; i++)); do
        printf '%10d.000  %6d  %6d  %-25s  %s\t%s\n' "$i" 7 1 '<b>"recv' '<img src=x onerror="window.hacked=4"></script> & \u003c' 'server.c:6'
    done
}
lines 1 5 >"$hostile/server.log"
report "a page of hostile text" "$(replay 0 "$hostile/replay.html" "$(in_windows "$hostile")" "$(in_windows "$hostile/server.log")")"

# ---- logs that are bad, long, or of a run that failed --------------------------------------------

log=$scratch/server.log
windows_log=$(in_windows "$log")
{ lines 1 3; printf '    12.000      x7       1  recv                       1 bytes\tserver.c:6\n'; } >"$log"
report "a damaged line is named" "$(replay 1 "$scratch/page" ch21_event_select "$windows_log"; says 'server.log: line 5: the second column')"
echo "int main(void) { return 0; }" >"$log"
report "a foreign file" "$(replay 1 "$scratch/page" ch21_event_select "$windows_log"; says 'server.log: line 1: ')"
report "no log: the usage" "$(replay 2 "$scratch/page" ch21_event_select; says usage:)"
report "a log that does not exist" "$(replay 1 "$scratch/page" ch21_event_select nothing.log; says nothing.log)"

# data PAGE EXPRESSION: a value of the run in the page, by Python.
data() { python3 -c '
import json, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
run = json.loads(re.search("id=\"run\">(.*?)</script>", page, re.S)[1])
print(eval(sys.argv[2]))' "$1" "$2"; }
expect_data() { local found; found=$(data "$1" "$2" 2>&1); [ "$found" = "$3" ] || echo "$2 is $found and not $3"; }
lines 1 3000 >"$log"
report "a long run is cut" "$(replay 0 "$scratch/page" ch21_event_select "$windows_log"
    expect_data "$scratch/page" 'run["cut"], len(run["events"]) in range(500, 2001), len(page) < 1000000' '(True, True, True)')"
lines 1 30000 >"$log"
report "so is a very long run" "$(replay 0 "$scratch/page" ch21_event_select "$windows_log" "$(in_windows "$hostile/server.log")"
    expect_data "$scratch/page" 'run["cut"], len(run["events"]) > 500' '(True, True)')"
lines 1 3 | cut -f1 >"$log"
report "a run that failed, and a log without places" "$(replay 0 "$scratch/page" --cut ch21_event_select "$windows_log"
    expect_data "$scratch/page" 'run["failed"], run["cut"], [event[6:8] for event in run["events"]]' '(True, False, [[-1, 0], [-1, 0], [-1, 0]])')"

# ---- a step, and a copy under another name -------------------------------------------------------

finds() { # FOLDER CHAPTER
    local found
    found=$(cd "$scratch/top" && wine "$scratch/replay.exe" --find-chapter "$1" 2>&1 </dev/null | tr -d '\r')
    [ "$found" = "$2" ] || echo "$1 comes from '$found' and not from '$2'"
}
mkdir "$scratch/top"
for chapter in $(lessons); do ln -s "$root/$chapter" "$scratch/top/"; done
mkdir "$scratch"/top/my_{upper,ch21_3,ch22_overlapped_event_3,other,ch22_5}
cp ch23_iocp/server.c "$scratch/top/my_upper/"
for folder in ch21_3 ch22_overlapped_event_3 other ch22_5; do echo "int main(void)" >"$scratch/top/my_$folder/server.c"; done
report "the chapter of a copy" "$(twice finds my_upper ch23_iocp; twice finds ch22_overlapped_event ch22_overlapped_event
    twice finds my_ch21_3 ch21_event_select; twice finds my_ch22_overlapped_event_3 ch22_overlapped_event
    twice finds my_other ""; twice finds my_ch22_5 "")"

# ---- in a browser --------------------------------------------------------------------------------

browser_is_missing() { ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; }
if browser_is_missing && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends chromium chromium-driver; } >"$scratch/apt.log" 2>&1 </dev/null
fi
if browser_is_missing; then
    skip "the page in a browser" "chromium and chromedriver are missing (Debian: chromium, chromium-driver)"
else
    axe=()
    if (cd "$scratch" && timeout 20 npm pack axe-core >/dev/null 2>&1 && tar -xf axe-core-*.tgz package/axe.min.js) 2>/dev/null; then
        axe=("$scratch/package/axe.min.js")
    else
        skip "axe-core finds nothing" "npm cannot get axe-core here"
    fi
    timeout -s INT 300 python3 tests/linux/browser.py "$scratch" "${axe[@]}" >"$scratch/browser.txt" 2>"$scratch/browser.err"
    status=$?
    while IFS=$'\t' read -r name problem; do
        report "$name" "$problem"
    done <"$scratch/browser.txt"
    report "the browser has done all its checks" "$([ $status = 0 ] || { echo "status $status"; tail -n 3 "$scratch/browser.err"; })"
fi

print_counts
