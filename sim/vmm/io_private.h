/* What the files of the I/O machine share: guests, back-ends, the host's rings, paths. */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "io_driver.h"
#include "io_e1000.h"
#include "vx_copy_engine.h"
#include "vx_io_machine.h"
#include "vx_iommu_driver.h"

typedef struct io_guest io_guest;
typedef struct io_backend io_backend;

/* What a guest is doing: decided when it begins, done when its time is over. */
typedef enum io_action { IO_NOTHING, IO_HALT, IO_HOST, IO_INTERRUPT, IO_SEND } io_action;

/* What drivers and host do on a path. Costs are charged where they are asked for; effects come at the action's end. */
typedef struct io_path_ops {
    /* There is room for one more frame. */
    bool (*room)(const io_guest *guest);
    /* Beyond the stack's own work: of sending guest->frame; of an interrupt, its delivery and registers. */
    vx_tick (*send_cost)(io_guest *guest);
    void (*send)(io_guest *guest, vx_tick now);
    vx_tick (*interrupt_cost)(io_guest *guest);
    /* The next received frame for the guest's stack; false: there is none. */
    bool (*take)(io_guest *guest, vx_frame *frame, vx_tick now);
    /* Beyond the stack's own work: of what the handler does when it has taken guest->batch (NULL: nothing more). */
    vx_tick (*taken_cost)(io_guest *guest);
    /* More has come meanwhile, and the handler looks again before it ends (NULL: it does not). */
    bool (*more)(const io_guest *guest);
    /* The handler has taken all: unmask (NULL: there is nothing to do). */
    void (*handled)(io_guest *guest, vx_tick now);
    /* The host's own work on the guest's processor (NULL: none). */
    vx_tick (*host_cost)(io_guest *guest);
    void (*host)(io_guest *guest, vx_tick now);
    /* The device model's timer does what is due, and is next due at what is returned (NULL: there is none). */
    vx_tick (*timer)(io_guest *guest, vx_tick now);
    /* The card's interrupt for this guest, back-end or queue has arrived, at `now` or `at` later. */
    void (*arrived)(vx_io_machine *machine, unsigned vector, vx_tick now, vx_tick at);
    /* Of what a guest has for itself, before its time begins (NULL: nothing). */
    void (*init)(io_guest *guest);
} io_path_ops;

/* One way to virtualize the card. */
typedef struct io_path {
    const char *name, *doc;
    bool hypervisor; /* under one: halts and interrupts exit */
    bool shared;     /* several guests may use it */
    bool vtd;        /* guests' drivers have the card (or a function of it), behind VT-d */
    bool functions;  /* virtual functions */
    bool backend;    /* there is a back-end */
    bool sorted;     /* the card sorts received frames into queues, each with a back-end */
    const io_path_ops *ops;
} io_path;

extern const io_path io_path_native, io_path_emulated, io_path_para, io_path_vmdq, io_path_passthrough, io_path_sriov;

/* A ring of frames in memory that two sides share, as front-end and back-end do: 256 slots (Xen: netif.h; virtio-net).
 */
enum { IO_RING = 256 };
typedef struct io_ring {
    vx_frame frame[IO_RING];
    uint32_t head, tail;
} io_ring;
static inline unsigned io_ring_count(const io_ring *ring) { return ring->tail - ring->head; }
static inline bool io_ring_put(io_ring *ring, const vx_frame *frame)
{
    if (io_ring_count(ring) == IO_RING) return false;
    ring->frame[ring->tail++ % IO_RING] = *frame;
    return true;
}
static inline bool io_ring_take(io_ring *ring, vx_frame *frame)
{
    if (io_ring_count(ring) == 0) return false;
    *frame = ring->frame[ring->head++ % IO_RING];
    return true;
}

enum { IO_RING_MAX = 504 };

