/* What each event does to registers and cached translations (SDM Vol. 2; Vol. 3A 4.10.4.1; Vol. 3C 25.3). */
#include "test_support.h"
#include "vcpu_world.h"

static const vx_registers *registers(const vcpu_world *world) { return vx_vcpu_registers(world->vcpu); }

static void open_booted(vcpu_world *world, bool hypervisor)
{
    vcpu_world_open(world, &(vcpu_world_options){.hypervisor = hypervisor});
    vcpu_world_boot(world);
}

static void mov_to_cr3(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, false);
    vcpu_do(&world, VX_REC_CR_WRITE, 3, 0x7000, NULL, 0);
    assert_int_equal(registers(&world)->cr3, 0x7000);
    assert_int_equal(vcpu_flushes(&world, VX_OP_CR3_LOAD), 1);
    assert_int_equal(vx_mmu_control_now(world.mmu)->root, 0x7000);
    /* With PCIDs, bit 63 keeps the translations and is not stored. */
    vcpu_do(&world, VX_REC_CR_WRITE, 4, registers(&world)->cr4 | VX_CR4_PCIDE, NULL, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 3, VX_CR3_NO_FLUSH | 0x8005, NULL, 0);
    assert_int_equal(registers(&world)->cr3, 0x8005);
    assert_int_equal(vx_mmu_control_now(world.mmu)->pcid, 5);
    assert_int_equal(vx_mmu_control_now(world.mmu)->root, 0x8000);
    assert_int_equal(vcpu_flushes(&world, VX_OP_CR3_LOAD), 1);
    vcpu_world_close(&world);
}

/* STATE is a new beginning: nothing cached survives it, with a hypervisor or without. */
static void state_drops_all(void **state)
{
    (void)state;
    for (unsigned hypervisor = 0; hypervisor < 2; hypervisor++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = hypervisor});
        vcpu_map(&world, 0x400000);
        vcpu_world_boot(&world);
        vcpu_do(&world, VX_REC_LOAD, 8, 0x400000, NULL, 0);
        assert_true(vx_mmu_probe(world.mmu, (vx_gva){0x400000}, (vx_gpa){0}).l1d);
        vcpu_world_boot(&world);
        assert_false(vx_mmu_probe(world.mmu, (vx_gva){0x400000}, (vx_gpa){0}).l1d);
        vcpu_world_close(&world);
    }
}

static uint64_t flushes_of_cr4(uint64_t before, uint64_t after)
{
    vcpu_world world;
    open_booted(&world, false);
    vcpu_do(&world, VX_REC_CR_WRITE, 4, before, NULL, 0);
    uint64_t flushes = vcpu_flushes(&world, VX_OP_CR4_FLUSH);
    vcpu_do(&world, VX_REC_CR_WRITE, 4, after, NULL, 0);
    assert_int_equal(registers(&world)->cr4, after);
    flushes = vcpu_flushes(&world, VX_OP_CR4_FLUSH) - flushes;
    vcpu_world_close(&world);
    return flushes;
}

static void mov_to_cr4(void **state)
{
    (void)state;
    const uint64_t pae = VX_CR4_PAE;
    static const struct {
        uint64_t bit;
        unsigned set, clear; /* flushes */
    } rows[] = {
        {VX_CR4_PGE, 1, 1},
        {VX_CR4_PCIDE, 0, 1},
        {VX_CR4_SMEP, 1, 0},
        {VX_CR4_SMAP, 0, 0},
        {VX_CR4_PSE, 1, 1},
        {VX_CR4_LA57, 1, 1},
        {1ULL << 9 /* OSFXSR */, 0, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(flushes_of_cr4(pae, pae | rows[i].bit), rows[i].set);
        assert_int_equal(flushes_of_cr4(pae | rows[i].bit, pae), rows[i].clear);
    }
    assert_int_equal(flushes_of_cr4(pae, pae), 0);
}

static void paging_on_and_off(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){0});
    vcpu_do(&world, VX_REC_EFER_LOAD, 0, VX_EFER_LME | VX_EFER_NXE, NULL, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 4, VX_CR4_PAE, NULL, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 3, world.root, NULL, 0);
    assert_int_equal(vx_registers_paging(registers(&world)), VX_PAGING_NONE);
    vcpu_do(&world, VX_REC_CR_WRITE, 0, VX_CR0_PE | VX_CR0_PG, NULL, 0);
    assert_int_equal(vx_registers_paging(registers(&world)), VX_PAGING_4LEVEL);
    assert_true(registers(&world)->efer & VX_EFER_LMA);
    assert_true(vx_mmu_control_now(world.mmu)->nxe);
    uint64_t flushes = vcpu_flushes(&world, VX_OP_CR4_FLUSH);
    vcpu_do(&world, VX_REC_CR_WRITE, 0, VX_CR0_PE, NULL, 0);
    assert_int_equal(vx_registers_paging(registers(&world)), VX_PAGING_NONE);
    assert_false(registers(&world)->efer & VX_EFER_LMA);
    assert_int_equal(vcpu_flushes(&world, VX_OP_CR4_FLUSH), flushes + 1);
    vcpu_world_close(&world);
}

