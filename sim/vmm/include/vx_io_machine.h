/* Guests that send through a network card, by one of the ways to virtualize it: whole machines of processes.
 *
 *     native       the operating system has the card, without a hypervisor
 *     emulated     a device model imitates an 8254x: every register access of the driver exits
 *     para         front-end and back-end with a shared ring: notifications, and none while the back-end is awake
 *     passthrough  one guest has the card, behind VT-d
 *     sriov        each guest has a virtual function of the card, behind VT-d; the wire is shared
 *
 * Every guest sends a stream: frames of one payload, up to a window of them unacknowledged, as fast as its vCPU goes.
 * Each vCPU has a processor of its own; so has the back-end. Throughput, loss, latency and processor use are what comes
 * out.
 *
 * NOT MODELLED: the remapping table's entries of these interrupts (sim/iommu has them), TCP's slow start and losses'
 * repair (the window is fixed), sharing of processors, memory and cache effects of copies (they are in the per-frame
 * costs), receive-heavy workloads, VMDq, I/OAT. */
#ifndef VX_IO_MACHINE_H
#define VX_IO_MACHINE_H

#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_dev.h"
#include "vx_ledger.h"
#include "vx_physmem.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_tick.h"

typedef enum vx_io_path {
    VX_IO_PATH_NATIVE,
    VX_IO_PATH_EMULATED,
    VX_IO_PATH_PARA,
    VX_IO_PATH_PASSTHROUGH,
    VX_IO_PATH_SRIOV,
    VX_IO_PATHS
} vx_io_path;

const char *vx_io_path_name(vx_io_path path);
const char *vx_io_path_doc(vx_io_path path);
bool vx_io_path_parse(const char *word, vx_io_path *path);

enum { VX_IO_GUESTS_MAX = 64, VX_IO_PAYLOAD_MAX = 1448, VX_IO_WINDOW_MAX = 200, VX_IO_LATENCY_BINS = 1024 };

typedef struct vx_io_machine_config {
    vx_io_path path;
    unsigned guests;  /* 1 to VX_IO_GUESTS_MAX */
    unsigned payload; /* bytes of TCP payload a frame, 1 to VX_IO_PAYLOAD_MAX (a full frame) */
    unsigned window;  /* unacknowledged frames of a guest, 2 to VX_IO_WINDOW_MAX */
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

/* Memory comes from the arena; the models and `memory` must outlive the machine. VX_ERR_INPUT where the machine cannot
 * have this path: no VT-d, no virtual functions, more guests than it serves. */
vx_status vx_io_machine_init(vx_io_machine **machine, vx_arena *arena, vx_physmem *memory,
                             const vx_io_machine_config *config, const vx_io_machine_hooks *hooks, vx_msg *msg);

/* What runs: guests, back-end, NIC, wire, in this order. All are to be kicked at tick 0. */
unsigned vx_io_machine_processes(const vx_io_machine *machine);
void vx_io_machine_process(const vx_io_machine *machine, unsigned n, const char **name, vx_step_fn *step, void **self);

/* Exits, by what the guest did; Linux's names of the reasons stand in the reports. */
typedef enum vx_io_exit {
    VX_IO_EXIT_ACCESS,    /* emulated register: EPT_MISCONFIG, as KVM makes device memory exit */
    VX_IO_EXIT_KICK,      /* notification of a back-end: VMCALL */
    VX_IO_EXIT_INTERRUPT, /* EXTERNAL_INTERRUPT: to be injected */
    VX_IO_EXIT_EOI,       /* APIC_ACCESS: end of interrupt */
    VX_IO_EXITS
} vx_io_exit;
const char *vx_io_exit_name(vx_io_exit exit);

typedef struct vx_io_guest_counts {
    uint64_t frames, acknowledged, payload_bytes; /* sent by the guest; acknowledged, and their bytes */
    uint64_t interrupts;
    uint64_t exits[VX_IO_EXITS], exits_total;
    vx_ledger ledger; /* of its processor */
} vx_io_guest_counts;

typedef struct vx_io_machine_counts {
    vx_io_guest_counts total; /* over the guests */
    uint64_t lost;
    uint64_t wire_frames, nic_interrupts, dma_blocked, table_reads;
    vx_ledger backend;                                      /* of its processor */
    uint64_t guest_busy, backend_busy, elapsed, guest_time; /* ticks; guest_time: elapsed x guests */
    uint64_t wire_busy;
    uint64_t latency_samples;
    uint64_t latency_ns[4]; /* 50, 90, 99, 99.9 %: from a frame's beginning to its acknowledgement in the stack */
    bool wire_limited;      /* the wire was busy for more than 99 % of the time */
} vx_io_machine_counts;

/* Ends the accounts at `now` and returns them. */
const vx_io_machine_counts *vx_io_machine_end(vx_io_machine *machine, vx_tick now);
unsigned vx_io_machine_identities(const vx_io_machine *machine, vx_identity *identities, unsigned room);

#endif
