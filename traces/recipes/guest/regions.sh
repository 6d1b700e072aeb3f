# Sourced: what the guest of linux-regions.sh and the one that bench/kvm-oracle/oracle/lrun.sh counts have in common.
kernel=${KERNEL:-/boot/vmlinuz-6.1.0-56-amd64}
memory=512
cpu=EPYC-v1,-rdrand,-rdseed
# The time stamp counter of both runs at 1 GHz, without its being measured. ACPI tables are QEMU's alone.
command_line() {
  echo "quiet nokaslr norandmaps mitigations=off pti=$1 acpi=off tsc=reliable tsc_early_khz=1000000 8250.nr_uarts=0" \
    "workload=regions,3"
}
