/* --check of a nested hypervisor's memory: EPT01 against the placement of L1's memory, EPT02 against a walk of EPT12
 * and then EPT01 for each of its leaves. (EPT12 against L1's placement is the scheme's own check.) L1 takes nothing
 * away in a run, so no leaf may be stale. */
#include "nested_l0.h"

#include <inttypes.h>

#define EPT_ALL (VX_EPT_R | VX_EPT_W | VX_EPT_X)

typedef struct check {
    const vmm_vm *vm;
    uint64_t leaves;
} check;

static uint64_t frame_of(const vx_radix_spot *spot)
{
    return vx_radix_frame(&vx_radix_ept4, spot->entry, spot->level, true);
}

static vx_status check_ept01(void *context, uint64_t l1, const vx_radix_spot *spot, vx_msg *msg)
{
    check *c = context;
    uint64_t expected = vx_gpa_map_placed(&c->vm->vmm->layout->l1, (vx_gpa){l1});
    c->leaves++;
    if (frame_of(spot) == expected) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK, "EPT01 maps L1's 0x%" PRIx64 " to 0x%" PRIx64 ", placement says 0x%" PRIx64, l1,
                   frame_of(spot), expected);
}

static vx_status check_ept02(void *context, uint64_t gpa, const vx_radix_spot *spot, vx_msg *msg)
{
    check *c = context;
    ept12_walk walk = nested_ept12_walk(c->vm, gpa);
    ept01_leaf below = {0};
    uint64_t bytes = 1ULL << vx_radix_ept4.shift[spot->level];
    c->leaves++;
    bool same = walk.end == EPT12_MAPPED &&
                nested_ept01_find(c->vm->vmm, walk.frame | (gpa & (vx_page_bytes(walk.size) - 1)), &below) &&
                below.hpa == frame_of(spot) && vx_page_bytes(walk.size) >= bytes && vx_page_bytes(below.size) >= bytes;
    if (same && !(spot->entry & EPT_ALL & ~(walk.rights & below.rights))) return VX_OK;
    return vx_fail(msg, VX_ERR_CHECK,
                   "EPT02 maps L2's 0x%" PRIx64 " to 0x%" PRIx64 " with rights %u, EPT12 and EPT01 to 0x%" PRIx64
                   " with rights %u",
                   gpa, frame_of(spot), (unsigned)(spot->entry & EPT_ALL), below.hpa,
                   (unsigned)(walk.rights & below.rights));
}

vx_status nested_verify(const vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    check c = {.vm = vm};
    vx_status status = table_leaves(&vm->nested.ept02, check_ept02, &c, msg);
    if (status == VX_OK && vm->index == 0) status = table_leaves(&vm->vmm->l0.ept01, check_ept01, &c, msg);
    *leaves += c.leaves;
    return status;
}
