#!/bin/sh
# A real guest in a real QEMU: record_guest.sh VEXIT PLUGIN-FOLDER CC. Skipped (77) without QEMU or a 32-bit compiler.
# VEXIT_TEST_QEMU names another QEMU than the installed one.
set -u
vexit=$1 compiler=$3
export VEXIT_RECORDER=$2
qemu=${VEXIT_TEST_QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null || { echo "no $qemu"; exit 77; }
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
CC=$compiler "$source/traces/recipes/guest/build-tprstorm.sh" guest.elf 200 || { echo 'no 32-bit compiler'; exit 77; }

fail() { echo "FAILED: $*"; cat out.txt; exit 1; }
record() {
  output=$1
  shift
  "$vexit" trace record "$@" -o "$output" -- "$qemu" -M pc,hpet=off -cpu Nehalem-v1 -m 64 -nodefaults -display none -no-reboot \
    -kernel guest.elf >out.txt 2>&1 || fail "record $*"
}
count() { sed -n "s/^  $2 *//p" "$1"; }

record events.vxt --tier E
"$vexit" trace info events.vxt >info.txt || fail info
[ "$(count info.txt apic_write)" -ge 400 ] || fail 'APIC writes'
[ "$(count info.txt apic_read)" -ge 400 ] || fail 'APIC reads'
[ "$(count info.txt mark)" = 2 ] || fail 'marks'
"$vexit" trace view events.vxt --count 1000000 | grep -q 'apic_write .*value=0x41' || fail 'the value written to the TPR'

# Once more: bit-identical, though it begins with power-on, and ends as the guest switches the machine off.
record events-again.vxt --tier E
cmp events.vxt events-again.vxt || fail 'two recordings from power-on differ'

# No more than asked for.
record few.vxt --tier E --max 1000000
instructions=$(sed -n 's/^few.vxt: \([0-9]*\) instructions.*/\1/p' out.txt)
[ "$instructions" -ge 1000000 ] && [ "$instructions" -lt 1001000 ] || fail "--max of events alone: $instructions"

# The region alone, with addresses: from mark 1 to mark 2.
record region.vxt --region 1 --with-gpa
"$vexit" trace check --translations region.vxt >out.txt 2>&1 || fail check
grep -q 'translations: [1-9][0-9]* compared, 0 disagree' out.txt || fail 'translations'
"$vexit" trace info region.vxt >info.txt
grep -q 'paging        32-bit' info.txt || fail 'paging'
[ "$(count info.txt apic_write)" -ge 400 ] && [ "$(count info.txt apic_write)" -le 420 ] || fail 'APIC writes of the region'
[ "$(count info.txt mark)" = 2 ] || fail 'marks of the region'

# Events alone are the same events; between them as many instructions, but for those that a fault or an interrupt breaks
# off, which are fetched again.
record quiet.vxt --region 1 --tier E
for trace in region quiet; do
  "$vexit" trace view $trace.vxt --count 10000000 |
    awk '$3 !~ /^(fetch|load|store|gpa|skipped|cpl|pause|rdtsc)$/ { $1 = $2 = ""; print }' >$trace.txt
done
cmp region.txt quiet.txt || fail 'events alone differ from those with references'
all=$(sed -n 's/^instructions *//p' info.txt)
"$vexit" trace info quiet.vxt >quiet-info.txt
alone=$(sed -n 's/^instructions *//p' quiet-info.txt)
[ $((all - alone)) -ge -100 ] && [ $((all - alone)) -le 100 ] || fail "$alone instructions, with references $all"

# With or without addresses, each reference is there once.
record plain.vxt --region 1
"$vexit" trace info plain.vxt >plain.txt
for kind in fetches loads stores instructions; do
  there=$(sed -n "s/^$kind *//p" info.txt) here=$(sed -n "s/^$kind *//p" plain.txt)
  [ -n "$here" ] && [ "$here" = "$there" ] || fail "$kind: $here without addresses, $there with"
done

# To a mark that never comes: to the guest's end, over the other marks.
record beyond.vxt --region 1-9 --tier E
"$vexit" trace info beyond.vxt >info.txt
[ "$(count info.txt mark)" = 2 ] || fail 'marks behind the region'
"$vexit" trace view beyond.vxt --count 1000000 | grep -q 'out .*port=0x604' || fail 'what follows mark 2'

# Once more: bit-identical.
record again.vxt --region 1 --with-gpa
cmp region.vxt again.vxt || fail 'two recordings differ'

# No more than asked for.
record short.vxt --max 100000
grep -q 'short.vxt: 1000[0-9][0-9] instructions' out.txt || fail '--max'

# From a snapshot of a guest that is under way, twice: bit-identical too.
if command -v qemu-img >/dev/null; then
  CC=$compiler "$source/traces/recipes/guest/build-tprstorm.sh" long.elf 1000000000
  qemu-img create -q -f qcow2 snapshot.qcow2 1M
  machine='-M pc,hpet=off -cpu Nehalem-v1 -m 64 -nodefaults -display none -no-reboot -kernel long.elf
    -drive if=none,file=snapshot.qcow2,format=qcow2'
  (sleep 1; printf 'stop\nsavevm now\nquit\n') |
    "$qemu" -accel tcg,thread=single -icount shift=0,sleep=off $machine -monitor stdio >out.txt 2>&1
  for file in first second; do
    "$vexit" trace record --with-gpa --max 300000 -o $file.vxt -- "$qemu" $machine -loadvm now >out.txt 2>&1 || fail loadvm
  done
  cmp first.vxt second.vxt || fail 'two recordings of a snapshot differ'
  "$vexit" trace check --translations first.vxt >out.txt || fail 'translations from a snapshot'
else
  echo 'no qemu-img: recordings of snapshots were not compared'
fi

# A guest that never sets the mark.
"$vexit" trace record --region 77 -o none.vxt -- "$qemu" -M pc,hpet=off -cpu Nehalem-v1 -m 64 -nodefaults -display none \
  -no-reboot -kernel guest.elf >out.txt 2>&1 && fail 'a region that never came'
grep -q 'never set the mark' out.txt || fail 'message'
echo OK
