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
shorten_exercises

# in_wine COMMAND ...: a Windows program, in the same way as build.sh starts it.
in_wine() {
    (root=$copy && source tests/linux/environment.sh && wine "$@")
}

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

mkdir ch19_first ch19_second "my copy"
cp ch21_event_select/server.c ch19_first/
cp ch21_event_select/server.c ch19_second/
cp ch21_event_select/server.c ch21_event_select/client.c "my copy/"
expect "an ambiguous beginning: status 2 and the choices" 2 "ch19_second" ./build.sh ch19
expect "a chapter under any name, gcc" 0 '"build\my copy\server.exe"' ./build.sh gcc "my copy"
expect "a chapter under any name, cl" 0 '"build\my copy\server.exe"' ./build.sh cl "my copy"
expect "demo of a chapter under any name" 0 "0 operations pending" ./build.sh cl demo "my copy"
./build.sh gcc check ch21 UPPER >/dev/null 2>&1 # not the check.exe of build.sh test, which has all checks
expect "checks of a chapter under any name, together with another" 0 "3 passed, 0 failed" \
    in_wine 'build\tests\check.exe' --only "one byte" 'build\my copy' 'build\ch21_event_select'
expect "two exercises in one command" 1 "FRAME: " ./build.sh gcc check "my copy" UPPER FRAME
expect "hint of a folder with a space: the next command has quotes" 0 'hint "my copy" UPPER 2' ./build.sh hint "my copy" UPPER
rm -r ch19_first "my copy"
mkdir ch21_other
cp ch21_event_select/server.c ch21_other/
expect "the beginning of one lesson, and of another chapter" 0 'ch21_event_select\server.exe' ./build.sh gcc ch21
expect "run: likewise" 2 "a port is a number" ./build.sh run ch21 server 99999
rm -r ch21_other

# Names that the Explorer of a Korean student gives, and others.
for name in 숙제 'ch21_event_select - 복사본' 'R&D' "it's (1)" 'a^b=c;d,e!'; do
    mkdir "$name"
    cp ch21_event_select/*.c "$name/"
    patch -s --fuzz=0 "$name/server.c" course/homework/UPPER/UPPER.patch
    expect "a folder $name is built, run and checked" 0 "4/4" ./build.sh gcc check "$name" UPPER
    expect "a folder $name: its report is in the list" 0 "($name, " ./build.sh gcc check
    expect "a folder $name: its programs" 0 "Built" ./build.sh gcc "$name"
    expect "a folder $name: run" 0 "usage: " ./build.sh gcc run "$name" client --help
    rm -r "$name" "build/$name"
done
mkdir odd
cp ch21_event_select/*.c odd/
cp odd/server.c "odd/my server.c"
cp odd/server.c "odd/server - 복사본.c"
echo 'int not_a_program;' >odd/queue.c
expect "sources with odd names are skipped, with a message" 0 '"my server.c" in "odd" is skipped' ./build.sh gcc odd
expect "a source without main is skipped, with a message" 0 '"queue.c" in "odd" is skipped: it has no main' ./build.sh gcc odd
expect "neither has become a program" 0 "" test "$(ls build/odd)" = "$(printf '%s\n' client.exe select_server.exe server.exe)"
rm -r odd build/odd

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

echo 'int main(void) { return nothing; }' >ch19_second/server.c
expect "an error: status 1" 1 "nothing" ./build.sh cl
expect "an error stops a check before it begins" 1 "nothing" ./build.sh cl check ch19
expect "an error, gcc" 1 "nothing" ./build.sh gcc ch19
echo 'int main(void) { int unused = 0; return 0; }' >ch19_second/server.c
expect "a warning passes" 0 "Built" ./build.sh cl ch19
expect "strict: a warning is an error, gcc" 1 "unused" ./build.sh gcc strict ch19
expect "strict: a warning is an error, cl" 1 "unused" ./build.sh cl strict ch19
rm -r ch19_second

# ---- compilers and programs that are not as they should be ----------------------------------------

# fake NAME CODE: makes a program for Windows from the C code.
fake() {
    printf '#include <stdio.h>\n#include <string.h>\nint main(int argc, char **argv)\n{\n%s\n}\n' "$2" >fake.c
    x86_64-w64-mingw32-gcc -Wno-unused fake.c -o "$1" && rm fake.c
}
crash='*(volatile int *)0 = 1; return 0;'
mkdir saved
cp build/linux/bin/*.exe saved/
fake build/linux/bin/gcc.exe 'if (argc == 2) { puts("x86_64-w64-mingw32"); return 0; }'"$crash" # -dumpmachine, -dumpversion
expect "a compiler that crashes: status 1" 1 "" ./build.sh gcc ch21
fake build/linux/bin/gcc.exe "$crash"
expect "a compiler that cannot start is not chosen" 1 "no gcc that can be used was found" ./build.sh gcc ch21
fake build/linux/bin/gcc.exe 'puts(strcmp(argv[1], "-dumpversion") == 0 ? "6.3.0" : "mingw32"); return 0;'
expect "a gcc that is not MinGW-w64 is skipped" 1 "it is not MinGW-w64, but compiles for mingw32" ./build.sh gcc ch21
rm build/linux/bin/cl.exe
expect "and the next compiler is used" 0 "Built in the folder build, with clang." ./build.sh ch21
rm build/linux/bin/clang.exe build/tools/homework.exe
expect "no compiler: which ones would do" 1 "w64devkit" ./build.sh ch21
expect "hint without a compiler says so" 1 "there is no C compiler" ./build.sh hint ch21 UPPER
cp saved/*.exe build/linux/bin/
rm -r saved
# without_include: INCLUDE is what a cl in PATH lacks outside a Developer Command Prompt.
without_include() { (root=$copy && source tests/linux/environment.sh && unset INCLUDE && wine cmd /c build.bat "$@"); }
with_tools() { (root=$copy && source tests/linux/environment.sh && export VCToolsVersion=$1 && shift && wine cmd /c build.bat "$@"); }
expect "cl without INCLUDE is skipped" 1 "INCLUDE is not set" without_include cl ch21
expect "and gcc is used" 0 "with gcc." without_include ch21
expect "an old cl is skipped" 1 "older than that of Visual Studio 2019 16.8" with_tools 14.16.27023 cl ch21
expect "the oldest cl that will do" 0 "with cl." with_tools 14.28.29910 cl ch21

# Each of our own programs is kept while its sources are the same, so one that crashes takes its place.
./build.sh gcc demo ch21 >/dev/null 2>&1 </dev/null
fake build/tools/demo.exe "$crash"
expect "a demo that crashes: status 1" 1 "" ./build.sh gcc demo ch21
./build.sh gcc notes 21.3 >/dev/null 2>&1 </dev/null
fake build/course/notes/notes.exe "$crash"
crashed_notes() { ! ./build.sh gcc notes 21.3; }
expect "notes that crash are a failure" 0 "" crashed_notes
./build.sh gcc strict check ch21 UPPER >/dev/null 2>&1 </dev/null
fake build/tests/check.exe "$crash"
expect "checks that crash are a failure of test" 1 "" ./build.sh gcc test ch21
touch tests/check.c # so that it is made again

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
