#include "vx_physmem.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "vx_random.h"

static const uint64_t architecture_end = 1ULL << 52;  /* SDM Vol. 3A, 4.1.4: MAXPHYADDR is 52 at most */
static const uint64_t reserve_max_bytes = 1ULL << 46; /* what a process of 47-bit addresses can hold at all */

vx_status vx_physmem_init(vx_physmem *memory, uint64_t bytes, vx_msg *msg)
{
    if (bytes == 0 || bytes > reserve_max_bytes)
        return vx_fail(msg, VX_ERR_INPUT, "simulated physical memory of %" PRIu64 " bytes: must be 1 to 2^46", bytes);
    uint64_t rounded = (bytes + VX_PAGE_BYTES - 1) & ~(uint64_t)(VX_PAGE_BYTES - 1);
    void *base = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return vx_fail(msg, VX_ERR_NOMEM, "cannot reserve %" PRIu64 " bytes of simulated physical memory: %s", rounded,
                       strerror(errno));
    /* Tables lie far apart: a huge page for each would commit 512 times what they need. A kernel without huge pages
     * refuses the advice and needs none. */
    (void)madvise(base, rounded, MADV_NOHUGEPAGE);
    *memory = (vx_physmem){.base = base, .bytes = rounded};
    return VX_OK;
}

void vx_physmem_dense(vx_physmem *memory, uint64_t bytes)
{
    (void)madvise(memory->base, bytes < memory->bytes ? bytes : memory->bytes, MADV_HUGEPAGE);
}

void vx_physmem_fini(vx_physmem *memory)
{
    if (memory->base) munmap(memory->base, memory->bytes);
    *memory = (vx_physmem){0};
}

void vx_physmem_clear_page(vx_physmem *memory, vx_hpa page)
{
    uint64_t first = page.v & ~(uint64_t)(VX_PAGE_BYTES - 1);
    if (first < memory->bytes) memset(memory->base + first, 0, VX_PAGE_BYTES);
}

/* ---- placement of a guest's pages ---- */

/* A keyed bijection of the numbers of `bits` bits: each step (multiply by an odd number and add, modulo 2^bits; fold
 * the upper half onto the lower by xor) can be undone, so the whole can. The folds carry what multiplication only
 * moves upwards back down. */
static uint64_t permute_bits(uint64_t x, unsigned bits, uint64_t key)
{
    uint64_t mask = (1ULL << bits) - 1;
    unsigned half = (bits + 1) / 2;
    for (unsigned round = 0; round < 3; round++) {
        uint64_t round_key = vx_mix64(key + round * 0x9E3779B97F4A7C15ULL); /* SplitMix64's sequence */
        x = (x * (round_key | 1) + (round_key >> 32)) & mask;
        x ^= x >> half;
    }
    return x;
}

/* A keyed bijection of 0 to count - 1. The power of two that holds them is permuted, and a result beyond the end is
 * permuted again until it falls inside (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite domains").
 * Fewer than half of the numbers lie beyond, so two rounds do on average. */
static uint64_t permute(uint64_t x, uint64_t count, uint64_t key)
{
    if (count < 2) return x;
    unsigned bits = 64 - (unsigned)__builtin_clzll(count - 1);
    do x = permute_bits(x, bits, key);
    while (x >= count);
    return x;
}

/* Beyond RAM. What the sum cannot name must not come round to the tables at the bottom of host memory. */
static uint64_t device_space(const vx_gpa_map *map, vx_gpa gpa)
{
    uint64_t end = map->host_end ? map->host_end : architecture_end;
    uint64_t first = map->base + map->device_gap;
    if (gpa.v < end - first) return first + gpa.v;
    return end - VX_PAGE_BYTES + (gpa.v & (VX_PAGE_BYTES - 1));
}

uint64_t vx_gpa_map_placed(const vx_gpa_map *map, vx_gpa gpa)
{
    if (gpa.v >= map->bytes) return device_space(map, gpa);
    if (!map->scattered) return map->base + gpa.v;
    uint64_t frame = permute(gpa.v >> map->granule_shift, map->bytes >> map->granule_shift, map->key);
    uint64_t offset = gpa.v & ((1ULL << map->granule_shift) - 1);
    return map->base + (frame << map->granule_shift) + offset;
}

vx_hpa vx_gpa_map_hpa(const vx_gpa_map *map, vx_gpa gpa)
{
    uint64_t address = vx_gpa_map_placed(map, gpa);
    for (const vx_gpa_map *below = map->below; below; below = below->below)
        address = vx_gpa_map_placed(below, (vx_gpa){address});
    return (vx_hpa){address};
}
