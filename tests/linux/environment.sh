# environment.sh - what Wine and the compiler stand-ins need to know. Sourced with root set to the
# folder of the repository.
# shellcheck shell=bash disable=SC2154
export WINEPREFIX=$root/build/linux/prefix
# No offers to install .NET and Gecko; a program that crashes ends immediately, without a debugger.
export WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml,winedbg.exe=
export LC_ALL=C.UTF-8                                  # folders with Korean letters
unset DISPLAY

export STAND_IN_SCRIPT=$root/tests/linux/compile.sh # what the stand-ins run
export INCLUDE=Wine # as a Developer Command Prompt sets it
export WINE_LIBRARIES=$root/build/linux/lib         # Wine's import libraries under cl.exe's names
stand_ins=$root/build/linux/bin
export WINEPATH="Z:${stand_ins//\//\\}" # comes before Wine's own PATH

export CCACHE_DIR=$root/build/linux/ccache CCACHE_NOHASHDIR=1 # any copy of the repository may use it

# lessons: prints the chapters that are lessons of the course, in their order. A folder ch* may be a chapter without
# being one: it is built, checked and documented, but need not have steps and exercises.
lessons() { sed -nE 's/^set "opt_lessons=([^"]*)".*/\1/p' "$root/build.bat" | tr ' ' '\n'; }
