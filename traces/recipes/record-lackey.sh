#!/bin/sh
# Records a slice of a program's references with Valgrind lackey, as text that `vexit trace import --from lackey` reads.
#
#     record-lackey.sh SKIP COUNT OUTPUT NOTE COMMAND [ARGUMENT...]
#
# SKIP references are passed over (the program's start-up), COUNT are kept; a modify counts as two. NOTE goes into the
# trace's recipe with Valgrind's version and the command. The environment is emptied, because its size moves the stack
# and so the addresses.
set -eu
skip=$1 count=$2 output=$3 note=$4
shift 4

# Descriptor 9 carries lackey's log, so that the program's own output cannot get into it. awk leaves when it has
# enough; the recorder then fails to write, and is ended.
fifo=$output.fifo
rm -f "$fifo"
mkfifo "$fifo"
trap 'rm -f "$fifo"' EXIT
env -i PATH="$PATH" LC_ALL=C valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>"$fifo" >/dev/null 2>&1 &
recorder=$!
awk -v skip="$skip" -v count="$count" -v note="$note" '
    /^==/ { if (!seen) print; next }
    !seen { seen = 1; print "==0== Note: " note "; references " skip + 1 " to " skip + count }
    { n += substr($0, 2, 1) == "M" ? 2 : 1 }
    n > skip { print; if (n >= skip + count) exit }
' <"$fifo" >"$output"
kill "$recorder" 2>/dev/null || true
wait "$recorder" 2>/dev/null || true
