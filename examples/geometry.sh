#!/bin/sh
# Sweeps two values of a processor model over two traces: entries of the second-level TLB and of the caches of page-directory
# entries, of both dimensions. A row of CSV a run.
#
#     sh examples/geometry.sh > geometry.csv      in the source tree, with vexit on the PATH
set -eu

columns='instructions walks.count walks.accesses cycles.total'

# The figures of the only row of a report, by name.
figures() {
  vexit run --cpu examples/larger-tlb.xml --scheme ept+vpid --warmup 500k "$@" --csv - | tr -d '\r' | awk -F, -v columns="$columns" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    NR == 2 { n = split(columns, name, " "); for (i = 1; i <= n; i++) printf ",%s", $at[name[i]]; print "" }'
}

echo "trace,entries,pde_entries,$(echo "$columns" | tr ' .' ',_')"
for trace in compiler linux-fork; do
  for entries in 256 512 1024 2048; do
    for pde in 8 32; do
      printf '%s' "$trace,$entries,$pde"
      figures --trace traces/$trace.vxt --set cpu.tlb.l2.array.0.entries=$entries \
        --set cpu.psc.guest.pde.entries=$pde --set cpu.psc.nested.pde.entries=$pde
    done
  done
done
