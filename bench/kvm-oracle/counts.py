#!/usr/bin/env python3
"""counts.py: the oracle's raw logs (oracle/results/*.log) as the table that the comparison reads (counts.txt).

Left out: repeats (modes that end in _b), physical-interrupt exits (vintr, EXTERNAL_INTERRUPT: not compared), the OUT
that ends the measured region, and runs without a meaning on that emulator (VOID)."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
LOGS = {"svm.log": "svm", "svm-extra-icount.log": "svm", "vmx.log": "vmx", "vmx-flexpriority.log": "vmx"}
NESTED = ["nested-svm.log"]
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


def list_of(text):
    return {key: int(count) for key, count in re.findall(r"(\w+)=(\d+)", text)}


def nested(path):
    """Of a guest under KVM under KVM: exits to L0 between the marks, less those that are not the guest's doing.

    The first mark's own way back into the guest and that of each interrupt that L0 has reflected: a VMRUN, two VMLOAD,
    a VMSAVE, CLGI, STGI and a read of DEBUGCTL each. L1's timer (writes of TSC_DEADLINE). A VMSAVE each time that L1's
    scheduler took the vCPU's thread off, which KVM counts as host_state_reload: returns to user space are among these,
    and are the guest's. The mark that ends the region. And L1's nested page faults: its stores to its nested tables and
    its use of other memory look alike."""
    text = open(path, errors="replace").read().replace("\r", "")
    runs = re.findall(r"^R (\S+)/(\S+) (.*)$", text, re.M)
    reloads = re.findall(r"^S \S+ vcpu .*?host_state_reload=(\d+)", text, re.M)
    windows = re.findall(r"^W \d+:(.*?)\| L2:(.*?)\| inj:(.*?)\| msr:(.*)$", text, re.M)
    assert len(runs) == len(reloads) == len(windows)
    again = len(runs) // 2
    for (mode, name, run), reload, (to_l0, of_l2, reflected, msrs) in list(zip(runs, reloads, windows))[again:]:
        run = dict(re.findall(r"(\w+)=(-?\w+)", run))
        exits, reflected, msrs = list_of(to_l0), list_of(reflected), list_of(msrs)
        entries = 1 + reflected.get("interrupt", 0)
        less = {"vmrun": entries, "vmload": 2 * entries, "vmsave": entries + int(reload) - int(run["user_io"])}
        less.update({"clgi": entries, "stgi": entries, "io": 1, "msr": entries + msrs.get("msr_write_6e0", 0)})
        for reason, count in less.items():
            if reason in exits:
                exits[reason] -= count
        exits["npf"] = list_of(of_l2).get("npf", 0)
        yield mode, name, run, exits


def show(group, mode, name, run, exits, text=None):
    counts = [f"{reason}={count}" for reason, count in sorted(exits.items()) if count and reason not in ASYNCHRONOUS]
    print(group, mode, name, int(run["wl"]), run["n"], run["m"], run["k"], run["f"], text or " ".join(counts) or "0")


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
            number = int(row["run"]["wl"])
            group = "apic" if number in APIC else "mmu" if number in MMU else "exits"
            for reason in ("io", "IO_INSTRUCTION"):
                if reason in row["exits"]:
                    row["exits"][reason] -= 1
            show(group, f"{vendor}-{mode}", name, row["run"], row["exits"], EMULATOR.get((vendor, name)))
    for log in NESTED:
        for mode, name, run, exits in nested(os.path.join(HERE, "oracle", "results", log)):
            show("nested", "svm-" + mode + "_huge" * name.endswith("_huge"), name, run, exits)


main()
