#!/usr/bin/env bash
# compilers_test.sh - sources with errors, compilers that cannot be used, and programs of the project that crash:
# build.bat says so, and its exit status is 1. The last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=compilers
source tests/linux/report.sh
copy="$scratch/copy"
copy_repository "$copy"
cd "$copy" || exit 1
shorten_exercises

mkdir ch19_second
echo 'int main(void) { return nothing; }' >ch19_second/server.c
expect "an error: status 1" 1 "nothing" ./build.sh cl
expect "an error stops a check before it begins" 1 "nothing" ./build.sh cl check ch19
expect "an error, gcc" 1 "nothing" ./build.sh gcc ch19
echo 'int main(void) { int unused = 0; return 0; }' >ch19_second/server.c
expect "a warning passes" 0 "Built" ./build.sh cl ch19
expect "strict: a warning is an error, gcc" 1 "unused" ./build.sh gcc strict ch19
expect "strict: a warning is an error, cl" 1 "unused" ./build.sh cl strict ch19
rm -r ch19_second

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
rm build/linux/bin/clang.exe
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

print_counts
