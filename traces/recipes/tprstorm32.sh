#!/bin/sh
# traces/tprstorm32.vxt: a 32-bit kernel that raises and lowers the task priority around 200 000 locks (synthetic).
#
#     traces/recipes/tprstorm32.sh VEXIT OUTPUT.vxt [LOCKS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
vexit=$(realpath "$1") output=$(realpath -m "$2")
"$here/guest/build-tprstorm.sh" "$output.elf" "${3:-200000}"
cd "$(dirname "$output")"
"$vexit" trace record --tier E -o "$output" -- -M pc,hpet=off -cpu Nehalem-v1 -m 64 -nodefaults -display none -no-reboot \
  -kernel "$(basename "$output").elf"
rm -f "$output.elf"
