#!/usr/bin/env bash
# sdk_test.sh - compiles all sources with Microsoft's own headers: those of the Windows SDK, which NuGet has as a
# package, with clang's cl driver and the flags of build.bat, for x64, x86 and ARM64. For x64 the programs are
# linked with the SDK's libraries, Microsoft's C library among them, and a server and a client of each chapter
# talk under Wine. What comes with cl.exe and not with the SDK is in the folder vcruntime. The last line:
# N passed, N failed. Started by build.sh test all. Without dotnet or NuGet, or unless it is asked for, it is skipped.
#
# The SDK has 1 GB. With WINDOWS_SDK=yes it is downloaded once, into build/linux/sdk, and used as its license
# allows: to test programs for Windows. Nothing of it becomes a part of the repository.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
group=sdk
source tests/linux/environment.sh
source tests/linux/report.sh
sdk=$root/build/linux/sdk

# ---- what is needed ------------------------------------------------------------------------------

# The folder of the package, with a part of its name in lower case and a version after it.
package() { printf '%s\n' "$sdk/packages/microsoft.windows.sdk.$1"/*/ | sort -V | tail -n 1; }

# Downloads the newest SDK unless it is already here. The status is not 0 if it is not available; the log says why.
restore_sdk() {
    [ -e "$sdk/ready" ] && return
    if [ -z "${WINDOWS_SDK-}" ]; then
        echo "1 GB is downloaded only if WINDOWS_SDK=yes is set" >"$scratch/restore"
        return 1
    fi
    if ! command -v dotnet >/dev/null; then
        echo "dotnet is not installed" >"$scratch/restore"
        return 1
    fi
    mkdir -p "$sdk"
    cat >"$sdk/sdk.csproj" <<'PROJECT'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net$(BundledNETCoreAppTargetFrameworkVersion)</TargetFramework>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Microsoft.Windows.SDK.CPP.x64" Version="10.0.*" />
  </ItemGroup>
</Project>
PROJECT
    echo "Downloading Microsoft's Windows SDK into build/linux/sdk, once; its license: https://aka.ms/WinSDKLicenseURL"
    DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1 \
        TMPDIR=$scratch DOTNET_CLI_HOME=$scratch NUGET_HTTP_CACHE_PATH=$scratch/http \
        timeout 300 dotnet restore "$sdk/sdk.csproj" --packages "$sdk/packages" >"$scratch/restore" 2>&1 </dev/null &&
        touch "$sdk/ready"
}

# not_reached STATUS: whether NuGet could not be reached, and it is not an error of this script.
not_reached() {
    [ "$1" = 124 ] || grep -qE 'WINDOWS_SDK=yes|dotnet is not installed|NU1301|NU110[0-3]' "$scratch/restore"
}

newest_installed() { compgen -c clang- | grep -xE 'clang-[0-9]+' | sort -V | tail -n 1; }
newest_in_debian() { apt-cache search --names-only '^clang-[0-9]+$' 2>/dev/null | cut -d ' ' -f 1 | sort -V | tail -n 1; }

# The newest clang of Debian, which may warn about more than an older one.
choose_clang() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ "$(newest_in_debian)" != "$(newest_installed)" ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q >"$scratch/apt" 2>&1 </dev/null
        clang=$(newest_in_debian)
        apt-get install -q -y --no-install-recommends "$clang" "lld-${clang#clang-}" >>"$scratch/apt" 2>&1 </dev/null ||
            echo "apt-get could not install $clang: what is installed is used"
    fi
    clang=$(newest_installed)
    linker=lld-link-${clang#clang-}
    command -v "$linker" >/dev/null || linker=lld-link
}

# On Windows winsock2.h and WinSock2.h are the same file: prints what tells clang so.
ignore_case() {
    local folder quoted file
    echo '{ "version": 0, "case-sensitive": "false", "roots": ['
    for folder in "$@"; do
        quoted=$(sed 's/[\\"]/\\&/g' <<<"$folder")
        printf '{ "type": "directory", "name": "%s", "contents": [\n' "$quoted"
        find "$folder" -maxdepth 1 -type f -printf '%f\n' | while read -r file; do
            printf '{ "type": "file", "name": "%s", "external-contents": "%s" },\n' "$file" "$quoted/$file"
        done
        echo '] },'
    done
    echo '] }'
}

restore_sdk
status=$?
if [ $status != 0 ] && not_reached $status; then
    skip "Microsoft's headers" "$(grep -m 1 -E 'error|not installed|WINDOWS_SDK' "$scratch/restore" || echo "NuGet does not answer")"
    print_counts
    exit
fi
report "the Windows SDK is available" "$([ $status = 0 ] || cat "$scratch/restore")"
[ $status = 0 ] || { print_counts; exit; }
choose_clang
export clang
version=$(basename "$(package cpp)")
include=$(echo "$(package cpp)"c/Include/*)
ignore_case "$include"/{ucrt,ucrt/sys,um,shared} >"$scratch/overlay"

# ---- compiling -----------------------------------------------------------------------------------

# The flags of build.bat strict, and those that warn where cl's /W4 does and clang's does not: a conversion that may
# lose something, a hidden name, unreachable code.
mapfile -t -d ' ' flags < <(sed -nE 's|^set "opt_flags=(/nologo [^"]*)".*|\1 /WX|p' build.bat | tr -d '\r\n')
flags+=(-Wconversion -Wno-sign-conversion -Wno-enum-float-conversion -Wshadow -Wunreachable-code)
flags+=(/X -imsvc "$root/tests/linux/vcruntime" -imsvc "$include/ucrt" -imsvc "$include/um" -imsvc "$include/shared"
    -Xclang -ivfsoverlay -Xclang "$scratch/overlay")
printf '"%s" ' "${flags[@]}" >"$scratch/flags"
export scratch

# compile TARGET FLAG ...
compile() { "$clang" --driver-mode=cl "--target=$1-pc-windows-msvc" "@$scratch/flags" "${@:2}" 2>&1; }

# precompile TARGET: prepares common.h, which has Microsoft's long headers. A source that begins with it then takes a
# third of the time.
precompile() {
    echo '#include "common.h"' >"$scratch/$1.c"
    compile "$1" /c /Icommon /Yccommon.h "/Fp$scratch/$1.pch" "/Fo$scratch/$1.obj" "$scratch/$1.c" >"$scratch/wrong/$1.common"
}

# compile_job TARGET SOURCE [FLAG]: for x64 an object, unless there is a FLAG. What is wrong is left in
# wrong/TARGET.sources, or, with a FLAG, in wrong/TARGET.variants. Prints a line.
compile_job() {
    local kind=sources how=(/Zs) output object=${2//\//.}
    [ $# = 2 ] || kind=variants
    [ "$1.$kind" != x86_64.sources ] || how=(/c "/Fo$scratch/objects/${object%.c}.obj")
    if [[ $(grep -m 1 -E '^#(include|define)' "$2") == *common.h\" ]]; then
        how+=(/Icommon /Yucommon.h "/Fp$scratch/$1.pch" -Wno-clang-cl-pch) # clang would not have STEP added
    fi
    if ! output=$(compile "$1" "${how[@]}" "${@:2}") || [ -n "$output" ]; then
        {
            echo "$clang ${*:2}"
            grep -E '(error|warning): ' <<<"$output" || echo "${output:-it fails without a message}"
        } >>"$scratch/wrong/$1.$kind"
    fi
    echo "$@"
}
export -f compile precompile compile_job

sources=(ch*/*.c common/*.c tests/*.c tools/*.c course/notes/*.c course/homework/*/*.c)
variants=()
for authored in course/steps/*.c; do
    count=$(sed '/\*\//q' "$authored" | grep -c '^ \* Step [0-9]*: ')
    for ((step = 1; step <= count; step++)); do
        variants+=("$authored /DSTEP=$step")
    done
done
mkdir -p "$scratch"/{wrong,objects,solutions} build/tests
for solution in course/homework/*/*.patch; do
    server=$(sed -n 's|^+++ b/||p' "$solution")
    solved=$scratch/solutions/$(basename "$solution" .patch).c
    patch --fuzz=0 -s -o "$solved" "$server" "$solution" >/dev/null 2>&1 ||
        echo "#error $solution does not fit $server" >"$solved"
    variants+=("$solved /Icommon")
