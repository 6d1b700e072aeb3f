#!/bin/bash
# What recording costs: CPU time (user and system, of QEMU and vexit together) of fork and exec in the recipes' Linux
# guest, plain and recorded one after the other from the same snapshot, as multiples of plain:
#
#     traces/recipes/recorder-cost.sh VEXIT [COUNT [ROUNDS [QEMU]]]
#
# What resuming the snapshot costs by itself is in none of the figures. Of each, the least of ROUNDS (3) runs counts:
# other work on the machine only adds.
set -eu
vexit=$(realpath "$1") count=${2:-2000} rounds=${3:-3} qemu=${4:-qemu-system-x86_64}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
QEMU=$qemu "$here/linux-snapshot.sh" "$folder"
cd "$folder"
initramfs=$folder/initramfs.gz workload=await
TIMEFORMAT='%U %S'

# seconds COMMAND...: its CPU time.
seconds() { { time "$@" >/dev/null 2>"$folder/said.txt" || cat "$folder/said.txt" >&2; } 2>&1 | awk '{ print $1 + $2 }'; }
least() { awk -v a="$1" -v b="$2" 'BEGIN { print a == "" || b < a ? b : a }'; }

# guest WORKLOAD: sets `options`.
guest() {
  wanted=$1
  set --
  . "$here/guest/options.sh"
  . "$here/guest/resume.sh"
  options=("$@")
}
plain=(-accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1)
none='' quiet='' events='' all=''
for ((i = 0; i < rounds; i++)); do
  guest nothing,1
  none=$(least "$none" "$(seconds "$qemu" "${plain[@]}" "${options[@]}")")
  guest "forkexec,$count"
  quiet=$(least "$quiet" "$(seconds "$qemu" "${plain[@]}" "${options[@]}")")
  events=$(least "$events" "$(seconds "$vexit" trace record --region 1 --tier E -o e.vxt -- "$qemu" "${options[@]}")")
  all=$(least "$all" "$(seconds "$vexit" trace record --region 1 --tier F -o f.vxt -- "$qemu" "${options[@]}")")
done
bytes() { "$vexit" trace info "$1" | awk '/^instructions/ { n = $2 } /^file/ { b = $2 } END { printf "%.4f", b / n }'; }
awk -v none="$none" -v plain="$quiet" -v e="$events" -v f="$all" -v eb="$(bytes e.vxt)" -v fb="$(bytes f.vxt)" 'BEGIN {
  p = plain - none
  printf "plain                %6.2f s\n", p
  printf "events (tier E)      %6.2f s  %.2f times  %s bytes an instruction\n", e - none, (e - none) / p, eb
  printf "references (tier F)  %6.2f s  %.2f times  %s bytes an instruction\n", f - none, (f - none) / p, fb
}'
