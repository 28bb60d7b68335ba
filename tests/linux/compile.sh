#!/usr/bin/env bash
# compile.sh STATUS_FILE gcc|clang|cl ARGUMENT ... - what the compiler stand-ins call: compiles
# for Windows with the compilers of this machine, and leaves the exit status in STATUS_FILE.
#
#   gcc    MinGW-w64
#   clang  clang for the same target, with MinGW-w64's headers and libraries
#   cl     clang's cl driver on the MSVC-compatible headers and import libraries of Wine
#
# WINE_LIBRARIES is a folder with Wine's import libraries under the names that cl.exe expects.

# Wine's path of the file: Z: is /, C: a folder of the prefix.
status_file=${1//\\//}
case $status_file in
[zZ]:*) status_file=${status_file:2} ;;
*) status_file=$WINEPREFIX/dosdevices/${status_file,} ;;
esac
tool=$2
shift 2
# cmd leaves wildcards to the compiler; a word that matches nothing stays as it is.
IFS=
# shellcheck disable=SC2206 # the expansion is meant
arguments=(${@//\\//})

# "strict" compiles as without it, and then looks whether there was a warning: so both use the same cache.
export WARNINGS_ARE_ERRORS=
for i in "${!arguments[@]}"; do
    case ${arguments[i]} in
    -Werror | /WX)
        WARNINGS_ARE_ERRORS=yes
        unset "arguments[i]"
        ;;
    esac
done

# compile_one OBJECT COMPILER ...
compile_one() {
    local object=$1 output status
    shift
    output=$("$@" 2>&1)
    status=$?
    if [ -z "$output" ] && { [ $status != 0 ] || [ ! -e "$object" ]; }; then
        output=$("$@" 2>&1) # a failure without a word is not the source's: once more
        status=$?
    fi
    [ -z "$output" ] || echo "$output" >&2
    [ $status != 0 ] || [ -z "$WARNINGS_ARE_ERRORS" ] || [[ $output != *warning:* ]] || status=1
    [ $status = 0 ] && [ -e "$object" ]
}
export -f compile_one

# compile_and_link COMPILER ...: each source by itself, on all processors, and then the link; Windows
# headers are long, and one after the other takes twice the time.
compile_and_link() {
    local word sources=() flags=() rest=() objects status
    for word in "${arguments[@]}"; do
        case $word in
        *.c) sources+=("$word") ;;
        *) if [ ${#sources[@]} = 0 ]; then flags+=("$word"); else rest+=("$word"); fi ;;
        esac
    done
    if [ ${#sources[@]} = 0 ]; then
        "$@" "${flags[@]}"
        return
    fi
    objects=$(mktemp -d)
    # What stands before the sources is for the compiler too; -o and -l are for the linker.
    printf '%s\0' "${sources[@]}" | OBJECTS=$objects xargs -0 -P "$(nproc)" -I{} \
        bash -c 'object=$OBJECTS/$(basename "$1").o; compile_one "$object" "${@:2}" -c "$1" -o "$object"' \
        compile {} "$@" "${flags[@]}" &&
        "$@" "${flags[@]}" "$objects"/*.o "${rest[@]}"
    status=$?
    rm -rf "$objects"
    return $status
}

# The same with cl's options: /Fe names the program (its default is the first source), /Fo the folder
# of the objects, which are not kept here.
compile_and_link_as_cl() {
    local word sources=() flags=() program= objects status
    for word in "${arguments[@]}"; do
        case $word in
        *.c) sources+=("$word") ;;
        /Fe*) program=$word ;;
        /Fo*) ;;
        *) flags+=("$word") ;;
        esac
    done
    [ -n "$program" ] || program=/Fe$(basename "${sources[0]}" .c).exe
    objects=$(mktemp -d)
    printf '%s\0' "${sources[@]}" | CCACHE_COMPILERTYPE=clang-cl OBJECTS=$objects xargs -0 -P "$(nproc)" -I{} \
        bash -c 'object=$OBJECTS/$(basename "$1").obj; compile_one "$object" "${@:2}" /c "$1" "/Fo$object"' \
        compile {} "$@" "${flags[@]}" &&
        "$@" -fuse-ld=lld -Wno-unused-command-line-argument "${flags[@]}" "$objects"/*.obj "$program" \
            /link /nodefaultlib:libcmt /nodefaultlib:oldnames /entry:mainCRTStartup /subsystem:console \
            "/libpath:$WINE_LIBRARIES" winecrt0.lib ucrtbase.lib kernel32.lib ntdll.lib
    status=$?
    rm -rf "$objects"
    return $status
}

# With Debian's ccache, what did not change since the last time is not compiled again; common/ is
# the same for every program.
cached=()
command -v ccache >/dev/null && cached=(ccache)

headers=/usr/include/wine/wine
missing=(/DFILE_SKIP_COMPLETION_PORT_ON_SUCCESS=1) # what Wine's headers lack of Microsoft's
case $tool in
gcc)
    compile_and_link "${cached[@]}" x86_64-w64-mingw32-gcc
    ;;
clang)
    compile_and_link "${cached[@]}" clang --target=x86_64-w64-mingw32 -Wno-unused-command-line-argument \
        -L"$(dirname "$(x86_64-w64-mingw32-gcc -print-libgcc-file-name)")"
    ;;
cl)
    if [ ${#arguments[@]} = 0 ]; then
        clang --driver-mode=cl --version
    else
        compile_and_link_as_cl "${cached[@]}" clang --driver-mode=cl --target=x86_64-pc-windows-msvc \
            /GS- /X -imsvc "$headers/msvcrt" -imsvc "$headers/windows" "${missing[@]}"
    fi
    ;;
*) false ;;
esac
echo $? >"$status_file.new"
mv "$status_file.new" "$status_file"
