/* Vexit's facade: open a simulation, run it, take its report.
 *
 *     vx_sim *sim;
 *     const char *const traces[] = {"a.vxt"};
 *     vx_sim_options options = {.cpu = "nehalem", .scheme = "ept", .traces = traces, .trace_count = 1, .seed = 1};
 *     if (vx_sim_open(&sim, &options, &msg) == VX_OK) {
 *         if (vx_sim_run(sim, &msg) == VX_OK) ...
 *         vx_sim_close(sim);
 *     }
 *
 * One simulation owns all its memory and shares nothing with another; use one per thread. The library never exits,
 * aborts, prints or installs signal handlers. */
#ifndef VEXIT_H
#define VEXIT_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "vx_config.h"
#include "vx_io_machine.h"
#include "vx_iommu_driver.h"
#include "vx_ledger.h"
#include "vx_mmu.h"
#include "vx_record.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_tpm.h"
#include "vx_vcpu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vx_source; /* vx_trace.h */

typedef struct vx_sim vx_sim;

/* How far a run is, a few times a second of real time. */
typedef struct vx_sim_progress {
    uint64_t instructions, references; /* since the start, warm-up included */
    uint64_t expected_instructions;    /* of the whole run; 0: not known */
} vx_sim_progress;

/* The guest has set a region mark (its number's low 16 bits): every statistic is current. It must not change the
 * simulation. */
typedef void vx_sim_marked(void *context, const vx_sim *sim, uint16_t mark);

typedef struct vx_sim_options {
    const char *cpu;    /* model name or file; required */
    const char *vmm;    /* NULL: "textbook" */
    const char *nested; /* model of a hypervisor below, in whose VM `vmm` runs; NULL: none */
    const char *vm;     /* model of the guest's OS, for user-level traces; NULL: the built-in one */
    const char *scheme; /* "native", "ept", "npt", ...; a trailing "+vpid" sets vpid; required */
    bool vpid;          /* tag TLB entries with VPID (AMD: keep ASIDs over VMRUN) */

    /* Traces: .vxt files or "gen:NAME:arguments". Several are the processes of one vCPU under the modelled guest OS. */
    const char *const *traces;
    unsigned trace_count;
    /* Opens a trace in the library's stead: one that is decoded in memory, or a generator of one's own. The simulation
     * closes it; `skip` is not applied to it. NULL: the library opens them. The context must outlive the opening. */
    vx_status (*open_source)(void *context, struct vx_source **source, const char *trace, vx_msg *msg);
    void *open_context;
    /* Several VMs share the CPU in time slices (vmm.slice_ticks). Trace i belongs to VM vm_of_trace[i] (NULL: all to VM
     * 0); a VM without traces takes those of VM number (its own modulo the VMs that have some). 0: one VM. */
    unsigned vms;
    /* One VM of several vCPUs, each on a CPU of its own (with its MMU, caches and local APIC): 2 to 64; 0, 1: as many
     * as there are VMs. `vm_of_trace` then says which vCPU's a trace is: all of one, or each has some. They share guest
     * memory and the hypervisor, and interrupt each other on the simulated clock (cpu.cost.ipi_ticks). */
    unsigned vcpus;
    const unsigned *vm_of_trace;
    bool whole_chunks; /* read a cut trace up to its last whole chunk */

    const char *const *sets; /* "path=value" assignments to the models, in order */
    unsigned set_count;
    uint64_t seed;

    /* All in instructions; 0: none. A user-level trace drops what is skipped; a system trace replays it uncounted. */
    uint64_t skip, warmup, max, interval; /* at most 10,000 intervals: a run of more is VX_ERR_INPUT */
    /* Count from the region mark with this number (low 16 bits) to the next mark. */
    bool by_region;
    uint16_t region;

    bool tick_time;    /* the guest's ticks and slices follow the CPU's time, not instructions */
    const char *clock; /* "heap" or "systemc"; NULL: the plain one */
    vx_tick quantum;   /* ticks; 0: the default, and of several vCPUs no more than cpu.cost.ipi_ticks */

    bool check; /* compare every translation that a reference uses, and at the end the whole second translation, with
                   the guest's tables */

    void (*progress)(void *context, const vx_sim_progress *progress); /* NULL: none */
    void *progress_context;
    vx_sim_marked *marked; /* NULL: none */
    void *marked_context;
    const volatile sig_atomic_t *stop; /* not 0: end early with partial results; NULL: never */
} vx_sim_options;

/* Whether CPU and hypervisor model can run the scheme for as many VMs; the message says what is missing. Reads models,
 * no traces. */
vx_status vx_sim_can_run(const vx_sim_options *options, vx_msg *msg);

/* Opens models and traces and builds the machine. Options are copied as far as needed, except the strings of `traces`
 * and `clock`, both contexts and `stop`, which must outlive the simulation. */
vx_status vx_sim_open(vx_sim **sim, const vx_sim_options *options, vx_msg *msg);
void vx_sim_close(vx_sim *sim);

/* Runs to the end of the traces, of `max` or of the region. VX_ERR_INTERRUPTED where `stop` was set: results so far are
 * whole and identities hold. VX_ERR_CHECK where an identity or --check fails. */
vx_status vx_sim_run(vx_sim *sim, vx_msg *msg);

/* Every statistic, declared once, with pointers to live counters (current after vx_sim_run). */
const vx_stats *vx_sim_stats(const vx_sim *sim);
const vx_ledger *vx_sim_ledger(const vx_sim *sim);
const vx_cfg_cpu *vx_sim_cpu(const vx_sim *sim);

