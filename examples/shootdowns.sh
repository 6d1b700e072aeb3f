#!/bin/sh
# What unmapping a page costs a process of 1 to 8 threads: cycles of simulated time for each unmapping, beyond the same
# run without any, and the exits each one makes. Threads of one process on the vCPUs of one VM; each unmaps its oldest page
# every 20,000 instructions, and all others must drop it.
#
#     sh examples/shootdowns.sh          with vexit on the PATH
set -eu

# Columns of the only row of a report, by name: time, unmappings, exits.
figures() {
  vexit run --trace gen:random:bytes=1m --ram 64m --max "$((200000 * vcpus))" --warmup "$((100000 * vcpus))" \
    --set vm.fault_instructions=200 --vcpus "$vcpus" "$@" --csv - | tr -d '\r' | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    NR == 2 {
      time = at["smp.elapsed"] ? $at["smp.elapsed"] : $at["cycles.total"]
      print time, $at["paging.os.unmaps"], at["exits.total"] ? $at["exits.total"] : 0
    }'
}

machine() {
  name=$1
  shift
  for vcpus in 1 2 4 8; do
    without=$(figures "$@")
    with=$(figures "$@" --set vm.unmap_instructions=20000)
    echo "$name $vcpus $without $with"
  done | awk '{ printf "%-28s %6d %12d %12d %12.0f %10.1f\n", $1, $2, $7 / $2, $6, ($6 - $3) * $2 / $7, ($8 - $5) / $7 }'
}

printf '%-28s %6s %12s %12s %12s %10s\n' machine vCPUs 'each unmaps' 'cycles' 'an unmapping' 'its exits'
machine native --cpu sapphire-rapids --scheme native
machine ept --cpu sapphire-rapids --scheme ept+vpid
machine ept,APICv --cpu sapphire-rapids --scheme ept+vpid --set vmm.apic.flexpriority=yes --set vmm.apic.apicv=yes
machine shadow-vtlb --cpu sapphire-rapids --scheme shadow-vtlb+vpid
machine shadow-kvm --cpu sapphire-rapids --scheme shadow-kvm+vpid
