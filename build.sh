#!/usr/bin/env bash
# build.sh - the verbs of build.bat on Linux. It installs MinGW-w64, clang and Wine if they are missing
# (Debian's packages), and runs build.bat itself under Wine's cmd. Everything it makes is in build/.
#
#   ./build.sh demo                          as build.bat demo; likewise every other verb
#   ./build.sh test                          build.bat test with gcc, then with cl, then most of tests/linux
#   ./build.sh test all                      the same, with all scripts of tests/linux and all exercises
#   ./build.sh run ch21 server --quiet 9190  starts a program; Ctrl+C shuts it down in order
set -u
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
root=$PWD
export BUILD_COMMAND=./build.sh # for messages that say what to type next
# shellcheck source=tests/linux/environment.sh
source tests/linux/environment.sh

# ---- what is needed ------------------------------------------------------------------------------

# Prints the Debian packages that the verb needs and that are missing.
missing_packages() {
    command -v wine >/dev/null || echo wine wine64
    command -v x86_64-w64-mingw32-gcc >/dev/null || echo gcc-mingw-w64-x86-64
    command -v clang >/dev/null || echo clang
    command -v lld-link >/dev/null || echo lld
    [ -d /usr/include/wine/wine/msvcrt ] || echo libwine-dev
    [ "$verb" = test ] || return 0
    command -v patch >/dev/null || echo patch
    command -v python3 >/dev/null || echo python3
    command -v cmake >/dev/null || echo cmake
    command -v make >/dev/null || echo make
    command -v ccache >/dev/null || echo ccache
}

install_what_is_missing() {
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    [ -z "$missing" ] && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "build.sh: these Debian packages are missing: $missing" >&2
        echo "build.sh: install them, for example: sudo apt-get install --no-install-recommends $missing" >&2
        exit 1
    fi
    echo "build.sh: installing $missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # the names are words
    if ! { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } >&2 </dev/null; then
        echo "build.sh: apt-get could not install $missing" >&2
        exit 1
    fi
}

prepare_wine() {
    # Wine's server holds every socket of every program, so this bounds the number of clients.
    ulimit -n "$(ulimit -Hn)" 2>/dev/null
    mkdir -p "$WINEPREFIX" "$CCACHE_DIR"
    [ -e "$WINEPREFIX/ready" ] || echo "build.sh: preparing Wine in build/linux, once" >&2
    [ -n "${WINE_IS_RUNNING-}" ] && [ -e "$WINEPREFIX/ready" ] && return
    # Wine's services start with the first program, and keep its standard output open for a few seconds.
    # So this is the first program: otherwise a reader of our output would wait for them.
    if ! wine cmd /c exit >"$root/build/linux/wine.log" 2>&1 </dev/null; then
        echo "build.sh: Wine does not start; see build/linux/wine.log" >&2
        exit 1
    fi
    touch "$WINEPREFIX/ready"
}

# Compilers for Wine's cmd: see tests/linux/compile.sh.
prepare_compilers() {
    local bin=$stand_ins name
    [ "$bin/gcc.exe" -nt tests/linux/stand_in.c ] && [ -d "$WINE_LIBRARIES" ] && return
    mkdir -p "$bin" "$WINE_LIBRARIES"
    for name in winecrt0 ws2_32 mswsock ucrtbase kernel32 ntdll; do
        ln -sf "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/lib$name.a" "$WINE_LIBRARIES/$name.lib"
    done
    x86_64-w64-mingw32-gcc -O2 -Wall -Wextra tests/linux/stand_in.c -o "$bin/clang.exe" &&
        cp "$bin/clang.exe" "$bin/cl.exe" && cp "$bin/clang.exe" "$bin/gcc.exe" || exit 1
}

# ---- the verbs -----------------------------------------------------------------------------------

