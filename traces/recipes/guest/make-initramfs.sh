#!/bin/sh
# make-initramfs.sh OUTPUT.gz [BUSYBOX [CFLAGS...]]: busybox, the workload program, await and init; with DEVICES in the
# environment, drivers too.
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
if [ -n "${DEVICES:-}" ]; then
  kernel=${KERNEL:-$(ls -v /boot/vmlinuz-* | tail -1)}
  drivers=/lib/modules/${kernel##*/vmlinuz-}/kernel
  mkdir "$root/modules"
  number=10
  for module in virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev \
    virtio/virtio_pci block/virtio_blk net/ethernet/intel/e1000/e1000 ../net/core/failover net/net_failover net/virtio_net; do
    cp "$drivers/drivers/$module.ko" "$root/modules/$number.ko"
    number=$((number + 1))
  done
fi
# The same files give the same bytes: no times, no owners, sorted names.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | gzip -9n >"$output"
