#!/bin/sh
# Boots the recipes' Linux guest once and takes a snapshot of it, from which SNAPSHOT=FOLDER linux.sh records any workload
# in seconds (also needed: qemu-utils):
#
#     traces/recipes/linux-snapshot.sh FOLDER
#
# Environment: what guest/options.sh names; QEMU (qemu-system-x86_64).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
initramfs=$PWD/initramfs.gz workload=await
"$here/guest/make-initramfs.sh" "$initramfs"
qemu-img create -q -f qcow2 snapshot.qcow2 1M
rm -f ready.txt
set --
. "$here/guest/options.sh"
# Once the guest says that it waits: the monitor's commands.
{
  until grep -qs ready ready.txt; do sleep 0.2; done
  printf 'stop\nsavevm ready\nquit\n'
} | "${QEMU:-qemu-system-x86_64}" "$@" -accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1 \
  -debugcon file:ready.txt -drive if=none,file=snapshot.qcow2,format=qcow2 \
  -fw_cfg name=opt/vexit/workload,string=await -monitor stdio >monitor.txt
qemu-img snapshot -l snapshot.qcow2 | grep -q ready