/* A driver's side of one of the card's queues: rings and buffers in memory (io_card.c). */
typedef struct io_card {
    vx_nic *nic;
    vx_physmem *memory;
    const vx_cfg_nic *model;
    unsigned queue;
    uint64_t host; /* where its area lies in host memory */
    uint64_t bus;  /* what the card is told */
    uint32_t buffer_bytes;
    uint64_t half; /* where receive buffers begin */
    /* With a driver of the IOMMU that maps: each buffer has an address while it is the card's. */
    vx_iommu_driver *mapper;
    uint32_t mappings;             /* so far: addresses are given out in turn */
    uint32_t mapped, unmapped;     /* since they were last paid for */
    uint64_t iova[2][IO_RING_MAX]; /* of transmit and receive buffers */
    uint32_t transmit_tail, transmit_clean, receive_next;
} io_card;

/* Bytes of an area for frames of this payload: a power of two, 2 MiB at least. */
uint64_t io_card_area(const vx_cfg_nic *nic, unsigned payload, bool mapped);
/* mapper: NULL, or who maps each buffer for the device IO_SOURCE_ID; rings stay mapped. */
vx_status io_card_init(io_card *card, vx_nic *nic, vx_physmem *memory, const vx_cfg_nic *model, unsigned payload,
                       unsigned queue, uint64_t host, uint64_t bus, vx_iommu_driver *mapper, vx_msg *msg);
unsigned io_card_room(const io_card *card);
void io_card_send(io_card *card, const vx_frame *frame, vx_tick now);

/* Takes back what has been sent; with a mapper a share of it. */
void io_card_clean(io_card *card, vx_tick now);
/* Something has been sent that is not taken back. */
bool io_card_sent(const io_card *card);
/* Cycles of the mappings made and undone since the last call. */
vx_tick io_card_mapping_ticks(io_card *card);
/* The oldest received frame, its buffer given back; false: there is none. */
bool io_card_receive(io_card *card, vx_frame *frame, vx_tick now);
/* There is one. */
bool io_card_waiting(const io_card *card);

enum { IO_POLL_FRAMES = 64 }; /* a handler's share before others may run: Linux's NAPI weight */

struct io_guest {
    vx_io_machine *machine;
    char name[16];
    unsigned index;
    io_action action;
    vx_tick due, idle_since, interrupt_at;
    bool idle, interrupt, polling, host_work;
    bool event_due;     /* its back-end has put frames into its ring since the last event */
    bool halted, woken; /* its HLT has exited; what it begins now has woken it */
    vx_endpoint *stack;
    vx_frame frame; /* that it is sending */
    bool waits;     /* for the invalidation queue, before its action's time begins */
    vx_tick wait_since, wait_ticks;
    unsigned taken;
    vx_frame batch[IO_POLL_FRAMES]; /* that it is receiving */
    io_ring up;                     /* emulated, para: to the guest */
    io_ring down;                   /* para: to the back-end */
    io_ring held;                   /* emulated: what the device model is working on, */
    unsigned working;               /* and how many of it its present work is for */
    io_e1000 model;                 /* emulated: the card that the guest believes in */
    io_driver driver;               /* and the guest's driver of it */
    bool throttle;                  /* emulated: the driver is going to write ITR */
    vx_io_guest_counts counts;
};

/* A back-end serves the guests whose number modulo the number of back-ends is its own, and the card's queue of it. */
struct io_backend {
    vx_io_machine *machine;
    char name[24];
    unsigned index;
    vx_tick due, idle_since;
    bool idle, busy, host_work;
    bool receiving; /* of what it is doing: a frame to a guest, or from one */
    unsigned turn;  /* guest whose turn it is */
    vx_frame frame;
    /* With a copy engine: frames whose copies are under way, or done but behind such, in order. */
    io_ring copies;
    bool by_engine[IO_RING];
    bool offload, completion; /* of the frame it has; the engine has interrupted */
    unsigned complete;        /* copies that the engine has finished, not yet delivered */
    unsigned batch;           /* frames delivered since events were sent */
    vx_ledger ledger;
};

