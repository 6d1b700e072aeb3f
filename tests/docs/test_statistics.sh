#!/bin/sh
# Every column of a CSV report is explained: by `vexit list statistics`, or, where the report itself adds it, in
# docs/json.md. Over every scheme, several VMs and vCPUs, a nested hypervisor: test_statistics.sh SOURCE VEXIT
set -eu
source=$1 vexit=$2
cd "$source"
VEXIT_MODELS="$source/models"
export VEXIT_MODELS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "test_statistics: $*" >&2
  failures=$((failures + 1))
}

"$vexit" list statistics >"$work/list"
[ "$(wc -l <"$work/list")" -ge 100 ] || fail "a short list"
# Each line has path, unit and a sentence; no path twice.
awk 'NF < 3 { print "no meaning: " $0 } seen[$1]++ { print "twice: " $1 }' "$work/list" >"$work/bad"
[ ! -s "$work/bad" ] || fail "$(cat "$work/bad")"

columns() { # options of vexit run
  "$vexit" run --trace gen:random:bytes=1m,refs=2k "$@" --csv - | head -n 1 | tr -d '\r' | tr ',' '\n' >>"$work/columns"
}
for scheme in $("$vexit" list schemes | cut -d' ' -f1); do
  cpu=haswell
  [ "$scheme" != npt ] || cpu=zen2
  columns --cpu $cpu --scheme "$scheme"
done
columns --cpu haswell --vmm kvm-6.1 --scheme ept+vpid --check --set vmm.nested.reclaim_ticks=1000
columns --cpu nehalem --scheme ept --vms 2
columns --cpu skylake --scheme ept --vcpus 2
columns --cpu haswell --scheme shadow-kvm --vcpus 2
columns --cpu haswell --vmm kvm-6.1 --scheme ept --nested kvm-6.1
columns --cpu barcelona --scheme npt --set cpu.memory.caches=all
"$vexit" compare --trace gen:random:bytes=1m,refs=2k --cpu haswell --schemes native,ept --csv - | head -n 1 |
  tr -d '\r' | tr ',' '\n' >>"$work/columns"
sort -u "$work/columns" >"$work/all"
[ "$(wc -l <"$work/all")" -ge 150 ] || fail "few columns"

# A listed path as a pattern: capitals and brackets stand for names; a ratio's members follow it.
sed 's/ .*//; s/\./\\./g; s/\[ROW\].*/.*/; s/LABEL$/.*/; s/VALUE$/[0-9+]*/; s/[A-Z][A-Z]*/[^.]*/g; s/.*/^&(\\.(value|num|den|scale))?$/' \
  "$work/list" >"$work/patterns"
grep -vE -f "$work/patterns" "$work/all" >"$work/rest" || true
for column in $(cat "$work/rest"); do
  name=${column%.value} name=${name%.num} name=${name%.den} name=${name%.low} name=${name%.high}
  grep -qE "\`([^\`]*[^a-z_])?${name##*.}([^a-z_][^\`]*)?\`" docs/json.md || fail "nothing explains the column $column"
done
[ $failures -eq 0 ]
