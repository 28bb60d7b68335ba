#!/usr/bin/env bash
# timeline_test.sh - checks tools/timeline.c: the picture is well-formed, bars are where the log says,
# what is open or cut off is drawn as such, and a bad log is reported with its line. The last line:
# N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
group=timeline
source tests/linux/environment.sh
source tests/linux/report.sh

x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra -Werror tools/timeline.c tools/operations.c tools/log.c tools/utf8.c common/*.c \
    -o "$scratch/timeline.exe" -lws2_32 || exit 1
cd "$scratch" || exit 1

# draw STATUS LOG ...: draws into run.svg; prints a problem if the exit status is different.
draw() { twice draw_once "$@"; }
draw_once() {
    local expected=$1 status
    shift
    wine timeline.exe "$@" >run.svg 2>run.err </dev/null
    status=$?
    [ $status = "$expected" ] || echo "expected status $expected, found $status: $(head -n 1 run.err)"
}

# log ZERO < LINES: prints a narration whose 0.000 ms is ZERO ms of the counter, from "MS THREAD CLIENT CALL WHAT".
log() {
    printf '        ms  thread  client  call                      what happened\r\n'
    printf '%10.3f  %6d  %6s  %-25s  0.000 ms is %.3f ms on this machine%ss counter\r\n' 0 1 - QueryPerformanceCounter "$1" "'"
    while read -r ms thread client call what; do
        printf '%10.3f  %6d  %6s  %-25s  %s\r\n' "$ms" "$thread" "$client" "$call" "$what"
    done
}

# shapes FIRST LAST: prints "class from to" and perhaps "open" for each bar, and "told at" for each mark, of
# run.svg; the times are computed back from the places, in milliseconds of the picture.
shapes() {
    well_formed run.svg
    perl -0777 -ne '
        BEGIN { ($first, $last) = splice @ARGV, 0, 2; $margin = ($last - $first) / 50 + 0.1;
            $first -= $margin; $last += $margin; }
        sub ms { $first + ($_[0] - 190) * ($last - $first) / 790 }
        while (m{<(rect|path)\b([^>]*[^/])>\s*<title>}g) {
            my ($shape, $attributes) = ($1, $2);
            my %value = $attributes =~ /([a-z]+)="([^"]*)"/g;
            if ($shape eq "rect") {
                my ($kind, $open) = split / /, $value{class};
                printf "%s %.0f %.0f%s\n", $kind, ms($value{x}), ms($value{x} + $value{width}), $open ? " $open" : "";
            } elsif ($value{d} =~ /^M([-0-9.]+)/) {
                printf "told %.0f\n", ms($1);
            }
        }' "$1" "$2" run.svg
}

log 1000 >server.log <<'LINES'
1 7 - listen 1 worker
10 7 1 accept client 1 of at most 62
20 7 1 WSARecv pending (WSA_IO_PENDING)
30 7 - WSAWaitForMultipleEvents wait for one of 3 events
60 7 - WSAWaitForMultipleEvents event 2 is signalled
65 7 1 WSAGetOverlappedResult 6 bytes received
70 7 1 WSASend pending (WSA_IO_PENDING)
110 7 1 WSARecv pending (WSA_IO_PENDING)
LINES
# This client's clock began 40 ms later; its lines are mixed with what comes back.
{ log 1040 <<'LINES'
5 9 - WSASend pending (WSA_IO_PENDING)
15 9 - work 100 numbers tested meanwhile
25 9 - WSAGetOverlappedResult 6 bytes sent
LINES
echo "> hello & <goodbye>"; } >client.log

report "bars and marks are where the logs say, open ones at the end" "$(
    draw 0 server.log client.log
    diff <(sort <<'SHAPES'
call 10 10
receive 20 65
wait 30 60
told 60
told 65
send 70 112 open
receive 110 112 open
send 45 65
work 45 55
told 65
SHAPES
    ) <(shapes 10 110 | sed -E 's/^call 10 1[01]/call 10 10/' | sort)
)"

for ((i = 1; i <= 300; i++)); do
    echo "$((i * 2)) 7 1 recv $i bytes"
    echo "$((i * 2 + 1)) 7 1 send $i <bytes> & more"
done | log 0 >long.log
report "a long run is cut off, and says so" "$(
    draw 0 long.log
    shapes 2 401 >/dev/null || echo "not well-formed"
    grep -q "Cut off after 400 lines" run.svg || echo "it does not say so"
)"

report "a log that does not exist" "$(draw 1 nothing.log; grep -q 'nothing.log' run.err || cat run.err)"
echo "int main(void) { return 0; }" >foreign.log
report "a foreign file" "$(draw 1 foreign.log; grep -q 'foreign.log: line 1: ' run.err || cat run.err)"
{ cat server.log; printf '    12.000     x7       1  recv  1 bytes\r\n'; } >damaged.log
report "a damaged line is named" "$(draw 1 damaged.log; grep -q 'damaged.log: line 11: the second column' run.err || cat run.err)"
sed 2d server.log >clockless.log
report "a log without its clock" "$(draw 1 clockless.log; grep -q 'line 2: the line of QueryPerformanceCounter' run.err || cat run.err)"
: >empty.log
report "an empty log" "$(draw 1 empty.log; grep -q 'empty.log: line 1: ' run.err || cat run.err)"
report "no log: the usage" "$(draw 2; grep -q usage: run.err || cat run.err)"

print_counts
