#!/usr/bin/env python3
"""linux_counts.py [LOG...]: linux-counts.txt from the raw logs of oracle/lrun.sh (without arguments: those in
oracle/results). A row is a region of one run: page-table isolation, mode, region, its first mark, exits by reason. `apic`
is how many of the faults are accesses to the local APIC's page, which its timer causes."""
import glob, os, re, sys

REGIONS = {16: "touch", 18: "fork", 20: "forkexec", 22: "pingpong", 24: "mmap", 26: "mprotect"}

logs = sys.argv[1:] or sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle/results/linux-*.log")))
print("# Exits of Linux 6.1.0-56 under Linux 6.1.0-56's KVM, region by region; made by linux_counts.py.")
print("# pti mode region mark counts")
for log in logs:
    for line in open(log, errors="replace"):
        found = re.match(r"X (\S+)/(on|off)/(\d+) lost=(\d+)(.*)", line)
        if not found:
            continue
        mode, pti, mark, lost, rest = found.groups()
        if lost != "0":
            sys.exit(f"{log}: {mode} {pti} {mark}: {lost} trace entries lost")
        counts = dict(word.rsplit("=", 1) for word in rest.split())
        exits = {key[5:]: count for key, count in counts.items() if key.startswith("EXIT:")}
        if "EV:kvm_apic" in counts:
            exits["apic"] = counts["EV:kvm_apic"]
        text = " ".join(f"{reason}={exits[reason]}" for reason in sorted(exits))
        print(f"{pti:3s} {mode:10s} {REGIONS[int(mark)]:9s} {mark} {text or '0'}")
