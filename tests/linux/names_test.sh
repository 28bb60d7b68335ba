#!/usr/bin/env bash
# names_test.sh - builds, runs and checks chapters and sources under the names that readers give them, in a folder
# whose name has spaces, brackets, '&' and Korean letters. The last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=names
source tests/linux/report.sh
copy="$scratch/a b (한글) & c"
copy_repository "$copy"
cd "$copy" || exit 1
shorten_exercises

mkdir ch19_first ch19_second "my copy"
cp ch21_event_select/server.c ch19_first/
cp ch21_event_select/server.c ch19_second/
cp ch21_event_select/server.c ch21_event_select/client.c "my copy/"
expect "an ambiguous beginning: status 2 and the choices" 2 "ch19_second" ./build.sh ch19
expect "a chapter under any name, gcc" 0 '"build\my copy\server.exe"' ./build.sh gcc "my copy"
expect "a chapter under any name, cl" 0 '"build\my copy\server.exe"' ./build.sh cl "my copy"
expect "demo of a chapter under any name" 0 "0 operations pending" ./build.sh cl demo "my copy"
./build.sh gcc ch21 >/dev/null 2>&1
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

print_counts
