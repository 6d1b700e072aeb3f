/* What instructions return in VMX non-root operation, PAUSE loops, the preemption timer, EPTP switching and PASID
 * translation (SDM Vol. 3C 25.1.3, 25.3, 25.5). */
#include "exit_rows.h"
#include "test_cpu.h"
#include "test_support.h"
#include "vx_guest_event.h"
#include "vx_nonroot.h"
#include "vx_random.h"

/* ---- time ---- */

static void tsc_by_offset_and_multiplier(void **state)
{
    (void)state;
    const uint64_t half = 1ULL << 47, twice = 1ULL << 49;
    static const struct {
        uint32_t cpu, cpu2;
        uint64_t multiplier, offset, tsc, expected;
    } rows[] = {
        {0, 0, 0, 1000, 5000, 5000},
        {B(3), 0, 0, 1000, 5000, 6000},
        {B(3), 0, 0, (uint64_t)-1000, 5000, 4000},
        {B(3), B(25), 3ULL << 48, 7, 5000, 5007}, /* secondary controls not activated: no scaling */
        {B(3) | SECONDARY, B(25), 3ULL << 48, 7, 5000, 15007},
        {SECONDARY, B(25), 3ULL << 48, 7, 5000, 5000}, /* scaling without offsetting: neither */
        {B(3) | SECONDARY, B(25), 1ULL << 47, 0, 5001, 2500},
        {B(3) | SECONDARY, B(25), 1ULL << 49, 0, 0x7000000000000000, 0xE000000000000000}, /* a product of 128 bits */
        {B(3), 0, 0, 1, UINT64_MAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_vmcs vmcs = {.cpu = rows[i].cpu,
                        .cpu2 = rows[i].cpu2,
                        .tsc_multiplier = rows[i].multiplier,
                        .tsc_offset = rows[i].offset};
        if (vx_vmcs_guest_tsc(&vmcs, rows[i].tsc) != rows[i].expected) fail_msg("row %zu", i);
    }
    vx_vmcs scaled = {.cpu = B(3) | SECONDARY, .cpu2 = B(25), .tsc_multiplier = half, .tsc_offset = 9};
    assert_int_equal(vx_vmcs_physical_delay(&scaled, 1000), 2000);
    scaled.tsc_multiplier = twice;
    assert_int_equal(vx_vmcs_physical_delay(&scaled, 1000), 500);
    scaled.tsc_multiplier = 0;
    assert_int_equal(vx_vmcs_physical_delay(&scaled, 1000), UINT64_MAX);
    scaled.cpu = SECONDARY;
    assert_int_equal(vx_vmcs_physical_delay(&scaled, 1000), 1000);
}

/* A wait of the guest's time and back: never longer than asked for, short by less than one tick of the guest's. */
static void delays_are_the_inverse_of_time(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "delay");
    for (int i = 0; i < 10000; i++) {
        vx_vmcs vmcs = {.cpu = B(3) | SECONDARY, .cpu2 = B(25), .tsc_multiplier = 1 + (vx_random_u64(&random) >> 14)};
        uint64_t delay = vx_random_u64(&random) >> 40;
        uint64_t physical = vx_vmcs_physical_delay(&vmcs, delay);
        long double back = (long double)physical * (long double)vmcs.tsc_multiplier / 0x1p48L;
        long double step = (long double)vmcs.tsc_multiplier / 0x1p48L;
        assert_true(back <= (long double)delay && back > (long double)delay - step - 1);
    }
}

static void umwait_ends_at_its_deadline_or_at_the_limit(void **state)
{
    (void)state;
    vx_vmcs vmcs = {.cpu = B(3), .tsc_offset = 100};
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1500, 0), 400);
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1500, 3), 400); /* bits 31:2 are 0: no limit */
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1500, 0x67), 0x64);
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1500, 0x1000), 400);
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1100, 0), 0);
    assert_int_equal(vx_vmcs_virtual_delay(&vmcs, 1000, 1099, 0x10), 0);
}

/* ---- registers ---- */

static void reads_go_through_masks_and_shadows(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 64; n++)
        for (unsigned bits = 0; bits < 8; bits++) {
            uint64_t one = 1ULL << n, owned = bits & 1 ? one : 0, shadow = bits & 2 ? one : 0,
                     real = bits & 4 ? one : 0;
            vx_vmcs vmcs = {.cr0_mask = owned, .cr0_shadow = shadow, .cr4_mask = owned, .cr4_shadow = shadow};
            assert_int_equal(vx_vmcs_read_cr0(&vmcs, real), owned ? shadow : real);
            assert_int_equal(vx_vmcs_read_cr4(&vmcs, real), owned ? shadow : real);
        }
}

