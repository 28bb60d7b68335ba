#!/usr/bin/env bash
# build_test.sh - checks build.bat and build.sh themselves, on a copy of the repository in a folder
# whose name has spaces, brackets, '&' and Korean letters. The last line: N passed, N failed.
# Started by build.sh test, like names_test.sh and compilers_test.sh, which do the same for odd names and for faults.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=build
source tests/linux/report.sh
copy="$scratch/a b (한글) & c"
copy_repository "$copy"
cd "$copy" || exit 1
shorten_exercises

# The command lines must name each source once.
compiled_twice() {
    ./build.sh gcc strict >build.log 2>&1 </dev/null || cat build.log
    grep -oE '[a-z0-9_]+\\[a-z_*]+\.c' build.log | sort | uniq -d
    local programs=(ch*/*.c)
    [ "$(grep -c '^gcc ' build.log)" = $((1 + ${#programs[@]})) ] || cat build.log
}
report "no source is compiled twice" "$(compiled_twice)"
expect "an exercise can be the first thing that is built" 1 "1/4" ./build.sh gcc check ch21 UPPER
expect "gcc builds in a folder with spaces, brackets, & and Korean letters" 0 \
    "Built in the folder build, with gcc." ./build.sh gcc strict
expect "clang builds" 0 "Built in the folder build, with clang." ./build.sh clang strict ch23
expect "the first compiler that is found is cl" 0 "Built in the folder build, with cl." ./build.sh
expect "builds twice in a row" 0 "Built in the folder build, with cl." ./build.sh cl ch21
expect "demo, from another current directory" 0 "summary: 1 clients served, 150006 bytes echoed" \
    env -C / "$copy/build.sh" demo ch21_event_select/
expect "timeline, of one chapter" 0 'build\ch23_iocp\timeline.svg' ./build.sh timeline ch23
./build.sh step ch21 2 "my_a & b" >/dev/null 2>&1
expect "replay, of a step in a folder with & in its name" 0 '"build\my_a & b\replay.html"' ./build.sh replay "my_a & b"
expect "a folder as Tab completes it" 0 "Built" ./build.sh cl '.\ch21_event_select\'
expect "an unknown word: status 2 and the help" 2 'build.bat: "nonsense" is neither' ./build.sh nonsense
expect "a word that is a variable's name" 2 'build.bat: "PATH" is neither' ./build.sh PATH
expect "a word with odd characters" 2 "is neither" ./build.sh 'ch21*'
expect "a word with more of them" 2 '"a^b=c;d,e&f" is neither' ./build.sh 'a^b=c;d,e&f'
expect "a word that Wine's cmd cannot be given" 2 "cannot be given %" ./build.sh '한글&'
for word in '/?' -h --help; do
    expect "$word is help" 0 "removes what was built" ./build.sh "$word"
done
for word in '.\' '\' '/' './'; do
    expect "the word $word" 2 "is neither a verb nor a chapter" ./build.sh "$word"
done
expect "a folder with two slashes at its end" 0 "Built" ./build.sh gcc 'ch21_event_select\\'
mkdir "$scratch/elsewhere"
cp ch21_event_select/server.c "$scratch/elsewhere/"
expect "a folder elsewhere" 2 "a chapter is a folder next to common" ./build.sh '..\elsewhere'
expect "two verbs" 2 "only one verb at a time" ./build.sh demo check
expect "check: an exercise that does not exist" 2 '"NONSENSE" is neither' ./build.sh check ch21 NONSENSE
expect "check: an exercise of which folder?" 2 "UPPER of which folder?" ./build.sh check UPPER
expect "hint: a number without a hint" 2 "no hint 9" ./build.sh hint ch21 upper 9
expect "hint: a number of two digits without a hint" 2 "no hint 10" ./build.sh hint ch21 upper 10
expect "hint: of two exercises" 2 "hint needs a folder and an exercise" ./build.sh hint ch21 UPPER IDLE
expect "hint: of what?" 2 "hint needs a folder and an exercise" ./build.sh hint ch21
expect "debug" 0 "-O0 -g" ./build.sh gcc debug ch21
expect "help" 0 "removes what was built" ./build.sh help
expect "run: a program that does not exist" 2 "has no program" ./build.sh run ch21 nonsense
expect "run: a chapter that does not exist" 2 '"ch99" is neither' ./build.sh run ch99 server
expect "run: no chapter" 2 "run needs a chapter" ./build.sh run
expect "run: the program's own exit status 2" 2 "a port is a number" ./build.sh run ch21 server 99999
expect "run: the program's own exit status 1" 1 "WSAECONNREFUSED" ./build.sh run ch21 client 127.0.0.1 1

run_after_change() {
    touch common/error.c
    ./build.sh gcc run ch21 server --help
}
# What is shared is compiled again when it has changed, and only then.
expect "nothing shared is compiled again" 1 "" grep -F 'common\error.c' <(./build.sh gcc ch21)
touch common/common.h
expect "after a change it is" 0 'common\error.c' grep -F 'common\error.c' <(./build.sh gcc ch21)
touch -d 2020-01-01 common/error.c
expect "after a change to an older one, it is as well" 0 'common\error.c' grep -F 'common\error.c' <(./build.sh gcc ch21)
echo 'int added;' >common/added.c
./build.sh gcc ch21 >/dev/null 2>&1 </dev/null
rm common/added.c
expect "after one was removed, it is as well" 0 'common\error.c' grep -F 'common\error.c' <(./build.sh gcc ch21)
expect "run knows it as well" 0 'common\error.c' run_after_change

# Three checks at the same time, each in its own folder.
checks_at_once() {
    local run runs=()
    mkdir -p other third
    cp ch21_event_select/server.c other/
    cp ch21_event_select/server.c third/
    ./build.sh gcc check ch21 UPPER >/dev/null 2>&1 </dev/null # so that each finds check.exe
    for run in ch21 other third; do
        ./build.sh gcc check $run UPPER >"check.${#runs[@]}.log" 2>&1 </dev/null &
        runs+=($!)
    done
    for run in "${!runs[@]}"; do
        wait "${runs[run]}"
        [ "$(tail -n 1 "check.$run.log")" = 1/4 ] || cat "check.$run.log"
    done
    rm -r other third build/other build/third check.*.log
}
report "checks at the same time" "$(checks_at_once)"

# Only build.bat, as a window on a ZIP file unpacks it.
mkdir zip
cp build.bat zip/
in_zip() { (root=$copy && source tests/linux/environment.sh && cd zip && wine cmd /c build.bat); }
expect "build.bat alone says what is missing" 1 "unpack the whole ZIP first" in_zip
rm -r zip
mkdir "$scratch/50% off"
cp -r build.sh build.bat common tests "$scratch/50% off/"
expect "a folder with % in its name: a clear message" 1 "Wine's cmd cannot work in a folder with %" "$scratch/50% off/build.sh" help

# One round of bench.exe; then one with a server that echoes wrong bytes.
bench() {
    in_wine 'build\tools\bench.exe' --rounds 1 'build\bench.csv' 'build\ch23_iocp\load_client.exe' "$@" &&
        cut -d, -f1-5 build/bench.csv
}
in_wine cmd /c 'gcc tools\bench.c tools\process.c tools\utf8.c common\*.c -o build\tools\bench.exe -lws2_32' >/dev/null 2>&1
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

# start_server ARGUMENT ...: starts it as a reader does; $server is its process.
start_server() {
    ./build.sh run ch21 server "$@" >server.log 2>&1 &
    server=$!
    for ((i = 0; i < 100; i++)); do
        grep -q "listening on" server.log && break
        sleep 0.1
    done
}

# Ctrl+C reaches the program, not the shell around it, and the program shuts down in order.
stop_server() {
    start_server 0
    kill -INT $server
    wait $server
    local status=$?
    cat server.log
    return $status
}
expect "run: Ctrl+C shuts the server down in order" 0 "0 operations pending" stop_server

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
# it gets its own.
rm build/linux/prefix
cp -r "$source_root/build/linux/prefix" build/linux/
expect "clean" 0 "" env -u WINE_IS_RUNNING ./build.sh clean
expect "clean leaves nothing" 1 "" test -e build

print_counts
