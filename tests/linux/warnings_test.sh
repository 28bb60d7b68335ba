#!/usr/bin/env bash
# warnings_test.sh - compiles the chapters and common/ with more warnings than readers need to switch on, for the
# processors and compilers that readers have: 32-bit and 64-bit x86 and ARM64, with MinGW-w64's headers and
# with those that stand in for Microsoft's. Nothing is linked. The last line: N passed, N failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
group=warnings
source tests/linux/report.sh
warnings=(-Wextra -Wconversion -Wsign-conversion -Wshadow)
wine_headers=/usr/include/wine/wine

# without_those_of NAME: leaves out the conversions of sign in lines of a source that contain the name.
without_those_of() {
    perl -ne 'if (/^([^:(]+)[:(](\d+).* changes signedness/) {
            open my $source, "<", $1;
            my @lines = <$source>;
            next if $lines[$2 - 1] =~ /\b'"$1"'\b/;
        }
        print'
}

# compile_all COMPILER ...: prints the warnings and errors in all sources.
compile_all() {
    printf '%s\0' common/*.c ch*/*.c | xargs -0 -P "$(nproc)" -n 4 "$@" 2>&1 | grep -E '(warning|error): ' |
        # The headers' own types: FIONBIO is unsigned, ioctlsocket takes a signed number; some headers
        # have SO_EXCLUSIVEADDRUSE unsigned, and ss_family signed.
        without_those_of FIONBIO |
        grep -vE "^(common/address.c.*'u_int'|ch23_iocp/load_client.c.*'ADDRESS_FAMILY')"
}

for target in i686 aarch64; do # x86_64 is what gcc compiles all the time
    report "$target, MinGW-w64's headers" "$(compile_all clang --target=$target-w64-mingw32 \
        -isystem /usr/share/mingw-w64/include -std=c11 -Wall "${warnings[@]}" -fsyntax-only)"
done
for target in i686 x86_64; do # Wine's headers do not compile for ARM64
    report "$target, with the headers that stand in for Microsoft's" "$(compile_all clang --driver-mode=cl --target=$target-pc-windows-msvc \
        /nologo /std:c11 /utf-8 /W4 "${warnings[@]}" /DFILE_SKIP_COMPLETION_PORT_ON_SUCCESS=1 \
        /X -imsvc $wine_headers/msvcrt -imsvc $wine_headers/windows /Zs)"
done

# cl.exe without /std:c11 takes C99 and no more.
report "nothing that needs C11" "$(compile_all clang --driver-mode=cl --target=x86_64-pc-windows-msvc /nologo /utf-8 \
    /clang:-std=c99 -Wc11-extensions /DFILE_SKIP_COMPLETION_PORT_ON_SUCCESS=1 \
    /X -imsvc $wine_headers/msvcrt -imsvc $wine_headers/windows /Zs)"

report "no function that cl.exe warns about (C4996)" "$(
    unsafe='\b(fopen|getenv|sprintf|sscanf|strcpy|strcat|strncpy|strtok|localtime|inet_addr|inet_ntoa|gethostbyname) *\('
    grep -nE "$unsafe" common/*.c ch*/*.c
    # process.h allows them, and what includes it, in the end.
    grep -LE '_CRT_SECURE_NO_WARNINGS|(check|checks|process|peers|report|scripted_server|target|CHAT|CROWD|IDLE)\.h"' \
        tests/*.c tools/*.c course/*/*.c course/*/*/*.c | xargs grep -nE "$unsafe"
)"

print_counts
