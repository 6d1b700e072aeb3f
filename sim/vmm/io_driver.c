/* Linux's driver of the 8254x (drivers/net/ethernet/intel/e1000/e1000_main.c): its register sequence and its
 * throttling.
 *
 * A frame: e1000_tx_queue writes the tail. An interrupt: e1000_intr reads the cause, which clears it, masks all and
 * flushes by a read of STATUS; e1000_clean (NAPI) takes sent and received frames, gives buffers back by the receive
 * tail, sixteen at a time; where less than a share was there, e1000_set_itr writes ITR if another rate is wanted, and
 * e1000_irq_enable unmasks and flushes again.
 *
 * The rate is dynamic, "conservative" (InterruptThrottleRate 3, the default since driver 7.3 of 2006): each direction
 * has a class, which follows frames and bytes of the last interrupt (e1000_update_itr); the lower rate counts, and a
 * higher one is reached in steps of a quarter of it. */
#include "io_driver.h"

#include <stddef.h>

#include "io_e1000.h"

/* ---- the register sequence ---- */

static const io_access sequence[] = {
    {"TDLEN", IO_ON_SETUP, true, IO_E1000_TDLEN},
    {"RDLEN", IO_ON_SETUP, true, IO_E1000_RDLEN},
    {"RDT", IO_ON_SETUP, true, IO_E1000_RDT},
    {"ITR", IO_ON_SETUP, true, IO_E1000_ITR},
    {"IMS", IO_ON_SETUP, true, IO_E1000_IMS},
    {"TDT", IO_ON_SEND, true, IO_E1000_TDT},
    {"ICR", IO_ON_INTERRUPT, false, IO_E1000_ICR},
    {"IMC", IO_ON_INTERRUPT, true, IO_E1000_IMC},
    {"STATUS", IO_ON_INTERRUPT, false, IO_E1000_STATUS},
    {"RDT", IO_ON_REFILL, true, IO_E1000_RDT},
    {"ITR", IO_ON_THROTTLE, true, IO_E1000_ITR},
    {"IMS", IO_ON_COMPLETE, true, IO_E1000_IMS},
    {"STATUS", IO_ON_COMPLETE, false, IO_E1000_STATUS},
};

const io_access *io_driver_access(io_moment moment, unsigned n)
{
    for (unsigned i = 0; i < sizeof sequence / sizeof *sequence; i++)
        if (sequence[i].moment == moment && n-- == 0) return &sequence[i];
    return NULL;
}

static unsigned count(io_moment moment, bool write)
{
    unsigned found = 0;
    const io_access *access;
    for (unsigned n = 0; (access = io_driver_access(moment, n)) != NULL; n++) found += access->write == write;
    return found;
}

unsigned io_driver_reads(io_moment moment) { return count(moment, false); }
unsigned io_driver_writes(io_moment moment) { return count(moment, true); }

uint32_t io_driver_value(const io_driver *driver, uint32_t offset)
{
    switch (offset) {
    case IO_E1000_TDLEN:
    case IO_E1000_RDLEN:
        return IO_DRIVER_RING * 16;
    case IO_E1000_TDT:
        return driver->transmit_tail;
    case IO_E1000_RDT:
        return driver->receive_tail;
    case IO_E1000_ITR:
        return 1000000000 / (driver->rate * 256);
    case IO_E1000_IMC:
        return UINT32_MAX;
    case IO_E1000_IMS: /* IMS_ENABLE_MASK */
        return IO_E1000_RXT0 | IO_E1000_TXDW | IO_E1000_RXDMT0 | IO_E1000_RXSEQ | IO_E1000_LSC;
    default:
        return 0;
    }
}

/* ---- rings ---- */

void io_driver_init(io_driver *driver) { *driver = (io_driver){.receive_tail = IO_DRIVER_RING - 1, .rate = 20000}; }

bool io_driver_room(const io_driver *driver) { return driver->sent.frames < IO_DRIVER_RING - 1; }

static void add(io_traffic *to, uint32_t frames, uint32_t bytes)
{
    to->frames += frames;
    to->bytes += bytes;
}

void io_driver_send(io_driver *driver, uint32_t bytes)
{
    driver->transmit_tail = (driver->transmit_tail + 1) % IO_DRIVER_RING;
    add(&driver->sent, 1, bytes);
}

void io_driver_clean(io_driver *driver)
{
    add(&driver->transmitted, driver->sent.frames, driver->sent.bytes);
    driver->sent = (io_traffic){0};
}

void io_driver_take(io_driver *driver, uint32_t bytes)
{
    driver->receive_tail = (driver->receive_tail + 1) % IO_DRIVER_RING;
    add(&driver->received, 1, bytes);
}

/* ---- throttling ---- */

void io_driver_begin(io_driver *driver) { driver->transmitted = driver->received = (io_traffic){0}; }

static io_latency after_low(io_traffic traffic)
{
    uint32_t mean = traffic.bytes / traffic.frames;
    if (traffic.bytes > 10000) {
        if (traffic.frames < 10 || mean > 1200) return IO_BULK_LATENCY;
        return traffic.frames > 35 ? IO_LOWEST_LATENCY : IO_LOW_LATENCY;
    }
    if (mean > 2000) return IO_BULK_LATENCY;
    return traffic.frames <= 2 && traffic.bytes < 512 ? IO_LOWEST_LATENCY : IO_LOW_LATENCY;
}

io_latency io_driver_class(io_latency was, io_traffic traffic)
{
    if (traffic.frames == 0) return was;
    switch (was) {
    case IO_LOWEST_LATENCY:
        if (traffic.bytes / traffic.frames > 8000) return IO_BULK_LATENCY;
        return traffic.frames < 5 && traffic.bytes > 512 ? IO_LOW_LATENCY : was;
    case IO_LOW_LATENCY:
        return after_low(traffic);
    default:
        if (traffic.bytes > 25000) return traffic.frames > 35 ? IO_LOW_LATENCY : was;
        return traffic.bytes < 6000 ? IO_LOW_LATENCY : was;
    }
}

/* Mode 3 has no lowest latency. */
static io_latency conservative(io_latency class) { return class == IO_LOWEST_LATENCY ? IO_LOW_LATENCY : class; }

bool io_driver_throttle(io_driver *driver)
{
    driver->transmit_class = conservative(io_driver_class(driver->transmit_class, driver->transmitted));
    driver->receive_class = conservative(io_driver_class(driver->receive_class, driver->received));
    bool bulk = driver->transmit_class == IO_BULK_LATENCY || driver->receive_class == IO_BULK_LATENCY;
    uint32_t wanted = bulk ? 4000 : 20000, step = driver->rate + wanted / 4;
    if (wanted == driver->rate) return false;
    driver->rate = wanted > driver->rate && step < wanted ? step : wanted;
    return true;
}
