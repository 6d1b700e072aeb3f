#!/bin/sh
# Every function of a public header has words: a comment in its paragraph, or, of inline functions in a row, in that of the
# first. And every source file opens with what it is, or its header of the same name does: test_public_docs.sh SOURCE
set -eu
cd "$1"
awk '
  FNR == 1 { covered = 0 }
  {
    name = ""
    lines = split($0, line, "\n")
    for (i = 1; i <= lines; i++)
      if (line[i] ~ /^[a-z_].*[ *]vx_[a-z0-9_]+\(/ && line[i] !~ /^typedef/) {
        name = line[i]
        functions++
      }
    if (name == "") { covered = 0; next }
    covered = /\/\*/ || (covered && line[1] ~ /^static inline /)
    if (!covered) { print FILENAME ": no words on: " name; bad = 1 }
  }
  END {
    if (functions < 500) { print "only " functions " functions seen"; bad = 1 }
    exit bad
  }' RS= sim/*/include/*.h sim/model/xml/include/*.h sim/vexit.h >&2

bad=0
for file in $(find sim app bench traces/record -name '*.c' -o -name '*.cpp' -o -name '*.h'); do
  opener=$file
  case $file in *.c)
    header=$(basename "$file" .c).h
    for own in "${file%/*}/$header" "${file%/*}/include/$header" "${file%/*}/include/vx_$header"; do
      [ ! -f "$own" ] || opener=$own
    done ;;
  esac
  for opens in "$file" "$opener"; do
    read -r first <"$opens"
    case $first in '/* '* | '// SPDX'*) continue 2 ;; esac
  done
  echo "$file: does not open with what it is" >&2
  bad=1
done
exit $bad