static void spec_ctrl_has_a_mask_and_a_shadow(void **state)
{
    (void)state;
    vx_vmcs vmcs = {.cpu = B(17), .cpu3 = 1U << 7, .spec_ctrl_mask = 0xF0, .spec_ctrl_shadow = 0x33};
    assert_int_equal(vx_vmcs_read_spec_ctrl(&vmcs, 0xA5), 0x33);
    assert_int_equal(vx_vmcs_write_spec_ctrl(&vmcs, 0xA5, 0x5A), 0xAA);
    assert_int_equal(vmcs.spec_ctrl_shadow, 0x5A);
    vmcs.cpu = 0; /* tertiary controls not activated */
    assert_int_equal(vx_vmcs_read_spec_ctrl(&vmcs, 0xA5), 0xA5);
    assert_int_equal(vx_vmcs_write_spec_ctrl(&vmcs, 0xA5, 0xC3), 0xC3);
    assert_int_equal(vmcs.spec_ctrl_shadow, 0x5A);
}

static void mwait_falls_through_where_an_interrupt_is_due(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        bool breaks = bits & 1, masked = bits & 2, window = bits & 4, virtual_interrupt = bits & 8;
        vx_vmcs vmcs = {.cpu = window ? B(2) : 0};
        vx_exit_context context = {.interrupts_on = !masked};
        bool falls = breaks && masked && (window || virtual_interrupt);
        assert_int_equal(vx_vmcs_mwait_waits(&vmcs, &context, breaks ? 1 : 2, virtual_interrupt), !falls);
    }
}

/* ---- PAUSE loops ---- */

static void pause_loops_by_gap_and_window(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.ple_gap = 40, .ple_window = 100};
    static const struct {
        uint64_t tsc;
        bool exits;
    } pauses[] = {
        {1000, false},                               /* the first */
        {1040, false},                               /* a gap of 40 does not exceed 40 */
        {1080, false}, {1100, false},                /* 100 after the first does not exceed 100 */
        {1101, true},  {1141, true},  {1182, false}, /* a gap of 41: first of a new loop */
        {1200, false}, {1240, false}, {1280, false}, {1283, true},
    };
    vx_ple ple = {0};
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
        if (vx_ple_pause(&ple, &vmcs, pauses[i].tsc) != pauses[i].exits) fail_msg("PAUSE at %d", (int)pauses[i].tsc);
    ple = (vx_ple){0}; /* VM entry: the next one is a first one, however soon it comes */
    assert_false(vx_ple_pause(&ple, &vmcs, 1284));
    assert_false(vx_ple_pause(&ple, &vmcs, 1324));
}

/* ---- preemption timer ---- */

/* Against counting as the manual says: by 1 whenever bit `rate` of the TSC changes. */
static void the_timer_counts_changes_of_a_bit(void **state)
{
    (void)state;
    for (unsigned rate = 0; rate < 6; rate++)
        for (uint64_t start = 1000; start < 1040; start++)
            for (uint32_t value = 0; value < 5; value++) {
                uint64_t deadline = vx_preemption_deadline(value, rate, start);
                uint32_t left = value;
                uint64_t tsc = start;
                while (left > 0) {
                    assert_int_equal(vx_preemption_left(deadline, rate, tsc), left);
                    tsc++;
                    left -= (tsc >> rate & 1) != ((tsc - 1) >> rate & 1);
                }
                assert_int_equal(deadline, tsc);
                assert_int_equal(vx_preemption_left(deadline, rate, tsc + 77), 0);
            }
    assert_true(vx_preemption_deadline(UINT32_MAX, 31, UINT64_MAX - 5) == UINT64_MAX);
}

/* ---- VM functions ---- */

enum { LIST = 0x10000, DIRECTORY = 0x20000, TABLE = 0x21000 };

typedef struct memory_world {
    vx_physmem memory;
    vx_cfg_cpu cpu;
    vx_vmcs vmcs;
} memory_world;

static memory_world open_memory(void)
{
    memory_world world = {.cpu = test_cpu_nehalem()};
    world.cpu.paging.physical_bits = 40;
    world.cpu.vmx.ept_ad = world.cpu.vmx.ept_5level = true;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&world.memory, 1 << 20, &msg), VX_OK);
    return world;
}

static void every_bit_of_an_eptp(void **state)
{
    (void)state;
    memory_world world = open_memory();
    for (unsigned type = 0; type < 8; type++)
        for (unsigned length = 0; length < 8; length++)
            for (unsigned flag = 0; flag < 64; flag++) {
                if (flag < 6) continue;
                uint64_t eptp = 0x5000 ^ 1ULL << flag;
                eptp |= type | length << 3;
                bool valid = (type == 0 || type == 6) && (length == 3 || length == 4) && flag != 7 && flag != 8 &&
                             flag != 9 && flag != 10 && flag != 11 && flag < 40;
                assert_int_equal(vx_eptp_valid(eptp, &world.cpu), valid);
            }
    world.cpu.vmx.ept_ad = world.cpu.vmx.ept_5level = false;
    assert_true(vx_eptp_valid(0x501E, &world.cpu));
    assert_false(vx_eptp_valid(0x505E, &world.cpu));
    assert_false(vx_eptp_valid(0x5026, &world.cpu));
    vx_physmem_fini(&world.memory);
}

