/* Every cycle of the hypervisor's software comes from a row of its model, VMREADs and VMWRITEs, fills and emulations.
 */
#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000 };

static uint64_t software(const vmm_world *world)
{
    uint64_t total = 0;
    const vx_vcpu_counts *counts = vx_vcpu_counts_now(world->vcpu);
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) total += counts->by_reason[i].software_ticks;
    assert_int_equal(total, world->ledger.ticks[VX_CAUSE_EXIT_SOFTWARE]);
    return total;
}

static void rows_add_up(void **state)
{
    (void)state;
    static const vx_scheme schemes[] = {VX_SCHEME_SHADOW_WP, VX_SCHEME_SHADOW_VTLB, VX_SCHEME_EPT};
    for (unsigned s = 0; s < 3; s++) {
        vmm_world world;
        vmm_world_open(&world, &(vmm_options){.scheme = schemes[s], .mode = VX_PAGING_4LEVEL});
        vmm_boot(&world, vmm_root(&world));
        for (unsigned i = 0; i < 6; i++)
            vmm_map(&world, world.root, GVA + i * 0x1000ULL, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
        for (unsigned i = 0; i < 6; i++) vmm_reach(&world, VX_ACCESS_LOAD, GVA + i * 0x1000ULL);
        for (unsigned i = 0; i < 6; i++) vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL);
        vmm_cr_write(&world, 3, world.root);
        const uint64_t word = 0;
        assert_true(vmm_do(&world, VX_REC_CPUID, 0, 0, &word, 1));
        const vx_vmm_counts *c = vmm_counts(&world);
        uint64_t exits = vmm_exits(&world), fills = c->shadow_fills, stores = c->emulated_stores;
        assert_true(exits > 0 && c->vmreads == exits * 10 && c->vmwrites == 0);
        assert_int_equal(software(&world), exits * 1000 + c->vmreads * 7 + fills * 100 + stores * 300);
        assert_int_equal(world.ledger.ticks[VX_CAUSE_EXIT_HARDWARE], exits * 700);
        vmm_world_close(&world);
    }
}

/* A world whose hypervisor has one more row than the default. */
static vx_status open_with_row(vmm_world *world, vx_cfg_handler row)
{
    vmm_world_open(world, &(vmm_options){.scheme = VX_SCHEME_EPT, .mode = VX_PAGING_4LEVEL});
    world->config.handler[1] = row;
    world->config.handler_count = 2;
    vx_vmm_setup setup = {.cpu = &world->cpu,
                          .vmm = &world->config,
                          .scheme = VX_SCHEME_EPT,
                          .memory = &world->memory,
                          .layout = &world->layout,
                          .vms = 1};
    vx_vmm *vmm = NULL;
    vx_status status = vx_vmm_init(&vmm, &world->arena, &setup, &world->msg);
    assert_true((status == VX_OK) == (vmm != NULL));
    return status;
}

static void names_of_rows(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *message; /* NULL: accepted */
    } rows[] = {
        {"CPUID", NULL},
        {"write_cr3", NULL}, /* AMD's: one model serves both */
        {"EPT_VIOLATON", "did you mean 'EPT_VIOLATION'?"},
        {"nfp", "did you mean 'npf'?"},
        {"something_else", "no such exit reason"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vmm_world world;
        vx_cfg_handler row = {.ticks = 5};
        snprintf(row.reason, sizeof row.reason, "%s", rows[i].reason);
        vx_status status = open_with_row(&world, row);
        assert_int_equal(status, rows[i].message ? VX_ERR_INPUT : VX_OK);
        if (rows[i].message) {
            assert_non_null(strstr(world.msg.text, rows[i].message));
            assert_non_null(strstr(world.msg.text, rows[i].reason));
        }
        vmm_world_close(&world);
    }
}

static void more_memory_than_the_processor_addresses(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &(vmm_options){.scheme = VX_SCHEME_EPT, .mode = VX_PAGING_4LEVEL});
    vx_host_layout layout;
    world.cpu.paging.physical_bits = 36;
    assert_int_equal(vx_host_layout_make(&layout, VX_SCHEME_EPT, &world.config, 64ULL << 30, 1, 1, &world.msg), VX_OK);
    vx_vmm_setup setup = {.cpu = &world.cpu,
                          .vmm = &world.config,
                          .scheme = VX_SCHEME_EPT,
                          .memory = &world.memory,
                          .layout = &layout,
                          .vms = 1};
    vx_vmm *vmm = NULL;
    assert_int_equal(vx_vmm_init(&vmm, &world.arena, &setup, &world.msg), VX_ERR_INPUT);
    assert_non_null(strstr(world.msg.text, "36 bits"));
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_add_up),
        cmocka_unit_test(names_of_rows),
        cmocka_unit_test(more_memory_than_the_processor_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