/* One statistic by path ("exits.total", "walks.accesses"), false where there is none or it is no scalar. */
bool vx_sim_value(const vx_sim *sim, const char *path, uint64_t *value);

/* The run object of the JSON contract (docs/schema/vexit-1.json); new reference, NULL and a message on an error. */
json_t *vx_sim_run_json(const vx_sim *sim, vx_msg *msg);

/* The whole document of one run under `verb`. */
json_t *vx_sim_document(const vx_sim *sim, const char *verb, vx_msg *msg);

/* The document around run objects made elsewhere (compare's workers): trace facts from this simulation. Steals runs. */
json_t *vx_sim_document_of(const vx_sim *sim, const char *verb, bool complete, json_t *runs, vx_msg *msg);

/* ---- one walk, shown access by access ---- */

/* Levels and page sizes may exceed the CPU's here (a warning says so): the walk is a thought experiment. */
typedef struct vx_walk_options {
    const char *cpu, *vmm, *scheme;
    uint64_t gva;           /* cut to 32 bits for a PAE guest, with a warning */
    unsigned guest_levels;  /* 5, 4, 2 (PAE, PDPTEs latched), 3 (PAE under AMD's NPT), 0 (paging off); 4 is usual */
    unsigned nested_levels; /* 5 or 4; unused without nested tables */
    vx_page_size guest_page, nested_page; /* of the data */
    vx_page_size table_page;              /* nested page of the guest's tables; VX_PAGE_SIZES: as nested_page */
    bool caches; /* the walker's caches hold what the walk of the neighbouring page left in them */
    const char *const *sets;
    unsigned set_count;
} vx_walk_options;

/* The document of `vexit walk --json`: one run with "accesses". The text of the verb is rendered from it. */
vx_status vx_walk_document(json_t **document, const vx_walk_options *options, vx_msg *msg);

/* ---- DMA through the IOMMU ---- */

/* Replays a trace of devices' accesses (kind dma) against a chipset, once for each policy. */
typedef struct vx_io_options {
    const char *chipset; /* model name or file; required */
    const char *trace;   /* a .vxt file of kind dma, or "gen:NAME:arguments"; required */
    const vx_iommu_policy *policies;
    unsigned policy_count;           /* at least 1 */
    unsigned flush_unmaps, flush_us; /* deferred: a batch; 0: Linux's 250 unmaps, 10 ms */
    bool drop_upper; /* unmaps invalidate upper table entries too; Linux says that they have not changed */
    const char *const *sets;
    unsigned set_count;
    uint64_t seed;
    bool whole_chunks;
    const volatile sig_atomic_t *stop; /* not 0: end early with partial results; NULL: never */
} vx_io_options;

/* The document of `vexit io` (docs/schema/vexit-io-1.json). VX_ERR_INTERRUPTED where `stop` was set: *document is made
 * and says so. On other errors it is untouched. */
vx_status vx_io_document(json_t **document, const vx_io_options *options, vx_msg *msg);

struct vx_clk_event; /* vx_clk.h */

/* Guests that use a network card, once for each path (vx_io_machine.h), for some simulated time. */
typedef struct vx_io_path_options {
    const char *nic;           /* model name or file; required */
    const char *cpu, *chipset; /* the same; NULL: those of the server that the card's model names */
    const vx_io_path *paths;
    unsigned path_count;
    unsigned guests; /* 1 to 64 */
    vx_workload workload;
    bool receive;               /* the peer begins: sends the stream, the messages, the requests */
    unsigned payload;           /* bytes of a full frame; 1448: a standard one, 8948: a jumbo frame */
    unsigned window;            /* unacknowledged frames of a connection; 45 are 64 KiB */
    unsigned flows;             /* connections of a guest; 0: 1, with many-flows 64 */
    uint32_t request, response; /* bytes of request-response's messages; 0: 1 */
    uint64_t seed;              /* of many-flows */
    vx_iommu_policy policy;     /* of the native system's driver of the IOMMU; others take off alone */
    bool copy_engine;           /* back-ends give copies to the chipset's engine (I/OAT) */
    unsigned milliseconds;
    const char *const *sets;
    unsigned set_count;
    const char *clock; /* "heap" or "systemc"; NULL: the plain one. SystemC: one path an OS process */
    vx_tick quantum;   /* ticks; 0: the default. No result depends on it */
    void (*observe)(void *context, const struct vx_clk_event *event); /* told of every step; NULL: none */
    void *observe_context;
} vx_io_path_options;

/* The document, of the same schema; "trace" is null. On errors it is untouched. */
vx_status vx_io_paths_document(json_t **document, const vx_io_path_options *options, vx_msg *msg);

/* ---- a measured launch ---- */

typedef struct vx_launch_options {
    const char *image, *policy;     /* files */
    const char *module;             /* the authenticated code module's; NULL: an empty one */
    vx_tpm_hash hash[VX_TPM_BANKS]; /* from a library of the caller's */
} vx_launch_options;

/* The document of `vexit launch --json`: the event log, the PCRs, the verdict. *launched: the policy allows the image.
 * VX_ERR_INPUT for a bad policy, VX_ERR_IO where a file cannot be read. */
vx_status vx_launch_document(json_t **document, bool *launched, const vx_launch_options *options, vx_msg *msg);

/* Writes to options->policy the policy that allows options->image alone. */
vx_status vx_launch_make_policy(const vx_launch_options *options, vx_msg *msg);

#ifdef __cplusplus
}
#endif

#endif
