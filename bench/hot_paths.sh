#!/bin/sh
# Instructions of the hot paths under callgrind, against stored bounds: hot_paths.sh PROGRAM BOUNDS [--write]
#
# PROGRAM is the built hot_paths; BOUNDS has a line a workload, "name instructions", the instructions that one reference,
# walk or page took when they were written. More than SLACK percent above fails. --write replaces the file.
# Exits 77 (CTest: skipped) where callgrind is missing, or where the processor lacks what the bounds were counted with.
set -eu
SLACK=6
program=$1 bounds=$2 write=${3:-}
command -v valgrind >/dev/null || { echo "no valgrind: skipped"; exit 77; }
grep -q ' avx2 .* bmi2\|bmi2 .* avx2 ' /proc/cpuinfo || { echo "no AVX2: the bounds do not hold: skipped"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
valgrind --tool=callgrind --dump-after=hot_paths_mark --callgrind-out-file="$folder/dump" "$program" \
  >"$folder/parts" 2>"$folder/log" || { cat "$folder/log"; exit 1; }

# Two dumps a workload: up to the end of its warm-up, and the part.
dump=2
while read -r name unit count; do
  part=$(sed -n 's/^totals: //p' "$folder/dump.$dump")
  echo "$name $unit $(((part + count / 2) / count))"
  dump=$((dump + 2))
done <"$folder/parts" >"$folder/found"

if [ -n "$write" ]; then
  { sed -n '/^#/p' "$bounds"; awk '{ print $1, $3 }' "$folder/found"; } >"$folder/new"
  cat "$folder/new" >"$bounds"
fi
awk -v slack=$SLACK '
  NR == FNR { if ($0 !~ /^#/) bound[$1] = $2; next }
  FNR == 1 { printf "%-20s %12s %12s\n", "", "instructions", "stored" }
  !($1 in bound) { print $1 ": no bound is stored"; bad = 1; next }
  { seen[$1] = 1; over = $3 > bound[$1] * (1 + slack / 100) + 1
    printf "%-20s %12d %12d  a %s%s\n", $1, $3, bound[$1], $2, over ? "  TOO MANY" : $3 < bound[$1] * 0.9 ? "  fewer: store them" : ""
    if (over) bad = 1 }
  END { for (name in bound) if (!(name in seen)) { print name ": not counted"; bad = 1 }
        exit bad }' "$bounds" "$folder/found"
