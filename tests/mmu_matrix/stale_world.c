/* Guests, their contexts and what happens to them, but for the edits of tables (stale_edits.c). */
#include "stale_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TABLE_BYTES = 4 << 20 }; /* of a guest's memory, for its tables */

uint64_t stale_below(stale_machine *machine, uint64_t bound) { return vx_random_below(&machine->random, bound); }
bool stale_chance(stale_machine *machine, unsigned percent) { return stale_below(machine, 100) < percent; }

void stale_invalidate(stale_machine *machine, vx_mmu_invalidation operand)
{
    machine->invalidations++;
    machine->invalidate(machine, &operand);
}

/* ---- building ---- */

static void pool_fill(stale_pool *pool, uint64_t first, unsigned pages)
{
    *pool = (stale_pool){.frees = 0};
    for (unsigned i = 0; i < pages; i++) pool->free[pool->frees++] = first + (uint64_t)i * VX_PAGE_BYTES;
}

static void slot(stale_vm *vm, uint64_t gva, bool kernel)
{
    assert_true(vm->slots < STALE_SLOTS_MAX);
    vm->slot[vm->slots++] = (stale_slot){gva, kernel};
}

/* Pages close together, so that tables and large pages hold several, and some far apart. */
static void slots_long(stale_vm *vm, uint64_t kernel)
{
    static const unsigned pt[] = {0, 1, 511};
    for (uint64_t g = 0; g < 2; g++)
        for (uint64_t d = 0; d < 2; d++)
            for (unsigned t = 0; t < 3; t++) slot(vm, g << 30 | d << 21 | (uint64_t)pt[t] << 12, false);
    slot(vm, 5ULL << 39 | 7 << 12, false);
    slot(vm, 5ULL << 39 | 8 << 12, false);
    for (uint64_t g = 0; g < 2; g++)
        for (uint64_t d = 0; d < 2; d++)
            for (unsigned t = 0; t < 2; t++) slot(vm, kernel | g << 30 | d << 21 | (uint64_t)pt[t] << 12, true);
}

static void slots_short(stale_vm *vm)
{
    static const unsigned pt[] = {0, 1, 511};
    for (uint64_t d = 0; d < 4; d++)
        for (unsigned t = 0; t < 3; t++) slot(vm, d << 21 | (uint64_t)pt[t] << 12, false);
    for (uint64_t d = 0; d < 4; d++)
        for (unsigned t = 0; t < 2; t++) slot(vm, 0xC0000000ULL | d << 21 | (uint64_t)pt[t] << 12, true);
}

static const vx_radix *guest_format(vx_paging_mode mode)
{
    switch (mode) {
    case VX_PAGING_32BIT:
        return &vx_radix_2level;
    case VX_PAGING_PAE:
        return &vx_radix_pae;
    case VX_PAGING_5LEVEL:
        return &vx_radix_5level;
    default:
        return &vx_radix_4level;
    }
}

static const vx_radix *nested_format(const stale_guest_spec *spec)
{
    bool five = spec->nested_levels == 5;
    if (spec->nested == VX_NESTED_EPT) return five ? &vx_radix_ept5 : &vx_radix_ept4;
    return five ? &vx_radix_5level : &vx_radix_4level;
}

/* Root entries above kernel addresses (and PAE's four PDPTEs) are made once and never change: the processes share what
 * lies below the kernel's. */
static void build_roots(stale_machine *machine, stale_vm *vm)
{
    const vx_radix *format = vm->process[0].table.format;
    bool pae = vm->paging == VX_PAGING_PAE;
    uint64_t upper = pae ? VX_PTE_P : VX_PTE_P | VX_PTE_W | VX_PTE_U;
    for (unsigned p = 0; p < STALE_PROCESSES; p++)
        for (unsigned s = 0; s < vm->slots; s++) {
            if (!vm->slot[s].kernel && !pae) continue;
            uint64_t offset = (uint64_t)vx_radix_index(format, format->top, vm->slot[s].gva) * format->entry_bytes;
            vx_hpa at = {vm->process[p].table.base + vm->process[p].table.root + offset};
            if (vx_radix_read(format, &machine->memory, at) != 0) continue;
            uint64_t entry =
                vm->slot[s].kernel && p > 0
                    ? vx_radix_read(format, &machine->memory,
                                    (vx_hpa){vm->process[0].table.base + vm->process[0].table.root + offset})
                    : stale_page(&vm->pool, &machine->memory, vm->base) | upper;
            vx_radix_write(format, &machine->memory, at, entry);
        }
}

