/* The device model of an 8254x card: registers that a driver's data and interrupt paths touch. */
#ifndef IO_E1000_H
#define IO_E1000_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_tick.h"

/* Offsets (8254x manual, table 13-2; QEMU: hw/net/e1000_regs.h). */
enum {
    IO_E1000_STATUS = 0x0008,
    IO_E1000_ICR = 0x00C0,
    IO_E1000_ITR = 0x00C4,
    IO_E1000_ICS = 0x00C8,
    IO_E1000_IMS = 0x00D0,
    IO_E1000_IMC = 0x00D8,
    IO_E1000_RDLEN = 0x2808,
    IO_E1000_RDH = 0x2810,
    IO_E1000_RDT = 0x2818,
    IO_E1000_TDLEN = 0x3808,
    IO_E1000_TDH = 0x3810,
    IO_E1000_TDT = 0x3818
};

/* Causes in ICR, ICS, IMS, IMC (13.4.17). */
enum {
    IO_E1000_TXDW = 1 << 0, /* transmit descriptors written back */
    IO_E1000_TXQE = 1 << 1, /* transmit queue empty */
    IO_E1000_LSC = 1 << 2,
    IO_E1000_RXSEQ = 1 << 3,
    IO_E1000_RXDMT0 = 1 << 4, /* few receive descriptors are left */
    IO_E1000_RXO = 1 << 6,    /* none was left: a frame is lost */
    IO_E1000_RXT0 = 1 << 7    /* a frame has been received */
};
enum { IO_E1000_LINK_UP = 1 << 1, IO_E1000_SPEED_1000 = 2 << 6, IO_E1000_FULL_DUPLEX = 1 << 0 }; /* STATUS */

typedef struct io_e1000_hooks {
    void *context;
    /* The interrupt line rises at `at`, which a late look at the timer finds in the past. */
    void (*raise)(void *context, vx_tick at);
    /* The descriptor at the transmit head is to be sent. */
    void (*transmit)(void *context, vx_tick now);
} io_e1000_hooks;

typedef struct io_e1000 {
    io_e1000_hooks hooks;
    uint32_t mhz; /* of the clock that counts ticks */
    bool throttles;
    bool line;
    vx_tick quiet_until; /* the throttling window's end */
    uint32_t icr, ims, itr;
    uint32_t rdlen, rdh, rdt, tdlen, tdh, tdt; /* RDLEN, TDLEN: bytes */
} io_e1000;

/* After reset: nothing pending, all masked, no throttling, rings of no descriptors. throttles: it obeys ITR. */
void io_e1000_init(io_e1000 *device, uint32_t mhz, bool throttles, const io_e1000_hooks *hooks);

/* A driver's access of four bytes. Registers that are not modelled and those that only the other kind of access knows
 * read 0 and forget what is written. */
uint32_t io_e1000_read(io_e1000 *device, uint32_t offset, vx_tick now);
void io_e1000_write(io_e1000 *device, uint32_t offset, uint32_t value, vx_tick now);

/* A frame for the guest has come; false: there is no descriptor for it, and it is lost. */
bool io_e1000_receive(io_e1000 *device, vx_tick now);

/* When the line rises if no access comes between: VX_TICK_NEVER where nothing waits for the window's end. */
vx_tick io_e1000_timer(const io_e1000 *device);
/* Lets the timer do what is due. Calls must not go back in time. */
void io_e1000_expire(io_e1000 *device, vx_tick now);

#endif
