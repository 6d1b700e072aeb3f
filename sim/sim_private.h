/* The facade's insides: one machine with its guests, and how far its traces are. */
#ifndef VX_SIM_PRIVATE_H
#define VX_SIM_PRIVATE_H

#include "vexit.h"
#include "vx_arena.h"
#include "vx_guest.h"
#include "vx_model.h"
#include "vx_queue.h"
#include "vx_trace.h"
#include "vx_vmm.h"

enum { SIM_TRACES_MAX = 64, SIM_IDENTITIES_MAX = 96 };

/* One trace and where it is read. */
typedef struct sim_feed {
    const char *path;
    vx_source *source;
    vx_batch batch;
    size_t position;
    bool ended;
} sim_feed;

/* One guest: its vCPU, its modelled OS where the trace has none, and its traces. */
typedef struct sim_vm {
    vx_vcpu *vcpu;
    vx_guest *guest; /* NULL: a system trace */
    vx_queue queue;
    sim_feed feed[SIM_TRACES_MAX];
    unsigned feeds;
} sim_vm;

/* Where counting stands. */
typedef enum sim_phase { SIM_WARMUP, SIM_COUNTING, SIM_DONE } sim_phase;

struct vx_sim {
    vx_sim_options options;
    char scheme_name[VX_CFG_NAME]; /* without "+vpid" */
    char run_name[VX_CFG_NAME + 8];
    vx_scheme scheme;
    bool vpid;

    vx_model *cpu_model, *vmm_model, *vm_model;
    vx_cfg_cpu cpu;
    vx_cfg_vmm vmm_config;
    vx_cfg_guest guest_config;

    vx_arena arena;
    vx_physmem memory;
    bool memory_made;
    vx_host_layout layout;
    vx_ledger ledger;
    vx_mmu *mmu;
    vx_vmm *vmm; /* NULL: native */
    sim_vm vm;
    vx_stats stats;
    bool stats_made;

    /* The run. */
    sim_phase phase;
    uint64_t phase_end;     /* absolute instruction count at which the phase ends */
    uint64_t next_interval; /* absolute instruction count of the next snapshot; UINT64_MAX: none */
    uint64_t counted_from;  /* absolute instruction count at which counting began */
    json_t *intervals;      /* array of snapshots; NULL: none asked for */
    bool complete;
    vx_trace_info trace_info[SIM_TRACES_MAX];
    uint64_t verified_leaves;

    /* Figures that the facade itself declares. */
    uint64_t cycles_total;
    const char *cause_names[VX_CAUSES];
    uint64_t walk_ticks;
    vx_identity identities[SIM_IDENTITIES_MAX];
    unsigned identity_count;
    const char *approximate[4];
    const char *warnings[4];
};

/* sim_machine.c: builds memory, MMU, hypervisor, vCPU and guest OS from the configuration. */
vx_status sim_machine_build(vx_sim *sim, vx_msg *msg);

/* sim_report.c: declares the facade's own statistics; brings all lazily kept counters up to date. */
vx_status sim_declare(vx_sim *sim, vx_msg *msg);
void sim_sync(vx_sim *sim);
void sim_reset_counters(vx_sim *sim);

/* sim_traces.c */
vx_status sim_traces_open(vx_sim *sim, vx_msg *msg);
void sim_traces_close(vx_sim *sim);
bool sim_is_system_trace(const vx_sim *sim);
/* RAM the guest needs: the model's for user-level traces, the header's for system traces. */
uint64_t sim_ram_bytes(const vx_sim *sim);

#endif
