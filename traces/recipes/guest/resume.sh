# Appends QEMU's options that resume the snapshot of linux-snapshot.sh with the workload `wanted`. Sourced, in the
# snapshot's folder. A comma is doubled for QEMU.
set -- "$@" -debugcon null -drive if=none,file=snapshot.qcow2,format=qcow2 -loadvm ready \
  -fw_cfg "name=opt/vexit/workload,string=$(echo "$wanted" | sed 's/,/,,/g')"