# Runs build.bat; its exit status is the result. Wine puts quotes only around a word with a space; words with
# characters that mean something to cmd are passed in a batch file.
build_bat() {
    local start=(build.bat "$@") words=build/linux/words.$$.bat status
    if [[ $* == *[\&^=\;,\|\<\>]* ]]; then
        { printf '@build.bat' && printf ' "%s"' "$@" && printf '\r\n'; } >"$words"
        start=("${words//\//\\}")
    fi
    # By its path: otherwise Wine would start start.exe, which then finds it.
    wine 'C:\windows\system32\cmd.exe' /c "${start[@]}" 2>&1 </dev/null | sed -u 's/\r$//'
    status=${PIPESTATUS[0]}
    rm -f "$words"
    return "$status"
}

# Under Wine every call on a socket is a request to Wine's server, which answers one after
# another. On several processors most of the time would go into waking each other up; on one processor
# the servers can be compared. Wine's server stays on the processor on which it was started.
run_bench() {
    local processor status
    processor=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    wineserver -k
    taskset -cp "$processor" $$ >/dev/null
    build_bat $compiler bench "$@"
    status=$?
    wineserver -k
    return $status
}

# build.bat compiles what is missing; the program itself is started without a cmd in between, which
# Ctrl+C would end before the program has shut down.
run_program() {
    local folder=${1-} program=${2-} found exe output=build status
    [[ " $options " != *" verify "* ]] || output=build/verified
    folder=${folder%/}
    if [ ! -d "$folder" ]; then
        mapfile -t found < <(lessons | grep -- "^$folder")
        [ "${#found[@]}" = 1 ] || mapfile -t found < <(compgen -G "$folder*/server.c")
        [ "${#found[@]}" = 1 ] && folder=${found[0]%/server.c}
    fi
    exe=$output/$folder/$program.exe
    if [ -n "$compiler$options" ] || [ ! -e "$exe" ] || [ -n "$(find "$folder/$program.c" common -newer "$exe")" ]; then
        # --help, because this only has to compile it; what the program then prints is not asked for.
        # shellcheck disable=SC2086 # options may be empty, or a word
        build_bat $compiler $options run "$folder" "$program" --help 2>&1 | sed '/^usage: /,$d' >&2
        status=${PIPESTATUS[0]}
        [ "$status" = 0 ] || exit "$status"
    fi
    shift 2
    exec wine "$exe" "$@"
}

# Runs a command that ends with "N passed, N failed". A run without that line counts as one failure.
count_run() {
    echo "==== $* ===="
    "$@" 2>&1 | tee "$root/build/linux/test.log"
    count_closing_line "${PIPESTATUS[0]}" "$root/build/linux/test.log" "$*"
}

