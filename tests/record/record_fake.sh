#!/bin/sh
# vexit trace record with a stand-in for QEMU: record_fake.sh VEXIT FAKE-QEMU PLUGIN-FOLDER
set -u
vexit=$1 fake=$2
export VEXIT_RECORDER=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

fail() { echo "FAILED: $*"; cat out.txt; exit 1; }
# expect CODE TEXT ARGUMENTS: the exit code, and a text in what is printed.
expect() {
  code=$1 text=$2
  shift 2
  "$vexit" trace "$@" >out.txt 2>&1
  got=$?
  [ $got -eq "$code" ] || fail "exit code $got, not $code: $*"
  grep -qF -- "$text" out.txt || fail "no '$text': $*"
}

expect 0 'full.vxt: 10000 instructions, 11000 references, ' record -o full.vxt -- "$fake" -fake whole -m 64
expect 0 'records, 10000 instructions' check full.vxt
expect 0 'ram           0x0, 64 MiB' info full.vxt
expect 0 'tier F' info full.vxt
expect 0 '10000 instructions, 11000 references' record --tier S --filter-sets 4 -o s.vxt -- "$fake" -fake whole
expect 0 'filter of 4 sets' info s.vxt
expect 0 '10000 instructions, 0 references' record --tier E -o e.vxt -- "$fake" -fake whole
expect 0 'hlt           10' info e.vxt
expect 0 'translations: none recorded' check --translations full.vxt
expect 3 'signal 9' record -o killed.vxt -- "$fake" -fake killed
expect 0 'records, 10000 instructions' check killed.vxt
expect 2 'no frame' record -o garbage.vxt -- "$fake" -fake garbage
[ ! -e garbage.vxt ] || fail 'a file where nothing was recorded'
expect 2 "QEMU's exit code 3" record -o silent.vxt -- "$fake" -fake silent
expect 2 'tier E has no references' record --tier E --with-gpa -o x.vxt -- "$fake" -fake whole
expect 3 'cannot run no-such-program' record -o x.vxt -- no-such-program
expect 2 'needs -o' record -- "$fake"
VEXIT_RECORDER=/none expect 3 'no recorder' record -o x.vxt -- "$fake" -fake whole

# A full disk (a limit on the file's size stands for it) stops the guest and keeps what is whole.
(ulimit -f 16; trap '' XFSZ; "$vexit" trace record --level 1 -o disk.vxt -- "$fake" -fake endless >out.txt 2>&1)
code=$?
[ $code -eq 3 ] || fail "full disk: exit code $code"
grep -q 'cannot write' out.txt || fail 'full disk: no message'
if [ -e disk.vxt ]; then
  expect 2 'disk.vxt' check disk.vxt
  expect 0 'incomplete' info --whole-chunks disk.vxt
fi

# The same references, filtered while recording and after.
expect 0 '11000 references' pack --tier S --filter-sets 4 full.vxt -o packed.vxt
"$vexit" trace view s.vxt --count 100000 >s.txt
"$vexit" trace view packed.vxt --count 100000 >packed.txt
cmp s.txt packed.txt || fail 'filtered while recording and filtered after differ'
echo OK
