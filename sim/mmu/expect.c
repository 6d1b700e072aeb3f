/* Bringing near what walks to come will read. Random references over many GiB spend their time waiting for two entries
 * a walk, the guest's and the nested leaf; a replay knows its next references and can ask for both ahead of time.
 *
 * Hints for the host's caches alone: where the leaf tables lie is remembered by 2 MiB region, beside the model and
 * never read by it, so that no count depends on them. A wrong hint costs a useless prefetch. */
#include "walker.h"

static const vx_expected *known(const vx_expected *of, uint64_t address)
{
    const vx_expected *slot = &of[address >> VX_EXPECTED_SHIFT & (VX_EXPECTED - 1)];
    return slot->table && slot->region == address >> VX_EXPECTED_SHIFT ? slot : NULL;
}

static uint64_t guest_entry(const vx_mmu *mmu, uint64_t gva, uint64_t table)
{
    const vx_radix *format = mmu->setup.guest;
    return table + (uint64_t)vx_radix_index(format, 1, gva) * format->entry_bytes;
}

static void prefetch(const vx_mmu *mmu, uint64_t hpa)
{
    if (hpa < mmu->memory->bytes) __builtin_prefetch(mmu->memory->base + hpa);
}

void vx_mmu_expect(const vx_mmu *mmu, vx_gva gva, vx_mmu_stage stage)
{
    const vx_expected *guest = mmu->setup.guest ? known(mmu->expected_guest, gva.v) : NULL;
    if (!guest) return;
    uint64_t at = guest_entry(mmu, gva.v, guest->table);
    if (stage == VX_EXPECT_GUEST_ENTRY) {
        prefetch(mmu, at);
        return;
    }
    if (mmu->control.nested == VX_NESTED_NONE) return;
    uint64_t gpa =
        vx_radix_frame(mmu->setup.guest, vx_radix_read(mmu->setup.guest, mmu->memory, (vx_hpa){at}), 1, true);
    const vx_expected *nested = known(mmu->expected_nested, gpa);
    if (nested) prefetch(mmu, nested->table + (uint64_t)vx_radix_index(mmu->setup.nested, 1, gpa) * 8);
}
