#!/usr/bin/env bash
# build_test.sh - checks build.bat and build.sh themselves, on a copy of the repository in a folder
# whose name has spaces, brackets, '&' and Korean letters. The last line: N passed, N failed.
# Started by build.sh test, which has built the checks.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=build
source tests/linux/report.sh
copy="$scratch/a b (한글) & c"

# expect NAME STATUS TEXT COMMAND ...: the command must end with the status and print the text.
expect() { report "$1" "$(twice unexpected "${@:2}")"; }
unexpected() {
    local status=$1 text=$2 output found
    shift 2
    output=$("$@" 2>&1 </dev/null)
    found=$?
    if [ $found != "$status" ] || [[ $output != *"$text"* ]]; then
        echo "expected status $status and \"$text\", found status $found and:"
        tail -n 10 <<<"$output"
    fi
}

copy_repository "$copy"
cd "$copy" || exit 1

# in_wine COMMAND ...: a Windows program, in the same way as build.sh starts it.
in_wine() {
    (root=$copy && source tests/linux/environment.sh && wine "$@")
}

expect "gcc builds in a folder with spaces, brackets, & and Korean letters" 0 \
    "Built in the folder build, with gcc." ./build.sh gcc strict
expect "clang builds" 0 "Built in the folder build, with clang." ./build.sh clang strict ch23
expect "the first compiler that is found is cl" 0 "Built in the folder build, with cl." ./build.sh
expect "builds twice in a row" 0 "Built in the folder build, with cl." ./build.sh cl ch21
expect "demo, from another current directory" 0 "summary: 1 clients served, 150023 bytes echoed" \
    env -C / "$copy/build.sh" demo ch21_event_select/
expect "timeline, of one chapter" 0 'build\ch23_iocp\timeline.svg' ./build.sh timeline ch23
expect "a folder as Tab completes it" 0 "Built" ./build.sh cl '.\ch21_event_select\'
expect "an unknown word: status 2 and the help" 2 'build.bat: "nonsense" is neither' ./build.sh nonsense
expect "a word that is a variable's name" 2 'build.bat: "PATH" is neither' ./build.sh PATH
expect "a word with odd characters" 2 "is neither" ./build.sh 'ch21%;*'
expect "two verbs" 2 "one at a time" ./build.sh demo check
expect "check: an exercise that does not exist" 2 '"NONSENSE" is neither' ./build.sh check ch21 NONSENSE
expect "check: an exercise of which folder?" 2 "UPPER of which folder?" ./build.sh check UPPER
expect "hint: a number without a hint" 2 "and no hint 9" ./build.sh hint ch21 upper 9
expect "hint: of what?" 2 "hint needs a folder and an exercise" ./build.sh hint ch21
expect "debug" 0 "-O0 -g" ./build.sh gcc debug ch21
expect "help" 0 "removes what was built" ./build.sh help
expect "run: a program that does not exist" 2 "has no program" ./build.sh run ch21 nonsense
expect "run: no chapter" 2 "run needs a chapter" ./build.sh run
expect "run: the program's own exit status 2" 2 "a port is a number" ./build.sh run ch21 server 99999
expect "run: the program's own exit status 1" 1 "WSAECONNREFUSED" ./build.sh run ch21 client 127.0.0.1 1

mkdir ch19_first ch19_second "my copy"
cp ch21_event_select/server.c ch19_first/
cp ch21_event_select/server.c ch19_second/
cp ch21_event_select/server.c ch21_event_select/client.c "my copy/"
expect "an ambiguous beginning: status 2 and the choices" 2 "ch19_second" ./build.sh ch19
expect "a chapter under any name, gcc" 0 '"build\my copy\server.exe"' ./build.sh gcc "my copy"
expect "a chapter under any name, cl" 0 '"build\my copy\server.exe"' ./build.sh cl "my copy"
expect "demo of a chapter under any name" 0 "0 operations pending" ./build.sh cl demo "my copy"
cp "$source_root/build/tests/check.exe" build/tests/
expect "checks of a chapter under any name, beside another" 0 "3 passed, 0 failed" \
    in_wine 'build\tests\check.exe' --only "one byte" 'build\my copy' 'build\ch21_event_select'
rm -r ch19_first "my copy"

# One round of bench's program; then with a server that echoes the wrong bytes.
bench() {
    in_wine 'build\tools\bench.exe' --rounds 1 'build\bench.csv' 'build\ch23_iocp\client.exe' "$@" &&
        cut -d, -f1-5 build/bench.csv
}
in_wine cmd /c 'gcc tools\bench.c tools\harness.c common\*.c -o build\tools\bench.exe -lws2_32' >/dev/null 2>&1
sed 's/send(client, buffer, received, 0)/send(client, "x", 1, 0)/' tools/blocking_server.c >tools/wrong_server.c
in_wine cmd /c 'gcc tools\wrong_server.c common\*.c -o build\tools\wrong_server.exe -lws2_32' >/dev/null 2>&1
bench_two() {
    bench 'build\ch22_completion_routine\server.exe' 'build\ch21_event_select\server.exe' >bench.log 2>&1
    local status=$?
    cat bench.log
    return $status
}
expect "bench measures each server in each case" 0 "ch21_event_select,8,65536,4,1" bench_two
expect "bench leaves out what a server cannot serve" 0 "serves 62 clients at most" cat bench.log
expect "bench: a wrong byte is lost: status 1" 1 "a wrong byte came back" \
    bench 'build\ch22_completion_routine\server.exe' 'build\tools\wrong_server.exe'

echo 'int main(void) { return nothing; }' >ch19_second/server.c
expect "an error: status 1" 1 "nothing" ./build.sh cl
expect "an error stops a check before it begins" 1 "nothing" ./build.sh cl check ch19
expect "an error, gcc" 1 "nothing" ./build.sh gcc ch19
echo 'int main(void) { int unused = 0; return 0; }' >ch19_second/server.c
expect "a warning passes" 0 "Built" ./build.sh cl ch19
expect "strict: a warning is an error, gcc" 1 "unused" ./build.sh gcc strict ch19
expect "strict: a warning is an error, cl" 1 "unused" ./build.sh cl strict ch19
rm -r ch19_second

# start_server ARGUMENT ...: starts it as a reader does; $server is its process.
start_server() {
    ./build.sh run ch21 server "$@" >server.log 2>&1 &
    server=$!
    for ((i = 0; i < 100; i++)); do
        grep -q "listening on" server.log && break
        sleep 0.1
    done
}

# Ctrl+C reaches the program, not the shell around it, and the program stops in order.
stop_server() {
    start_server 0
    kill -INT $server
    wait $server
    local status=$?
    cat server.log
    return $status
}
expect "run: Ctrl+C stops the server in order" 0 "0 operations pending" stop_server

# A file goes through the client unchanged.
head -c 300000 /dev/urandom | tr -d Q >file
send_file() {
    start_server --quiet 9381
    ./build.sh run ch21 client 127.0.0.1 9381 <file 2>client.log | cmp - file
    local status=$?
    kill -INT $server
    wait $server
    return $status
}
expect "client < file gives the file" 0 "" send_file

# build.sh test runs the test of the documents at the same time, with the Wine that clean stops: here
# it gets one of its own.
rm build/linux/prefix
cp -r "$source_root/build/linux/prefix" build/linux/
expect "clean" 0 "" env -u WINE_IS_RUNNING ./build.sh clean
expect "clean leaves nothing" 1 "" test -e build

print_counts
