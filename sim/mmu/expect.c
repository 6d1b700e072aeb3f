/* Bringing near what walks to come will read. Random references over many GiB spend their time waiting for two entries
 * a walk, the guest's and the nested leaf; a replay knows its next references and can ask for both ahead of time.
 *
 * Hints for the host's caches alone: where the leaf tables lie is remembered by 2 MiB region, beside the model and
 * never read by it, so that no count depends on them. A wrong hint, of a region that shares another's place or has
 * tables of another format, costs a useless prefetch. */
#include "walker.h"

static uint64_t known(const vx_expected *of, uint64_t address)
{
    return of[address >> VX_EXPECTED_SHIFT & (VX_EXPECTED - 1)];
}

static inline void prefetch(const vx_mmu *mmu, uint64_t hpa)
{
    if (hpa < mmu->memory->bytes) __builtin_prefetch(mmu->memory->base + hpa);
}

/* Formats of 8-byte entries only: what needs this has them. */
void vx_mmu_expect(const vx_mmu *mmu, vx_gva gva, vx_mmu_stage stage)
{
    uint64_t at = known(mmu->expected_guest, gva.v) + vx_wide_offset(1, gva.v);
    if (stage == VX_EXPECT_GUEST_ENTRY) {
        prefetch(mmu, at);
        return;
    }
    if (mmu->control.nested == VX_NESTED_NONE) return;
    uint64_t gpa = vx_physmem_read64(mmu->memory, (vx_hpa){at}) & VX_ENTRY_ADDRESS;
    prefetch(mmu, known(mmu->expected_nested, gpa) + vx_wide_offset(1, gpa));
}
