#!/usr/bin/env python3
"""counts.py: the oracle's raw logs (oracle/results/*.log) as the table that the comparison reads (counts.txt).

Left out: repeats (modes that end in _b), physical-interrupt exits (vintr, EXTERNAL_INTERRUPT: not compared), the OUT
that ends the measured region, and runs without a meaning on that emulator (VOID)."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
LOGS = {"svm.log": "svm", "svm-extra-icount.log": "svm", "vmx.log": "vmx", "vmx-flexpriority.log": "vmx"}
APIC = {5, 6, 7, 8, 9, 21, 22, 23}
MMU = {10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 28}
ASYNCHRONOUS = {"interrupt", "EXTERNAL_INTERRUPT", "vintr", "INTERRUPT_WINDOW", "PENDING_INTERRUPT"}
# RDPMC on VMX: the guest got #GP, since that KVM had no virtual PMU, and died.
VOID = {("vmx", "insn10")}
# Where the emulator, not KVM, speaks (oracle/README.md): what real hardware counts.
EMULATOR = {("svm", "xsetbv"): "xsetbv=256", ("svm", "insn19"): "invd=256"}


def parse(path):
    rows = {}
    for line in open(path, errors="replace"):
        found = re.match(r"([RX]) (\S+)/(\S+) (.*)", line.rstrip("\r\n"))
        if not found:
            continue
        kind, mode, name, rest = found.groups()
        row = rows.setdefault((mode, name), {"exits": {}})
        if kind == "R":
            row["run"] = dict(re.findall(r"(\w+)=(-?\w+)", rest))
        else:
            for key, count in re.findall(r"EXIT:(\w+)=(\d+)", rest):
                row["exits"][key] = int(count)
    return rows


def main():
    seen = set()
    print("# Exits that Linux KVM 6.1 (Debian 6.1.192-2) counted, by counts.py from oracle/results. Columns: group mode")
    print("# workload number n m k flags, then reason=count or 0.")
    for log, vendor in LOGS.items():
        for (mode, name), row in parse(os.path.join(HERE, "oracle", "results", log)).items():
            if mode.endswith("_b") or "run" not in row or (vendor, name) in VOID:
                continue
            if name.endswith("_huge"):
                mode += "_huge"
            key = (vendor, mode, name)
            if key in seen:
                continue
            seen.add(key)
            run = row["run"]
            number = int(run["wl"])
            group = "apic" if number in APIC else "mmu" if number in MMU else "exits"
            counts = []
            for reason, count in sorted(row["exits"].items()):
                count -= reason in ("io", "IO_INSTRUCTION")
                if count and reason not in ASYNCHRONOUS:
                    counts.append(f"{reason}={count}")
            text = EMULATOR.get((vendor, name)) or " ".join(counts) or "0"
            print(group, f"{vendor}-{mode}", name, number, run["n"], run["m"], run["k"], run["f"], text)


main()
