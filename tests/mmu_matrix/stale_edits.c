/* Random changes of guest and nested tables, each with an invalidation that the manual holds sufficient, chosen at
 * random among all that are (SDM Vol. 3A, 4.10.4.2 and 4.10.4.3; Vol. 3C, 28.3.3.3 and 28.3.3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stale_world.h"

/* ---- the guest's invalidations ---- */

static uint64_t pick(stale_machine *machine, uint64_t from, uint64_t to)
{
    return from + stale_below(machine, to - from + 1);
}

/* One operation by address: once for a leaf, at any address of it; for a table, at each page below that is in use. */
static void by_address(stale_machine *machine, const stale_change *change, vx_mmu_invalidation operand)
{
    const stale_vm *vm = &machine->vm[machine->now_vm];
    if (!change->upper) {
        operand.gva.v = pick(machine, change->from, change->to);
        stale_invalidate(machine, operand);
        return;
    }
    for (unsigned s = 0; s < vm->slots; s++) {
        operand.gva.v = vm->slot[s].gva;
        if (operand.gva.v >= change->from && operand.gva.v <= change->to) stale_invalidate(machine, operand);
    }
}

typedef enum how {
    BY_INVLPG,
    BY_INVPCID_ADDRESS,
    BY_INVPCID_CONTEXT,
    BY_INVPCID_ALL,
    BY_INVPCID_ALL_GLOBAL,
    BY_CR3,
    BY_CR4,
    BY_VPID_ADDRESS, /* INVVPID, INVLPGA */
    BY_VPID_KEEP_GLOBAL,
    BY_VPID,
    BY_VPID_ALL,
    BY_DEFERRING,
    HOWS
} how;

typedef struct edit_target {
    unsigned process;
    bool kernel;
} edit_target;

/* Does this way reach all that the change makes stale? */
static bool suffices(const stale_machine *machine, how way, edit_target target)
{
    const stale_vm *vm = &machine->vm[machine->now_vm];
    bool running = target.kernel || target.process == machine->now_process;
    switch (way) {
    case BY_INVLPG:
        return running; /* kernel pages: the other PCIDs' entries are seen to below */
    case BY_INVPCID_ADDRESS:
    case BY_INVPCID_CONTEXT:
    case BY_INVPCID_ALL:
        return vm->pcids && !target.kernel;
    case BY_INVPCID_ALL_GLOBAL:
        return vm->pcids;
    case BY_CR3:
        return running && !target.kernel;
    case BY_CR4:
        return true;
    case BY_VPID_ADDRESS:
    case BY_VPID:
    case BY_VPID_ALL:
        return vm->vpid != 0;
    case BY_VPID_KEEP_GLOBAL:
        return vm->vpid != 0 && !target.kernel;
    case BY_DEFERRING:
        return !running;
    case HOWS:
        break;
    }
    return false;
}

static void invlpg_everywhere(stale_machine *machine, const stale_change *change, edit_target target)
{
    const stale_vm *vm = &machine->vm[machine->now_vm];
    by_address(machine, change, (vx_mmu_invalidation){.op = VX_OP_INVLPG});
    if (!target.kernel || !vm->pcids) return;
    for (unsigned p = 0; p < STALE_PROCESSES; p++)
        if (p != machine->now_process)
            by_address(machine, change,
                       (vx_mmu_invalidation){.op = VX_OP_INVPCID_ADDRESS, .pcid = vm->process[p].pcid});
}

static void invalidate_by(stale_machine *machine, how way, const stale_change *change, edit_target target)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    bool amd = machine->vendor == VX_VENDOR_AMD;
    vx_mmu_invalidation operand = {.pcid = vm->process[target.process].pcid, .vpid = vm->vpid};
    switch (way) {
    case BY_INVLPG:
        invlpg_everywhere(machine, change, target);
        return;
    case BY_INVPCID_ADDRESS:
        operand.op = VX_OP_INVPCID_ADDRESS;
        by_address(machine, change, operand);
        return;
    case BY_VPID_ADDRESS:
        operand.op = amd ? VX_OP_INVLPGA : VX_OP_INVVPID_ADDRESS;
        by_address(machine, change, operand);
        return;
    case BY_INVPCID_CONTEXT:
        operand.op = VX_OP_INVPCID_CONTEXT;
        break;
    case BY_INVPCID_ALL:
        operand.op = VX_OP_INVPCID_ALL;
        break;
    case BY_INVPCID_ALL_GLOBAL:
        operand.op = VX_OP_INVPCID_ALL_GLOBAL;
        break;
    case BY_CR3:
        operand.op = VX_OP_CR3_LOAD;
        break;
    case BY_CR4:
        operand.op = VX_OP_CR4_FLUSH;
        break;
    case BY_VPID_KEEP_GLOBAL:
        operand.op = amd ? VX_OP_FLUSH_ASID_KEEP_GLOBAL : VX_OP_INVVPID_KEEP_GLOBAL;
        break;
    case BY_VPID:
        operand.op = amd ? VX_OP_FLUSH_ASID : VX_OP_INVVPID_CONTEXT;
        break;
    case BY_VPID_ALL:
        operand.op = amd ? VX_OP_FLUSH_ALL_ASIDS : VX_OP_INVVPID_ALL;
        break;
    case BY_DEFERRING:
        vm->process[target.process].deferred = true;
        return;
    case HOWS:
        return;
    }
    stale_invalidate(machine, operand);
}