done
[ -e build/tests/exercises.h ] || # which build.bat writes likewise
    for folder in course/homework/*/; do echo "EXERCISE($(basename "$folder"))"; done >build/tests/exercises.h
targets=(x86_64 i686 aarch64)
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'precompile {}'
for target in "${targets[@]}"; do
    printf "$target %s\n" "${sources[@]}" "${variants[@]}"
done >"$scratch/jobs"
xargs -P "$(nproc)" -L 1 bash -c 'compile_job "$@"' compile_job <"$scratch/jobs" >"$scratch/done"
report "the compiler was called for each of them" "$(diff <(sort "$scratch/jobs") <(sort "$scratch/done"))"

for target in "${targets[@]}"; do
    report "$target: common.h" "$(cat "$scratch/wrong/$target.common")"
    report "$target: ${#sources[@]} sources, with $clang and the headers of the Windows SDK $version" "$(
        cat "$scratch/wrong/$target.sources" 2>/dev/null
    )"
    report "$target: ${#variants[@]} steps of the servers and solutions of exercises, likewise" "$(
        cat "$scratch/wrong/$target.variants" 2>/dev/null
    )"
done

# rejected TEXT LINE ...: prints what was found instead of an error with that text.
rejected() {
    local output
    printf '%s\n' "${@:2}" >"$scratch/wrong.c"
    if output=$(compile x86_64 /Zs "$scratch/wrong.c") || [[ $output != *"$1"* ]]; then
        echo "expected an error with $1, found: $output"
    fi
}
report "a function that Microsoft's headers warn about is an error" "$(
    rejected strcpy_s '#include <string.h>' 'void wrong(char *text) { strcpy(text, "wrong"); }'
    rejected inet_pton '#include <winsock2.h>' 'unsigned long wrong(void) { return inet_addr("127.0.0.1"); }'
)"

# ---- linking and running -------------------------------------------------------------------------

# The libraries in lower case, as the programs name them.
mkdir "$scratch/libraries"
for library in "$(package cpp.x64)"c/{um,ucrt}/x64/*.[lL]ib; do
    name=${library##*/}
    ln -s "$library" "$scratch/libraries/${name,,}"
