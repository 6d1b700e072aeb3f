/* The facade's insides: physical CPUs, the vCPUs that they run, and how far their traces are. */
#ifndef VX_SIM_PRIVATE_H
#define VX_SIM_PRIVATE_H

#include "vexit.h"
#include "vx_apic.h"
#include "vx_arena.h"
#include "vx_clk.h"
#include "vx_guest.h"
#include "vx_model.h"
#include "vx_queue.h"
#include "vx_trace.h"
#include "vx_vmm.h"

enum {
    SIM_TRACES_MAX = 64,
    SIM_IDENTITIES_MAX = 96,
    SIM_WARNING = 512,
    SIM_SNAPSHOTS_MAX = 10000 /* each holds every statistic: some 25 KB */
};

/* One trace and where it is read. */
typedef struct sim_feed {
    const char *path;
    vx_trace_info info;
    vx_source *source;
    vx_batch batch;
    size_t position;
    uint64_t replayed; /* its references that were counted */
    bool ended;
} sim_feed;

typedef struct sim_vcpu sim_vcpu;

/* An interrupt on its way to a vCPU. */
typedef struct sim_message {
    vx_tick due;
    uint8_t vector; /* 0: the hypervisor's own, for a flush */
    uint8_t from;
} sim_message;

/* What a vCPU of several exchanged with the others since counting began. */
typedef struct sim_smp_counts {
    uint64_t ipis_sent, ipis_received;
    uint64_t idle_ticks, wait_ticks; /* halted, or ended and still answering; waiting for a shootdown's answers */
    uint64_t latest_ticks;           /* the furthest that it had run beyond a message's time when that came */
} sim_smp_counts;

/* One physical CPU. Several VMs share one in turn. */
typedef struct sim_processor {
    vx_ledger ledger;
    vx_mmu *mmu;
    sim_vcpu *running;
} sim_processor;

/* One vCPU, its guest's modelled OS where the trace has none, and its traces. */
struct sim_vcpu {
    vx_sim *sim;
    unsigned index; /* several VMs: the VM's number, since each has one vCPU */
    sim_processor *processor;
    vx_vcpu *vcpu;
    vx_guest *guest; /* NULL: a system trace */
    vx_queue queue;
    vx_apic apic; /* the modelled OS's, where it uses one */
    vx_apic_bus bus;
    sim_feed *feed;
    unsigned feeds;
    bool stateful; /* of a system trace: its first STATE has been read */
    bool ended;
    vx_clk_process *process;
    uint64_t instructions, exits; /* for the report: its share */

    /* Of several vCPUs: sim_smp.c. */
    vx_clk_timer *line;
    sim_message *coming;
    unsigned coming_count;
    bool halted;          /* until an interrupt comes */
    bool waiting;         /* until others have answered a shootdown or a flush, */
    unsigned kicks;       /* of a flush by its hypervisor: vCPUs that have not exited yet */
    vx_tick resume_at;    /* ... the latest of those that have, so far, at this tick */
    vx_tick counted_from; /* its time when counting began */
    sim_smp_counts smp;
    struct { /* what the report has of it: sim_vcpus.c */
        vx_stats stats;
        bool made;
        uint64_t id, cycles;
        vx_vcpu_counts counts;
        vx_guest_counts guest;
    } figures;
};

/* Where counting stands. */
typedef enum sim_phase { SIM_WARMUP, SIM_COUNTING, SIM_DONE } sim_phase;

struct vx_sim {
    vx_sim_options options;
    char scheme_name[VX_CFG_NAME]; /* without "+vpid" */
    char run_name[VX_CFG_NAME + 8];
    vx_scheme scheme;
    bool vpid;

    vx_model *models[VX_MODEL_KINDS];
    vx_cfg_cpu cpu;
    vx_cfg_vmm vmm_config;
    vx_model *l0_model; /* of the hypervisor below; NULL: none */
    vx_cfg_guest guest_config;