/* Pages wait while a process that may remember them is still to be flushed; when too many do, MOV to CR4 flushes all.
 */
static void release(stale_machine *machine)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (vm->pool.quarantined > STALE_QUARANTINE / 4) {
        stale_invalidate(machine, (vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
        for (unsigned p = 0; p < STALE_PROCESSES; p++) vm->process[p].deferred = false;
    }
    for (unsigned p = 0; p < STALE_PROCESSES; p++)
        if (vm->process[p].deferred) return;
    stale_release(&vm->pool);
}

static void raise_slots(stale_vm *vm, const stale_change *change, edit_target target)
{
    for (unsigned p = 0; p < STALE_PROCESSES; p++)
        for (unsigned s = 0; s < vm->slots; s++)
            if ((target.kernel || p == target.process) && vm->slot[s].gva >= change->from &&
                vm->slot[s].gva <= change->to)
                vm->process[p].raised[s] = true;
}

static void settle(stale_machine *machine, const stale_change *change, edit_target target)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (change->need == STALE_RAISED_RIGHTS && stale_chance(machine, 60)) {
        raise_slots(vm, change, target);
    } else if (change->need != STALE_NEEDS_NOTHING) {
        /* Processes without PCIDs share PCID 000H: what is not running is flushed by the MOV to CR3 that runs it. */
        bool implied = !vm->pcids && !target.kernel && target.process != machine->now_process;
        how way = BY_DEFERRING;
        while (!implied) {
            way = (how)stale_below(machine, HOWS);
            if (suffices(machine, way, target)) break;
        }
        invalidate_by(machine, way, change, target);
    }
    release(machine);
}

/* ---- the guest's edits ---- */

static uint64_t random_frame(stale_machine *machine, const vx_radix *format, unsigned level)
{
    uint64_t frame =
        (1 + stale_below(machine, 3)) << 30 | stale_below(machine, 2) << 21 | stale_below(machine, 3) << 12;
    return frame & ~((1ULL << format->shift[level]) - 1);
}

static uint64_t random_leaf(stale_machine *machine, const vx_radix *format, unsigned level, bool kernel)
{
    uint64_t entry = random_frame(machine, format, level) | VX_PTE_P;
    if (stale_chance(machine, 75)) entry |= VX_PTE_W;
    if (stale_chance(machine, kernel ? 30 : 85)) entry |= VX_PTE_U;
    if (kernel && stale_chance(machine, 60)) entry |= VX_PTE_G;
    if (format->entry_bytes == 8 && stale_chance(machine, 20)) entry |= VX_PTE_NX;
    return level > 1 ? entry | format->large : entry;
}

/* A present entry with other rights, or with A and D cleared. */
static uint64_t twist(stale_machine *machine, const vx_radix *format, uint64_t entry, bool leaf, bool kernel)
{
    switch (stale_below(machine, leaf && kernel ? 6 : 5)) {
    case 0:
        return entry ^ VX_PTE_W;
    case 1:
        return entry ^ VX_PTE_U;
    case 2:
        return format->entry_bytes == 8 ? entry ^ VX_PTE_NX : entry ^ VX_PTE_W;
    case 3:
        return entry & ~(VX_PTE_A | (leaf ? VX_PTE_D : 0));
    case 4:
        return entry | VX_PTE_W | VX_PTE_U;
    default:
        return entry ^ VX_PTE_G;
    }
}

static unsigned highest_level(const stale_vm *vm, bool kernel)
{
    unsigned top = vm->process[0].table.format->top;
    return kernel || vm->paging == VX_PAGING_PAE ? top - 1 : top;
}