# count_closing_line STATUS LOG NAME: counts a run that has ended, and all of its closing lines.
count_closing_line() {
    local log=$2 closing
    [ "$1" = 0 ] || test_status=1
    if ! grep -qE '^[0-9]+ passed, [0-9]+ failed' "$log"; then
        echo "FAIL     $3: it ended without its closing line"
        failed=$((failed + 1))
        return
    fi
    while read -r closing; do
        read -r -a counts <<<"${closing//,/}"
        passed=$((passed + counts[0]))
        failed=$((failed + counts[2]))
        skipped=$((skipped + ${counts[4]:-0}))
    done < <(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log")
}

# Runs tests/linux: several scripts at a time, because they mostly wait; but not all, because they also measure how
# long something takes. The longest come first. Some run only in "test all", so that a test ends within ten minutes.
test_scripts() {
    local scripts=(tests/linux/{docs,build,homework,names}_test.sh "tests/linux/steps_test.sh "{ch21_event_select,ch22_completion_routine}
        "tests/linux/steps_test.sh "{ch22_overlapped_event,ch23_iocp} tests/linux/{verifier,compilers}_test.sh
        "tests/linux/steps_test.sh verb" tests/linux/{cmake,console,timeline,warnings}_test.sh)
    local logs=() runs=() i keeper slots
    for i in course/steps/*.c; do
        i="tests/linux/steps_test.sh $(basename "$i" .c)"
        [[ " ${scripts[*]} " == *" $i "* ]] || scripts+=("$i")
    done
    for i in tests/linux/*_test.sh; do
        [ -z "$TEST_ALL" ] || [[ " ${scripts[*]} " == *" $i "* ]] || scripts+=("$i")
    done
    # A cmd that reads a pipe keeps Wine running, so that their many calls of build.sh need not start it
    # again each time.
    prepare_wine
    exec {keeper}> >(exec wine cmd /q >>"$root/build/linux/wine.log" 2>&1)
    export WINE_IS_RUNNING=yes
    # A script may run when it has taken a letter out of the pipe.
    rm -f build/linux/slots && mkfifo build/linux/slots
    exec {slots}<>build/linux/slots
    printf '%.0s.' $(seq $((2 * $(nproc)))) >&"$slots"
    for i in "${!scripts[@]}"; do
        logs[i]=build/linux/$(basename "${scripts[i]}" | tr ' ' _).log
        : >"${logs[i]}"
        (
            exec {keeper}>&-
            read -r -n 1 -u "$slots"
            trap 'kill "$script"' TERM
            # shellcheck disable=SC2086 # a script and its word
            bash ${scripts[i]} {slots}>&- >>"${logs[i]}" 2>&1 &
            script=$!
            wait "$script"
            status=$?
            printf . >&"$slots"
            exit $status
        ) &
        runs[i]=$!
    done
    trap 'kill "${runs[@]}"; exit 1' INT TERM
    for i in "${!scripts[@]}"; do
        echo "==== ${scripts[i]} ===="
        tail -n +1 -f --pid="${runs[i]}" "${logs[i]}"
        wait "${runs[i]}"
        count_closing_line $? "${logs[i]}" "${scripts[i]}"
    done
    trap - INT TERM
    exec {keeper}>&- {slots}>&-
}

run_tests() {
    local each
    passed=0 failed=0 skipped=0 test_status=0
    for each in ${compiler:-gcc cl}; do
        count_run build_bat "$each" test "$@"
    done
    if [ $# = 0 ]; then
        test_scripts
    fi
    echo "==== all ===="
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed = 0 ] && [ $test_status = 0 ]
}

# Refuses names that build.bat can work with, but Wine's cmd cannot.
check_names() {
    if [[ $root == *%* ]]; then
        echo "build.sh: Wine's cmd cannot work in a folder with % in its path: $root" >&2
        exit 1
    fi
    if [[ $* == *\"* ]]; then
        echo "build.sh: a word cannot contain a quotation mark: $*" >&2
        exit 2
    fi
    if [[ $* == *%* || ($* == *[\&^=\;,\|\<\>]* && $* == *[^\ -~]*) ]]; then
        echo "build.sh: Wine's cmd cannot be given %, nor letters beyond ASCII together with one of & ^ = ; , | < >: $*" >&2
        exit 2
    fi
}

compiler=
options=
verb=
export TEST_ALL=
words=()
while [ $# -gt 0 ]; do
    case ${1,,} in
    gcc | cl | clang) compiler=${1,,} ;;
    run)
        verb=run
        shift
        options=${words[*]} # strict, debug, verify
        words=("$@")
        break
        ;;
    test | bench | clean) verb=${1,,} ;;
    all) if [ "$verb" = test ]; then export TEST_ALL=yes; else words+=("$1"); fi ;;
    *) words+=("$1") ;;
    esac
    shift
done

# Wine has the folders of this machine on drive Z; a relative path begins in this folder, as with build.bat.
for i in "${!words[@]}"; do
    if [ "${words[i],,}" = grade ] && [ -n "${words[i + 1]-}" ]; then
        words[i + 1]=${words[i + 1]//\//\\}
        [[ ${words[i + 1]} != \\* ]] || words[i + 1]=Z:${words[i + 1]}
        break
    fi
done

check_names "${words[@]}"
install_what_is_missing
prepare_wine
prepare_compilers
case $verb in
run) run_program "${words[@]}" ;;
test) run_tests "${words[@]}" ;;
bench) run_bench "${words[@]}" ;;
clean)
    build_bat clean "${words[@]}" || exit
    wineserver -k
    rm -rf build
    ;;
*) build_bat $compiler "${words[@]}" ;;
esac