static void eptp_switching(void **state)
{
    (void)state;
    memory_world world = open_memory();
    vx_vmcs *vmcs = &world.vmcs;
    vmcs->eptp_list_address = LIST;
    vmcs->eptp = 0x501E;
    vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 3}, 0x605E);
    vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 511}, 0x7018);
    vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 512}, 0x701E); /* behind the list */
    vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 4}, 0x6026);   /* another walk length */
    assert_true(vx_vmcs_switch_eptp(vmcs, &world.memory, &world.cpu, 3));
    assert_int_equal(vmcs->eptp, 0x605E);
    assert_int_equal(vmcs->eptp_index, 3);
    static const uint64_t refused[] = {512, 4, 0, 1ULL << 32};
    for (unsigned i = 0; i < 4; i++) {
        assert_false(vx_vmcs_switch_eptp(vmcs, &world.memory, &world.cpu, refused[i]));
        assert_int_equal(vmcs->eptp, 0x605E);
        assert_int_equal(vmcs->eptp_index, 3);
    }
    assert_true(vx_vmcs_switch_eptp(vmcs, &world.memory, &world.cpu, 511));
    assert_int_equal(vmcs->eptp, 0x7018);
    vx_physmem_fini(&world.memory);
}

/* ---- PASIDs ---- */

static bool translate(memory_world *world, uint32_t guest, uint32_t *host)
{
    return vx_vmcs_translate_pasid(&world->vmcs, &world->memory, 40, guest, host);
}

static void pasids_through_two_levels(void **state)
{
    (void)state;
    memory_world world = open_memory();
    world.vmcs.pasid_directory_low = 0x3000; /* empty */
    world.vmcs.pasid_directory_high = DIRECTORY;
    const uint32_t guest = 0x80000 | 5 << 10 | 7;
    vx_hpa directory = {DIRECTORY + 8 * 5}, table = {TABLE + 4 * 7};
    uint32_t host = 0;
    vx_physmem_write64(&world.memory, directory, TABLE | 1);
    vx_physmem_write32(&world.memory, table, 0x80000000 | 0x54321);
    assert_true(translate(&world, guest, &host));
    assert_int_equal(host, 0x54321);
    assert_false(translate(&world, guest & 0x7FFFF, &host));
    assert_false(translate(&world, guest ^ 1, &host));
    for (unsigned bit = 0; bit < 64; bit++) {
        /* Not present, reserved, or an address where there is nothing. */
        vx_physmem_write64(&world.memory, directory, (TABLE | 1) ^ 1ULL << bit);
        assert_false(translate(&world, guest, &host));
    }
    vx_physmem_write64(&world.memory, directory, TABLE | 1);
    for (unsigned bit = 0; bit < 32; bit++) {
        vx_physmem_write32(&world.memory, table, (0x80000000 | 0x54321) ^ 1U << bit);
        assert_int_equal(translate(&world, guest, &host), bit < 20);
    }
    vx_physmem_fini(&world.memory);
}

/* ENQCMD exits exactly where its PASID does not translate. */
static void enqcmd_exits_by_its_pasid(void **state)
{
    (void)state;
    memory_world world = open_memory();
    world.vmcs.cpu = SECONDARY;
    world.vmcs.cpu2 = B(21);
    world.vmcs.pasid_directory_low = DIRECTORY;
    vx_physmem_write64(&world.memory, (vx_hpa){DIRECTORY}, TABLE | 1);
    vx_physmem_write32(&world.memory, (vx_hpa){TABLE + 4 * 7}, 0x80000001);
    const vx_exit_context context = {.cr0 = 1, .memory = &world.memory, .physical_bits = 40};
    for (uint64_t pasid = 0; pasid < 16; pasid++) {
        vx_guest_event event = {.kind = VX_EVENT_ENQCMD, .value = 0x80000000 | pasid};
        vx_exit exit;
        bool exits = vx_vmcs_decide(&world.vmcs, &context, &event, &exit) == VX_OUTCOME_EXIT;
        assert_int_equal(exits, pasid != 7);
        if (exits) assert_int_equal(exit.qualification, pasid);
    }
    vx_physmem_fini(&world.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tsc_by_offset_and_multiplier),
        cmocka_unit_test(delays_are_the_inverse_of_time),
        cmocka_unit_test(umwait_ends_at_its_deadline_or_at_the_limit),
        cmocka_unit_test(reads_go_through_masks_and_shadows),
        cmocka_unit_test(spec_ctrl_has_a_mask_and_a_shadow),
        cmocka_unit_test(mwait_falls_through_where_an_interrupt_is_due),
        cmocka_unit_test(pause_loops_by_gap_and_window),
        cmocka_unit_test(the_timer_counts_changes_of_a_bit),
        cmocka_unit_test(every_bit_of_an_eptp),
        cmocka_unit_test(eptp_switching),
        cmocka_unit_test(pasids_through_two_levels),
        cmocka_unit_test(enqcmd_exits_by_its_pasid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