static unsigned random_leaf_level(stale_machine *machine, const stale_vm *vm, bool kernel)
{
    const vx_radix *format = vm->process[0].table.format;
    unsigned level = 1 + (stale_chance(machine, 50) ? 0 : (unsigned)stale_below(machine, 3));
    while (level > highest_level(vm, kernel) || !stale_leaf_level(format, level)) level--;
    return level;
}

static uint64_t upper_bits(void) { return VX_PTE_P | VX_PTE_W | VX_PTE_U; }

static stale_change edit(stale_machine *machine, stale_vm *vm, edit_target target, uint64_t gva)
{
    const stale_table *table = &vm->process[target.process].table;
    const vx_radix *format = table->format;
    unsigned kind = (unsigned)stale_below(machine, 100);
    if (kind < 45) {
        unsigned level = random_leaf_level(machine, vm, target.kernel);
        return stale_write(machine, table, gva, level, random_leaf(machine, format, level, target.kernel),
                           upper_bits());
    }
    /* An entry of the path as it is: its leaf, or any table above. */
    unsigned highest = highest_level(vm, target.kernel);
    unsigned lowest = kind < 75 ? 1 : 1 + (unsigned)stale_below(machine, highest);
    vx_hpa at;
    uint64_t entry;
    unsigned level = stale_find(machine, table, gva, lowest, &at, &entry);
    if (level > highest || !(entry & VX_PTE_P)) return (stale_change){.need = STALE_NEEDS_NOTHING};
    bool leaf = vx_radix_is_leaf(format, level, entry);
    uint64_t changed = stale_chance(machine, 25) ? 0 : twist(machine, format, entry, leaf, target.kernel);
    return stale_write(machine, table, gva, level, changed, upper_bits());
}

void stale_edit_guest(stale_machine *machine)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (vm->paging == VX_PAGING_NONE) return;
    const stale_slot *slot = &vm->slot[stale_below(machine, vm->slots)];
    edit_target target = {(unsigned)stale_below(machine, STALE_PROCESSES), slot->kernel};
    if (target.kernel || stale_chance(machine, 60)) target.process = machine->now_process;
    stale_change change = edit(machine, vm, target, slot->gva);
    settle(machine, &change, target);
}

void stale_page_fault(stale_machine *machine, uint64_t gva)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    edit_target target = {machine->now_process, false};
    for (unsigned s = 0; s < vm->slots; s++)
        if (vm->slot[s].gva >> VX_PAGE_SHIFT == gva >> VX_PAGE_SHIFT) target.kernel = vm->slot[s].kernel;
    const stale_table *table = &vm->process[target.process].table;
    unsigned level = random_leaf_level(machine, vm, target.kernel);
    uint64_t entry = random_leaf(machine, table->format, level, target.kernel) | VX_PTE_W;
    /* Whoever faulted is to succeed, most likely: SMEP and SMAP keep the supervisor off user pages. */
    entry = vm->cpl == 3 ? entry | VX_PTE_U : entry & ~VX_PTE_U;
    if (table->format->entry_bytes == 8) entry &= ~VX_PTE_NX;
    stale_change change = stale_write(machine, table, gva, level, entry, upper_bits());
    settle(machine, &change, target);
}

/* ---- the hypervisor ---- */

static uint64_t nested_rights(stale_machine *machine, const vx_radix *format)
{
    if (format->present == VX_PTE_P) return VX_PTE_P | VX_PTE_U | (stale_chance(machine, 80) ? VX_PTE_W : 0);
    static const uint64_t rights[] = {VX_EPT_R, VX_EPT_R | VX_EPT_W, VX_EPT_R | VX_EPT_X, VX_EPT_X};
    return stale_chance(machine, 70) ? VX_EPT_R | VX_EPT_W | VX_EPT_X : rights[stale_below(machine, 4)];
}

static uint64_t all_rights(const vx_radix *format)
{
    return format->present == VX_PTE_P ? upper_bits() : VX_EPT_R | VX_EPT_W | VX_EPT_X;
}

/* Guest tables stay where they are, with all rights; the rest of the guest's memory may go anywhere. */
static uint64_t nested_leaf(stale_machine *machine, const stale_vm *vm, const vx_radix *format, uint64_t gpa,
                            unsigned level)
{
    uint64_t mask = (1ULL << format->shift[level]) - 1, entry;
    if (gpa < 1ULL << 30)
        entry = (vm->base + (gpa & ~mask)) | all_rights(format);
    else
        entry = ((64ULL << 30 | stale_below(machine, 8ULL << 18) << 12) & ~mask) | nested_rights(machine, format);
    return level > 1 ? entry | format->large : entry;
}

