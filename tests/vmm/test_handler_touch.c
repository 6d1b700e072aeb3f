/* Handlers' own lines: looked up in VMX root operation, charged to the exit once, apart from the direct cost. */
#include "test_support.h"
#include "vmm_world.h"

enum { EXITS = 5, LINES = 9, PAGES = 4, DIRECT = 1000 + 10 * 7 };

/* The vCPU and MMU of the world with a hypervisor whose handlers touch lines. */
static void open_touching(vmm_world *world, bool vpid, bool amd)
{
    vmm_options options = {.scheme = amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                           .mode = VX_PAGING_NONE,
                           .vpid = vpid,
                           .amd = amd,
                           .lines = LINES,
                           .pages = PAGES};
    vmm_world_open(world, &options);
    vmm_boot(world, 0);
    vmm_reset_counts(world);
}

static void exit_once(vmm_world *world)
{
    const uint64_t word = 0;
    assert_true(vmm_do(world, VX_REC_CPUID, 0, 0, &word, 1));
}

static void check(vmm_world *world, uint64_t fills)
{
    const vx_vmm_counts *c = vmm_counts(world);
    const vx_vcpu_counts *v = vx_vcpu_counts_now(world->vcpu);
    assert_int_equal(c->indirect_references, EXITS * LINES);
    assert_int_equal(v->root_references, EXITS * LINES);
    assert_int_equal(v->references, 0);
    assert_int_equal(c->indirect_fills, fills);
    assert_int_equal(vx_mmu_counts_now(world->mmu)->walks, fills);
    assert_true((c->indirect_ticks != 0) == (fills != 0));
    assert_int_equal(world->ledger.ticks[VX_CAUSE_EXIT_SOFTWARE], EXITS * DIRECT + c->indirect_ticks);
    assert_int_equal(vx_ledger_total(&world->ledger), world->ledger.ticks[VX_CAUSE_EXIT_SOFTWARE] + EXITS * 700);
}

static void untagged_handlers_start_cold(void **state)
{
    (void)state;
    vmm_world world;
    open_touching(&world, false, false);
    for (unsigned i = 0; i < EXITS; i++) exit_once(&world);
    check(&world, EXITS * PAGES);
    vmm_world_close(&world);
}

static void tagged_handlers_stay_warm(void **state)
{
    (void)state;
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_touching(&world, true, amd);
        for (unsigned i = 0; i < EXITS; i++) exit_once(&world);
        check(&world, PAGES);
        vmm_world_close(&world);
    }
}

/* They take the guest's places: with a first level of few entries the guest misses more. */
static void they_displace_the_guest(void **state)
{
    (void)state;
    uint64_t misses[2];
    for (unsigned touching = 0; touching < 2; touching++) {
        vmm_world world;
        vmm_options options = {.scheme = VX_SCHEME_EPT, .mode = VX_PAGING_NONE, .vpid = true};
        if (touching) options.lines = options.pages = 200;
        vmm_world_open(&world, &options);
        vmm_boot(&world, 0);
        for (unsigned i = 0; i < 8; i++) vmm_reach(&world, VX_ACCESS_LOAD, 0x100000 + i * 0x1000ULL);
        vmm_reset_counts(&world);
        exit_once(&world);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, 0x100000 + i * 0x1000ULL), 0x100000 + i * 0x1000ULL);
        misses[touching] = vx_mmu_counts_now(world.mmu)->tlb[0].misses;
        vmm_world_close(&world);
    }
    assert_int_equal(misses[0], 0);
    assert_true(misses[1] > 100); /* the handler's hundred data pages, and the guest's displaced ones */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untagged_handlers_start_cold),
        cmocka_unit_test(tagged_handlers_stay_warm),
        cmocka_unit_test(they_displace_the_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
