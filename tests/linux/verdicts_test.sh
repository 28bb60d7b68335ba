#!/usr/bin/env bash
# verdicts_test.sh - checks what check.exe says about a server: each server below is the solution of UPPER
# with one change, and must get the verdict that names the cause. The last line: N passed, N failed.
# Started by build.sh test all.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=verdicts
source tests/linux/report.sh
copy_repository "$scratch/copy"
root=$scratch/copy
cd "$root" || exit 1
shorten_exercises
rm ch*/*client.c ch*/select_server.c # not needed, and slow
source tests/linux/environment.sh

mkdir my_right
cp ch21_event_select/server.c my_right
patch --fuzz=0 -s my_right/server.c course/homework/UPPER/UPPER.patch
log=$(./build.sh gcc strict check my_right UPPER 2>&1)
report "the right server passes" "$([[ ${log##*$'\n'} == 4/4 ]] || tail -n 12 <<<"$log")"

# ---- one server after the other ------------------------------------------------------------------

in_main='/^    start_winsock();/'           # before it listens
in_receive='/^    int bytes = recv(/'       # when the first bytes come
at_stop='/^    stop_serving();/'            # after Ctrl+C
received_bytes='/^    client->received = /' # what is sent back is known

# server NAME PLACE LINE: makes the right server, with one more line after that place.
server() {
    mkdir -p "my_$1" "build/my_$1"
    sed "$2a\\
$3" my_right/server.c >"my_$1/server.c"
    cmp -s "my_$1/server.c" my_right/server.c && echo "no such place: $2" >"build/my_$1/problem"
    names+=("$1")
}
names=()
declare -A verdicts
# verdict VERDICT NAME WORDS ...: it must get this verdict, with all of the words.
verdict() {
    verdicts[$2]=$1
    printf '%s\n' "${@:3}" >"build/my_$2/expected"
}

# The address is not NULL: under Wine there may be memory at NULL if root started it.
server wild_at_start "$in_main" 'int *volatile freed = (int *)-8; *freed = 1;'
verdict CRASH wild_at_start "status 0xC0000005 (access violation: " " before it listened"
server wild_at_recv "$in_receive" 'int *volatile freed = (int *)-8; *freed = 1;'
verdict CRASH wild_at_recv "status 0xC0000005 (access violation: " " while clients were served"
server wild_at_stop "$at_stop" 'int *volatile freed = (int *)-8; *freed = 1;'
verdict CRASH wild_at_stop "status 0xC0000005 (access violation: " " after Ctrl+C"
server division "$in_receive" 'volatile int none = 0; bytes /= none;'
verdict CRASH division "status 0xC0000094 (division by zero"
server fail_fast "$in_receive" 'TerminateProcess(GetCurrentProcess(), 0xC0000409);'
verdict CRASH fail_fast "status 0xC0000409 (fail fast"
server assertion "$in_receive" 'fflush(stdout); _assert("bytes < 0", "server.c", 226);'
verdict CRASH assertion "status 3 (that of abort" 'Assertion failed: bytes < 0'
server returns_0 "$in_main" 'return 0;'
verdict FAIL returns_0 "ended with status 0 before it listened"
server returns_3 "$in_main" 'fprintf(stderr, "no such thing\\n"); return 3;'
verdict FAIL returns_3 "ended with status 3" "before it listened" '"no such thing\n" on standard error'
server leaves "$in_receive" 'exit(0);'
verdict FAIL leaves "ended with status 0 while clients were served"
server status_5 "$at_stop" 'return 5;'
verdict FAIL status_5 "expected exit status 0 after Ctrl+C, found 5"
server never_listens "$in_main" 'Sleep(INFINITE);'
verdict TIMEOUT never_listens 'waited ' ' s for "listening on 127.0.0.1:'
server never_ends "$at_stop" 'Sleep(INFINITE);'
verdict TIMEOUT never_ends "did not end within " " s after Ctrl+C"
server mute "$in_receive" 'Sleep(INFINITE);'
verdict TIMEOUT mute "and then nothing for "
server endless "$in_main" 'for (;;) printf("it goes on and on\\n");'
verdict TIMEOUT endless 'waited ' ' s for "listening on 127.0.0.1:' "it goes on and on"
server other_port "$in_main" 'printf("listening on 127.0.0.1:9190\\n"); Sleep(INFINITE);'
verdict FAIL other_port 'expected "listening on 127.0.0.1:' '127.0.0.1:9190\n"'

server nuls "$in_main" 'fwrite("start\\0\\n", 1, 7, stdout);'
verdict ok nuls
server nuls_received "$in_receive" 'fwrite(client->buffer, 1, (size_t)(bytes > 0 ? bytes : 0), stdout);'
verdict ok nuls_received
server looks_like_it "$in_main" 'printf("listening on port\\nlistening on port:80\\nlistening on\\n");'
verdict ok looks_like_it
server two_lines "$in_main" 'printf("listening on 127.0.0.1:1\\n");'
verdict ok two_lines
server empty_write "$in_main" 'DWORD none; WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "", 0, &none, NULL);'
verdict ok empty_write
server child "$in_main" 'STARTUPINFOA startup = {.cb = sizeof startup}; PROCESS_INFORMATION child; char command[] = "ping -n 60 127.0.0.1"; CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, \&startup, \&child);'
verdict ok child
# The process of the check holds a handle of this one's pipe, so that its output never ends.
server held_pipe "$in_main" 'HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0), copy; PROCESSENTRY32 p = {.dwSize = sizeof p}; for (Process32First(all, \&p); p.th32ProcessID != GetCurrentProcessId(); ) Process32Next(all, \&p); DuplicateHandle(GetCurrentProcess(), GetStdHandle(STD_OUTPUT_HANDLE), OpenProcess(PROCESS_DUP_HANDLE, FALSE, p.th32ParentProcessID), \&copy, 0, FALSE, DUPLICATE_SAME_ACCESS);'
sed -i '1i #include "../common/common.h"\n#include <tlhelp32.h>' my_held_pipe/server.c
verdict ok held_pipe

