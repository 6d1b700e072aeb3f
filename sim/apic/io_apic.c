/* The I/O APIC's redirection table and its two trigger modes. See vx_io_apic.h. */
#include "vx_io_apic.h"

#include <stddef.h>

enum {
    REGISTER_ID = 0x00,
    REGISTER_VERSION = 0x01,
    REGISTER_ARBITRATION = 0x02,
    REGISTER_TABLE = 0x10,
    VERSION = 0x20, /* has the EOI register */
};
#define DELIVERY_STATUS (1ULL << 12)
#define READ_ONLY (VX_IO_APIC_REMOTE_IRR | DELIVERY_STATUS)
#define KEEPS 0xFF0000000001FFFFULL

void vx_io_apic_init(vx_io_apic *io, uint8_t id, void (*send)(void *bus, const vx_interrupt_message *message),
                     void *bus)
{
    *io = (vx_io_apic){.id = id & 0xF, .send = send, .bus = bus};
    for (unsigned pin = 0; pin < VX_IO_APIC_PINS; pin++) io->entry[pin] = VX_IO_APIC_MASKED;
}

static void send(vx_io_apic *io, uint64_t entry)
{
    vx_interrupt_message message = {.vector = (uint8_t)entry,
                                    .delivery = (vx_delivery)(entry >> 8 & 7),
                                    .logical = (entry & VX_IO_APIC_LOGICAL) != 0,
                                    .level = (entry & VX_IO_APIC_LEVEL) != 0,
                                    .destination = (uint32_t)(entry >> 56),
                                    .source = VX_APIC_NOBODY};
    bool legal = message.delivery != VX_DELIVERY_RESERVED && message.delivery != VX_DELIVERY_STARTUP;
    if (legal) io->send(io->bus, &message);
}

/* A level entry is sent once and then waits for its EOI (remote IRR). */
static void service_level(vx_io_apic *io, unsigned pin)
{
    uint64_t *entry = &io->entry[pin];
    bool ready = (*entry & VX_IO_APIC_LEVEL) && !(*entry & (VX_IO_APIC_MASKED | VX_IO_APIC_REMOTE_IRR));
    if (!ready || !(io->lines >> pin & 1)) return;
    *entry |= VX_IO_APIC_REMOTE_IRR;
    send(io, *entry);
}

void vx_io_apic_drive(vx_io_apic *io, unsigned pin, bool active)
{
    if (pin >= VX_IO_APIC_PINS) return;
    bool was = io->lines >> pin & 1;
    io->lines = (io->lines & ~(1U << pin)) | (uint32_t)active << pin;
    uint64_t entry = io->entry[pin];
    if (entry & VX_IO_APIC_LEVEL)
        service_level(io, pin);
    else if (active && !was && !(entry & VX_IO_APIC_MASKED)) /* an edge while masked is lost */
        send(io, entry);
}

void vx_io_apic_end_of_interrupt(vx_io_apic *io, uint8_t vector)
{
    for (unsigned pin = 0; pin < VX_IO_APIC_PINS; pin++) {
        uint64_t *entry = &io->entry[pin];
        if ((uint8_t)*entry != vector || !(*entry & VX_IO_APIC_LEVEL)) continue;
        *entry &= ~VX_IO_APIC_REMOTE_IRR;
        service_level(io, pin);
    }
}

static uint32_t read_indirect(const vx_io_apic *io)
{
    unsigned index = io->select;
    switch (index) {
    case REGISTER_ID:
    case REGISTER_ARBITRATION:
        return (uint32_t)io->id << 24;
    case REGISTER_VERSION:
        return VERSION | (VX_IO_APIC_PINS - 1) << 16;
    default:
        break;
    }
    if (index < REGISTER_TABLE || index >= REGISTER_TABLE + 2 * VX_IO_APIC_PINS) return 0;
    return (uint32_t)(io->entry[(index - REGISTER_TABLE) / 2] >> (index % 2 * 32));
}

uint32_t vx_io_apic_read(const vx_io_apic *io, uint32_t offset)
{
    if (offset == VX_IO_APIC_SELECT) return io->select;
    return offset == VX_IO_APIC_WINDOW ? read_indirect(io) : 0;
}

static void write_entry(vx_io_apic *io, unsigned index, uint32_t value)
{
    unsigned pin = (index - REGISTER_TABLE) / 2, shift = index % 2 * 32;
    uint64_t old = io->entry[pin], half = 0xFFFFFFFFULL << shift;
    uint64_t made = ((old & ~half) | (uint64_t)value << shift) & KEEPS;
    io->entry[pin] = (made & ~READ_ONLY) | (old & READ_ONLY);
    if (!(made & VX_IO_APIC_LEVEL)) io->entry[pin] &= ~VX_IO_APIC_REMOTE_IRR; /* meaningless for edges */
    service_level(io, pin);
}

static void write_indirect(vx_io_apic *io, uint32_t value)
{
    if (io->select == REGISTER_ID)
        io->id = value >> 24 & 0xF;
    else if (io->select >= REGISTER_TABLE && io->select < REGISTER_TABLE + 2 * VX_IO_APIC_PINS)
        write_entry(io, io->select, value);
}

void vx_io_apic_write(vx_io_apic *io, uint32_t offset, uint32_t value)
{
    if (offset == VX_IO_APIC_SELECT)
        io->select = (uint8_t)value;
    else if (offset == VX_IO_APIC_WINDOW)
        write_indirect(io, value);
    else if (offset == VX_IO_APIC_EOI)
        vx_io_apic_end_of_interrupt(io, (uint8_t)value);
}
