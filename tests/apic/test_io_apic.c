/* The I/O APIC's redirection table (82093AA) and message-signalled interrupts (SDM Vol. 3A 10.11). */
#include "apic_world.h"
#include "vx_io_apic.h"

static apic_world world;
static vx_io_apic io;

static void send(void *bus, const vx_interrupt_message *message)
{
    apic_world *w = bus;
    w->sent++;
    w->last = *message;
    w->accepted += vx_apic_bus_deliver(&w->bus, message);
}

static void begin(void)
{
    world_init(&world);
    vx_io_apic_init(&io, 1, send, &world);
}

static void write_register(uint32_t index, uint32_t value)
{
    vx_io_apic_write(&io, 0x00, index);
    vx_io_apic_write(&io, 0x10, value);
}

static uint32_t read_register(uint32_t index)
{
    vx_io_apic_write(&io, 0x00, index);
    return vx_io_apic_read(&io, 0x10);
}

static void registers(void **state)
{
    (void)state;
    begin();
    assert_int_equal(read_register(0), 1U << 24);
    assert_int_equal(read_register(1), 0x170020);
    write_register(0, 0xF0000000); /* the ID has four bits */
    assert_int_equal(read_register(0), 0);
    write_register(0, 0x0A123456);
    assert_int_equal(read_register(0), 0x0A000000);
    for (uint32_t i = 0x10; i < 0x40; i++) {
        assert_int_equal(read_register(i), i % 2 ? 0 : 0x10000);
        write_register(i, UINT32_MAX);
        assert_int_equal(read_register(i), i % 2 ? 0xFF000000 : 0x1AFFF); /* without status and remote IRR */
    }
    assert_int_equal(read_register(0x40), 0);
    assert_int_equal(read_register(0xFF), 0);
    assert_int_equal(world.sent, 0);
}

static void an_edge_is_sent_once(void **state)
{
    (void)state;
    begin();
    vx_io_apic_drive(&io, 4, true); /* masked: lost */
    write_register(0x19, 2U << 24);
    write_register(0x18, 0x54);
    assert_int_equal(world.sent, 0);
    vx_io_apic_drive(&io, 4, true);
    assert_int_equal(world.sent, 0); /* no edge */
    vx_io_apic_drive(&io, 4, false);
    vx_io_apic_drive(&io, 4, true);
    assert_int_equal(world_requested(&world, 0x54), 4);
    vx_io_apic_drive(&io, 4, true);
    assert_int_equal(world.sent, 1);
    vx_io_apic_drive(&io, VX_IO_APIC_PINS, true); /* no such pin */
    assert_int_equal(world.sent, 1);
}

static void a_level_waits_for_its_eoi(void **state)
{
    (void)state;
    begin();
    vx_io_apic_drive(&io, 9, true);
    write_register(0x22, 0x8061); /* unmasked while active: sent */
    assert_int_equal(world.sent, 1);
    assert_true(world.last.level);
    assert_int_equal(read_register(0x22), 0xC061);
    vx_io_apic_drive(&io, 9, false);
    vx_io_apic_drive(&io, 9, true);
    assert_int_equal(world.sent, 1); /* remote IRR */
    vx_io_apic_write(&io, 0x40, 0x60);
    assert_int_equal(world.sent, 1); /* another vector's */
    vx_io_apic_end_of_interrupt(&io, 0x61);
    assert_int_equal(world.sent, 2); /* still active: again */
    vx_io_apic_drive(&io, 9, false);
    vx_io_apic_write(&io, 0x40, 0x61);
    assert_int_equal(world.sent, 2);
    assert_int_equal(read_register(0x22), 0x8061);
}

static void delivery_modes_and_destinations(void **state)
{
    (void)state;
    begin();
    write_register(0x11, 0xFF000000);
    write_register(0x10, 0x400); /* NMI to everyone */
    vx_io_apic_drive(&io, 0, true);
    for (unsigned n = 0; n < WORLD_APICS; n++) assert_int_equal(world.apic[n].events, VX_APIC_EVENT_NMI);
    world_write(&world, 3, 0xD0, 0x08000000);
    write_register(0x13, 0x08000000);
    write_register(0x12, 0x957); /* logical, lowest priority */
    vx_io_apic_drive(&io, 1, true);
    assert_int_equal(world_requested(&world, 0x57), 8);
    write_register(0x14, 0x658); /* startup: not from here */
    vx_io_apic_drive(&io, 2, true);
    write_register(0x16, 0x358);
    vx_io_apic_drive(&io, 3, true);
    assert_int_equal(world.sent, 2);
}

static void message_signalled(void **state)
{
    (void)state;
    vx_interrupt_message message;
    assert_true(vx_interrupt_message_from_msi(&message, 0xFEE03000, 0x4051));
    assert_int_equal(message.destination, 3);
    assert_int_equal(message.vector, 0x51);
    assert_int_equal(message.delivery, VX_DELIVERY_FIXED);
    assert_false(message.logical || message.level || message.wide);
    assert_true(vx_interrupt_message_from_msi(&message, 0xFEE0F00C, 0xC161)); /* hint, logical, level, lowest */
    assert_true(message.logical && message.level);
    assert_int_equal(message.delivery, VX_DELIVERY_LOWEST_PRIORITY);
    assert_true(vx_interrupt_message_from_msi(&message, 0xFEE0F004, 0x61)); /* mode without hint: ignored */
    assert_false(message.logical);
    assert_false(vx_interrupt_message_from_msi(&message, 0xFED03000, 0x51));
    assert_false(vx_interrupt_message_from_msi(&message, 0x1FEE03000, 0x51));
    assert_false(vx_interrupt_message_from_msi(&message, 0xFEE03000, 0x351));
    assert_false(vx_interrupt_message_from_msi(&message, 0xFEE03000, 0x651));
    for (unsigned bits = 0; bits < 4; bits++) {
        const vx_interrupt_message sent = {.vector = 0x77, .logical = bits & 1, .level = bits & 2, .destination = 0xA5};
        uint64_t address;
        uint32_t data;
        vx_interrupt_message_to_msi(&sent, &address, &data);
        assert_true(vx_interrupt_message_from_msi(&message, address, data));
        assert_true(message.vector == 0x77 && message.destination == 0xA5 && message.logical == sent.logical &&
                    message.level == sent.level && message.source == VX_APIC_NOBODY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(an_edge_is_sent_once),
        cmocka_unit_test(a_level_waits_for_its_eoi),
        cmocka_unit_test(delivery_modes_and_destinations),
        cmocka_unit_test(message_signalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
