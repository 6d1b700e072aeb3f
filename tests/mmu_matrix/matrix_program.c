#include "matrix_program.h"

matrix_world world;

static vx_vendor vendor;

static int open_world(vx_vendor of)
{
    vendor = of;
    matrix_world_open(&world, of);
    return 0;
}

int matrix_open_intel(void **state)
{
    (void)state;
    return open_world(VX_VENDOR_INTEL);
}

int matrix_open_amd(void **state)
{
    (void)state;
    return open_world(VX_VENDOR_AMD);
}

int matrix_close(void **state)
{
    (void)state;
    matrix_world_close(&world);
    return 0;
}

void matrix_end(const matrix_run *run)
{
    print_message("%s: %llu operations, %llu expectations\n", run->variant->name, (unsigned long long)run->operations,
                  (unsigned long long)run->checked);
    assert_int_equal(run->failures, 0);
}

/* Loading a control state drops nothing. On Intel's processors VM entries and exits with VPID on, VMXON, VMXOFF, a MOV
 * to CR3 with bit 63 set and every other change of it need invalidate nothing (3C 28.3.3.2; 3A 4.10.4.1); on AMD's a
 * VMRUN with TLB_CONTROL 0 and a #VMEXIT change the ASID alone (APM Vol. 2, 15.16). */
static void load_drops_nothing(void **state)
{
    (void)state;
    for (unsigned v = 0; v < MATRIX_VARIANTS; v++) {
        vx_cfg_cpu cpu;
        matrix_cpu(&cpu, vendor, &matrix_variants[v]);
        matrix_run run = {.world = &world, .cpu = &cpu, .variant = &matrix_variants[v]};
        static const vx_mmu_invalidation none;
        for (unsigned i = 0; i < world.contexts; i++) matrix_check(&run, NULL, &world.context[i], &none);
        assert_int_equal(run.failures, 0);
    }
}

int matrix_main(const char *name, vx_vendor of, CMUnitTestFunction of_variant)
{
    struct CMUnitTest tests[MATRIX_VARIANTS + 1];
    for (unsigned v = 0; v < MATRIX_VARIANTS; v++)
        tests[v] = (struct CMUnitTest){.name = matrix_variants[v].name,
                                       .test_func = of_variant,
                                       .initial_state = (void *)(uintptr_t)&matrix_variants[v]};
    tests[MATRIX_VARIANTS] = (struct CMUnitTest)cmocka_unit_test(load_drops_nothing);
    bool amd = of == VX_VENDOR_AMD;
    return cmocka_run_group_tests_name(name, tests, amd ? matrix_open_amd : matrix_open_intel, matrix_close);
}
