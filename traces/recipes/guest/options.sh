# Appends QEMU's options for the recipes' Linux guest to the positional parameters. Sourced, with `initramfs` (in the
# working folder, so that the trace's recipe names it without one) and `workload` set. Environment: KERNEL (the newest in
# /boot), KERNEL_OPTIONS (mitigations=off; set to an empty string for page-table isolation), CPU (Nehalem-v1), MEMORY
# (512), DEVICES (none).
set -- "$@" -M pc,hpet=off -cpu "${CPU:-Nehalem-v1}" -m "${MEMORY:-512}" -nodefaults -display none -no-reboot \
  -kernel "${KERNEL:-$(ls -v /boot/vmlinuz-* | tail -1)}" -initrd "$(basename "$initramfs")" \
  -append "quiet nokaslr ${KERNEL_OPTIONS-mitigations=off} workload=$workload" ${DEVICES:-}
