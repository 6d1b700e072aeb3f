/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt_gates.h"

#include <string.h>

enum { VECTORS = 256 };

void vxr_gates_init(vxr_gates *gates, const vxr_control *control, const vxr_ram *ram)
{
    *gates = (vxr_gates){.control = control, .ram = ram, .page = {UINT64_MAX, UINT64_MAX}, .epoch = 1};
    for (unsigned i = 0; i < GATE_SLOTS; i++) gates->slot[i].vector = -1;
}

void vxr_gates_set(vxr_gates *gates, uint64_t base, uint32_t limit)
{
    gates->base = base;
    gates->limit = limit;
    gates->stale = true;
}

static unsigned slot_of(uint64_t address) { return (unsigned)(address * 0x9E3779B97F4A7C15ULL >> 54); }

static void add(vxr_gates *gates, uint64_t address, int vector)
{
    unsigned i = slot_of(address);
    while (gates->slot[i].vector >= 0 && gates->slot[i].address != address) i = (i + 1) % GATE_SLOTS;
    if (gates->slot[i].vector >= 0) return;
    gates->slot[i].address = address;
    gates->slot[i].vector = vector;
}

/* Real mode: offset and segment (SDM Vol. 3A, 20.1.4). Else a gate's offset is in bytes 0-1, 6-7 and, in IA-32e mode,
 * 8-11 (SDM Vol. 3A, 6.11, 6.14.1). */
static void read_gate(vxr_gates *gates, const uint8_t *gate, unsigned bytes, int vector)
{
    if (bytes == 4) {
        uint64_t offset = gate[0] | (uint64_t)gate[1] << 8, segment = gate[2] | (uint64_t)gate[3] << 8;
        add(gates, segment * 16 + offset, vector);
        return;
    }
    uint64_t address = gate[0] | (uint64_t)gate[1] << 8 | (uint64_t)gate[6] << 16 | (uint64_t)gate[7] << 24;
    if (!(gate[5] & 0x80)) return; /* not present */
    if (bytes == 16)
        for (unsigned i = 0; i < 4; i++) address |= (uint64_t)gate[8 + i] << (32 + 8 * i);
    add(gates, address, vector);
}

static void find_pages(vxr_gates *gates, size_t bytes)
{
    uint64_t gpa;
    gates->page[0] = gates->page[1] = UINT64_MAX;
    if (vxr_walk(gates->control, gates->ram, gates->base, &gpa)) gates->page[0] = gpa >> 12;
    if (vxr_walk(gates->control, gates->ram, gates->base + bytes - 1, &gpa)) gates->page[1] = gpa >> 12;
}

void vxr_gates_refresh(vxr_gates *gates)
{
    if (!gates->stale) return;
    gates->stale = false;
    const vxr_control *control = gates->control;
    unsigned width = control->efer & EFER_LMA ? 16 : control->cr0 & CR0_PE ? 8 : 4;
    unsigned count = (gates->limit + 1) / width;
    if (count > VECTORS) count = VECTORS;
    uint8_t table[GATES_BYTES];
    size_t bytes = (size_t)count * width;
    if (count == 0 || !vxr_read_linear(control, gates->ram, gates->base, table, bytes)) bytes = 0;
    if (bytes) find_pages(gates, bytes);
    if (bytes == gates->bytes && width == gates->width && memcmp(table, gates->table, bytes) == 0) return;
    gates->epoch++;
    gates->bytes = bytes;
    gates->width = width;
    memcpy(gates->table, table, bytes);
    for (unsigned i = 0; i < GATE_SLOTS; i++) gates->slot[i].vector = -1;
    for (unsigned i = 0; i < bytes / width; i++) read_gate(gates, table + (size_t)i * width, width, (int)i);
}

int vxr_gates_vector(const vxr_gates *gates, uint64_t address)
{
    for (unsigned i = slot_of(address); gates->slot[i].vector >= 0; i = (i + 1) % GATE_SLOTS)
        if (gates->slot[i].address == address) return gates->slot[i].vector;
    return -1;
}
