#!/bin/sh
# nested.sh LOG: the guest under KVM under KVM, on QEMU's emulation of SVM with nested paging and a virtual GIF. Ten
# minutes of a CPU.
set -e
cd "$(dirname "$0")"; log=$1; K=6.1.0-56-amd64; mkdir -p out
l1/build.sh l1/plan.nested out/inner.cpio.gz
D=$(mktemp -d l1/root.XXXXXX)
mkdir -p $D/bin $D/lib/modules $D/dev $D/proc $D/sys $D/tmp $D/usr/bin $D/usr/share/qemu $D/usr/share/seabios
cp /usr/bin/busybox $D/bin/; ln -s busybox $D/bin/sh; cp /usr/bin/qemu-system-x86_64 $D/usr/bin/
for m in virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd drivers/crypto/ccp/ccp; do cp /lib/modules/$K/kernel/$m.ko $D/lib/modules/; done
for l in $(ldd /usr/bin/qemu-system-x86_64 | grep -o '/[^ ]*'); do mkdir -p $D${l%/*}; cp -L $l $D$l; done
cp -L /usr/share/seabios/bios-256k.bin $D/usr/share/seabios/; cp -L /usr/share/qemu/linuxboot_dma.bin /usr/share/qemu/kvmvapic.bin $D/usr/share/qemu/
cp /boot/vmlinuz-$K $D/vmlinuz; cp out/inner.cpio.gz $D/; cp l1/init $D/init; chmod +x $D/init; cp l1/plan.l0 $D/plan
mknod $D/dev/console c 5 1; mknod $D/dev/null c 1 3
(cd $D && find . | cpio -o -H newc --quiet | gzip -1) > out/outer.cpio.gz; rm -rf $D
T=${T:-3000} MEM=3000 ./qrun.sh out/outer.cpio.gz "$log" -icount shift=1,sleep=off -rtc base=2026-01-01,clock=vm
