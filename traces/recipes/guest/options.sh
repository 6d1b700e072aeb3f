# Appends QEMU's options for the recipes' Linux guest to the positional parameters. Sourced, with `initramfs` (in the
# working folder, so that the trace's recipe names it without one) and `workload` set. Environment: KERNEL (the newest in
# /boot), KERNEL_OPTIONS (mitigations=off; set to an empty string for page-table isolation), CPU (Nehalem-v1), MEMORY
# (512), DEVICES (none; `yes`: two network cards, e1000 and virtio, and a virtio disk of 32 MiB).
set -- "$@" -M pc,hpet=off -cpu "${CPU:-Nehalem-v1}" -m "${MEMORY:-512}" -nodefaults -display none -no-reboot \
  -kernel "${KERNEL:-$(ls -v /boot/vmlinuz-* | tail -1)}" -initrd "$(basename "$initramfs")" \
  -append "quiet nokaslr ${KERNEL_OPTIONS-mitigations=off} workload=$workload"
if [ -n "${DEVICES:-}" ]; then
  [ -e disk.raw ] || truncate -s 32M disk.raw
  set -- "$@" -netdev user,id=a,restrict=on,net=10.0.2.0/24 -device e1000,netdev=a \
    -netdev user,id=b,restrict=on,net=10.0.3.0/24 -device virtio-net-pci,netdev=b \
    -drive if=none,id=disk,file=disk.raw,format=raw,readonly=on -device virtio-blk-pci,drive=disk
fi
