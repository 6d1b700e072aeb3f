/* Priorities, order of delivery, EOI and spurious interrupts (SDM Vol. 3A 10.8.3 to 10.8.5, 10.6.2.4, 10.9). */
#include "apic_world.h"
#include "vx_random.h"

static apic_world world;

/* Every TPR against every highest vector in service. */
static void processor_priority(void **state)
{
    (void)state;
    for (unsigned tpr = 0; tpr < 256; tpr++)
        for (unsigned service = 16; service < 256; service++) {
            world_init(&world);
            world_interrupt(&world, 0, (uint8_t)service);
            assert_int_equal(vx_apic_acknowledge(&world.apic[0]), service);
            world_write(&world, 0, 0x80, tpr);
            unsigned expected = tpr / 16 >= service / 16 ? tpr : service / 16 * 16;
            assert_int_equal(world_read(&world, 0, 0xA0), expected);
            world_write(&world, 0, 0xB0, 0);
            assert_int_equal(world_read(&world, 0, 0xA0), tpr);
        }
}

/* Every TPR against every request: delivered where the class is higher, however the low four bits stand. */
static void only_a_higher_class_is_offered(void **state)
{
    (void)state;
    for (unsigned tpr = 0; tpr < 256; tpr++)
        for (unsigned vector = 16; vector < 256; vector++) {
            world_init(&world);
            world_write(&world, 0, 0x80, tpr);
            world_interrupt(&world, 0, (uint8_t)vector);
            assert_int_equal(vx_apic_pending(&world.apic[0]), vector / 16 > tpr / 16 ? vector : 0);
        }
}

/* 10.6.2.4, figure of the arbitration priority, at its borders. */
static void arbitration_priority(void **state)
{
    (void)state;
    static const struct {
        uint8_t tpr, service, request, apr;
    } rows[] = {
        {0x00, 0, 0, 0x00},       {0x35, 0, 0, 0x35},       {0x35, 0x21, 0, 0x35}, {0x35, 0, 0x31, 0x35},
        {0x35, 0, 0x41, 0x40},    {0x35, 0x31, 0, 0x30},    {0x35, 0x61, 0, 0x20}, {0xF5, 0xF1, 0x20, 0xF0},
        {0x35, 0x41, 0x21, 0x20}, {0x05, 0x51, 0x71, 0x70},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_init(&world);
        if (rows[i].service) {
            world_interrupt(&world, 0, rows[i].service);
            (void)vx_apic_acknowledge(&world.apic[0]);
        }
        if (rows[i].request) world_interrupt(&world, 0, rows[i].request);
        world_write(&world, 0, 0x80, rows[i].tpr);
        assert_int_equal(world_read(&world, 0, 0x90), rows[i].apr);
    }
}

static void cr8_is_the_upper_half_of_tpr(void **state)
{
    (void)state;
    world_init(&world);
    world_write(&world, 0, 0x80, 0x5A);
    assert_int_equal(vx_apic_cr8(&world.apic[0]), 5);
    vx_apic_set_cr8(&world.apic[0], 0xB);
    assert_int_equal(world_read(&world, 0, 0x80), 0xB0); /* the low half is cleared (10.8.6.1) */
    assert_int_equal(world_read(&world, 0, 0xA0), 0xB0);
}

static void level_triggered_interrupts_broadcast_their_end(void **state)
{
    (void)state;
    world_init(&world);
    const vx_interrupt_message level = {.vector = 0x61, .level = true}, edge = {.vector = 0x61};
    assert_true(vx_apic_accept(&world.apic[0], &level));
    (void)vx_apic_acknowledge(&world.apic[0]);
    assert_int_equal(world_read(&world, 0, 0x1B0) >> 1 & 1, 1); /* TMR */
    world_write(&world, 0, 0xB0, 0);
    assert_int_equal(world.broadcasts, 1);
    assert_int_equal(world.last_eoi, 0x61);
    assert_true(vx_apic_accept(&world.apic[0], &edge));
    (void)vx_apic_acknowledge(&world.apic[0]);
    world_write(&world, 0, 0xB0, 0);
    assert_int_equal(world.broadcasts, 1);
    world_write(&world, 0, 0xF0, 0x11FF); /* suppressed */
    assert_true(vx_apic_accept(&world.apic[0], &level));
    (void)vx_apic_acknowledge(&world.apic[0]);
    world_write(&world, 0, 0xB0, 0);
    assert_int_equal(world.broadcasts, 1);
    world_write(&world, 0, 0xB0, 0); /* nothing in service: nothing happens */
    assert_int_equal(world.broadcasts, 1);
}

/* The TPR was raised between the offer and the acknowledge: the spurious vector, without an in-service bit. */
static void spurious_interrupt(void **state)
{
    (void)state;
    world_init(&world);
    world_write(&world, 0, 0xF0, 0x1EF);
    world_interrupt(&world, 0, 0x41);
    assert_int_equal(vx_apic_pending(&world.apic[0]), 0x41);
    world_write(&world, 0, 0x80, 0x40);
    assert_int_equal(vx_apic_acknowledge(&world.apic[0]), 0xEF);
    for (unsigned at = 0x100; at <= 0x170; at += 16) assert_int_equal(world_read(&world, 0, at), 0);
    assert_int_equal(world_requested(&world, 0x41), 1);
}

/* Random requests, priorities and EOIs against sets that are searched bit by bit. */
static void random_order(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "apic priority");
    for (unsigned run = 0; run < 200; run++) {
        bool request[256] = {0}, service[256] = {0};
        unsigned tpr = 0;
        world_init(&world);
        for (unsigned step = 0; step < 200; step++) {
            unsigned vector = 16 + (unsigned)vx_random_below(&random, 240), highest = 0, in_service = 0;
            switch (vx_random_below(&random, 4)) {
            case 0:
                world_interrupt(&world, 0, (uint8_t)vector);
                request[vector] = true;
                break;
            case 1:
                tpr = (unsigned)vx_random_below(&random, 256);
                world_write(&world, 0, 0x80, tpr);
                break;
            case 2:
                world_write(&world, 0, 0xB0, 0);
                for (unsigned v = 255; v >= 16; v--)
                    if (service[v]) {
                        service[v] = false;
                        break;
                    }
                break;
            default:
                break;
            }
            for (unsigned v = 16; v < 256; v++) {
                if (request[v]) highest = v;
                if (service[v]) in_service = v;
            }
            unsigned class = tpr / 16 > in_service / 16 ? tpr / 16 : in_service / 16;
            unsigned offered = highest / 16 > class ? highest : 0;
            assert_int_equal(vx_apic_pending(&world.apic[0]), offered);
            if (!offered || vx_random_below(&random, 2)) continue;
            assert_int_equal(vx_apic_acknowledge(&world.apic[0]), offered);
            request[offered] = false;
            service[offered] = true;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processor_priority),
        cmocka_unit_test(only_a_higher_class_is_offered),
        cmocka_unit_test(arbitration_priority),
        cmocka_unit_test(cr8_is_the_upper_half_of_tpr),
        cmocka_unit_test(level_triggered_interrupts_broadcast_their_end),
        cmocka_unit_test(spurious_interrupt),
        cmocka_unit_test(random_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