done
ln -sf "$WINE_LIBRARIES/ntdll.lib" "$scratch/libraries/" # the SDK's lacks memcpy and the like
report "the start of a program, in place of cl.exe's" "$(
    compile x86_64 /c /Zl "/Fo$scratch/startup.obj" tests/linux/vcruntime/startup.c
    $linker /lib /nologo "/out:$scratch/libraries/libcmt.lib" "$scratch/startup.obj" 2>&1
)"

# What has no main is put into a library, from which each program takes what it needs.
others=()
programs=()
for source in "${sources[@]}"; do
    object=${source//\//.}
    if grep -q '^int main(' "$source"; then
        programs+=("${object%.c}")
    else
        others+=("$scratch/objects/${object%.c}.obj")
    fi
done
report "the ${#programs[@]} programs, with the libraries of the Windows SDK" "$(
    $linker /lib /nologo "/out:$scratch/libraries/others.lib" "${others[@]}" 2>&1
    for program in "${programs[@]}"; do
        # oldnames.lib comes with cl.exe: names that the sources do not use.
        $linker /nologo /nodefaultlib:oldnames "/libpath:$scratch/libraries" "$scratch/objects/$program.obj" others.lib \
            "/out:$scratch/$program.exe" 2>&1
    done
)"

# conversation CHAPTER: three lines there and back; prints what is not as it should be.
conversation() {
    local log=$scratch/$1.log server port i
    if [ ! -e "$scratch/$1.server.exe" ] || [ ! -e "$scratch/$1.client.exe" ]; then
        echo "not linked"
        return
    fi
    wine "$scratch/$1.server.exe" 0 >"$log" 2>&1 </dev/null &
    server=$!
    for ((i = 0; i < 100; i++)); do
        grep -q "listening on" "$log" || ! kill -0 $server 2>/dev/null && break
        sleep 0.1
    done
    if ! grep -q "listening on" "$log"; then
        kill -9 $server 2>/dev/null
        echo "the server did not listen: $(tail -n 1 "$log")"
        return
    fi
    port=$(sed -nE 's/^listening on .*:([0-9]+).*/\1/p' "$log")
    timeout 30 wine "$scratch/$1.client.exe" --quiet 127.0.0.1 "$port" <"$scratch/lines" >"$scratch/$1.echo" 2>&1 ||
        echo "the client's status is $?"
    cmp "$scratch/lines" "$scratch/$1.echo" 2>&1
    kill -INT $server 2>/dev/null
    for ((i = 0; i < 50; i++)); do
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    kill -9 $server 2>/dev/null && echo "the server did not end"
    wait $server || echo "the server's status is $?"
    grep -q 'clients\? served' "$log" || tail -n 3 "$log"
}
{ echo hello && seq -s ' ' 9999 && printf 'no end of line'; } >"$scratch/lines"
for chapter in ch*/; do
    twice conversation "${chapter%/}" >"$scratch/${chapter%/}.problem" &
done
wait
for chapter in ch*/; do
    report "${chapter%/}: server and client talk, with Microsoft's C library" "$(cat "$scratch/${chapter%/}.problem")"
done

print_counts
