#!/bin/bash
# What recording costs: CPU time (user and system, of QEMU and vexit together) of fork and exec in the recipes' Linux
# guest, plain and recorded one after the other from the same snapshot, as multiples of plain:
#
#     traces/recipes/recorder-cost.sh VEXIT [COUNT [ROUNDS [QEMU]]]
#
# What resuming the snapshot costs by itself is in none of the figures. A machine's speed changes from minute to minute
# where others use it too; so each of ROUNDS (5) rounds runs all one behind the other and makes multiples of its own, whose
# median counts; the least and the greatest are told too.
set -eu
vexit=$(realpath "$1") count=${2:-2000} rounds=${3:-5} qemu=${4:-qemu-system-x86_64}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
QEMU=$qemu "$here/linux-snapshot.sh" "$folder"
cd "$folder"
initramfs=$folder/initramfs.gz workload=await
TIMEFORMAT='%U %S'

# seconds COMMAND...: its CPU time.
seconds() { { time "$@" >/dev/null 2>"$folder/said.txt" || cat "$folder/said.txt" >&2; } 2>&1 | awk '{ print $1 + $2 }'; }

# guest WORKLOAD: sets `options`.
guest() {
  wanted=$1
  set --
  . "$here/guest/options.sh"
  . "$here/guest/resume.sh"
  options=("$@")
}
plain=(-accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1)
for ((i = 0; i < rounds; i++)); do
  guest nothing,1
  none=$(seconds "$qemu" "${plain[@]}" "${options[@]}")
  guest "forkexec,$count"
  quiet=$(seconds "$qemu" "${plain[@]}" "${options[@]}")
  events=$(seconds "$vexit" trace record --region 1 --tier E -o e.vxt -- "$qemu" "${options[@]}")
  all=$(seconds "$vexit" trace record --region 1 --tier F -o f.vxt -- "$qemu" "${options[@]}")
  echo "$none $quiet $events $all"
done >rounds.txt
bytes() { "$vexit" trace info "$1" | awk '/^instructions/ { n = $2 } /^file/ { b = $2 } END { printf "%.4f", b / n }'; }
# median COLUMN: of the rounds' seconds without what resuming costs; multiple COLUMN: of plain, with its range.
median() { awk -v c="$1" '{ print $c - $1 }' rounds.txt | sort -n | awk '{ v[NR] = $1 } END { printf "%6.2f s", v[int((NR + 1) / 2)] }'; }
multiple() {
  awk -v c="$1" '{ print ($c - $1) / ($2 - $1) }' rounds.txt | sort -n |
    awk '{ v[NR] = $1 } END { printf "%.2f times (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
echo "plain                $(median 2)"
echo "events (tier E)      $(median 3)  $(multiple 3)  $(bytes e.vxt) bytes an instruction"
echo "references (tier F)  $(median 4)  $(multiple 4)  $(bytes f.vxt) bytes an instruction"
