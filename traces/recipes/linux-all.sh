#!/bin/sh
# All recorded traces of this folder, packed: traces/recipes/linux-all.sh VEXIT FOLDER (some minutes)
set -eu
vexit=$1 folder=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
# pack NAME: the recording NAME.raw.vxt
pack() {
  "$vexit" trace pack "$folder/$1.raw.vxt" -o "$folder/$1.vxt"
  rm -f "$folder/$1.raw.vxt"
}
# record NAME WORKLOAD [OPTIONS]
record() {
  name=$1
  shift
  "$here/linux.sh" "$vexit" "$folder/$name.raw.vxt" "$@"
  pack "$name"
}
record linux-boot boot,1 --tier E
export SNAPSHOT="$folder/snapshot"
"$here/linux-snapshot.sh" "$SNAPSHOT"
record linux-fork fork,40
record linux-forkexec forkexec,20
record linux-pingpong pingpong,1000
record linux-syscall syscall,2000 --with-gpa
record linux-touch touch,4096
record linux-random random,60000
export KERNEL_OPTIONS='' # page-table isolation
"$here/linux-snapshot.sh" "$SNAPSHOT"
record linux-forkexec-pti forkexec,20
export KERNEL_OPTIONS=mitigations=off DEVICES=yes
"$here/linux-snapshot.sh" "$SNAPSHOT"
record linux-disk disk,200
record linux-udp-e1000 udp-e1000,500
record linux-udp-virtio udp-virtio,500 --with-gpa
rm -r "$SNAPSHOT"
unset SNAPSHOT DEVICES
export I386="$folder/i386" KERNEL_OPTIONS=mitigations=off
"$here/linux32.sh" "$vexit" "$folder/linux32-pae-fork.raw.vxt" fork,20
pack linux32-pae-fork
PAE=no "$here/linux32.sh" "$vexit" "$folder/linux32-fork.raw.vxt" fork,20
pack linux32-fork
rm -r "$I386"
"$here/tprstorm32.sh" "$vexit" "$folder/tprstorm32.raw.vxt"
pack tprstorm32