static void build_vm(stale_machine *machine, stale_vm *vm, const stale_guest_spec *spec, unsigned number)
{
    *vm = (stale_vm){.name = spec->name,
                     .paging = spec->paging,
                     .nested = spec->nested,
                     .vpid = spec->vpid,
                     .pcids = spec->pcids,
                     .nested_ad = spec->nested_ad,
                     .nested_levels = spec->nested_levels,
                     .views = spec->views,
                     .wp = true,
                     .cpl = 3};
    bool two = spec->nested != VX_NESTED_NONE;
    vm->base = two ? (number + 1ULL) << 30 : 0;
    /* In one dimension the tables lie in host memory, each guest's in its own part. */
    uint64_t first = two ? VX_PAGE_BYTES : (number + 1ULL) * 2 * TABLE_BYTES;
    pool_fill(&vm->pool, first, TABLE_BYTES / VX_PAGE_BYTES - 1);
    for (unsigned v = 0; v < spec->views; v++)
        vm->view[v].table = stale_table_new(machine, nested_format(spec), &machine->nested_pool, 0);
    if (spec->paging == VX_PAGING_32BIT || spec->paging == VX_PAGING_PAE || spec->paging == VX_PAGING_NONE)
        slots_short(vm);
    else
        slots_long(vm, spec->paging == VX_PAGING_5LEVEL ? 0xFF00000000000000ULL : 0xFFFF800000000000ULL);
    for (unsigned p = 0; p < STALE_PROCESSES; p++) {
        vm->process[p].table = stale_table_new(machine, guest_format(spec->paging), &vm->pool, vm->base);
        vm->process[p].pcid = spec->pcids ? (uint16_t)(p == 0 ? 1 : 0xABC) : 0;
    }
    build_roots(machine, vm);
}

void stale_machine_open(stale_machine *machine, const stale_guest_spec *guests, unsigned count, uint64_t seed,
                        const char *stream, vx_vendor vendor)
{
    *machine = (stale_machine){.vendor = vendor, .vms = count};
    vx_random_init(&machine->random, seed, stream);
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&machine->memory, (STALE_VMS_MAX + 1ULL) << 30, &msg), VX_OK);
    pool_fill(&machine->nested_pool, 1 << 20, STALE_POOL_PAGES);
    for (unsigned i = 0; i < count; i++) build_vm(machine, &machine->vm[i], &guests[i], i);
}

void stale_machine_close(stale_machine *machine) { vx_physmem_fini(&machine->memory); }

/* ---- contexts ---- */

vx_mmu_control stale_control(const stale_machine *machine, unsigned vm_number, unsigned process, unsigned view)
{
    const stale_vm *vm = &machine->vm[vm_number];
    const stale_table *table = &vm->process[process].table;
    vx_mmu_control control = {.paging = vm->paging,
                              .root = table->root,
                              .wp = vm->wp,
                              .pse = true,
                              .pge = true,
                              .smep = true,
                              .smap = true,
                              .nxe = true,
                              .ac = vm->ac,
                              .cpl = vm->cpl,
                              .pcid = vm->process[process].pcid,
                              .vpid = vm->vpid,
                              .nested = vm->nested,
                              .nested_levels = vm->nested_levels,
                              .nested_ad = vm->nested_ad};
    if (vm->nested != VX_NESTED_NONE) control.nested_root = vm->view[view].table.root;
    if (vm->paging == VX_PAGING_PAE)
        for (unsigned i = 0; i < 4; i++)
            control.pdpte[i] = vx_physmem_read64(&machine->memory, (vx_hpa){table->base + table->root + 8ULL * i});
    return control;
}

void stale_load(stale_machine *machine)
{
    vx_mmu_control control = stale_control(machine, machine->now_vm, machine->now_process, machine->now_view);
    vx_mmu_load(machine->mmu, &control);
}

/* "Enable VPID" = 0: every transition of this guest drops VPID 0000H (SDM Vol. 3C, 28.3.3.1). */
static void transition(stale_machine *machine)
{
    const stale_vm *vm = &machine->vm[machine->now_vm];
    if (vm->vpid == 0 && vm->nested != VX_NESTED_NONE)
        stale_invalidate(machine, (vx_mmu_invalidation){.op = VX_OP_VM_TRANSITION});
}

/* MOV to CR3, with bit 63 set only where PCIDs are in use and nothing was put off until now. */
static void load_cr3(stale_machine *machine, unsigned process)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (!vm->pcids || vm->process[process].deferred || stale_chance(machine, 30)) {
        stale_invalidate(machine, (vx_mmu_invalidation){.op = VX_OP_CR3_LOAD, .pcid = vm->process[process].pcid});
        vm->process[process].deferred = false;
    }
    machine->now_process = process;
}

void stale_switch(stale_machine *machine)
{
    machine->switches++;
    if (stale_chance(machine, 50)) {
        unsigned to = (unsigned)stale_below(machine, machine->vms);
        transition(machine);
        machine->now_vm = to;
        machine->now_view = 0;
        /* VM entry and exit load CR3 without its invalidation; a guest resumes the process it left. */
        machine->now_process = machine->vm[to].resumed;
        stale_load(machine);
        transition(machine);
    } else {
        load_cr3(machine, (unsigned)stale_below(machine, STALE_PROCESSES));
    }
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (vm->views > 1) machine->now_view = (unsigned)stale_below(machine, vm->views);
    vm->resumed = machine->now_process;
    stale_load(machine);
}

void stale_change_rights(stale_machine *machine)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    vm->cpl = stale_chance(machine, 60) ? 3 : 0;
    vm->ac = stale_chance(machine, 50);
    vm->wp = stale_chance(machine, 80);
    stale_load(machine);
}