    vx_arena arena;
    vx_physmem memory;
    bool memory_made;
    vx_host_layout layout;
    sim_processor *processor;
    unsigned processors;
    vx_vmm *vmm; /* NULL: native */
    sim_vcpu *vcpu;
    unsigned vcpus; /* of all VMs */
    unsigned vms;
    bool smp;              /* one VM of several vCPUs, each on a CPU of its own */
    unsigned trace_groups; /* vCPUs that have traces of their own; the others replay those of one of these */
    vx_stats stats;
    bool stats_made;

    /* The run. All limits are instruction counts of all vCPUs together. */
    vx_clk *clk;
    struct {                 /* sim_reclaim.c */
        vx_clk_timer *timer; /* NULL: the host takes nothing */
        bool taken;          /* a page, of which the vCPUs are not told yet */
    } reclaim;
    vx_clk_timer *slice; /* the hypervisor's scheduler of the first CPU; NULL: one VM */
    sim_phase phase;
    uint64_t phase_end;     /* where the phase ends */
    uint64_t next_interval; /* where the next snapshot is due; UINT64_MAX: none */
    uint64_t counted_from;  /* where counting began */
    json_t *intervals;      /* array of snapshots; NULL: none asked for */
    vx_status status;       /* of the step that ended the run */
    vx_msg *msg;
    bool complete;
    uint64_t verified_leaves;
    uint64_t checked_translations, stale_uses; /* sim_check.c */

    /* Figures that the facade itself declares: sums over the CPUs and over the vCPUs. */
    vx_ledger ledger;
    vx_mmu_counts mmu_total;
    vx_vcpu_counts total;
    vx_guest_counts guest_total;
    uint64_t cycles_total;
    uint64_t walk_ticks;
    uint64_t vm_switches;
    struct {
        uint64_t vcpus, elapsed;
        sim_smp_counts sum;
    } smp_total;
    vx_identity *identities; /* SIM_IDENTITIES_MAX for each CPU */
    unsigned identity_count;
    const char *approximate[4];
    const char *warnings[4];
    char fault_warning[SIM_WARNING]; /* sim_faults.c */
};

/* sim_models.c: opens the models and makes the assignments; whatever was opened is in `models`, on an error too, for
 * sim_models_close. */
typedef struct sim_model_names {
    const char *cpu;      /* required */
    const char *vmm, *vm; /* NULL: the textbook hypervisor; the built-in guest */
    const char *const *sets;
    unsigned set_count;
} sim_model_names;
vx_status sim_models_open(vx_model *models[VX_MODEL_KINDS], const sim_model_names *names, vx_msg *msg);
void sim_models_close(vx_model *models[VX_MODEL_KINDS]);

/* Splits "ept+vpid" into name, scheme and VPID, which is also left on where it was on. */
vx_status sim_scheme_parse(const char *text, char name[VX_CFG_NAME], vx_scheme *scheme, bool *vpid, vx_msg *msg);

/* How many VMs (vCPUs, where one VM has several) the traces name: numbers are 0 to this less one. */
unsigned sim_trace_groups(const vx_sim_options *options);
vx_status sim_check_machine(vx_scheme scheme, const vx_sim_options *options, vx_msg *msg);

/* sim_machine.c: builds memory, MMU, hypervisor, vCPUs and guest OSes from the configuration. */
vx_status sim_machine_build(vx_sim *sim, vx_msg *msg);

/* sim_report.c: adds a warning to the report; the text must outlive the simulation. */
void sim_warn(vx_sim *sim, const char *text);

/* sim_faults.c: at the end of a run, warns where a trace's page faults and its page tables' differ. VX_ERR_CHECK with
 * --check where the tables do not explain a reference. */
vx_status sim_faults_end(vx_sim *sim, vx_msg *msg);

/* sim_check.c: vx_vcpu_hooks.on_translation of --check; `checker` is the sim_vcpu. */
vx_status sim_check_translation(void *checker, const vx_vcpu *vcpu, vx_gva gva, vx_access access, vx_hpa hpa,
                                vx_msg *msg);
void sim_check_declare(vx_sim *sim);

