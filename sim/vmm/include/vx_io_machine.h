/* Guests that use a network card, by one of the ways to virtualize it: whole machines of processes.
 *
 *     native       the operating system has the card, without a hypervisor
 *     emulated     a device model imitates an 8254x: every register access of the driver exits
 *     para         front-end and back-end with a shared ring: notifications, and none while the back-end is awake
 *     vmdq         para-virtual, but the card sorts received frames into queues, each with a back-end of its own
 *     passthrough  one guest has the card, behind VT-d
 *     sriov        each guest has a virtual function of the card, behind VT-d; the wire is shared
 *
 * What guest and peer exchange is a workload (vx_endpoint.h) in one direction: the active end is the guest's (transmit)
 * or the peer's (receive). Each vCPU has a processor of its own; so has each back-end. Throughput, loss, latency and
 * processor use are what comes out.
 *
 * NOT MODELLED: bytes of the rings that front-end and back-end share; sharing of processors; memory and cache effects
 * of copies (a copy costs by its size); receive offloads (LRO). */
#ifndef VX_IO_MACHINE_H
#define VX_IO_MACHINE_H

#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_dev.h"
#include "vx_endpoint.h"
#include "vx_iommu_driver.h"
#include "vx_ledger.h"
#include "vx_physmem.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_tick.h"

typedef enum vx_io_path {
    VX_IO_PATH_NATIVE,
    VX_IO_PATH_EMULATED,
    VX_IO_PATH_PARA,
    VX_IO_PATH_VMDQ,
    VX_IO_PATH_PASSTHROUGH,
    VX_IO_PATH_SRIOV,
    VX_IO_PATHS
} vx_io_path;

/* "native", "emulated", ...: the words of --path; and a sentence for `vexit list paths`. */
const char *vx_io_path_name(vx_io_path path);
const char *vx_io_path_doc(vx_io_path path);

enum {
    VX_IO_GUESTS_MAX = 64,
    VX_IO_PROCESSES_MAX = 2 * VX_IO_GUESTS_MAX + 4,
    VX_IO_PAYLOAD_MAX = 8948, /* of a jumbo frame: 9000 bytes of IPv4; of a standard one 1448 */
};

typedef struct vx_io_machine_config {
    vx_io_path path;
    unsigned guests; /* 1 to VX_IO_GUESTS_MAX */
    vx_workload workload;
    bool receive;               /* the peer is the active end */
    unsigned payload;           /* bytes of TCP payload of a full frame, 1 to VX_IO_PAYLOAD_MAX */
    unsigned window;            /* unacknowledged frames of a connection, 2 to VX_WINDOW_MAX */
    unsigned flows;             /* connections of a guest, 1 to VX_FLOWS_MAX */
    uint32_t request, response; /* bytes of request-response's messages, 1 to VX_MESSAGE_MAX */
    uint64_t seed;              /* of many-flows' messages */
    vx_iommu_policy policy;     /* native: what its driver of the IOMMU does with the card's buffers; off: no IOMMU */
    bool copy_engine;           /* back-ends give received frames' copies to the chipset's engine (I/OAT) */
    const vx_cfg_cpu *cpu;
    const vx_cfg_chipset *chipset;
    const vx_cfg_nic *nic;
} vx_io_machine_config;

typedef struct vx_io_machine vx_io_machine;

/* The clock's business: `process` is a number below vx_io_machine_processes. */
typedef struct vx_io_machine_hooks {
    void *context;
    void (*kick)(void *context, unsigned process, vx_tick at);
} vx_io_machine_hooks;

/* Bytes of simulated memory that the machine needs: the IOMMU's tables, then each guest's (or the host's) rings and
 * buffers. */
uint64_t vx_io_machine_memory(const vx_io_machine_config *config);

/* Memory comes from the arena; the models and `memory` must outlive the machine. VX_ERR_INPUT where the machine cannot
 * have this path or workload: no VT-d, no virtual functions, no queues, no copy engine, more guests than it serves. */
vx_status vx_io_machine_init(vx_io_machine **machine, vx_arena *arena, vx_physmem *memory,
                             const vx_io_machine_config *config, const vx_io_machine_hooks *hooks, vx_msg *msg);

/* What runs: guests, back-ends, NIC, wire, the IOMMU's invalidation queue and the copy engine if they are used, in this
 * order. All are to be kicked at tick 0. */
unsigned vx_io_machine_processes(const vx_io_machine *machine);
void vx_io_machine_process(const vx_io_machine *machine, unsigned n, const char **name, vx_step_fn *step, void **self);

/* Exits, by what the guest did; Linux's names of the reasons stand in the reports. */
typedef enum vx_io_exit {
    VX_IO_EXIT_ACCESS,    /* emulated register: EPT_MISCONFIG, as KVM makes device memory exit */
    VX_IO_EXIT_KICK,      /* notification of a back-end: VMCALL */
    VX_IO_EXIT_INTERRUPT, /* EXTERNAL_INTERRUPT: to be injected into a guest that runs */
    VX_IO_EXIT_EOI,       /* APIC_ACCESS: end of interrupt */
    VX_IO_EXIT_HALT,      /* HLT: the guest has nothing to do */
    VX_IO_EXITS
} vx_io_exit;
/* As the reports name it. */
const char *vx_io_exit_name(vx_io_exit exit);

typedef struct vx_io_guest_counts {
    uint64_t interrupts;
    uint64_t exits[VX_IO_EXITS], exits_total;
    vx_ledger ledger; /* of its processor */
} vx_io_guest_counts;

typedef struct vx_io_machine_counts {
    vx_io_guest_counts total;                        /* over the guests */
    uint64_t frames, resent, acks;                   /* both ends': with payload, among them again, and without */
    uint64_t acknowledged, payload_bytes;            /* frames with payload, and their bytes */
    uint64_t messages;                               /* acknowledged messages, or answered requests */
    uint64_t timeouts;                               /* retransmission timers that ran out */
    uint64_t lost, lost_fifo, lost_ring, lost_front; /* received frames: sum; in the card, for want of its memory or of
                                                        buffers; behind it, for want of room towards the guest */
    uint64_t wire_frames, memory_frames;             /* that left the card; that it wrote to memory */
    uint64_t nic_interrupts, remapped, notified, posted, interrupts_blocked;
    uint64_t dma_blocked, table_reads;
    vx_ledger backend;                                         /* of the back-ends' processors */
    uint64_t guest_busy, guest_time;                           /* ticks; elapsed x guests */
    uint64_t backend_busy, backend_time, elapsed;              /* backend_time: elapsed x back-ends */
    uint64_t wire_busy, wire_out_busy, wire_in_busy;           /* wire_busy: the busier direction's */
    uint64_t copies, copied_bytes, copy_interrupts, copy_busy; /* of the copy engine */
    uint64_t maps, unmaps, invalidations, wait_ticks;          /* of the IOMMU's driver; its waits for the queue */
    uint64_t latency_samples;
    uint64_t latency_ns[4]; /* 50, 90, 99, 99.9 %: vx_endpoint_counts.latency of the active ends */
    bool wire_limited;      /* the wire was busy for more than 99 % of the time */
} vx_io_machine_counts;

/* Ends the accounts at `now` and returns them. */
const vx_io_machine_counts *vx_io_machine_end(vx_io_machine *machine, vx_tick now);
unsigned vx_io_machine_identities(const vx_io_machine *machine, vx_identity *identities, unsigned room);

#endif
