#!/usr/bin/env bash
# cmake_test.sh - checks CMakeLists.txt, with MinGW-w64: it finds every program, also those of a copy under
# any name, and compiles them without a warning. The last line: N passed, N failed. Started by build.sh test.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=cmake
source tests/linux/report.sh
copy="$scratch/a copy (한글)"
copy_repository "$copy"
cd "$copy" || exit 1
mkdir "my copy" 숙제
cp ch21_event_select/server.c "my copy/"
cp ch21_event_select/server.c 숙제/

report "it configures" "$(
    cmake -S . -B made -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=x86_64-w64-mingw32-gcc \
        -DCMAKE_C_FLAGS=-Werror >"$scratch/configure.log" 2>&1 || cat "$scratch/configure.log"
)"
report "everything compiles, without a warning" "$(
    cmake --build made -j "$(nproc)" >"$scratch/make.log" 2>&1 || cat "$scratch/make.log"
)"
report "each source of a chapter has become a program" "$(
    for source in ch*/*.c "my copy/server.c" 숙제/server.c; do
        [ -e "made/${source%.c}.exe" ] || echo "made/${source%.c}.exe is missing"
    done
)"

print_counts
