/* What the files of the I/O machine share: guests, back-end, paths. */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "vx_io_machine.h"
#include "vx_iommu_driver.h"

typedef struct io_guest io_guest;
typedef struct io_backend io_backend;

/* What a guest is doing: decided when it begins, done when its time is over. */
typedef enum io_action { IO_NOTHING, IO_HOST, IO_INTERRUPT, IO_SEND } io_action;

/* One way to virtualize the card. Costs are charged where they are asked for; effects come at the action's end. */
typedef struct io_path {
    const char *name, *doc;
    bool hypervisor, vtd, functions, backend, shared; /* shared: several guests may use it */
    /* Beyond the stack's own work: of sending a frame; of an interrupt, its delivery and registers. */
    vx_tick (*send_cost)(io_guest *guest);
    void (*send)(io_guest *guest, const vx_frame *frame, vx_tick now);
    vx_tick (*interrupt_cost)(io_guest *guest);
    /* The host's own work on the guest's processor (NULL: none). */
    vx_tick (*host_cost)(io_guest *guest);
    void (*host)(io_guest *guest, vx_tick now);
    /* The card's interrupt of a queue has arrived. */
    void (*arrived)(vx_io_machine *machine, unsigned queue, vx_tick now);
    /* Handler's end: unmask, see what came meanwhile. */
    void (*handled)(io_guest *guest, vx_tick now);
} io_path;

extern const io_path io_path_native, io_path_emulated, io_path_para, io_path_passthrough, io_path_sriov;

/* Frames of known bound: acknowledgements on their way up, or frames in a shared ring. */
typedef struct io_ring {
    vx_frame frame[256];
    uint8_t head, tail; /* modulo 256; never full: windows are smaller */
} io_ring;
static inline unsigned io_ring_count(const io_ring *ring) { return (uint8_t)(ring->tail - ring->head); }
static inline void io_ring_put(io_ring *ring, const vx_frame *frame) { ring->frame[ring->tail++] = *frame; }
static inline vx_frame io_ring_take(io_ring *ring) { return ring->frame[ring->head++]; }

struct io_guest {
    vx_io_machine *machine;
    char name[16];
    unsigned index;
    io_action action;
    vx_tick due, began, idle_since;
    bool idle, interrupt, host_work;
    unsigned unacknowledged;
    io_ring received; /* acknowledgements that the stack has not seen */
    io_ring shared;   /* para: to the back-end */
    vx_io_guest_counts counts;
};

struct io_backend {
    vx_io_machine *machine;
    vx_tick due, idle_since;
    bool idle, busy, host_work;
    bool receiving; /* of what it is doing: a frame to a guest, or from one */
    unsigned turn;  /* guest whose turn it is */
    vx_frame frame;
    vx_ledger ledger;
};

struct vx_io_machine {
    vx_io_machine_config config;
    vx_io_machine_hooks hooks;
    const io_path *path;
    vx_nic *nic;
    vx_wire *wire;
    vx_iommu *iommu;
    vx_iommu_driver *iommu_driver;
    bool posted; /* interrupts are posted: neither their delivery nor their end exits */
    io_guest *guest;
    io_backend backend;
    uint64_t latency[VX_IO_LATENCY_BINS];
    vx_io_machine_counts counts;
};

/* ---- the driver's register sequence (io_driver.c) ---- */

/* Accesses of Linux's e1000 driver, by when it makes them. */
typedef enum io_moment { IO_ON_SEND, IO_ON_INTERRUPT, IO_MOMENTS } io_moment;
unsigned io_driver_reads(io_moment moment);
unsigned io_driver_writes(io_moment moment);

/* ---- helpers ---- */

/* Charges the guest's processor; returns the ticks. */
vx_tick io_charge(io_guest *guest, vx_cause cause, vx_tick ticks);
/* `count` exits that take `ticks` each, hardware and software together. The processor model's hardware part is split
 * off.
 */
vx_tick io_exit(io_guest *guest, vx_io_exit exit, unsigned count, vx_tick ticks);
/* Register accesses of the card itself. */
vx_tick io_registers(io_guest *guest, io_moment moment);
void io_kick_guest(io_guest *guest, vx_tick at);
void io_kick_backend(vx_io_machine *machine, vx_tick at);
void io_interrupt_guest(io_guest *guest, vx_tick now);

vx_tick io_guest_step(void *guest, vx_tick now, vx_tick horizon);
vx_tick io_backend_step(void *backend, vx_tick now, vx_tick horizon);

/* Passthrough and SR-IOV alike. */
vx_tick io_direct_send_cost(io_guest *guest);
void io_direct_send(io_guest *guest, const vx_frame *frame, vx_tick now);
vx_tick io_direct_interrupt_cost(io_guest *guest);
void io_direct_arrived(vx_io_machine *machine, unsigned queue, vx_tick now);
void io_direct_handled(io_guest *guest, vx_tick now);

#endif
