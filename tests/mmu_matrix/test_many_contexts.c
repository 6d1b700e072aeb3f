/* More contexts than any table of them is likely to hold: 3000 combinations of VPID, PCID and EPTP, each with tables of
 * its own, one linear address. A context must never see another's translation, and an invalidation must reach entries
 * of contexts that were not used for long. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "matrix_world.h"
#include "vx_random.h"

enum { VPIDS = 40, PCIDS = 25, SPACES = 3, CONTEXTS = VPIDS * PCIDS * SPACES, STEPS = 60000 };

static const uint64_t gva = 0x00007F0012345000;

typedef struct crowd {
    vx_physmem memory;
    uint64_t next;
    uint64_t nested_root[SPACES];
    vx_mmu_control control[CONTEXTS];
    vx_hpa leaf_at[CONTEXTS];
    uint64_t frame[CONTEXTS];
    uint64_t frames;
} crowd;

static uint64_t new_page(void *context, unsigned level)
{
    (void)level;
    crowd *c = context;
    c->next += VX_PAGE_BYTES;
    return c->next - VX_PAGE_BYTES;
}

static void map(crowd *c, const vx_radix *format, uint64_t root, uint64_t at, uint64_t frame, vx_page_size size,
                uint64_t bits)
{
    vx_radix_table table = {format, root, &c->memory, NULL, NULL};
    vx_msg msg = {{0}};
    assert_int_equal(vx_radix_map(&table, at, frame, size, bits, bits, new_page, NULL, c, &msg), VX_OK);
}

static uint64_t next_frame(crowd *c) { return (1ULL << 32) + VX_PAGE_BYTES * c->frames++; }

static const uint64_t page_bits = VX_PTE_P | VX_PTE_W | VX_PTE_U;

static crowd *crowd_open(void)
{
    crowd *c = calloc(1, sizeof *c);
    assert_non_null(c);
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&c->memory, 1ULL << 30, &msg), VX_OK);
    c->next = 1 << 20;
    for (unsigned space = 1; space < SPACES; space++) { /* identity, so that guest tables are where they say */
        c->nested_root[space] = new_page(c, 4);
        for (uint64_t gib = 0; gib < 8; gib++)
            map(c, &vx_radix_ept4, c->nested_root[space], gib << 30, gib << 30, VX_PAGE_1G,
                VX_EPT_R | VX_EPT_W | VX_EPT_X);
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        unsigned space = i % SPACES;
        uint64_t root = new_page(c, 4);
        c->frame[i] = next_frame(c);
        map(c, &vx_radix_4level, root, gva, c->frame[i], VX_PAGE_4K, page_bits);
        vx_radix_table table = {&vx_radix_4level, root, &c->memory, NULL, NULL};
        c->leaf_at[i] = (vx_hpa){vx_radix_lookup(&table, gva, 1).at};
        c->control[i] = (vx_mmu_control){.paging = VX_PAGING_4LEVEL,
                                         .root = root,
                                         .cpl = 3,
                                         .pge = true,
                                         .vpid = (uint16_t)(1 + i / SPACES % VPIDS),
                                         .pcid = (uint16_t)(i / SPACES / VPIDS * 163),
                                         .nested = space ? VX_NESTED_EPT : VX_NESTED_NONE,
                                         .nested_root = c->nested_root[space],
                                         .nested_levels = 4};
    }
    return c;
}

static void check_access(crowd *c, vx_mmu *mmu, unsigned i)
{
    vx_mmu_translation translation = {0};
    vx_mmu_fault fault;
    vx_mmu_load(mmu, &c->control[i]);
    assert_int_equal(vx_mmu_access(mmu, (vx_gva){gva}, VX_ACCESS_LOAD, &translation, &fault), VX_MMU_DONE);
    if (translation.hpa.v != c->frame[i])
        fail_msg("context %u (vpid %u pcid %u nested %#" PRIx64 ") translates to %#" PRIx64 ", not %#" PRIx64, i,
                 c->control[i].vpid, c->control[i].pcid, c->control[i].nested_root, translation.hpa.v, c->frame[i]);
}

/* Moves one context's page and invalidates in one of the ways that suffice. */
static void change(crowd *c, vx_mmu *mmu, vx_random *random)
{
    unsigned i = (unsigned)vx_random_below(random, CONTEXTS);
    static const vx_mmu_op ops[] = {VX_OP_INVLPG,          VX_OP_INVPCID_ADDRESS, VX_OP_INVPCID_CONTEXT,
                                    VX_OP_INVVPID_ADDRESS, VX_OP_INVVPID_CONTEXT, VX_OP_CR3_LOAD};
    vx_mmu_invalidation operand = {
        .op = ops[vx_random_below(random, 6)], .gva = {gva}, .pcid = c->control[i].pcid, .vpid = c->control[i].vpid};
    c->frame[i] = next_frame(c);
    vx_physmem_write64(&c->memory, c->leaf_at[i], c->frame[i] | page_bits);
    vx_mmu_load(mmu, &c->control[i]);
    vx_mmu_invalidate(mmu, &operand);
}

static void crowded(const matrix_variant *variant, uint64_t seed)
{
    crowd *c = crowd_open();
    vx_cfg_cpu cpu;
    matrix_cpu(&cpu, VX_VENDOR_INTEL, variant);
    /* First levels smaller than the second: some contexts live in the second alone. */
    for (unsigned t = 0; t < cpu.tlb_count; t++)
        if (cpu.tlb[t].level != VX_TLB_L2)
            for (unsigned a = 0; a < cpu.tlb[t].array_count; a++)
                cpu.tlb[t].array[a].entries = cpu.tlb[t].array[a].ways = 8;
    matrix_mmu unit;
    matrix_mmu_open(&unit, &cpu, &c->memory);
    vx_random random;
    vx_random_init(&random, seed, "crowd");
    for (unsigned i = 0; i < CONTEXTS; i++) check_access(c, unit.mmu, i);
    /* Mostly the few that the TLBs can hold, so that there is something stale to find; then some other. */
    unsigned window = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        if (step % 500 == 0) window = (unsigned)vx_random_below(&random, CONTEXTS);
        unsigned i = vx_random_below(&random, 20) == 0 ? (unsigned)vx_random_below(&random, CONTEXTS)
                                                       : (window + (unsigned)vx_random_below(&random, 60)) % CONTEXTS;
        check_access(c, unit.mmu, i);
        if (vx_random_below(&random, 50) == 0) change(c, unit.mmu, &random);
    }
    matrix_mmu_close(&unit);
    vx_physmem_fini(&c->memory);
    free(c);
}

static void test_many_contexts(void **state)
{
    (void)state;
    const char *text = getenv("VX_SEED");
    uint64_t seed = text && *text ? strtoull(text, NULL, 0) : 20080401;
    print_message("VX_SEED=%" PRIu64 "\n", seed);
    for (unsigned v = 0; v < 3; v++) crowded(&matrix_variants[v], seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_contexts)};
    return cmocka_run_group_tests_name("many contexts", tests, NULL, NULL);
}