static void clts_and_lmsw(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, false);
    uint64_t cr0 = registers(&world)->cr0;
    vcpu_do(&world, VX_REC_LMSW, 0, 0xFFFE, NULL, 0); /* sets MP, EM, TS; cannot clear PE */
    assert_int_equal(registers(&world)->cr0, cr0 | 0xE);
    vcpu_do(&world, VX_REC_CLTS, 0, 0, NULL, 0);
    assert_int_equal(registers(&world)->cr0, cr0 | 0x6);
    vcpu_do(&world, VX_REC_LMSW, 0, 0, NULL, 0);
    assert_int_equal(registers(&world)->cr0, cr0);
    vcpu_world_close(&world);
}

/* PAE: a CR3 load latches the four entries, later stores to them mean nothing; a record of them has the last word. */
static void pdptes(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){0});
    for (unsigned i = 0; i < 4; i++)
        vx_physmem_write64(&world.memory, (vx_hpa){world.root + 32 + 8 * i}, (0x1000 * (i + 1)) | VX_PTE_P);
    vcpu_do(&world, VX_REC_CR_WRITE, 4, VX_CR4_PAE, NULL, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 0, VX_CR0_PE | VX_CR0_PG, NULL, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 3, world.root + 32, NULL, 0);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(registers(&world)->pdpte[i], (0x1000 * (i + 1)) | VX_PTE_P);
    vx_physmem_write64(&world.memory, (vx_hpa){world.root + 32}, 0);
    assert_int_equal(vx_mmu_control_now(world.mmu)->pdpte[0], 0x1000 | VX_PTE_P);
    const uint64_t latched[4] = {0x9001, 0, 0, 0xA001};
    vcpu_do(&world, VX_REC_PDPTE_LOAD, 0, 0, latched, 4);
    assert_memory_equal(vx_mmu_control_now(world.mmu)->pdpte, latched, sizeof latched);
    assert_memory_equal(vx_vcpu_guest_view(world.vcpu)->pdpte, latched, sizeof latched);
    vcpu_world_close(&world);
}

static void invalidations(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, false);
    static const vx_mmu_op by_type[4] = {VX_OP_INVPCID_ADDRESS, VX_OP_INVPCID_CONTEXT, VX_OP_INVPCID_ALL_GLOBAL,
                                         VX_OP_INVPCID_ALL};
    const uint64_t pcid = 3;
    for (unsigned type = 0; type < 4; type++) {
        vcpu_do(&world, VX_REC_INVPCID, type, 0x1000, &pcid, 1);
        assert_int_equal(vcpu_flushes(&world, by_type[type]), 1);
    }
    vcpu_do(&world, VX_REC_INVLPG, 0, 0x1000, NULL, 0);
    assert_int_equal(vcpu_flushes(&world, VX_OP_INVLPG), 1);
    vcpu_world_close(&world);
}

static void privilege(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, false);
    static const struct {
        vx_record_kind kind;
        unsigned size, before, after;
    } rows[] = {
        {VX_REC_SYSCALL, 0, 3, 0},    {VX_REC_SYSRET, 0, 0, 3},    {VX_REC_SYSENTER, 0, 3, 0},
        {VX_REC_SYSEXIT, 0, 0, 3},    {VX_REC_INT_N, 0x80, 3, 0},  {VX_REC_CPL, 1, 0, 1},
        {VX_REC_INTERRUPT, 32, 3, 0}, {VX_REC_EXCEPTION, 6, 3, 0}, {VX_REC_IRET, 0, 0, 0},
    };
    const uint64_t word = 0;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vcpu_do(&world, VX_REC_CPL, rows[i].before, 0, NULL, 0);
        vcpu_do(&world, rows[i].kind, rows[i].size, 0, &word, rows[i].kind == VX_REC_EXCEPTION ? 1 : 0);
        assert_int_equal(registers(&world)->cpl, rows[i].after);
        assert_int_equal(vx_mmu_control_now(world.mmu)->cpl, rows[i].after);
    }
    assert_int_equal(vcpu_counts(&world)->interrupts, 1);
    assert_int_equal(vcpu_counts(&world)->exceptions, 1);
    assert_int_equal(vcpu_counts(&world)->guest_faults, 0);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_INTERRUPT], 80);
    vcpu_world_close(&world);
}

/* What memory holds when a page becomes a table: entries of the guest's own width. */
static void new_tables(void **state)
{
    (void)state;
    for (unsigned wide = 0; wide < 2; wide++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){0});
        const uint64_t guest[13] = {VX_CR0_PE | VX_CR0_PG, 0, world.root, wide ? VX_CR4_PAE : 0};
        vcpu_do(&world, VX_REC_STATE, 0, 0, guest, 13);
        uint64_t page = vcpu_page(&world);
        vx_physmem_write64(&world.memory, (vx_hpa){page + 64}, ~0ULL);
        const uint64_t entries[6] = {0, 0x11, 3, 0x33, 5000, 0x55}; /* the last is in no page */
        vcpu_do(&world, VX_REC_PT_PAGE_NEW, 1, page, entries, 6);
        assert_int_equal(vx_physmem_read32(&world.memory, (vx_hpa){page}), 0x11);
        assert_int_equal(vx_physmem_read32(&world.memory, (vx_hpa){page + (wide ? 24 : 12)}), 0x33);
        assert_int_equal(vx_physmem_read64(&world.memory, (vx_hpa){page + 64}), 0);
        vcpu_world_close(&world);
    }
}

