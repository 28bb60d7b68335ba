# report.sh - what the scripts in this folder share. Sourced with group set to the word that names the script
# in its lines. scratch is a folder that is removed at the end.
# shellcheck shell=bash disable=SC2154
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
passed=0
failed=0
skipped=0
trap 'rm -rf "$scratch"' EXIT

# report NAME PROBLEM: an empty problem is a pass.
report() {
    if [ -z "$2" ]; then
        echo "ok       $group: $1"
        passed=$((passed + 1))
    else
        echo "FAIL     $group: $1"
        indent <<<"$2"
        failed=$((failed + 1))
    fi
}
# skip NAME REASON: for what cannot be tried on this machine.
skip() {
    echo "skipped  $group: $1: $2"
    skipped=$((skipped + 1))
}
indent() { head -n 12 | cut -c1-200 | sed 's/^/         | /'; }

# twice COMMAND ...: prints what the command prints, which is what went wrong. On a busy machine Wine 8
# now and then loses a program as it starts, without a message: what fails is tried once more, and
# the log shows the first failure.
twice() {
    local problem
    problem=$("$@")
    if [ -n "$problem" ]; then
        { echo "again    $group: $*" && indent <<<"$problem"; } >&2
        problem=$("$@")
    fi
    echo "$problem"
}

# expect NAME STATUS TEXT COMMAND ...: the command must end with the status and print the text.
expect() { report "$1" "$(twice unexpected "${@:2}")"; }
unexpected() {
    local status=$1 text=$2 output found
    shift 2
    output=$("$@" 2>&1 </dev/null)
    found=$?
    if [ $found != "$status" ] || [[ $output != *"$text"* ]]; then
        echo "expected status $status and \"$text\", found status $found and:"
        tail -n 10 <<<"$output"
    fi
}

# in_wine COMMAND ...: a Windows program, in the same way as build.sh of the current folder starts it.
in_wine() {
    (root=$PWD && source tests/linux/environment.sh && wine "$@")
}

# copy_repository FOLDER: makes a copy to build and change things in, without what git would ignore. The prepared
# Wine and the compiler's cache are used again, because making them takes a long time.
copy_repository() {
    mkdir -p "$1/build/linux"
    tar -C "$source_root" -c --exclude=./build --exclude=./.git --exclude='./my_*' . | tar -C "$1" -x
    ln -s "$source_root/build/linux/prefix" "$source_root/build/linux/ccache" "$1/build/linux/"
}

# shorten_exercises: in a copy in which it matters how exercises are checked, and not which checks they have: each
# ends after its first four, and those of the chapter are left out.
shorten_exercises() {
    perl -0pi -e 's/\.reused = \{[^}]*\},?/.reused = {NULL},/;
        s#(_checks\[\] = \{\n)(.*?)(,\n    \{0\},)#
            my @rows = split(/,\n(?=    \{)/, $2); splice(@rows, 4, 0, "    {0}"); $1 . join(",\n", @rows) . $3#se' course/homework/*/*.c
}

# well_formed FILE: prints what keeps it from being XML: elements that do not nest, a bare & or <.
well_formed() {
    perl -0777 -ne '
        s/^<\?xml[^>]*\?>//;
        s/<!--.*?-->//gs;
        while (/\G([^<]*)(?:<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|\z)/gc) {
            my ($text, $end, $name, $attributes, $empty) = ($1, $2, $3, $4 // "", $5);
            print "a bare & in: $text$attributes\n" if "$text$attributes" =~ /&(?!(amp|lt|gt|quot|apos|#\d+);)/;
            last unless defined $name;
            if ($end) {
                my $open = pop @open // "nothing";
                print "</$name> after <$open>\n" if $open ne $name;
            } elsif (!$empty) {
                push @open, $name;
            }
        }
        print "not XML from byte ", pos // 0, "\n" if (pos // 0) < length;
        print "not closed: @open\n" if @open;
    ' "$1"
}

# The last line of a script; its status is the script's.
print_counts() {
    local closing="$passed passed, $failed failed"
    [ $skipped = 0 ] || closing+=", $skipped skipped"
    echo "$closing"
    [ $failed = 0 ]
}
