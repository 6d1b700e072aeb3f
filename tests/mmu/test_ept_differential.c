/* Random tables of both dimensions with random rights, controls and processors: the walker agrees with the slow EPT in
 * outcome, address, qualification and in every byte of memory, accessed and dirty flags and the page-modification log
 * among them. */
#include <string.h>

#include "slow_ept.h"
#include "test_cpu.h"
#include "test_support.h"
#include "vx_random.h"

enum { PAGES = 96, BYTES = PAGES * VX_PAGE_BYTES, ROUNDS = 300, PER_LEVEL = 3 };
/* Tables of level n are the PER_LEVEL pages from first + (top - n) * PER_LEVEL on. */
enum { NESTED_FIRST = 1, NESTED_TOP = 5, GUEST_FIRST = 20, GUEST_TOP = 4, SUB_PAGE_FIRST = 36, SUB_PAGE_TOP = 4 };

typedef struct differential {
    vx_random random;
    vx_cfg_cpu cpu;
    vx_arena arena;
    vx_physmem memory, copy;
    vx_ledger ledger;
    vx_mmu *mmu;
    uint16_t pml;
    slow_ept slow;
    vx_mmu_control control;
} differential;

static bool chance(differential *d, unsigned in) { return vx_random_below(&d->random, in) == 0; }

static uint64_t page_of(differential *d, unsigned first, unsigned count)
{
    return (first + vx_random_below(&d->random, count)) * VX_PAGE_BYTES;
}

static uint64_t table_of(differential *d, unsigned first, unsigned top, unsigned level)
{
    return page_of(d, first + (top - level) * PER_LEVEL, PER_LEVEL);
}

static uint64_t strange_bit(differential *d, unsigned in)
{
    return chance(d, in) ? 1ULL << vx_random_below(&d->random, 64) : 0;
}

static uint64_t nested_entry(differential *d, unsigned level)
{
    uint64_t entry = 7 | 1ULL << 10;
    if (chance(d, 4)) entry = vx_random_below(&d->random, 8) | vx_random_below(&d->random, 2) << 10;
    if (!(entry & 1) && !chance(d, 8)) entry &= ~2ULL;
    entry |= vx_random_below(&d->random, 4) << 8;
    if (chance(d, 2)) entry |= (vx_random_u64(&d->random) & 0xFFF0000000000800ULL);
    if (!(entry & 1) && !chance(d, 8)) entry &= ~(1ULL << 58);
    bool large = (level == 2 || level == 3) && chance(d, 10);
    entry ^= strange_bit(d, 80);
    if (level == 1 && chance(d, 3)) entry = (entry | 1ULL << 61 | 1) & ~2ULL;
    if (level == 1) return entry | 6 << 3 | page_of(d, 0, PAGES);
    return large ? entry | 6 << 3 | 0x80 : entry | table_of(d, NESTED_FIRST, NESTED_TOP, level - 1);
}

static uint64_t guest_entry(differential *d, unsigned level)
{
    uint64_t entry = 7 | vx_random_below(&d->random, 4) << 5;
    if (chance(d, 3)) entry = 1 | vx_random_below(&d->random, 8) | vx_random_below(&d->random, 4) << 5;
    if (chance(d, 8)) entry |= 1ULL << 63;
    if ((level == 2 || level == 3) && chance(d, 16)) entry |= 0x80;
    entry ^= strange_bit(d, 80);
    return entry | (level == 1 ? page_of(d, 0, PAGES) : table_of(d, GUEST_FIRST, GUEST_TOP, level - 1));
}

static uint64_t sub_page_entry(differential *d, unsigned level)
{
    uint64_t entry = level == 1 ? vx_random_u64(&d->random) & 0x5555555555555555ULL
                                : 1 | table_of(d, SUB_PAGE_FIRST, SUB_PAGE_TOP, level - 1);
    return entry ^ strange_bit(d, 16);
}