static unsigned random_nested_level(stale_machine *machine)
{
    return 1 + (stale_chance(machine, 40) ? 0 : (unsigned)stale_below(machine, 3));
}

static void settle_nested(stale_machine *machine, stale_vm *vm, stale_view *view, const stale_change *change)
{
    if (change->need == STALE_RAISED_RIGHTS && view->raised < STALE_RAISED && stale_chance(machine, 70)) {
        view->raised_from[view->raised] = change->from;
        view->raised_to[view->raised++] = change->to;
    } else if (change->need != STALE_NEEDS_NOTHING) {
        bool amd = machine->vendor == VX_VENDOR_AMD, all = stale_chance(machine, 20);
        vx_mmu_invalidation operand = {.vpid = vm->vpid, .nested_root = view->table.root};
        if (amd)
            operand.op = all ? VX_OP_FLUSH_ALL_ASIDS : VX_OP_FLUSH_ASID;
        else
            operand.op = all ? VX_OP_INVEPT_ALL : VX_OP_INVEPT_CONTEXT;
        stale_invalidate(machine, operand);
        view->raised = 0;
    }
    stale_release(view->table.pool);
}

static uint64_t nested_twist(stale_machine *machine, const stale_vm *vm, const vx_radix *format, uint64_t gpa,
                             unsigned level, uint64_t entry, bool leaf)
{
    uint64_t rights = all_rights(format), unused = ~0ULL;
    bool ept = format->present != VX_PTE_P;
    if (vm->nested_ad || !ept) unused = ept ? ~(VX_EPT_A | (leaf ? VX_EPT_D : 0)) : ~(VX_PTE_A | (leaf ? VX_PTE_D : 0));
    if (stale_chance(machine, 40)) return entry & unused;
    if (gpa < 1ULL << 30 || level > 3) return entry | rights;
    return (entry & ~rights) | nested_rights(machine, format);
}

uint64_t stale_random_gpa(stale_machine *machine)
{
    return stale_chance(machine, 75) ? random_frame(machine, &vx_radix_4level, 1) : stale_below(machine, 64) << 12;
}

void stale_edit_nested(stale_machine *machine)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    if (vm->nested == VX_NESTED_NONE) return;
    stale_view *view = &vm->view[stale_below(machine, vm->views)];
    const vx_radix *format = view->table.format;
    uint64_t gpa = stale_random_gpa(machine);
    unsigned kind = (unsigned)stale_below(machine, 100);
    vx_hpa at;
    uint64_t entry, changed;
    unsigned level;
    if (kind < 40) {
        level = random_nested_level(machine);
        changed = nested_leaf(machine, vm, format, gpa, level);
    } else {
        level =
            stale_find(machine, &view->table, gpa, 1 + (unsigned)stale_below(machine, kind < 75 ? 1 : 4), &at, &entry);
        if (!(entry & format->present)) return;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        changed = stale_chance(machine, 30) ? 0 : nested_twist(machine, vm, format, gpa, level, entry, leaf);
    }
    stale_change change = stale_write(machine, &view->table, gpa, level, changed, all_rights(format));
    settle_nested(machine, vm, view, &change);
}

void stale_nested_fault(stale_machine *machine, vx_gpa gpa)
{
    stale_vm *vm = &machine->vm[machine->now_vm];
    stale_view *view = &vm->view[machine->now_view];
    const vx_radix *format = view->table.format;
    vx_hpa at;
    uint64_t entry;
    unsigned level = stale_find(machine, &view->table, gpa.v, 1, &at, &entry);
    if (!(entry & format->present)) {
        unsigned wanted = random_nested_level(machine);
        if (wanted > level) wanted = level > 3 ? 3 : level;
        stale_change change = stale_write(machine, &view->table, gpa.v, wanted,
                                          nested_leaf(machine, vm, format, gpa.v, wanted), all_rights(format));
        settle_nested(machine, vm, view, &change);
        return;
    }
    for (level = format->top; level >= 1; level--) { /* grant all rights on the whole path */
        unsigned reached = stale_find(machine, &view->table, gpa.v, level, &at, &entry);
        if (reached != level) continue;
        stale_change change =
            stale_write(machine, &view->table, gpa.v, level, entry | all_rights(format), all_rights(format));
        settle_nested(machine, vm, view, &change);
    }
}