struct vx_io_machine {
    vx_io_machine_config config;
    vx_io_machine_hooks hooks;
    const io_path *path;
    vx_physmem *memory;
    vx_nic *nic;
    vx_wire *wire;
    vx_iommu *iommu;
    vx_iommu_driver *iommu_driver;
    vx_copy_engine *engine; /* NULL: none is used */
    bool built;
    vx_tick now; /* of the guest that runs: when the driver of the IOMMU rings its queue */
    bool remaps,
        posted; /* interrupts pass the remapping table; are posted: neither their delivery nor their end exits */
    vx_endpoint *peers[VX_IO_GUESTS_MAX]; /* by station: the guest's number */
    io_guest *guest;
    io_card *card; /* by queue of the card */
    io_backend *backend;
    unsigned backends;
    uint64_t lost_front;
    vx_io_machine_counts counts;
};

/* ---- where things lie in host memory ---- */

enum {
    IO_TABLE_BYTES = 16 << 20,                 /* the IOMMU driver's; its first page is left out */
    IO_OWN = IO_TABLE_BYTES,                   /* hypervisor: interrupt-remapping table, posted-interrupt descriptors */
    IO_HOST_BASE = IO_TABLE_BYTES + (2 << 20), /* areas, a queue's after the other */
    IO_SOURCE_ID = 0x100
};

/* ---- interrupts (io_interrupts.c) ---- */

/* Messages of the card's vectors; for VT-d the table that remaps or posts them. */
void io_interrupts_init(vx_io_machine *machine);
void io_interrupts_message(void *machine, const vx_interrupt_request *message, vx_tick now);
/* The guest's processor takes what is posted: PIR and ON become 0 (SDM Vol. 3C, 29.6). */
void io_interrupts_take_posted(io_guest *guest);

/* ---- helpers (io_guest.c) ---- */

/* Charges the guest's processor; returns the ticks. */
vx_tick io_charge(io_guest *guest, vx_cause cause, vx_tick ticks);
/* `count` exits that take `ticks` each, hardware and software together. The processor model's hardware part is split
 * off. */
vx_tick io_exit(io_guest *guest, vx_io_exit exit, unsigned count, vx_tick ticks);
/* The delivery of an interrupt by the hypervisor: it exits where the guest runs, and not where its HLT has. */
vx_tick io_deliver(io_guest *guest);
/* Register accesses of the card itself. */
vx_tick io_registers(io_guest *guest, io_moment moment);
/* What a copy of a frame costs device model or back-end. */
vx_tick io_copy_ticks(const vx_io_machine *machine, const vx_frame *frame);
void io_kick(vx_io_machine *machine, unsigned process, vx_tick at);
void io_interrupt_guest(io_guest *guest, vx_tick at);
vx_tick io_guest_step(void *guest, vx_tick now, vx_tick horizon);
/* The invalidation queue is empty: a driver that waits for it goes on. */
void io_guest_go_on(io_guest *guest, vx_tick now);

/* ---- the back-end (io_backend.c) ---- */

io_backend *io_backend_of(vx_io_machine *machine, unsigned guest);
void io_backend_kick(io_backend *backend, vx_tick at);
/* The copy engine's interrupt for back-end `user`. */
void io_backend_copied(void *machine, unsigned user, vx_tick now);
vx_tick io_backend_step(void *backend, vx_tick now, vx_tick horizon);

/* ---- a driver that has the card: native, pass-through and SR-IOV alike (io_path_native.c) ---- */

bool io_direct_room(const io_guest *guest);
vx_tick io_direct_send_cost(io_guest *guest);
void io_direct_send(io_guest *guest, vx_tick now);
vx_tick io_direct_interrupt_cost(io_guest *guest);
bool io_direct_take(io_guest *guest, vx_frame *frame, vx_tick now);
void io_direct_handled(io_guest *guest, vx_tick now);
void io_direct_arrived(vx_io_machine *machine, unsigned vector, vx_tick now, vx_tick at);

#endif
