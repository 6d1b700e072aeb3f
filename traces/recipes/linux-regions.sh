#!/bin/sh
# Records the regions that a real KVM has counted too (packages as in linux.sh, and xz-utils):
#
#     traces/recipes/linux-regions.sh VEXIT OUTPUT.vxt off|on
#
# The last word is whether page-table isolation is on. The processor has what KVM on QEMU's emulation of SVM gives its
# guest. Recorded from power-on, so that a replay knows which memory has been touched before the regions; behind the last
# mark (at 1.89 milliards of instructions, with isolation at 2.02) the guest halts for ever, so the recording is ended by
# count. The filter of 4096 sets leaves TLB figures out of reach: these traces are for counting exits.
set -eu
vexit=$(realpath "$1") output=$(realpath -m "$2") pti=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest/regions.sh"
max=1900m
[ "$pti" = off ] || max=2020m
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/guest/make-initramfs.sh" "$work/initramfs.gz"
"$here/guest/extract-vmlinux.sh" "$kernel" "$work/vmlinux"
cd "$work" # the trace's recipe names no folder
"$vexit" trace record --max $max --tier S --filter-sets 4096 -o raw.vxt -- -M pc,hpet=off \
  -cpu "$cpu,-svm,-npt,-monitor,-xsave,-xsaveopt,-xgetbv1,-avx,-avx2,-fma,-f16c" -m "$memory" -nodefaults -display none \
  -no-reboot -kernel vmlinux -initrd initramfs.gz -append "$(command_line "$pti")"
"$vexit" trace pack raw.vxt -o "$output"
