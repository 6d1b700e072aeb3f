#!/bin/sh
# extract-vmlinux.sh VMLINUZ OUTPUT: the kernel that a bzImage carries, uncompressed (xz, as Debian 12 has it), so that
# nobody spends three thousand million instructions on it. Offsets: Linux, Documentation/x86/boot.rst.
set -eu
byte() { od -An -tu1 -j"$1" -N1 "$image" | tr -d ' '; }
word() { od -An -tu4 -j"$1" -N4 "$image" | tr -d ' '; }
image=$1 output=$2
setup_sects=$(byte 497) payload_offset=$(word 584) payload_length=$(word 588)
# The last 4 bytes are the uncompressed length.
tail -c +$(((setup_sects + 1) * 512 + payload_offset + 1)) "$image" | head -c $((payload_length - 4)) | xz -dc >"$output"
