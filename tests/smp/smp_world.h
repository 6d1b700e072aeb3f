/* Two vCPUs on one clock: each runs its own program, both send each other interprocessor interrupts (TLB shootdowns)
 * and have a periodic APIC timer. Natively, under a hypervisor with FlexPriority, or with APICv and posted interrupts.
 */
#ifndef SMP_WORLD_H
#define SMP_WORLD_H

#include "clk_log.h"
#include "vx_apic.h"
#include "vx_clk.h"
#include "vx_vmm.h"

enum { SMP_VCPUS = 2, SMP_VECTOR_IPI = 0x51, SMP_VECTOR_TIMER = 0x61, SMP_QUEUED = 64 };

typedef enum smp_kind { SMP_NATIVE, SMP_FLEXPRIORITY, SMP_APICV, SMP_KINDS } smp_kind;

typedef struct smp_options {
    smp_kind kind;
    vx_tick quantum;
    vx_tick latency; /* of an IPI */
    vx_tick timer;   /* period of each vCPU's APIC timer; 0: none */
    unsigned blocks; /* the program: so many fetches of ten instructions, an IPI after every 40th */
} smp_options;

typedef struct smp_world smp_world;

typedef struct smp_vcpu {
    smp_world *world;
    unsigned index;
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_host_layout layout;
    vx_mmu *mmu;
    vx_queue queue;
    vx_vmm *vmm; /* NULL: native */
    vx_vcpu *vcpu;
    vx_apic apic;
    uint8_t page[VX_APIC_PAGE_BYTES];
    vx_batch batch;
    size_t position;
    vx_clk_process *process;
    vx_clk_timer *timer; /* the APIC's */
    vx_clk_timer *line;  /* interrupts on their way to this vCPU */
    struct {
        vx_tick due;
        uint8_t vector;
    } coming[SMP_QUEUED];
    unsigned coming_count;
    /* What it got. */
    unsigned ipis, timers;
    uint64_t trail;       /* hash of vectors and ticks, in order */
    vx_tick latest_timer; /* how late its APIC timer's tick was noticed at most */
    vx_tick latest_ipi;
} smp_vcpu;

struct smp_world {
    smp_options options;
    vx_cfg_cpu cpu;
    vx_cfg_vmm config;
    vx_apic_bus bus;
    vx_clk *clk;
    smp_vcpu vcpu[SMP_VCPUS];
    vx_status status;
    vx_msg msg;
};

/* A clk_scenario: `self` is a smp_options. Notes, for each vCPU: IPIs, timer interrupts, trail, instructions, ticks,
 * exits, lateness of the timer, lateness of IPIs; at the end the status. */
void smp_scenario(const char *kind, clk_log *log, const void *self);
enum { SMP_NOTES = 8 };

#endif
