/* Linux's driver of the 8254x: which registers it touches when, and how it sets the throttling register. */
#ifndef IO_DRIVER_H
#define IO_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

/* When it makes accesses. */
typedef enum io_moment {
    IO_ON_SETUP,     /* before time begins: what later accesses rest on */
    IO_ON_SEND,      /* a frame */
    IO_ON_INTERRUPT, /* the handler begins */
    IO_ON_REFILL,    /* up to IO_DRIVER_REFILL received frames have been taken */
    IO_ON_THROTTLE,  /* the interrupt rate that it wants has changed */
    IO_ON_COMPLETE,  /* all is taken: interrupts are let in again */
    IO_MOMENTS
} io_moment;

enum {
    IO_DRIVER_RING = 256, /* descriptors of either ring (E1000_DEFAULT_TXD, E1000_DEFAULT_RXD) */
    IO_DRIVER_REFILL = 16 /* E1000_RX_BUFFER_WRITE */
};

typedef struct io_access {
    const char *name;
    io_moment moment;
    bool write;
    uint32_t offset; /* io_e1000.h */
} io_access;

/* The n-th access of a moment, NULL after the last; how many are reads and writes. */
const io_access *io_driver_access(io_moment moment, unsigned n);
unsigned io_driver_reads(io_moment moment);
unsigned io_driver_writes(io_moment moment);

/* Frames and bytes of one direction that an interrupt has brought. */
typedef struct io_traffic {
    uint32_t frames, bytes;
} io_traffic;

typedef enum io_latency { IO_LOWEST_LATENCY, IO_LOW_LATENCY, IO_BULK_LATENCY } io_latency;

/* The driver's own state. */
typedef struct io_driver {
    uint32_t transmit_tail, receive_tail;
    io_traffic sent; /* since they were last taken back */
    io_traffic transmitted, received;
    io_latency transmit_class, receive_class;
    uint32_t rate; /* interrupts a second that ITR allows */
} io_driver;

/* As after the driver's set-up: buffers in all receive descriptors but one, 20000 interrupts a second. */
void io_driver_init(io_driver *driver);
/* There is a free transmit descriptor. */
bool io_driver_room(const io_driver *driver);
/* A frame is put at the transmit tail; sent ones are taken back; a received one is taken and its buffer replaced. */
void io_driver_send(io_driver *driver, uint32_t bytes);
void io_driver_clean(io_driver *driver);
void io_driver_take(io_driver *driver, uint32_t bytes);
/* An interrupt begins: traffic is counted anew. */
void io_driver_begin(io_driver *driver);
/* By the traffic since then, the rate that is wanted; true: it has changed, and ITR is to be written. */
bool io_driver_throttle(io_driver *driver);
/* The class that follows after an interrupt with this traffic, bulk at most. */
io_latency io_driver_class(io_latency was, io_traffic traffic);
/* What is written to a register. */
uint32_t io_driver_value(const io_driver *driver, uint32_t offset);

#endif
