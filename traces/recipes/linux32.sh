#!/bin/sh
# Records what a 32-bit Debian 12 guest does, as linux.sh does for a 64-bit one:
#
#     traces/recipes/linux32.sh VEXIT OUTPUT.vxt WORKLOAD,COUNT [TRACE-RECORD-OPTIONS]
#
# Environment: PAE (yes; `no`: two levels of page tables), I386 (none: fetched for this recording), a folder that
# guest/fetch-i386.sh has made; what linux.sh names but KERNEL and INITRAMFS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "$2")
folder=$(realpath -m "${I386:-$output.i386}")
[ -e "$folder/vmlinuz-pae" ] || "$here/guest/fetch-i386.sh" "$folder"
include=$folder/root/usr/include
"$here/guest/make-initramfs.sh" "$folder/initramfs.gz" "$folder/busybox" -m32 -isystem "$include/i386-linux-gnu" \
  -isystem "$include" -B "$folder/libraries" -L "$folder/libraries"
# linux.sh works in that folder: without a path in it the trace's recipe is the same anywhere.
if [ "${PAE:-yes}" = no ]; then KERNEL=vmlinuz; else KERNEL=vmlinuz-pae; fi
export KERNEL INITRAMFS="$folder/initramfs.gz"
"$here/linux.sh" "$@"
[ -n "${I386:-}" ] || rm -r "$folder"
