#!/bin/sh
# Every function of a public header has words: a comment in its paragraph, or, of inline functions in a row, in that of the
# first: test_public_docs.sh SOURCE
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