server wrong_byte "$received_bytes" 'if (bytes > 8) client->buffer[bytes - 1] = 92;'
verdict FAIL wrong_byte 'byte 39 of 39 is wrong: from byte 31 on' 'expected "STUVWXYZ' 'WXYZ\n"' 'WXYZ\\"'
server early_end "$received_bytes" 'if (bytes > 8) client->received = 8;'
verdict TIMEOUT early_end "only 8 came back, and then nothing for "

compile() {
    x86_64-w64-mingw32-gcc -std=c11 -O1 -w "my_$1/server.c" build/gcc_strict/common/*.o -lws2_32 \
        -o "build/my_$1/server.exe"
}
check() {
    local folder=build/my_$1 begun
    [ -e "$folder/problem" ] || compile "$1" 2>"$folder/problem"
    begun=$SECONDS
    timeout 40 wine build/tests/check.exe --exercise UPPER --stop-at-failure "${folder//\//\\}" \
        >"$folder/log" 2>&1 </dev/null
    tr -d '\r' <"$folder/log" >"$folder/said"
    echo $((SECONDS - begun)) >"$folder/seconds"
}
for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 4 ]; do
        wait -n
    done
    check "$name" &
done
wait

# judge NAME: prints what is not as expected.
judge() {
    local folder=build/my_$1 verdict=${verdicts[$1]} said words
    said=$(cat "$folder/problem" "$folder/said" 2>/dev/null)
    grep -qE "^$verdict " <<<"$said" || echo "not $verdict"
    [ "$verdict" != ok ] || [ "${said##*$'\n'}" = 4/4 ] || echo "not 4/4"
    while read -r words; do
        [[ $said == *"$words"* ]] || echo "no $words"
    done <"$folder/expected"
    [ "$(<"$folder/seconds")" -lt 20 ] || echo "it took $(<"$folder/seconds") s"
}
for name in "${names[@]}"; do
    problem=$(judge "$name")
    report "$name: ${verdicts[$name]}" "${problem:+$problem
$(cat "build/my_$name/problem" "build/my_$name/said" 2>/dev/null)}"
done

mkdir build/my_client
echo 'int main(void) { *(int *volatile)-8 = 1; }' >build/my_client/client.c
x86_64-w64-mingw32-gcc -w build/my_client/client.c -o build/my_client/client.exe
log=$(wine build/tests/check.exe --program client --only "empty input" 'build\my_client' 2>/dev/null </dev/null)
report "a client that crashes" "$([[ $log == CRASH*"status 0xC0000005"*"while it ran"* ]] || echo "$log")"

# ---- the second run, the report, two at the same time ---------------------------------------------

# Only the verifier sees that an event is closed twice.
mkdir my_rule
sed '/^    stop_serving();/a WSAEVENT twice = WSACreateEvent(); WSACloseEvent(twice); WSACloseEvent(twice);' my_right/server.c >my_rule/server.c
log=$(./build.sh gcc strict check my_rule UPPER 2>&1)
report "a broken rule counts" "$(
    [[ $log == *"RULE "*", under the verifier with seed 1"*"RULE "*"WSACloseEvent (server.c:"* && $log == *$'\n'0/4 ]] ||
        tail -n 20 <<<"$log"
)"

head=$(head -n 1 build/my_rule/UPPER.txt | tr -d '\r')
crc=$(python3 -c 'import sys, zlib; print("%08X" % zlib.crc32(open(sys.argv[1], "rb").read()))' my_rule/server.c)
report "the report says when, with which compiler, and which server.c" "$(
    [[ $head =~ ^UPPER\ of\ build.my_rule,\ 20[0-9-]+\ [0-9:]+,\ gcc,\ .*CRC32\ $crc$ ]] || echo "$head, not $crc"
)"

# Two of the same folder: while the first check runs, the server is changed and checked again.
mkdir my_two
cp my_right/server.c my_two/
./build.sh gcc strict check my_two IDLE UPPER >first.log 2>&1 </dev/null &
first=$!
for ((i = 0; i < 300; i++)); do
    grep -q ^IDLE: first.log && break
    sleep 0.1
done
cp ch21_event_select/server.c my_two/
./build.sh gcc strict check my_two UPPER >second.log 2>&1 </dev/null
wait $first
report "two checks of a folder at the same time, the first one of two exercises" "$(
    grep -q '^[0-9]*/[0-9]*$' first.log && grep -qx 4/4 first.log || tail -n 20 first.log
    grep -qx 1/4 second.log || tail -n 20 second.log
    ls -d build/check_* 2>/dev/null
)"

# Killed in the middle.
wine build/tests/check.exe --exercise UPPER 'build\my_wild_at_stop' >interrupted.log 2>&1 </dev/null &
interrupted=$!
for ((i = 0; i < 100; i++)); do
    grep -q CRASH interrupted.log && break
    sleep 0.1
done
kill -KILL $interrupted
wait $interrupted 2>/dev/null
report "an interrupted check is not finished in the list" "$(
    list=$(./build.sh gcc strict check 2>&1)
    grep -qE '^ +UPPER +\* +not finished .*\(my_wild_at_stop, ' <<<"$list" || grep UPPER <<<"$list"
)"

print_counts
