/* Interrupt commands and messages: who receives what (SDM Vol. 3A 10.6, 10.11, 10.12.9 to 10.12.11). */
#include "apic_world.h"

static apic_world world;

/* The ICR as software writes it: high, low; and which of the four APICs then request vector 51H. APIC 0 sends. */
static void fixed_interrupts_by_xapic_command(void **state)
{
    (void)state;
    enum { FLAT, CLUSTER };
    static const struct {
        uint32_t high, low;
        unsigned format, who;
    } rows[] = {
        /* physical */
        {0x00, 0x00051, FLAT, 1},
        {0x02, 0x00051, FLAT, 4},
        {0x09, 0x00051, FLAT, 0},
        {0xFF, 0x00051, FLAT, 0xF},
        /* logical, flat: LDR is 1 << n */
        {0x01, 0x00851, FLAT, 1},
        {0x0A, 0x00851, FLAT, 0xA},
        {0xF0, 0x00851, FLAT, 0},
        {0xFF, 0x00851, FLAT, 0xF},
        /* logical, cluster: LDR is 11H, 12H, 21H, 22H */
        {0x11, 0x00851, CLUSTER, 1},
        {0x13, 0x00851, CLUSTER, 3},
        {0x22, 0x00851, CLUSTER, 8},
        {0x2F, 0x00851, CLUSTER, 0xC},
        {0x31, 0x00851, CLUSTER, 0},
        {0xF1, 0x00851, CLUSTER, 0},
        {0xFF, 0x00851, CLUSTER, 0xF},
        /* shorthands: the destination is ignored */
        {0x02, 0x40051, FLAT, 1},
        {0x02, 0x80051, FLAT, 0xF},
        {0x02, 0xC0051, FLAT, 0xE},
        /* level assert, trigger mode and read-only bits change nothing for fixed interrupts */
        {0x02, 0x04051, FLAT, 4},
        {0x02, 0x0C051, FLAT, 4},
        {0x02, 0x08051, FLAT, 4},
        {0x02, 0x01051, FLAT, 4},
        /* lowest priority: all are idle, the first takes it; no "self" or "all" with it */
        {0x0A, 0x00951, FLAT, 2},
        {0x00, 0xC0151, FLAT, 2},
        {0x00, 0x40151, FLAT, 0},
        {0x00, 0x80151, FLAT, 0},
        /* reserved delivery modes */
        {0x02, 0x00351, FLAT, 0},
        {0x02, 0x00751, FLAT, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_init(&world);
        for (unsigned n = 0; n < WORLD_APICS; n++) {
            static const uint8_t cluster[] = {0x11, 0x12, 0x21, 0x22};
            world_write(&world, n, 0xE0, rows[i].format == FLAT ? 0xFFFFFFFF : 0x0FFFFFFF);
            world_write(&world, n, 0xD0, (uint32_t)(rows[i].format == FLAT ? 1U << n : cluster[n]) << 24);
        }
        world_write(&world, 0, 0x310, rows[i].high << 24);
        world_write(&world, 0, 0x300, rows[i].low);
        if (world_requested(&world, 0x51) != rows[i].who) print_message("row %zu\n", i);
        assert_int_equal(world_requested(&world, 0x51), rows[i].who);
        for (unsigned n = 0; n < WORLD_APICS; n++) assert_int_equal(world_read(&world, n, 0x1A0), 0); /* all edge */
    }
}

static void fixed_interrupts_by_x2apic_command(void **state)
{
    (void)state;
    static const struct {
        uint64_t icr;
        unsigned who;
    } rows[] = {
        {0x0000000200000051, 4},   {0x000000FF00000051, 0}, {0xFFFFFFFF00000051, 0xF}, {0xFFFFFFFF00000851, 0xF},
        {0x0000000500000851, 0x5}, {0x0001000500000851, 0}, {0x0000000900040051, 1},   {0x0000000900080051, 0xF},
        {0x00000009000C0051, 0xE}, {0x0000000200000151, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_init(&world);
        world_x2apic(&world);
        world_wrmsr(&world, 0, 0x300, rows[i].icr);
        assert_int_equal(world_requested(&world, 0x51), rows[i].who);
    }
    world_wrmsr(&world, 3, 0x3F0, 0x52);
    assert_int_equal(world_requested(&world, 0x52), 8);
}

/* NMI, SMI, INIT and startup bypass IRR; "self" and "all" are invalid with them. */
static void other_delivery_modes(void **state)
{
    (void)state;
    static const struct {
        uint32_t low;
        uint8_t event;
    } modes[] = {{0x00200, VX_APIC_EVENT_SMI},
                 {0x00451, VX_APIC_EVENT_NMI},
                 {0x04500, VX_APIC_EVENT_INIT},
                 {0x00500, VX_APIC_EVENT_INIT},
                 {0x0C500, VX_APIC_EVENT_INIT},
                 {0x00692, VX_APIC_EVENT_STARTUP},
                 {0x08500, 0} /* INIT level de-assert */};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        for (uint32_t shorthand = 0; shorthand < 4; shorthand++) {
            world_init(&world);
            world_write(&world, 1, 0x310, 2U << 24);
            world_write(&world, 1, 0x300, modes[i].low | shorthand << 18);
            static const unsigned to[4] = {4, 0, 0, 0xD};
            for (unsigned n = 0; n < WORLD_APICS; n++) {
                bool hit = modes[i].event && (to[shorthand] >> n & 1);
                assert_int_equal(world.apic[n].events, hit ? modes[i].event : 0);
                if (hit && modes[i].event == VX_APIC_EVENT_STARTUP)
                    assert_int_equal(world.apic[n].startup_vector, 0x92);
            }
            assert_int_equal(world_requested(&world, 0x51), 0);
        }
}

static void lowest_priority_goes_to_the_least_busy(void **state)
{
    (void)state;
    world_init(&world);
    world_write(&world, 0, 0x80, 0x50);
    world_write(&world, 1, 0x80, 0x20);
    world_interrupt(&world, 2, 0x71); /* a request counts as well */
    world_write(&world, 3, 0x80, 0x30);
    world_write(&world, 0, 0x300, 0xC0151);
    assert_int_equal(world_requested(&world, 0x51), 2);
    world_write(&world, 1, 0xF0, 0xFF); /* disabled by software: no candidate */
    world_write(&world, 0, 0x300, 0xC0151);
    assert_int_equal(world_requested(&world, 0x51), 0xA);
}

static void a_disabled_apic_hears_nothing(void **state)
{
    (void)state;
    world_init(&world);
    assert_int_equal(vx_apic_wrmsr(&world.apic[1], 0x1B, 0xFEE00000, 0), VX_APIC_DONE);
    world_write(&world, 0, 0x300, 0x80051);
    assert_int_equal(world_requested(&world, 0x51), 0xD);
    uint32_t value;
    assert_int_equal(vx_apic_read(&world.apic[1], 0x20, 0, &value), VX_APIC_ABSENT);
}

static void local_sources_follow_their_entries(void **state)
{
    (void)state;
    world_init(&world);
    world_write(&world, 0, 0x350, 0x00700); /* LINT0: ExtINT */
    world_write(&world, 0, 0x360, 0x00400); /* LINT1: NMI */
    world_write(&world, 0, 0x340, 0x00055);
    world_write(&world, 0, 0x330, 0x10056);
    assert_true(vx_apic_raise(&world.apic[0], 0x350));
    assert_true(vx_apic_raise(&world.apic[0], 0x360));
    assert_int_equal(world.apic[0].events, VX_APIC_EVENT_EXTINT | VX_APIC_EVENT_NMI);
    assert_true(vx_apic_raise(&world.apic[0], 0x340));
    assert_false(vx_apic_raise(&world.apic[0], 0x340)); /* masked by its own delivery */
    assert_int_equal(world_read(&world, 0, 0x340), 0x10055);
    assert_int_equal(world_requested(&world, 0x55), 1);
    assert_false(vx_apic_raise(&world.apic[0], 0x330));
    world_write(&world, 0, 0x350, 0x00600); /* startup is none of the LVT's */
    assert_false(vx_apic_raise(&world.apic[0], 0x350));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_interrupts_by_xapic_command),
        cmocka_unit_test(fixed_interrupts_by_x2apic_command),
        cmocka_unit_test(other_delivery_modes),
        cmocka_unit_test(lowest_priority_goes_to_the_least_busy),
        cmocka_unit_test(a_disabled_apic_hears_nothing),
        cmocka_unit_test(local_sources_follow_their_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
