#!/usr/bin/env bash
# warnings_test.sh - the chapters and common/ under warnings that nobody has to switch on, for the
# processors and compilers that readers have: 32-bit and 64-bit x86 and ARM64, with MinGW-w64's headers and
# with those that stand in for Microsoft's. Nothing is linked. The last line: N passed, N failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
passed=0
failed=0
warnings=(-Wextra -Wconversion -Wsign-conversion -Wshadow)
wine_headers=/usr/include/wine/wine

# compile_all COMPILER ...: prints the warnings and errors in all sources.
compile_all() {
    printf '%s\0' common/*.c ch*/*.c | xargs -0 -P "$(nproc)" -n 4 "$@" 2>&1 | grep -E '(warning|error): ' |
        # The headers' own types: FIONBIO is unsigned, ioctlsocket takes a signed number; some headers
        # have SO_EXCLUSIVEADDRUSE unsigned, and ss_family signed.
        grep -vE "^(ch21_event_select/select_server.c.*'(unsigned int|unsigned long)' to '(LONG' \(aka ')?long'|common/address.c.*'u_int'|ch23_iocp/client.c.*'ADDRESS_FAMILY')"
}

# check NAME COMPILER ...
check() {
    local name=$1 found
    shift
    found=$(compile_all "$@")
    if [ -z "$found" ]; then
        echo "ok       warnings: $name"
        passed=$((passed + 1))
    else
        echo "FAIL     warnings: $name"
        head -n 20 <<<"$found" | sed 's/^/         | /'
        failed=$((failed + 1))
    fi
}

for target in i686 x86_64 aarch64; do
    check "$target, MinGW-w64's headers" clang --target=$target-w64-mingw32 -isystem /usr/share/mingw-w64/include \
        -std=c11 -Wall "${warnings[@]}" -fsyntax-only
done
for target in i686 x86_64; do # Wine's headers do not compile for ARM64
    check "$target, Microsoft's way" clang --driver-mode=cl --target=$target-pc-windows-msvc /nologo /std:c11 /utf-8 \
        /W4 "${warnings[@]}" /DFILE_SKIP_COMPLETION_PORT_ON_SUCCESS=1 /X -imsvc $wine_headers/msvcrt \
        -imsvc $wine_headers/windows /Zs
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
