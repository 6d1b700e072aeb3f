#!/bin/sh
# Whether recordings of Linux repeat bit by bit: each twice, from one snapshot (all references, and events alone) and from
# power-on (events alone, two minutes each):
#
#     traces/recipes/repeat.sh VEXIT
set -eu
vexit=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/linux-snapshot.sh" "$folder/snapshot"
# twice NAME ARGUMENTS-OF-linux.sh
twice() {
  name=$1
  shift
  for file in a b; do "$here/linux.sh" "$vexit" "$folder/$file.vxt" "$@" >/dev/null; done
  cmp "$folder/a.vxt" "$folder/b.vxt" && echo "$name: identical, $(sha256sum <"$folder/a.vxt" | cut -c1-16)"
}
export SNAPSHOT="$folder/snapshot"
twice 'snapshot, fork and exec, tier F' forkexec,50
twice 'snapshot, fork and exec, tier E' forkexec,50 --tier E
unset SNAPSHOT
export INITRAMFS="$folder/initramfs.gz"
twice 'power-on, boot, tier E' boot,1 --tier E
