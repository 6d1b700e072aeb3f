#!/bin/sh
# make-initramfs.sh OUTPUT.gz [BUSYBOX [CFLAGS...]]: busybox, the workload program, await and init.
set -eu
output=$(realpath -m "$1") busybox=${2:-/bin/busybox}
[ $# -ge 2 ] && shift 2 || shift 1
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/bin" "$root/proc" "$root/dev"
cp "$busybox" "$root/bin/busybox"
cp "$here/init" "$root/init"
for program in workload await; do
  "${CC:-cc}" -O2 -static "$@" -o "$root/bin/$program" "$here/$program.c"
done
# The same files give the same bytes: no times, no owners, sorted names.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | gzip -9n >"$output"
