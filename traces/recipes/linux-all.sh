#!/bin/sh
# All recorded traces of this folder, packed: traces/recipes/linux-all.sh VEXIT FOLDER (a minute each)
set -eu
vexit=$1 folder=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
export INITRAMFS="$folder/initramfs.gz"
"$here/guest/make-initramfs.sh" "$INITRAMFS"
# record NAME WORKLOAD [OPTIONS]
record() {
  name=$1
  shift
  "$here/linux.sh" "$vexit" "$folder/$name.raw.vxt" "$@"
  "$vexit" trace pack "$folder/$name.raw.vxt" -o "$folder/$name.vxt"
  rm -f "$folder/$name.raw.vxt"
}
record linux-boot boot,1 --tier E
record linux-fork fork,40
record linux-forkexec forkexec,20
KERNEL_OPTIONS='' record linux-forkexec-pti forkexec,20
record linux-pingpong pingpong,1000
record linux-syscall syscall,2000 --with-gpa
record linux-touch touch,4096
"$here/tprstorm32.sh" "$vexit" "$folder/tprstorm32.raw.vxt"
"$vexit" trace pack "$folder/tprstorm32.raw.vxt" -o "$folder/tprstorm32.vxt"
rm -f "$folder/tprstorm32.raw.vxt" "$INITRAMFS"
