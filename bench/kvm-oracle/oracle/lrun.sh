#!/bin/sh
# lrun.sh MODE PTI LOG [vxl options]: boots Linux under kvm_amd on QEMU's emulation of SVM and counts the exits of its
# regions. MODE: npt or shadow; PTI: on or off. Two CPU-minutes.
set -eu
mode=$1 pti=$2 log=$(realpath -m "$3")
shift 3
cd "$(dirname "$0")"
. ../../../traces/recipes/guest/regions.sh
recipes=../../../traces/recipes/guest
make -s
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$recipes/make-initramfs.sh" "$work/l2.gz"
"$recipes/extract-vmlinux.sh" "$kernel" "$work/vmlinux"
case $mode in npt) npt=1 ;; shadow) npt=0 ;; *) echo "lrun.sh: $mode: npt or shadow" >&2; exit 2 ;; esac
cat >"$work/plan" <<P
load amd "" npt=$npt
vxl -t svm-$mode/$pti -m $memory $* /vmlinux /l2.gz "$(command_line "$pti")"
P
l1/build.sh "$work/plan" "$work/l1.gz" "$work/vmlinux" "$work/l2.gz" >/dev/null
# The host of the counted guest boots from the uncompressed kernel as well (PVH), and its time follows its instructions.
timeout "${T:-3000}" qemu-system-x86_64 -accel tcg,thread=single -icount shift=0,sleep=off \
  -rtc base=2026-01-01,clock=vm -M pc,hpet=off -cpu "$cpu" -smp 1 -m 1536 -nodefaults -no-user-config -nographic \
  -serial stdio -no-reboot -kernel "$work/vmlinux" -initrd "$work/l1.gz" \
  -append "console=ttyS0 quiet nokaslr mitigations=off tsc=reliable nowatchdog panic=1 no_timer_check" >"$log" 2>&1
