#!/usr/bin/env bash
# compile.sh STATUS_FILE gcc|clang|cl ARGUMENT ... - what the compiler stand-ins call: compiles
# for Windows with the compilers of this machine, and leaves the exit status in STATUS_FILE and the messages
# in STATUS_FILE.messages.
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
export tool=$2
shift 2
exec 2>"$status_file.messages"
# cmd leaves wildcards to the compiler; a word that matches nothing stays as it is.
IFS=
# shellcheck disable=SC2206 # the expansion is meant
arguments=(${@//\\//})

# With "strict" it compiles as without, and then looks for a warning: so both use the same cache.
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
        output=$("$@" 2>&1) # a failure without a message is not the fault of the source: once more
        status=$?
    fi
    [ -z "$output" ] || echo "$output" >&2
    [ $status != 0 ] || [ -z "$WARNINGS_ARE_ERRORS" ] || [[ $output != *warning:* ]] || status=1
    [ $status = 0 ] && [ -e "$object" ]
}
export -f compile_one

# object_name SOURCE: in $objects, as the compiler would name it.
object_name() {
    local name=${1##*/}
    echo "$objects/${name%.c}.$extension"
}
export -f object_name

# compile_and_link COMPILER ...: compiles each source separately, on all processors, and then links: Windows'
# headers are long, and one source after the other takes twice as long. cl's options begin with /: /Fe names the
# program (its default is the first source), /Fo is where objects stay, which are kept after /c only.
compile_and_link() {
    local word sources=() others=() linked=() first compile_only='' status
    export objects extension=o
    [ "$tool" = cl ] && extension=obj
    for word in "${arguments[@]}"; do
        case $word in
        *.c) sources+=("$word") ;;
        *.o | *.obj) linked+=("$word") ;;
        -c | /c) compile_only=yes ;;
        /Fo* | /link) ;; # what follows /link is for Microsoft's linker, which keeps notes otherwise
        /INCREMENTAL:NO) ;;
        /Fe*) linked+=("$word") ;;
        -o | -l* | -L*) others+=("$word") ;;
        *) if [ ${#others[@]} = 0 ]; then flags+=("$word"); else others+=("$word"); fi ;;
        esac
    done
    if [ ${#sources[@]} = 0 ]; then
        "$@" "${flags[@]}" "${others[@]}"
        return
    fi
    objects=$(mktemp -d)
    [ -z "$compile_only" ] || { rmdir "$objects" && objects=.; }
    printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -I{} \
        bash -c 'object=$(object_name "$1"); case $tool in
            cl) compile_one "$object" "${@:2}" /c "$1" "/Fo$object" ;;
            *) compile_one "$object" "${@:2}" -c "$1" -o "$object" ;;
            esac' compile {} "$@" "${flags[@]}"
    status=$?
    [ -z "$compile_only" ] || return $status
    first=${sources[0]##*/}
    if [ $status = 0 ] && [ "$tool" = cl ]; then
        [[ ${linked[*]} == */Fe* ]] || linked+=("/Fe${first%.c}.exe")
        "$@" -fuse-ld=lld -Wno-unused-command-line-argument "${flags[@]}" "$objects"/*.obj "${linked[@]}" \
            /link /nodefaultlib:libcmt /nodefaultlib:oldnames /entry:mainCRTStartup /subsystem:console \
            /alternatename:atexit=_crt_atexit /alternatename:__imp_atexit=__imp__crt_atexit "/libpath:$WINE_LIBRARIES" winecrt0.lib ucrtbase.lib kernel32.lib ntdll.lib
        status=$?
    elif [ $status = 0 ]; then
        "$@" "${flags[@]}" "$objects"/*.o "${linked[@]}" "${others[@]}"
        status=$?
    fi
    rm -rf "$objects"
    return $status
}

# With Debian's ccache, what did not change since the last time is not compiled again: each copy of the
# repository that a test works in compiles the same sources.
export CCACHE_COMPILERTYPE=auto
[ "$tool" = cl ] && CCACHE_COMPILERTYPE=clang-cl
flags=()
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
        clang --driver-mode=cl --version >&2
    else
        compile_and_link "${cached[@]}" clang --driver-mode=cl --target=x86_64-pc-windows-msvc \
            /GS- /X -imsvc "$headers/msvcrt" -imsvc "$headers/windows" "${missing[@]}"
    fi
    ;;
*) false ;;
esac
echo $? >"$status_file.new"
mv "$status_file.new" "$status_file"
