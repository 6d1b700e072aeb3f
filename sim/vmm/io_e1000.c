/* The device model of a card of the 8254x family, as a hypervisor imitates it (Intel PCI/PCI-X Family of Gigabit
 * Ethernet Controllers Software Developer's Manual, chapters 3 and 13, which was not at hand: by QEMU's hw/net/e1000.c
 * and Linux's driver).
 *
 * A cause sets its bit in ICR; the line is high while a bit is set in both ICR and IMS. Reading ICR clears it
 * (13.4.17), IMC masks and IMS unmasks, which lets what is pending interrupt at once (13.4.20, 13.4.21). ITR keeps
 * rises of the line apart, in units of 256 ns (13.4.18); what comes earlier waits for a timer (QEMU: mit_timer, commit
 * e9845f0985f0 of 2013). A new ITR counts from the next rise on, as QEMU's does. A write of TDT sends all up to the
 * tail before it returns (QEMU: start_xmit).
 *
 * NOT MODELLED: set-up (CTRL, EEPROM, PHY, addresses, RCTL and TCTL: both directions are on), statistics, filters;
 * TIDV, TADV, RDTR and RADV: delays of single causes, which Linux sets to 33 us at most, within the window of ITR;
 * QEMU's rule that a window lasts 128 us at least (2015). Descriptors and buffers are io_ring's and io_card's: the
 * model counts them. */
#include "io_e1000.h"

enum { DESCRIPTOR_BYTES = 16, ITR_NS = 256, LENGTH_BITS = 0xFFF80, LOW_16 = 0xFFFF };

void io_e1000_init(io_e1000 *device, uint32_t mhz, bool throttles, const io_e1000_hooks *hooks)
{
    *device = (io_e1000){.hooks = *hooks, .mhz = mhz, .throttles = throttles};
}

/* ---- the interrupt line ---- */

static vx_tick window(const io_e1000 *device)
{
    return device->throttles ? (vx_tick)device->itr * ITR_NS * device->mhz / 1000 : 0;
}

static bool pending(const io_e1000 *device) { return (device->icr & device->ims) != 0; }

static void settle(io_e1000 *device, vx_tick now)
{
    if (!pending(device)) device->line = false;
    if (!pending(device) || device->line || now < device->quiet_until) return;
    device->line = true;
    device->quiet_until = now + window(device);
    device->hooks.raise(device->hooks.context, now);
}

vx_tick io_e1000_timer(const io_e1000 *device)
{
    return pending(device) && !device->line ? device->quiet_until : VX_TICK_NEVER;
}

void io_e1000_expire(io_e1000 *device, vx_tick now)
{
    vx_tick due = io_e1000_timer(device);
    if (due <= now) settle(device, due);
}

static void cause(io_e1000 *device, uint32_t bits, vx_tick now)
{
    device->icr |= bits;
    settle(device, now);
}

/* ---- rings ---- */

static uint32_t next(uint32_t place, uint32_t bytes) { return (place + 1) % (bytes / DESCRIPTOR_BYTES); }

/* A tail outside the ring would never be met: nothing is sent. */
static void transmit(io_e1000 *device, vx_tick now)
{
    if (device->tdt >= device->tdlen / DESCRIPTOR_BYTES || device->tdh == device->tdt) return;
    while (device->tdh != device->tdt) {
        device->hooks.transmit(device->hooks.context, now);
        device->tdh = next(device->tdh, device->tdlen);
    }
    cause(device, IO_E1000_TXDW | IO_E1000_TXQE, now);
}

/* Descriptors from head to tail are the card's. */
static uint32_t free_descriptors(const io_e1000 *device)
{
    uint32_t count = device->rdlen / DESCRIPTOR_BYTES;
    return device->rdt < count ? (device->rdt + count - device->rdh) % count : 0;
}

bool io_e1000_receive(io_e1000 *device, vx_tick now)
{
    io_e1000_expire(device, now);
    if (free_descriptors(device) == 0) {
        cause(device, IO_E1000_RXO, now);
        return false;
    }
    device->rdh = next(device->rdh, device->rdlen);
    bool few = free_descriptors(device) <= device->rdlen / DESCRIPTOR_BYTES / 2; /* RCTL.RDMTS 0 */
    cause(device, IO_E1000_RXT0 | (few ? IO_E1000_RXDMT0 : 0), now);
    return true;
}

/* ---- registers ---- */

static uint32_t read_causes(io_e1000 *device, vx_tick now)
{
    uint32_t causes = device->icr;
    device->icr = 0;
    settle(device, now);
    return causes;
}

uint32_t io_e1000_read(io_e1000 *device, uint32_t offset, vx_tick now)
{
    io_e1000_expire(device, now);
    switch (offset) {
    case IO_E1000_STATUS:
        return IO_E1000_LINK_UP | IO_E1000_SPEED_1000 | IO_E1000_FULL_DUPLEX;
    case IO_E1000_ICR:
        return read_causes(device, now);
    case IO_E1000_ITR:
        return device->itr;
    case IO_E1000_IMS:
        return device->ims;
    case IO_E1000_RDLEN:
        return device->rdlen;
    case IO_E1000_RDH:
        return device->rdh;
    case IO_E1000_RDT:
        return device->rdt;
    case IO_E1000_TDLEN:
        return device->tdlen;
    case IO_E1000_TDH:
        return device->tdh;
    case IO_E1000_TDT:
        return device->tdt;
    default:
        return 0;
    }
}

/* A length begins a ring anew. */
static void set_length(uint32_t *length, uint32_t *head, uint32_t *tail, uint32_t value)
{
    *length = value & LENGTH_BITS;
    *head = *tail = 0;
}

void io_e1000_write(io_e1000 *device, uint32_t offset, uint32_t value, vx_tick now)
{
    io_e1000_expire(device, now);
    switch (offset) {
    case IO_E1000_ICR: /* ones clear */
        device->icr &= ~value;
        break;
    case IO_E1000_ITR:
        device->itr = value & LOW_16;
        break;
    case IO_E1000_ICS:
        device->icr |= value;
        break;
    case IO_E1000_IMS:
        device->ims |= value;
        break;
    case IO_E1000_IMC:
        device->ims &= ~value;
        break;
    case IO_E1000_RDLEN:
        set_length(&device->rdlen, &device->rdh, &device->rdt, value);
        break;
    case IO_E1000_RDT:
        device->rdt = value & LOW_16;
        break;
    case IO_E1000_TDLEN:
        set_length(&device->tdlen, &device->tdh, &device->tdt, value);
        break;
    case IO_E1000_TDT:
        device->tdt = value & LOW_16;
        transmit(device, now);
        break;
    default:
        break;
    }
    settle(device, now);
}