/* SDM Vol. 3C 25.3: what does not exit leaves the host's bits alone; what exits and is let through writes them all. */
static void masked_writes(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, true);
    uint64_t cr0 = registers(&world)->cr0, cr4 = registers(&world)->cr4;
    world.vmcs.cr0_mask = VX_CR0_WP | VX_CR0_NE;
    world.vmcs.cr0_shadow = 0; /* the guest believes WP = 0; the hardware has 1 */
    world.vmcs.cr4_mask = VX_CR4_PGE;
    world.vmcs.cr4_shadow = 0;
    vcpu_do(&world, VX_REC_CR_WRITE, 0, (cr0 & ~VX_CR0_WP) | VX_CR0_TS, NULL, 0);
    assert_int_equal(registers(&world)->cr0, cr0 | VX_CR0_TS);
    assert_int_equal(vx_vcpu_guest_view(world.vcpu)->cr0, (cr0 & ~VX_CR0_WP) | VX_CR0_TS);
    vcpu_do(&world, VX_REC_CR_WRITE, 4, (cr4 & ~VX_CR4_PGE) | VX_CR4_SMAP, NULL, 0);
    assert_int_equal(registers(&world)->cr4, cr4 | VX_CR4_SMAP);
    assert_int_equal(world.exit_count, 0);
    vcpu_do(&world, VX_REC_CLTS, 0, 0, NULL, 0);
    assert_int_equal(registers(&world)->cr0, cr0);
    world.vmcs.cr0_mask |= VX_CR0_TS;
    vcpu_do(&world, VX_REC_LMSW, 0, 0x6, NULL, 0); /* TS stays the host's */
    assert_int_equal(registers(&world)->cr0, cr0 | 0x6);
    assert_int_equal(world.exit_count, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 0, cr0 | VX_CR0_NE, NULL, 0);
    assert_int_equal(world.exit_count, 1);
    assert_int_equal(world.at_exit.cr0, cr0 | 0x6); /* the exit comes instead of the write */
    assert_int_equal(registers(&world)->cr0, cr0 | VX_CR0_NE);
    world.resume = VX_RESUME_NEXT; /* emulated by software: the hardware does nothing */
    vcpu_do(&world, VX_REC_CR_WRITE, 0, VX_CR0_PE | VX_CR0_NE, NULL, 0);
    assert_int_equal(world.exit_count, 2);
    assert_int_equal(registers(&world)->cr0, cr0 | VX_CR0_NE);
    vcpu_world_close(&world);
}

/* SDM Vol. 3C 29.1.2: TPR below threshold is trap-like. */
static void trap_like_exits_come_after_the_effect(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, true);
    world.vmcs.cpu = VX_CPU_TPR_SHADOW;
    world.vmcs.tpr_threshold = 5;
    world.resume = VX_RESUME_NEXT;
    vcpu_do(&world, VX_REC_CR_WRITE, 8, 7, NULL, 0);
    assert_int_equal(world.exit_count, 0);
    vcpu_do(&world, VX_REC_CR_WRITE, 8, 2, NULL, 0);
    assert_int_equal(world.exit_count, 1);
    assert_int_equal(world.exits[0].reason, VX_EXIT_TPR_BELOW_THRESHOLD);
    vcpu_world_close(&world);
}

static void monitor_and_mwait(void **state)
{
    (void)state;
    vcpu_world world;
    open_booted(&world, true);
    world.vmcs.cpu = VX_CPU_MWAIT_EXITING;
    vcpu_do(&world, VX_REC_MWAIT, 0, 0, NULL, 0);
    vcpu_do(&world, VX_REC_MONITOR, 0, 0x1000, NULL, 0);
    vcpu_do(&world, VX_REC_MWAIT, 0, 0, NULL, 0);
    vcpu_do(&world, VX_REC_MWAIT, 0, 0, NULL, 0); /* MWAIT has disarmed it */
    assert_int_equal(world.exit_count, 3);
    assert_int_equal(world.exits[0].qualification, 0);
    assert_int_equal(world.exits[1].qualification, 1);
    assert_int_equal(world.exits[2].qualification, 0);
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mov_to_cr3),
        cmocka_unit_test(state_drops_all),
        cmocka_unit_test(mov_to_cr4),
        cmocka_unit_test(paging_on_and_off),
        cmocka_unit_test(clts_and_lmsw),
        cmocka_unit_test(pdptes),
        cmocka_unit_test(invalidations),
        cmocka_unit_test(privilege),
        cmocka_unit_test(new_tables),
        cmocka_unit_test(masked_writes),
        cmocka_unit_test(trap_like_exits_come_after_the_effect),
        cmocka_unit_test(monitor_and_mwait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
