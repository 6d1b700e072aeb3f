#include "apic_world.h"

static void send(void *bus, const vx_interrupt_message *message)
{
    apic_world *world = bus;
    world->sent++;
    world->last = *message;
    world->accepted += vx_apic_bus_deliver(&world->bus, message);
}

static void end_of_interrupt(void *bus, uint8_t vector)
{
    apic_world *world = bus;
    world->broadcasts++;
    world->last_eoi = vector;
}

void world_init(apic_world *world)
{
    memset(world, 0, sizeof *world);
    for (unsigned i = 0; i < WORLD_APICS; i++) {
        vx_apic_setup setup = {.page = world->page[i],
                               .id = i,
                               .bootstrap = i == 0,
                               .x2apic = true,
                               .tsc_deadline = true,
                               .eoi_suppression = true,
                               .physical_bits = 40,
                               .timer_ticks = 1,
                               .send = send,
                               .end_of_interrupt = end_of_interrupt,
                               .bus = world};
        vx_apic_init(&world->apic[i], &setup);
        world->bus.apic[world->bus.count++] = &world->apic[i];
        world_write(world, i, VX_APIC_SVR, 0x1FF);
    }
}

void world_x2apic(apic_world *world)
{
    for (unsigned i = 0; i < WORLD_APICS; i++) {
        uint64_t base;
        assert_int_equal(vx_apic_rdmsr(&world->apic[i], 0x1B, 0, &base), VX_APIC_DONE);
        assert_int_equal(vx_apic_wrmsr(&world->apic[i], 0x1B, base | 1U << 10, 0), VX_APIC_DONE);
    }
}

unsigned world_requested(const apic_world *world, uint8_t vector)
{
    unsigned who = 0;
    for (unsigned i = 0; i < WORLD_APICS; i++)
        who |= (unsigned)vx_apic_vector_test(world->page[i], VX_APIC_IRR, vector) << i;
    return who;
}

uint32_t world_read(apic_world *world, unsigned apic, uint32_t offset)
{
    uint32_t value;
    assert_int_equal(vx_apic_read(&world->apic[apic], offset, 0, &value), VX_APIC_DONE);
    return value;
}

void world_write(apic_world *world, unsigned apic, uint32_t offset, uint32_t value)
{
    assert_int_equal(vx_apic_write(&world->apic[apic], offset, value, 0), VX_APIC_DONE);
}

void world_wrmsr(apic_world *world, unsigned apic, uint32_t offset, uint64_t value)
{
    assert_int_equal(vx_apic_wrmsr(&world->apic[apic], vx_apic_msr(offset), value, 0), VX_APIC_DONE);
}

void world_interrupt(apic_world *world, unsigned apic, uint8_t vector)
{
    const vx_interrupt_message message = {.vector = vector, .source = VX_APIC_NOBODY};
    assert_true(vx_apic_accept(&world->apic[apic], &message));
}
