#!/bin/sh
# The example of embedding prints what its page says: embedded_vmx.sh PROGRAM PAGE
set -eu
said=$("$1")
shown=$(awk '/and what `examples\/embedded_vmx.c` prints:/ { here = 1 } here && /^```$/ { exit } inside { print } here && /^```text$/ { inside = 1 }' "$2")
[ "$said" = "$shown" ] || {
  printf 'prints:\n%s\nthe page:\n%s\n' "$said" "$shown" >&2
  exit 1
}
