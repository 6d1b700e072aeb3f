#!/bin/sh
# build-tprstorm.sh OUTPUT [LOCKS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"${CC:-cc}" -m32 -std=gnu17 -O1 -ffreestanding -fno-pic -no-pie -nostdlib -static -fno-stack-protector \
  -fno-asynchronous-unwind-tables -mno-sse -Wl,-T,"$here/multiboot.ld",--build-id=none,--no-warn-rwx-segments \
  -DLOCKS="${2:-200000}" -o "$1" "$here/tprstorm.c"
