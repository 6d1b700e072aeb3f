#!/bin/sh
# Records what a Debian 12 guest does (packages qemu-system-x86, linux-image-amd64, busybox-static, cpio, gcc):
#
#     traces/recipes/linux.sh VEXIT OUTPUT.vxt WORKLOAD,COUNT [TRACE-RECORD-OPTIONS]
#
# WORKLOAD is one of guest/workload.c's; `boot` records from power-on to the first process (tier E, or it is huge), the
# others the region between their marks. Environment: what guest/options.sh names; QEMU (qemu-system-x86_64); INITRAMFS
# (made by default); SNAPSHOT (none: the guest boots), a folder that linux-snapshot.sh has made with the same environment.
set -eu
vexit=$(realpath "$1") output=$(realpath -m "$2") wanted=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
initramfs=$(realpath -m "${INITRAMFS:-$output.initramfs.gz}")
workload=$wanted
[ -z "${SNAPSHOT:-}" ] || { initramfs=$(realpath "$SNAPSHOT/initramfs.gz"); workload=await; }
[ -e "$initramfs" ] || "$here/guest/make-initramfs.sh" "$initramfs"
cd "$(dirname "$initramfs")"
case $wanted in boot,*) ;; *) set -- --region 1 "$@" ;; esac
set -- "$@" -o "$output" -- ${QEMU:+"$QEMU"}
. "$here/guest/options.sh"
[ -z "${SNAPSHOT:-}" ] || . "$here/guest/resume.sh"
"$vexit" trace record "$@"
[ -n "${INITRAMFS:-}${SNAPSHOT:-}" ] || rm -f "$initramfs"
