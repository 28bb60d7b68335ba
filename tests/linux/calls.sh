#!/usr/bin/env bash
# calls.sh OLD.c NEW.c - the system's functions that only the one (-) or only the other (+) calls.
# docs_test.sh compares what it prints with the lessons.
set -u
calls() {
    sed -E 's:/\*.*\*/::' "$1" | grep -v '^ \*' |
        grep -oE '\b(WSA[A-Z]?[a-z]\w*|[A-Z][a-z]+[A-Z]\w*|SleepEx|socket|ioctlsocket|bind|getsockname|select|accept|connect|send|recv)\(' |
        grep -vE '^(WSAGetLastError|GetLastError)\(' | tr -d '(' | sort -u
}
comm -3 <(calls "$1") <(calls "$2") | sed -E 's/^\t/+ /; t; s/^/- /' | sort -k 1,1r -k 2
