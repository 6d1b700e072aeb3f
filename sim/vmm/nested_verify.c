/* --check of a nested hypervisor's memory: table 01 against the placement of L1's memory, table 02 against a walk of
 * table 12 and then 01 for each of its leaves. (Table 12 against L1's placement is the scheme's own check.) L1 takes
 * nothing away in a run, so no leaf may be stale. */
#include "nested_l0.h"

#include <inttypes.h>

typedef struct check {
    const vmm_vm *vm;
    uint64_t leaves;
} check;

static uint64_t frame_of(const check *c, const vx_radix_spot *spot)
{
    return vx_radix_frame(c->vm->vmm->l0.entries->format, spot->entry, spot->level, true);
}

static vx_status check_table01(void *context, uint64_t l1, const vx_radix_spot *spot, vx_msg *msg)
{
    check *c = context;
    uint64_t expected = vx_gpa_map_placed(&c->vm->vmm->layout->l1, (vx_gpa){l1});
    c->leaves++;
    if (frame_of(c, spot) == expected) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK, "%s01 maps L1's 0x%" PRIx64 " to 0x%" PRIx64 ", placement says 0x%" PRIx64,
                   c->vm->vmm->l0.entries->name, l1, frame_of(c, spot), expected);
}

static vx_status check_table02(void *context, uint64_t gpa, const vx_radix_spot *spot, vx_msg *msg)
{
    check *c = context;
    table12_walk walk = nested_table12_walk(c->vm, gpa);
    table01_leaf below = {0};
    const nested_entries *entries = c->vm->vmm->l0.entries;
    uint64_t bytes = 1ULL << entries->format->shift[spot->level], rights = nested_entry_rights(entries, spot->entry);
    c->leaves++;
    bool same = walk.end == TABLE12_MAPPED &&
                nested_table01_find(c->vm->vmm, walk.frame | (gpa & (vx_page_bytes(walk.size) - 1)), &below) &&
                below.hpa == frame_of(c, spot) && vx_page_bytes(walk.size) >= bytes &&
                vx_page_bytes(below.size) >= bytes;
    if (same && !(rights & ~(walk.rights & below.rights))) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK,
                   "%s02 maps L2's 0x%" PRIx64 " to 0x%" PRIx64 " with rights %u, %s12 and %s01 to 0x%" PRIx64
                   " with rights %u",
                   entries->name, gpa, frame_of(c, spot), (unsigned)rights, entries->name, entries->name, below.hpa,
                   (unsigned)(walk.rights & below.rights));
}

vx_status nested_verify(const vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    check c = {.vm = vm};
    vx_status status = table_leaves(&vm->nested.table02, check_table02, &c, msg);
    if (status == VX_OK && vm->index == 0) status = table_leaves(&vm->vmm->l0.table01, check_table01, &c, msg);
    *leaves += c.leaves;
    return status;
}