static void fill(differential *d, unsigned first, unsigned top, uint64_t (*entry)(differential *d, unsigned level))
{
    for (unsigned level = top; level > 0; level--)
        for (unsigned page = 0; page < PER_LEVEL; page++)
            for (unsigned i = 0; i < PAGES; i++)
                vx_physmem_write64(&d->memory,
                                   (vx_hpa){(first + (top - level) * PER_LEVEL + page) * VX_PAGE_BYTES + 8ULL * i},
                                   entry(d, level));
}

static void choose_controls(differential *d)
{
    unsigned bits = (unsigned)vx_random_below(&d->random, 1U << 20);
    d->pml = (uint16_t)(chance(d, 4) ? vx_random_below(&d->random, 4) - 2 : 400);
    d->control = (vx_mmu_control){.paging = bits & 1 ? VX_PAGING_4LEVEL : VX_PAGING_NONE,
                                  .root = table_of(d, GUEST_FIRST, GUEST_TOP, 4),
                                  .wp = bits & 2,
                                  .nxe = bits & 4,
                                  .smep = bits & 8,
                                  .smap = bits & 16,
                                  .ac = bits & 32,
                                  .cpl = bits & 64 ? 3 : 0,
                                  .nested = VX_NESTED_EPT,
                                  .nested_root = table_of(d, NESTED_FIRST, NESTED_TOP, bits & 128 ? 5 : 4),
                                  .nested_levels = bits & 128 ? 5 : 4,
                                  .nested_ad = bits & 256,
                                  .supervisor_shadow_stack = bits & 512,
                                  .mode_based_execute = bits & 1024,
                                  .paging_write = bits & 2048,
                                  .guest_paging_verification = (bits & 4096) && (bits & 2048),
                                  .sub_page_write = bits & 8192,
                                  .sppt = table_of(d, SUB_PAGE_FIRST, SUB_PAGE_TOP, 4),
                                  .advanced_information = bits & 16384,
                                  .pml_address = (PAGES - 1) * VX_PAGE_BYTES,
                                  .pml_index = bits & 32768 ? &d->pml : NULL};
    d->cpu.vmx.ept_execute_only = bits & 65536;
    d->cpu.vmx.ept_1g = bits & 131072;
    d->cpu.paging.page_1g = bits & 262144;
    d->cpu.paging.physical_bits = bits & 524288 ? 36 : 46;
}

static void copy_to_slow(differential *d)
{
    memcpy(d->copy.base, d->memory.base, BYTES);
    d->slow = (slow_ept){.memory = &d->copy, .cpu = &d->cpu, .control = d->control, .pml = d->pml};
}

static void compare(differential *d, const char *what, uint64_t address, vx_mmu_result result, uint64_t hpa,
                    const vx_mmu_fault *fault, const slow_outcome *expected)
{
    if (result != expected->result)
        fail_msg("%s %#llx: %d instead of %d", what, (unsigned long long)address, result, expected->result);
    if (result == VX_MMU_DONE) assert_int_equal(hpa, expected->hpa);
    if (result == VX_MMU_PAGE_FAULT) assert_int_equal(fault->error_code, expected->error_code);
    if (result != VX_MMU_DONE && result != VX_MMU_PAGE_FAULT) {
        if (result != VX_MMU_PML_FULL) assert_int_equal(fault->gpa.v, expected->gpa);
        if (fault->qualification != expected->qualification)
            fail_msg("%s %#llx: qualification %#llx instead of %#llx", what, (unsigned long long)address,
                     (unsigned long long)fault->qualification, (unsigned long long)expected->qualification);
        if (result == VX_MMU_NESTED_FAULT) assert_int_equal(fault->convertible, expected->convertible);
    }
    assert_int_equal(d->pml, d->slow.pml);
    if (memcmp(d->memory.base, d->copy.base, BYTES) != 0) fail_msg("%s: memory differs", what);
}