/* sim_report.c: declares the facade's own statistics; brings all lazily kept counters up to date. */
vx_status sim_declare(vx_sim *sim, vx_msg *msg);
void sim_sync(vx_sim *sim);
void sim_reset_counters(vx_sim *sim);

void sim_declare_cycles(vx_stats *stats, uint64_t *total, const vx_ledger *ledger);

/* sim_vcpus.c: the figures of each of several vCPUs. */
vx_status sim_vcpus_declare(vx_sim *sim, vx_msg *msg);
void sim_vcpus_close(vx_sim *sim);
void sim_vcpus_sync(vx_sim *sim);
/* Their identities; returns how many, at most SIM_IDENTITIES_MAX / 2 a vCPU. */
unsigned sim_vcpus_identities(const vx_sim *sim, vx_identity *identities);
json_t *sim_vcpus_json(const vx_sim *sim, vx_msg *msg);

/* sim_traces.c */
vx_status sim_traces_open(vx_sim *sim, vx_msg *msg);
void sim_traces_close(vx_sim *sim);
bool sim_is_system_trace(const sim_vcpu *v);
/* RAM the guests need: the model's for user-level traces, the largest header's for system traces. */
uint64_t sim_ram_bytes(const vx_sim *sim);

/* sim_smp.c: several vCPUs of one VM. Room for their messages; their lines on the clock. */
vx_status sim_smp_room(vx_sim *sim, vx_msg *msg);
vx_status sim_smp_lines(vx_sim *sim, vx_msg *msg);
/* vx_apic_setup.send; `from` is the sending sim_vcpu. */
void sim_smp_send(void *from, const vx_interrupt_message *message);
/* vx_vmm_kick.others; `sim` is the simulation. */
void sim_smp_kick(void *sim, unsigned from);
/* After the vCPU has run: lets those go on that it answered. True: it has to rest itself. */
bool sim_smp_rests(sim_vcpu *v);
void sim_smp_halt(sim_vcpu *v);
/* When it is to be stepped again by itself. */
vx_tick sim_smp_next(const sim_vcpu *v);
/* A vCPU that rests is stepped: takes what has come. *next: when it is to be stepped again, where it rests on. */
vx_status sim_smp_woken(sim_vcpu *v, vx_tick now, vx_tick *next, vx_msg *msg);
/* Nothing is left to happen: those that have halted go on, since a trace has more to come. False: there are none. */
bool sim_smp_revive(vx_sim *sim);
/* VX_ERR_CHECK where the run has come to a standstill: a vCPU waits, and nobody is left to answer. */
vx_status sim_smp_end(const vx_sim *sim, vx_msg *msg);

/* Halted, or its traces have ended. */
bool sim_smp_sleeps(const sim_vcpu *v);
/* A vCPU that rests has come to `now`; one that runs is there. */
void sim_smp_pass_time(sim_vcpu *v, vx_tick now);

/* sim_reclaim.c: the host takes pages of the VM's away. */
vx_status sim_reclaim_check(const vx_sim *sim, vx_msg *msg);
vx_status sim_reclaim_start(vx_sim *sim, vx_msg *msg);
void sim_reclaim_again(vx_sim *sim, vx_tick now); /* somebody has woken */

/* sim_run.c: ticks since the start of the run, of the vCPU's processor. */
vx_tick sim_now(const sim_vcpu *v);

/* sim_feed.c: the vCPU's trace to read from now; NULL when all have ended (or *status says why). */
sim_feed *sim_feed_current(sim_vcpu *v, vx_status *status, vx_msg *msg);

/* sim_phase.c: warm-up, counting, intervals, regions. */
uint64_t sim_instructions(const vx_sim *sim); /* executed by all vCPUs since the start */
void sim_phase_begin(vx_sim *sim);
uint64_t sim_phase_limit(const vx_sim *sim); /* the next instruction count at which sim_phase_reached must be called */
vx_status sim_phase_reached(vx_sim *sim, vx_msg *msg);
void sim_phase_mark(vx_sim *sim, uint64_t mark);

#endif
