#!/bin/sh
# traces/tprstorm32.vxt: a 32-bit kernel that raises and lowers the task priority around 200 000 locks (synthetic).
#
#     traces/recipes/tprstorm32.sh VEXIT OUTPUT.vxt [LOCKS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/guest/build-tprstorm.sh" "$2.elf" "${3:-200000}"
"$1" trace record --tier E -o "$2" -- -M pc,hpet=off -cpu Nehalem-v1 -m 64 -nodefaults -display none -no-reboot \
  -kernel "$2.elf"
rm -f "$2.elf"