static void one_access(differential *d, unsigned *counts)
{
    vx_access access = (vx_access)vx_random_below(&d->random, VX_ACCESSES);
    unsigned kind = (unsigned)vx_random_below(&d->random, 4);
    uint64_t address = page_of(d, 0, PAGES) + vx_random_below(&d->random, VX_PAGE_BYTES);
    if (kind > 0 && d->control.paging != VX_PAGING_NONE)
        for (unsigned level = 1; level <= 4; level++) address |= vx_random_below(&d->random, 8) << (3 + 9 * level);
    if (chance(d, 50)) address |= 1ULL << (48 + vx_random_below(&d->random, 4));
    if (kind > 0 && address >> 47) address &= (1ULL << 47) - 1;
    vx_mmu_fault fault = {0};
    vx_mmu_translation translation = {0};
    vx_hpa hpa = {0};
    slow_outcome expected;
    vx_mmu_result result;
    if (kind == 0) {
        expected = slow_ept_gpa(&d->slow, address, access);
        result = vx_mmu_access_gpa(d->mmu, (vx_gpa){address}, access, &hpa, &fault);
    } else if (kind == 1 && access != VX_ACCESS_FETCH && d->control.paging != VX_PAGING_NONE) {
        d->slow.shadow_stack = true;
        expected = slow_ept_linear(&d->slow, address, access);
        d->slow.shadow_stack = false;
        result = vx_mmu_access_shadow_stack(d->mmu, (vx_gva){address}, access, &translation, &fault);
        hpa = translation.hpa;
    } else {
        if (d->control.paging == VX_PAGING_NONE) return;
        expected = slow_ept_linear(&d->slow, address, access);
        result = vx_mmu_access(d->mmu, (vx_gva){address}, access, &translation, &fault);
        hpa = translation.hpa;
    }
    compare(d, kind == 0 ? "gpa" : kind == 1 ? "shadow stack" : "linear", address, result, hpa.v, &fault, &expected);
    counts[result]++;
    if (result == VX_MMU_DONE && kind > 1) /* the next access is walked for: no TLB in this test */
        vx_mmu_invalidate(d->mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
}

static void open_world(differential *d)
{
    vx_msg msg;
    d->cpu = test_cpu_nehalem();
    d->cpu.psc.kind = VX_PSC_NONE;
    d->cpu.ntlb.entries = 0;
    vx_arena_init(&d->arena);
    assert_int_equal(vx_physmem_init(&d->memory, BYTES, &msg), VX_OK);
    assert_int_equal(vx_physmem_init(&d->copy, BYTES, &msg), VX_OK);
    assert_int_equal(vx_mmu_init(&d->mmu, &d->arena, &d->cpu, &d->memory, &d->ledger, &msg), VX_OK);
}

static void walker_and_slow_ept_agree(void **state)
{
    (void)state;
    static differential d;
    unsigned counts[VX_MMU_SPP_EVENT + 1] = {0};
    open_world(&d);
    vx_random_init(&d.random, vx_test_seed(), "ept");
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(d.memory.base, 0, BYTES);
        fill(&d, NESTED_FIRST, NESTED_TOP, nested_entry);
        fill(&d, GUEST_FIRST, GUEST_TOP, guest_entry);
        fill(&d, SUB_PAGE_FIRST, SUB_PAGE_TOP, sub_page_entry);
        choose_controls(&d);
        vx_mmu_load(d.mmu, &(vx_mmu_control){.paging = VX_PAGING_NONE});
        vx_mmu_load(d.mmu, &d.control);
        copy_to_slow(&d);
        for (unsigned i = 0; i < 100; i++) one_access(&d, counts);
    }
    print_message("done %u, page faults %u, violations %u, misconfigurations %u, log full %u, sub-page %u\n",
                  counts[VX_MMU_DONE], counts[VX_MMU_PAGE_FAULT], counts[VX_MMU_NESTED_FAULT],
                  counts[VX_MMU_EPT_MISCONFIG], counts[VX_MMU_PML_FULL], counts[VX_MMU_SPP_EVENT]);
    for (unsigned i = 0; i <= VX_MMU_SPP_EVENT; i++) assert_true(counts[i] > 5);
    vx_arena_fini(&d.arena);
    vx_physmem_fini(&d.memory);
    vx_physmem_fini(&d.copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(walker_and_slow_ept_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
