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

/* Wherever that is: nothing is read. */
static inline void prefetch(const vx_mmu *mmu, uint64_t hpa)
{
    __builtin_prefetch((const void *)((uintptr_t)mmu->memory->base + hpa));
}

/* Where the entry that maps the address is expected. */
static inline uint64_t entry_at(const vx_expected *of, uint64_t address)
{
    return known(of, address) + vx_wide_offset(1, address);
}

static inline bool is_data(const vx_record *record)
{
    return record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
}

/* The record or the one before it: half of all are fetches, which hardly ever miss. */
static inline const vx_record *data_near(const vx_record *record) { return is_data(record) ? record : record - 1; }

/* Formats of 8-byte entries only: what needs this has them. */
void vx_mmu_expect(const vx_mmu *mmu, const vx_record *record, const vx_record *stop)
{
    enum { FAR = 12, NEAR = 6 };
    if (stop - record <= FAR) return;
    const vx_record *far = data_near(record + FAR), *near = data_near(record + NEAR);
    if (is_data(far)) prefetch(mmu, entry_at(mmu->expected_guest, far->addr));
    if (mmu->control.nested == VX_NESTED_NONE || !is_data(near)) return;
    uint64_t at = entry_at(mmu->expected_guest, near->addr);
    uint64_t gpa = vx_physmem_read64(mmu->memory, (vx_hpa){at}) & VX_ENTRY_ADDRESS;
    prefetch(mmu, entry_at(mmu->expected_nested, gpa));
}
