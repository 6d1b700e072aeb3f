#!/bin/sh
# Records what a Debian 12 guest does (packages qemu-system-x86, linux-image-amd64, busybox-static, cpio, gcc):
#
#     traces/recipes/linux.sh VEXIT OUTPUT.vxt WORKLOAD,COUNT [TRACE-RECORD-OPTIONS]
#
# WORKLOAD is one of guest/workload.c's; `boot` records from power-on to the first process (tier E, or it is huge), the
# others the region between their marks. Environment: KERNEL (the newest in /boot), KERNEL_OPTIONS (mitigations=off; set
# to an empty string for page-table isolation), CPU (Nehalem-v1), MEMORY (512), INITRAMFS (made by default).
set -eu
vexit=$(realpath "$1") output=$(realpath -m "$2") workload=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
kernel=${KERNEL:-$(ls -v /boot/vmlinuz-* | tail -1)}
initramfs=$(realpath -m "${INITRAMFS:-$output.initramfs.gz}")
[ -n "${INITRAMFS:-}" ] || "$here/guest/make-initramfs.sh" "$initramfs"
cd "$(dirname "$initramfs")" # the trace's recipe names it without a folder
case $workload in boot,*) region= ;; *) region="--region 1" ;; esac
"$vexit" trace record $region "$@" -o "$output" -- \
  -M pc,hpet=off -cpu "${CPU:-Nehalem-v1}" -m "${MEMORY:-512}" -nodefaults -display none -no-reboot \
  -kernel "$kernel" -initrd "$(basename "$initramfs")" \
  -append "quiet nokaslr ${KERNEL_OPTIONS-mitigations=off} workload=$workload"
[ -n "${INITRAMFS:-}" ] || rm -f "$initramfs"
