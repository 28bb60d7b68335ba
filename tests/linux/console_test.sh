#!/usr/bin/env bash
# console_test.sh - what a client does at a console: it types into that of each chapter (console.py), on Wine's
# console in a pseudo-terminal. The checks of build.bat test give a client its lines through a pipe. One thing
# can be seen only at a console of Windows, because Wine's does not do it: Ctrl+C also ends the read in which
# the client waits. The last line: N passed, N failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
group=console
source tests/linux/report.sh
source tests/linux/environment.sh

session() { (cd "$scratch" && timeout 60 python3 "$root/tests/linux/console.py" "$1" "$2.exe" 2>&1); }

compile() { x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra "$@" -lws2_32; }
(mkdir "$scratch/common" && cd "$scratch/common" && compile -c "$root"/common/*.c) 2>&1
compile tests/linux/feed.c -o "$scratch/feed.exe"
chapters=()
for folder in ch*/client.c; do
    chapters+=("${folder%/client.c}")
    compile "$folder" "$scratch"/common/*.o -o "$scratch/${folder%/client.c}.exe" &
done
wait

for chapter in "${chapters[@]}"; do
    for name in letters control_z control_c; do
        twice session "$name" "$chapter" >"$scratch/$name.$chapter" &
    done
    wait
done
for name in long_line empty_write; do
    twice session "$name" "${chapters[0]}" >"$scratch/$name" &
done
wait
for chapter in "${chapters[@]}"; do
    report "$chapter: Korean is sent as UTF-8, and can be read when it comes back in pieces" "$(cat "$scratch/letters.$chapter")"
    report "$chapter: Ctrl+Z ends it, and what comes before it in the line is sent" "$(cat "$scratch/control_z.$chapter")"
    report "$chapter: Ctrl+C ends it, and sends nothing" "$(cat "$scratch/control_c.$chapter")"
done
report "an empty write into a pipe is not the end" "$(cat "$scratch/empty_write")"
report "a line longer than the buffer, made of letters of two units" "$(cat "$scratch/long_line")"
print_counts
