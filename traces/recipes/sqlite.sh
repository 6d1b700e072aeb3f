#!/bin/sh
# traces/sqlite.vxt: an in-memory database (Debian 12: sqlite3 3.40.1, valgrind 3.19.0).
#
#     traces/recipes/sqlite.sh VEXIT OUTPUT.vxt
set -eu
vexit=$1 output=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
version=$(sqlite3 --version | cut -d' ' -f1)

# Left out are 3 million references: the dynamic linker and the shell's start. The script makes some 87 million; what is
# kept are its first inserts. A larger first number records its index, join, update or sort.
(cd "$here" && ./record-lackey.sh 3000000 5000000 "$output.lackey" "sqlite3 $version" \
    sqlite3 :memory: ".read sqlite.sql")
"$vexit" trace import --from lackey "$output.lackey" -o "$output"
rm -f "$output.lackey"
